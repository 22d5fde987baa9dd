"""openSUSE, by `zypper --root`.

Its keys are put into the new system's rpm database first. Had it `--gpg-auto-import-keys`, it
would take any key that a mirror offers; without, it refuses what it does not know.
"""

from __future__ import annotations

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

_CONFIGURATION = "[main]\nsolver.onlyRequires = true\nrpm.install.excludedocs = no\n"


def _plan(request: Request) -> Plan:
    unsigned = request.recipe.unsigned
    zypper = [
        request.programs["zypper"],
        f"--root={ROOT}",
        "--non-interactive",
        f"--reposd-dir={WORK}/repos.d",
        f"--cache-dir={WORK}/cache",
        f"--releasever={request.release}",
        *(["--no-gpg-checks"] if unsigned else []),
    ]
    importing = [request.programs["rpm"], f"--root={ROOT}", "--import", *request.key_paths]
    return Plan(
        steps=(
            *(() if unsigned else (Step("reading the keys", importing),)),
            Step("reading repositories", [*zypper, "refresh"]),
            Step(
                "installing packages",
                [
                    *(*zypper, "install", "--auto-agree-with-licenses", "--no-recommends"),
                    *("--download=in-advance", *request.recipe.packages),
                ],
            ),
        ),
        work=(
            File("repos.d/recipe.repo", rpm.repository_sections(request, "autorefresh=0").encode(), 0o600),
            File("zypp.conf", _CONFIGURATION.encode()),
            rpm.macros(request),
        ),
        # Not made by zypper, but needed by the first package that it installs.
        directories=("etc/zypp/repos.d", "var/lib/zypp", "run"),
        environment=(
            *rpm.ENVIRONMENT,
            ("ZYPP_CONF", f"{WORK}/zypp.conf"),
            ("ZYPP_LOGFILE", f"{WORK}/zypper.log"),
        ),
        excluded=("var/cache/zypp/*", "var/log/zypp*", "dacha"),
    )


def _read_step(line: str) -> str:
    if line.startswith("Retrieving package"):
        return "downloading packages"
    if line.startswith(("Checking for file conflicts", "(1/")):
        return "installing packages"
    return ""


_RULES = (
    Rule(r"Signature verification failed.*", KEY),
    Rule(r".*(?:is not signed|unsigned|unknown key|key is unavailable).*", KEY),
    Rule(r"No provider of .+", PACKAGE),
    Rule(r".*nothing provides .+", PACKAGE),
    Rule(r".*(?:cannot be accessed|Valid metadata not found|Curl error|Can't provide).*", MIRROR),
)

MANAGER = Manager(
    (Program(("zypper",), install_hint("zypper")), Program(("rpm",), install_hint("rpm"))),
    read_keys,
    _plan,
    _read_step,
    _RULES,
)
