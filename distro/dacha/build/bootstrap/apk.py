"""Alpine, by apk: a static one, or any that runs on this host."""

from __future__ import annotations

from collections.abc import Iterable

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
)

_HINT = (
    "Debian has no package of it: take apk.static out of apk-tools-static-*.apk, a tar.gz in main/ of any"
    " Alpine mirror, and put it on your PATH"
)


def _repositories(urls: Iterable[str]) -> bytes:
    return "".join(f"{url.removeprefix('file://')}\n" for url in urls).encode()


def _plan(request: Request) -> Plan:
    recipe = request.recipe
    argv = [
        request.programs["apk.static"],
        f"--root={ROOT}",
        "--initdb",
        f"--arch={request.arch}",
        f"--keys-dir={WORK}/keys",
        f"--repositories-file={WORK}/repositories",
        "--no-cache",
        "--no-progress",
        *(["--allow-untrusted"] if recipe.unsigned else []),
        "add",
        *recipe.packages,
    ]
    return Plan(
        steps=(Step("reading repositories", argv),),
        work=(File("repositories", _repositories(recipe.repositories.values()), 0o600),),
        # No package has that file: it is what an installation chooses.
        root=(File("etc/apk/repositories", _repositories(request.origins)),),
        excluded=("var/cache/apk/*",),
    )


def _read_step(line: str) -> str:
    return "installing packages" if line.startswith("(1/") else ""


_RULES = (
    Rule(r"(?:ERROR|WARNING): (.*(?:UNTRUSTED|BAD signature).*)", KEY),
    Rule(r"WARNING: ((?:fetching|opening|updating) .+)", MIRROR),
    Rule(r"(.+ \(no such package\))", PACKAGE),
)

MANAGER = Manager((Program(("apk.static", "apk"), _HINT),), read_keys, _plan, _read_step, _RULES)
