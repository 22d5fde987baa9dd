"""Debian and its relatives, by mmdebstrap(1).

As root of the sandbox, its mode `unshare` makes no user namespace of its own.
"""

from __future__ import annotations

import os
import re
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
    install_hint,
)
from dacha.build.recipe import Recipe
from dacha.errors import DachaError
from dacha.linux import process

_KEPT_ACQUIRE = re.compile(
    r'^(Acquire::(?:https?::Proxy(?:::\S+)?|Check-Valid-Until|Force-IPv[46]) "[^"]+");$', re.I
)
_HOST_KEYS = ("/etc/apt/trusted.gpg.d", "/etc/apt/trusted.gpg")
# What it says before the first of these is about itself.
_STEP = re.compile(
    r"^I: ((?:running apt-get|downloading|extracting|installing|cleaning|creating) .+?)(?:\.\.\.)?$"
)


def host_sources(suite: str) -> dict[str, str]:
    """Where this host gets `suite` from, if it does: a mirror that is known to be in reach."""
    form = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    try:
        text = process.run(["apt-get", "indextargets", "--format", form, "Identifier: Packages"]).decode()
    except DachaError:
        return {}  # no apt here, or one without a configuration
    components: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        codename, component, uri = line.split(" ", 2)
        if codename == suite or codename.startswith(f"{suite}-"):
            known = components.setdefault((codename, uri), [])
            if component not in known:
                known.append(component)
    if not any(codename == suite for codename, _ in components):
        return {}
    return {
        f"host-{number}": f"{uri} {codename} {' '.join(names)}"
        for number, ((codename, uri), names) in enumerate(components.items())
    }


def with_host_sources(recipe: Recipe, suite: str) -> Recipe:
    """The recipe with the host's own sources, where there are some for `suite`.

    Their keys are the host's too; the recipe's stand beside them, as far as they are here.
    """
    sources = host_sources(suite)
    if not sources:
        return recipe._replace(host_sources=False)
    return recipe._replace(repositories=sources, keys=tuple(filter(os.path.exists, recipe.keys)))


def _host_options() -> list[str]:
    """The host's proxies, and whether its mirror is a frozen one: mmdebstrap reads neither itself."""
    try:
        text = process.run(["apt-config", "dump"]).decode()
    except DachaError:
        return []
    return [f"--aptopt={match[1]}" for line in text.splitlines() if (match := _KEPT_ACQUIRE.match(line))]


def _host_keys(request: Request) -> list[str]:
    """What the host's apt trusts (apt-key(8), FILES), for the host's own sources."""
    return [path for path in _HOST_KEYS if request.recipe.host_sources and os.path.exists(path)]


def _source_list(recipe: Recipe, sources: Iterable[str]) -> bytes:
    option = "[trusted=yes] " if recipe.unsigned else ""
    return "".join(f"deb {option}{line}\n" for line in sources).encode()


def _plan(request: Request) -> Plan:
    recipe = request.recipe
    # apt copies packages from `copy:`; those of `file:` it would have dpkg read, which is in the chroot.
    sources = [line.replace("file:", "copy:", 1) for line in recipe.repositories.values()]
    argv = [
        request.programs["mmdebstrap"],
        "--mode=unshare",
        "--format=directory",
        f"--variant={recipe.variant or 'minbase'}",
        *_host_options(),
        *(f"--keyring={path}" for path in (*request.key_paths, *_host_keys(request))),
        *(f"--include={name}" for name in recipe.packages),
        request.release,
        ROOT,
        f"{WORK}/sources.list",
    ]
    return Plan(
        steps=(Step("bootstrapping", argv),),
        work=(File("sources.list", _source_list(recipe, sources), 0o600),),
        # Where people look for it; mmdebstrap has made a file of the name that follows.
        root=(File("etc/apt/sources.list", _source_list(recipe, request.origins)),),
        excluded=("etc/apt/sources.list.d/0000sources.list",),
        environment=(("DEBIAN_FRONTEND", "noninteractive"),),
        mounts_itself=True,
    )


def _read_step(line: str) -> str:
    match = _STEP.match(line)
    return match[1] if match else ""


_RULES = (
    Rule(r"(?:E: |W: GPG error: )?(.*(?:NO_PUBKEY|EXPKEYSIG|BADSIG|KEYEXPIRED|REVKEYSIG).*)", KEY),
    Rule(r"E: (.+ is not signed.*)", KEY),
    Rule(r"E: (Unable to locate package .+)", PACKAGE),
    Rule(r"E: (.*(?:Failed to fetch|does not have a Release file).*)", MIRROR),
    Rule(r"E: (.*(?:https?|copy)://?.*)", MIRROR),
    Rule(r"E: (?!mmdebstrap failed|apt-get update)(.+)", MIRROR),
)

MANAGER = Manager(
    (Program(("mmdebstrap",), install_hint("mmdebstrap")),), read_keys, _plan, _read_step, _RULES
)
