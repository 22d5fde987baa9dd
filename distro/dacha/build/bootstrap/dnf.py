"""Fedora and EL, by `dnf --installroot`: dnf 4 and 5."""

from __future__ import annotations

import re

from dacha.build.bootstrap import rpm
from dacha.build.bootstrap.explain import KEY, MIRROR, PACKAGE, Rule
from dacha.build.bootstrap.keys import read_keys
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


_RULES = (
    Rule(r"Public key for .+ is not installed", KEY),
    Rule(r".+ is not signed", KEY),
    Rule(r"Error: (GPG check FAILED.*)", KEY),
    Rule(r"(?:Error: )?(Unable to find a match.*|No match for argument.*)", PACKAGE),
    Rule(r"(?:Error: )?(nothing provides .+)", PACKAGE),
    Rule(r"Curl error.*", MIRROR),
    Rule(r"Error: (Failed to download .+)", MIRROR),
)

MANAGER = Manager((Program(("dnf", "dnf5"), install_hint("dnf")),), read_keys, _plan, _read_step, _RULES)
