"""SELinux: the store is labelled as podman's store is.

Layers that have the label of podman's (container_ro_file_t in Fedora's policy) let crun's child
become spc_t, the unconfined domain that podman's `--security-opt label=disable` ends in. Which
label that is stays the policy's business: our directories are declared equal to podman's
(semanage-fcontext(8), `--equal`; containers-storage.conf(5) does the same for a store that was moved).
"""

from __future__ import annotations

import os

from dacha import paths
from dacha.box.policy.base import Plan, Step
from dacha.errors import DachaError, MissingProgramError
from dacha.linux import process

_OURS = ("layers", "boxes")


def equalities() -> dict[str, str]:
    """Our directories, and the one of podman that each is labelled like."""
    store = os.path.realpath(paths.data_root())
    podman = f"{os.path.dirname(store)}/storage/overlay"
    return {f"{store}/{name}": podman for name in _OURS}


def install(known: str) -> Plan:
    """Declare what is not in `known` (the text of file_contexts.subs), and label what is there already."""
    wanted, there = equalities(), declared(known)
    steps = [
        Step(("semanage", "fcontext", "--add", "--equal", podman, ours))
        for ours, podman in wanted.items()
        if ours not in there
    ]
    return Plan("SELinux: the store is labelled as podman's", (*steps, *_relabel()))


def remove(known: str) -> Plan:
    """Take back what is in `known`, and label the files as they were."""
    wanted, there = equalities(), declared(known)
    steps = [
        Step(("semanage", "fcontext", "--delete", "--equal", podman, ours))
        for ours, podman in wanted.items()
        if ours in there
    ]
    if not steps:
        return Plan("SELinux: the store has no labels of its own", ())
    return Plan("SELinux: the store is labelled as any directory", (*steps, *_relabel()))


def _relabel() -> tuple[Step, ...]:
    """Label what is there; the files belong to subordinate ids, so that it takes root."""
    there = [path for path in equalities() if os.path.isdir(path)]
    return (Step(("restorecon", "-R", *there)),) if there else ()


def check() -> None:
    """See that the program that declares is there. Raises DachaError."""
    try:
        process.find_program("semanage")
    except MissingProgramError as error:
        raise DachaError(
            str(error), hint="install it: sudo dnf install policycoreutils-python-utils"
        ) from error


def known_equalities() -> str:
    """The host's own declarations: a line each, OURS and PODMANS (selabel_file(5), file_contexts.subs)."""
    return _read(subs_file(_read("/etc/selinux/config")))


def subs_file(config: str) -> str:
    """Where the declarations are, by the text of /etc/selinux/config (selinux_config(5))."""
    policy = "targeted"
    for line in config.splitlines():
        key, _, value = line.strip().partition("=")
        if key == "SELINUXTYPE":
            policy = value.strip()
    return f"/etc/selinux/{policy}/contexts/files/file_contexts.subs"


def declared(known: str) -> set[str]:
    """The directories that are declared equal to others."""
    lines = [line.split() for line in known.splitlines()]
    return {words[0] for words in lines if words and not words[0].startswith("#")}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:  # not there: nothing is declared
        return ""


def is_on() -> bool:
    """Whether the kernel uses SELinux."""
    return os.path.exists("/sys/fs/selinux/enforce")
