"""AppArmor: a profile that lets dacha's launcher make user namespaces.

Where `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu since 23.10), a process may do so
only under a profile with the rule `userns,`. Profiles attach to the path of what is executed: for a
script that is the script's, with links resolved, not its interpreter's. Under
`flags=(unconfined)` nothing else is restricted, and what the launcher starts stays under the profile
unless one of its own attaches, as Ubuntu's to crun.
"""

from __future__ import annotations

import os
import sys

from dacha.box.policy.base import Plan, Step, run_with_input
from dacha.errors import CommandError, DachaError
from dacha.linux import process

_DIRECTORY = "/etc/apparmor.d"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_SPECIAL = frozenset('\\"*?[]{}^@')  # apparmor.d(5): patterns, variables and quotes

_PROFILE = """\
# {launcher} may make user namespaces, of which boxes are made; nothing else changes.
# Written by `dacha system install-policy`, which also removes it (--remove).

abi <abi/4.0>,
include <tunables/global>

profile {name} "{path}" flags=(unconfined) {{
  userns,

  include if exists <local/{name}>
}}
"""


def launcher() -> str:
    """The path by which the kernel knows the program that runs: `dacha`, beside its Python.

    Raises DachaError if there is none there, as where the package was started without it.
    """
    directory = os.path.realpath(os.path.dirname(os.path.abspath(sys.executable)))
    path = os.path.realpath(f"{directory}/dacha")
    if not os.path.isfile(path):
        raise DachaError(
            f"there is no launcher {directory}/dacha, to which a profile could attach",
            hint="install dacha with pipx, and run that",
        )
    if not path.isprintable():
        raise DachaError(f"no profile can name {path!r}", hint="install dacha in another directory")
    return path


def name_of(path: str) -> str:
    """The name of a launcher's profile and its file: every installation has its own."""
    return "dacha" + "".join(character if character in _NAME else "." for character in path)


def profile(path: str) -> str:
    """The profile of the launcher at `path`."""
    escaped = "".join(f"\\{character}" if character in _SPECIAL else character for character in path)
    return _PROFILE.format(launcher=path, name=name_of(path), path=escaped)


def install(path: str) -> Plan:
    """Put the profile in place and load it; a profile that cannot be loaded does not stay."""
    file = f"{_DIRECTORY}/{name_of(path)}"
    return Plan(
        f"AppArmor: a profile for {path}",
        (
            Step(("install", "-m", "0644", "/dev/stdin", file), profile(path)),
            Step(("apparmor_parser", "--replace", file)),
        ),
        # Left there, it would keep AppArmor from starting with the next boot.
        undo=(Step(("rm", "-f", file)),),
    )


def remove(path: str) -> Plan:
    """Take the profile out of the kernel, and its file away."""
    file = f"{_DIRECTORY}/{name_of(path)}"
    if not os.path.exists(file):
        return Plan(f"AppArmor: there is no profile {file}", ())
    return Plan(
        f"AppArmor: no profile for {path}",
        (Step(("apparmor_parser", "--remove", file)), Step(("rm", "-f", file))),
    )


def check(path: str) -> None:
    """See that the host's parser understands the profile. Raises DachaError; needs no rights.

    A parser older than 4.0 does not know `userns,`; and AppArmor would not start on a file that
    its parser does not understand.
    """
    parser = process.find_program("apparmor_parser")
    try:
        run_with_input([parser, "--skip-kernel-load", "--skip-cache"], profile(path))
    except CommandError as error:
        raise DachaError(
            f"this host's AppArmor does not understand the profile: {error}",
            hint="AppArmor 4.0 or newer is needed; older ones restrict no user namespaces",
        ) from error


def is_on() -> bool:
    """Whether the kernel uses AppArmor."""
    try:
        with open("/sys/module/apparmor/parameters/enabled", encoding="ascii") as file:
            return file.read().strip() == "Y"
    except OSError:
        return False
