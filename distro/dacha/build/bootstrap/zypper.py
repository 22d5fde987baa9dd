"""openSUSE, by `zypper --root`.

Its keys are put into the new system's rpm database first. Had it `--gpg-auto-import-keys`, it
would take any key that a mirror offers; without, it refuses what it does not know.
"""

from __future__ import annotations

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


def _explain(lines: list[str]) -> Failure:
    for line in lines:
        if "Signature verification failed" in line or "signed with an unknown key" in line:
            return Failure(
                f"the signature of its repository fits none of the keys: {line}",
                "is it the right key for this mirror? See `keys` in the recipe",
            )
        if "not found in package names" in line or line.startswith("No provider of"):
            return Failure(line, "see `packages` in the recipe")
        if (
            "cannot be accessed" in line
            or "Valid metadata not found" in line
            or line.startswith("Curl error")
        ):
            return Failure(line, "is the network up, and the mirror of the recipe in reach?")
    return Failure(last_line(lines, "error:"))


MANAGER = Manager(
    (Program(("zypper",), install_hint("zypper")), Program(("rpm",), install_hint("rpm"))),
    _plan,
    _read_step,
    _explain,
)
