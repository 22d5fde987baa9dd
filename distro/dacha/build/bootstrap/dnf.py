"""Fedora and EL, by `dnf --installroot`: dnf 4 and 5."""

from __future__ import annotations

import re

from dacha.build.bootstrap import rpm
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

_STEPS = (
    (re.compile(r"^Downloading Packages"), "downloading packages"),
    (re.compile(r"^Running transaction check"), "checking packages"),
    (re.compile(r"^Running transaction$"), "installing packages"),
    (re.compile(r"^Running scriptlet"), "running the packages' scripts"),
)


def _configuration(request: Request) -> str:
    main = (
        "[main]",
        f"reposdir={WORK}/none",
        f"varsdir={WORK}/none",
        f"gpgcheck={int(not request.recipe.unsigned)}",
        "plugins=0",
        "install_weak_deps=0",
        "keepcache=0",
        "zchunk=0",
        "retries=3",
        "check_config_file_age=0",
    )
    # A mirror that is gone is an error, not a reason to install something else.
    return "\n".join(main) + "\n\n" + rpm.repository_sections(request, "skip_if_unavailable=0")


def _plan(request: Request) -> Plan:
    argv = [
        request.programs["dnf"],
        f"--config={WORK}/dnf.conf",
        f"--installroot={ROOT}",
        f"--releasever={request.release}",
        f"--setopt=reposdir={WORK}/none",
        "--assumeyes",
        "install",
        *request.recipe.packages,
    ]
    return Plan(
        steps=(Step("reading repositories", argv),),
        work=(File("dnf.conf", _configuration(request).encode(), 0o600), rpm.macros(request)),
        environment=rpm.ENVIRONMENT,
        excluded=("var/cache/dnf/*", "var/cache/libdnf5/*", "var/log/dnf*", "var/log/hawkey*", "dacha"),
    )


def _read_step(line: str) -> str:
    for pattern, step in _STEPS:
        if pattern.match(line):
            return step
    return ""


def _explain(lines: list[str]) -> Failure:
    text = "\n".join(lines)
    if "is not signed" in text or "GPG check FAILED" in text or "not correct for this package" in text:
        bad = [line for line in lines if "is not signed" in line or "GPG" in line or "not correct" in line]
        return Failure(
            f"the signature of a package fits none of the keys: {bad[0] if bad else lines[-1]}",
            "is it the right key for this mirror? See `keys` in the recipe",
        )
    if "Unable to find a match" in text or "No match for argument" in text:
        missing = [line for line in lines if "match" in line]
        return Failure(last_line(missing, "error:"), "see `packages` in the recipe")
    return Failure(last_line(lines, "error:"), "is the network up, and the mirror of the recipe in reach?")


MANAGER = Manager((Program(("dnf", "dnf5"), install_hint("dnf")),), _plan, _read_step, _explain)
