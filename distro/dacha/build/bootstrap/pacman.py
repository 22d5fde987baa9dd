"""Arch, by pacman on a directory, as pacstrap(8) calls it.

The keyring is made by pacman-key(8) where the new system looks for it. It wants to hear which keys to
trust: a keyring of the distribution says so in NAME-trusted beside NAME.gpg; of a file without that, all
keys are trusted.
"""

from __future__ import annotations

from dacha.build.bootstrap.plan import (
    ROOT,
    WORK,
    Failure,
    File,
    Manager,
    Plan,
    Program,
    Request,
    Step,
    install_hint,
    last_line,
)

_KEYRING = f"{ROOT}/etc/pacman.d/gnupg"


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
    populate = [*pacman_key, f"--populate-from={WORK}/keys", "--populate", *names]
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
    mirrors = "".join(f"Server = {url}\n" for url in sorted(set(request.recipe.repositories.values())))
    is_general = "$repo" in mirrors
    return Plan(
        steps=(*_key_steps(request), Step("reading repositories", argv)),
        work=(File("pacman.conf", _configuration(request).encode(), 0o600),),
        directories=("var/lib/pacman", "var/log", "etc/pacman.d/gnupg"),
        root=(File("etc/pacman.d/mirrorlist", mirrors.encode()),) if is_general else (),
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


def _explain(lines: list[str]) -> Failure:
    for line in lines:
        if "unknown trust" in line or "is invalid" in line or "could not be looked up" in line:
            return Failure(
                f"the signature of a package fits none of the keys: {line.removeprefix('error: ')}",
                "is it the right key for this mirror? See `keys` in the recipe",
            )
        if "target not found" in line:
            return Failure(line.removeprefix("error: "), "see `packages` in the recipe")
    for line in lines:
        if line.startswith("error: failed retrieving file"):
            return Failure(
                line.removeprefix("error: "), "is the network up, and the mirror of the recipe in reach?"
            )
    return Failure(last_line(lines, "error:", "==> error:"))


MANAGER = Manager(
    (
        Program(("pacman",), install_hint("pacman-package-manager")),
        Program(("pacman-key",), install_hint("pacman-package-manager")),
        Program(("gpg",), install_hint("gnupg")),
    ),
    _plan,
    _read_step,
    _explain,
)
