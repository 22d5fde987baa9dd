"""Arch, by pacman on a directory, as pacstrap(8) calls it.

The keyring is made by pacman-key(8) where the new system looks for it. It wants to hear which keys to
trust: a keyring of the distribution says so in NAME-trusted beside NAME.gpg; of a file without that, all
keys are trusted.
"""

from __future__ import annotations

import os
from itertools import pairwise

from dacha.build.bootstrap.errors import BootstrapError
from dacha.build.bootstrap.explain import KEY, MIRROR, PACKAGE, Rule
from dacha.build.bootstrap.keys import read_key
from dacha.build.bootstrap.plan import (
    ROOT,
    WORK,
    File,
    Manager,
    Plan,
    Program,
    Request,
    Step,
    install_hint,
)
from dacha.build.recipe import Recipe
from dacha.errors import CommandError
from dacha.linux import process

_KEYRING = f"{ROOT}/etc/pacman.d/gnupg"
# Where pacman-key of the distributions looks for keyrings; it cannot be told another place.
_KEYRINGS = ("/usr/share/pacman/keyrings", "/usr/share/keyrings")
_ENDING = ".gpg"


def _read_keys(recipe: Recipe) -> tuple[File, ...]:
    """The keyrings, and which of their keys to trust and not to trust (pacman-key(8))."""
    found = []
    for path in recipe.keys:
        key = read_key(path, recipe)
        name = key.path.removesuffix(_ENDING)
        found.append(key._replace(path=name + _ENDING))
        base = path.removesuffix(_ENDING)
        for kind in ("-trusted", "-revoked"):
            if os.path.exists(base + kind) and os.path.getsize(base + kind):
                found.append(read_key(base + kind, recipe))
        if f"{name}-trusted" not in [file.path for file in found]:
            found.append(File(f"{name}-trusted", _all_trusted(path)))
    return tuple(found)


def _all_trusted(path: str) -> bytes:
    try:
        listing = process.run(["gpg", "--batch", "--with-colons", "--show-keys", path]).decode()
    except CommandError as error:
        raise BootstrapError(f"{path} is no key: {error}", hint="see `keys` in the recipe") from error
    # Colon listings, doc/DETAILS of GnuPG: field 10 of the `fpr` after each `pub`.
    kinds = [line.split(":") for line in listing.splitlines()]
    prints = [after[9] for key, after in pairwise(kinds) if key[0] == "pub"]
    return "".join(f"{each}:4:\n" for each in prints).encode()


def _configuration(request: Request) -> str:
    checks = "Never" if request.recipe.unsigned else "Required DatabaseOptional"
    lines = ["[options]", f"Architecture = {request.arch}", f"SigLevel = {checks}"]
    for name, url in request.recipe.repositories.items():
        lines += ["", f"[{name}]", f"Server = {url}"]
    return "\n".join(lines) + "\n"


def _key_steps(request: Request) -> tuple[Step, ...]:
    if request.recipe.unsigned:
        return ()
    pacman_key = [request.programs["pacman-key"], f"--config={WORK}/pacman.conf", f"--gpgdir={_KEYRING}"]
    names = [key.path.removesuffix(".gpg") for key in request.keys if key.path.endswith(".gpg")]
    populate = [*pacman_key, "--populate", *names]
    return Step("making a keyring", [*pacman_key, "--init"]), Step("reading the keys", populate)


def _plan(request: Request) -> Plan:
    argv = [
        request.programs["pacman"],
        *("--root", ROOT),
        *("--dbpath", f"{ROOT}/var/lib/pacman"),
        *("--config", f"{WORK}/pacman.conf"),
        *("--gpgdir", _KEYRING),
        *("--cachedir", f"{WORK}/cache"),
        *("--hookdir", f"{ROOT}/etc/pacman.d/hooks"),
        *("--logfile", f"{ROOT}/var/log/pacman.log"),
        *("--noconfirm", "--noprogressbar", "--color", "never"),
        "-Sy",
        *request.recipe.packages,
    ]
    mirrors = "".join(f"Server = {url}\n" for url in sorted(set(request.origins)))
    is_general = "$repo" in mirrors
    return Plan(
        steps=(*_key_steps(request), Step("reading repositories", argv)),
        work=(File("pacman.conf", _configuration(request).encode(), 0o600),),
        directories=("var/lib/pacman", "var/log", "etc/pacman.d/gnupg"),
        root=(File("etc/pacman.d/mirrorlist", mirrors.encode()),) if is_general else (),
        covers=tuple((f"{WORK}/keys", place) for place in _KEYRINGS),
        excluded=("var/cache/pacman/pkg/*", "var/lib/pacman/sync/*", "etc/pacman.d/gnupg/S.*"),
    )


def _read_step(line: str) -> str:
    if line.startswith((":: Retrieving packages", ":: Proceeding")):
        return "downloading packages"
    if line.startswith("checking "):
        return "checking packages"
    if line.startswith((":: Processing package changes", "installing ")):
        return "installing packages"
    if line.startswith(":: Running post-transaction"):
        return "running the packages' scripts"
    return ""


_RULES = (
    Rule(
        r"error: (.*(?:is unknown|unknown trust|marginal trust|is invalid|missing required signature)\b.*)",
        KEY,
    ),
    Rule(r"error: (.*invalid or corrupted.*\(PGP signature\).*)", KEY),
    Rule(r"error: (target not found: .+)", PACKAGE),
    Rule(r".*(unable to satisfy dependency .+)", PACKAGE),
    Rule(r"error: (failed retrieving file .+)", MIRROR),
)

MANAGER = Manager(
    (
        Program(("pacman",), install_hint("pacman-package-manager makepkg gnupg")),
        Program(("pacman-key",), install_hint("pacman-package-manager makepkg gnupg")),
        # pacman-key reads its shell libraries, which Debian has in another package.
        Program(("makepkg",), install_hint("makepkg")),
        Program(("gpg",), install_hint("gnupg")),
    ),
    _read_keys,
    _plan,
    _read_step,
    _RULES,
)
