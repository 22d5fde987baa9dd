"""Alpine, by apk: a static one, or any that runs on this host."""

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
    last_line,
)

_HINT = (
    "Debian has no package of it: take apk.static out of apk-tools-static-*.apk, a tar.gz in main/ of any"
    " Alpine mirror, and put it on your PATH"
)


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
    repositories = "".join(f"{url.removeprefix('file://')}\n" for url in recipe.repositories.values())
    return Plan(
        steps=(Step("reading repositories", argv),),
        work=(File("repositories", repositories.encode(), 0o600),),
        # No package has that file: it is what an installation chooses.
        root=(File("etc/apk/repositories", repositories.encode()),),
        excluded=("var/cache/apk/*",),
    )


def _read_step(line: str) -> str:
    return "installing packages" if line.startswith("(1/") else ""


def _explain(lines: list[str]) -> Failure:
    for line in lines:
        if "UNTRUSTED" in line or "BAD signature" in line:
            return Failure(
                f"the signature of its repository fits none of the keys: {line}",
                "is it the right key for this mirror? See `keys` in the recipe",
            )
    for line in lines:
        if line.startswith(("WARNING: fetching", "WARNING: opening", "WARNING: updating")):
            return Failure(
                line.partition(": ")[2], "is the network up, and the mirror of the recipe in reach?"
            )
    missing = [line for line in lines if "no such package" in line]
    if missing:
        return Failure(missing[0].strip(), "see `packages` in the recipe")
    return Failure(last_line(lines, "error:"))


MANAGER = Manager((Program(("apk.static", "apk"), _HINT),), _plan, _read_step, _explain)
