"""The catalog: short names of distributions, and where an image of each comes from.

One YAML file a distribution (`build.catalog_file`): those that are shipped, and the user's
own, which win.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from dacha import paths
from dacha.build import catalog_file
from dacha.build.catalog_file import Distribution
from dacha.build.recipe import Recipe


class Entry(NamedTuple):
    """One image that a user may name."""

    name: str  # as it is called in the store: debian, debian:trixie, fedora-toolbox:43
    title: str
    family: str
    version: str
    image: str  # the reference in a registry, or empty
    release: str  # what the distribution's archive calls the version
    recipe: Recipe | None  # how to make it from packages, if that can be done
    prefers_packages: bool  # where it has both: whether the recipe comes first

    @property
    def comes_from_packages(self) -> bool:
        """Whether the bare name means the recipe, and not the image in a registry."""
        return self.recipe is not None and (self.prefers_packages or not self.image)


def _files() -> dict[str, str]:
    """File names and where they are; the user's own hide shipped ones of the same name."""
    found: dict[str, str] = {}
    for directory in reversed(paths.catalog_directories()):
        for file in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            if file.endswith((".yaml", ".yml")):
                found[file.rpartition(".")[0]] = f"{directory}/{file}"
    return found


def distributions() -> list[Distribution]:
    """All that the catalog knows, by name. Raises CatalogError with the place that is wrong."""
    return sorted((catalog_file.read(path) for path in _files().values()), key=lambda each: each.name)


def _expand(distribution: Distribution) -> Iterator[Entry]:
    """Every name that a distribution's images go by."""
    host = _os_release()
    # On the same distribution the bare name means the host's own version.
    own = [host.get("VERSION_CODENAME", ""), host.get("VERSION_ID", "")]
    is_host = host.get("ID", "") in (distribution.name, *distribution.aliases)
    for variant in ("base", *(each for each in distribution.images if each != "base")):
        for version in distribution.versions:
            reference = distribution.images.get(variant, "")
            if variant == "base":
                reference = version.image or reference
            recipe = version.bootstrap if variant == "base" else None
            if not reference and recipe is None:
                continue
            suffix = "" if variant == "base" else f"-{variant}"
            names = [f"{distribution.name}{suffix}:{tag}" for tag in (version.name, *version.aliases)]
            labels = (version.name, *version.aliases)
            is_own = is_host and any(each in labels for each in own if each)
            has_own = is_host and any(
                each in (other.name, *other.aliases)
                for other in distribution.versions
                for each in own
                if each
            )
            if is_own or (not has_own and version.name == distribution.default):
                names += [f"{name}{suffix}" for name in (distribution.name, *distribution.aliases)]
            for name in names:
                yield Entry(
                    name,
                    f"{distribution.title} {version.name}",
                    distribution.family,
                    version.name,
                    reference.replace("{version}", version.name),
                    version.release,
                    recipe,
                    distribution.prefer == "packages",
                )


def titles() -> dict[str, str]:
    """All names with what they stand for, without those of files that are wrong: for completion."""
    found = {}
    for path in _files().values():
        try:
            distribution = catalog_file.read(path)
        except catalog_file.CatalogError:
            continue  # whoever uses the catalog is told; at a Tab there is nowhere to say it
        found.update({entry.name: entry.title for entry in _expand(distribution)})
    return found


def entries() -> dict[str, Entry]:
    """All images by all their names. Raises CatalogError."""
    return {entry.name: entry for each in distributions() for entry in _expand(each)}


def find(name: str) -> Entry | None:
    """The entry of that name, or None. A file that is named after it is looked at first."""
    name = name.removesuffix(":latest") if not name.startswith(":") else name
    base = name.partition(":")[0]
    files = _files()
    for guess in (base, base.rpartition("-")[0]):
        if guess in files:
            for entry in _expand(catalog_file.read(files[guess])):
                if entry.name in (name, f"{name}:latest"):
                    return entry
    return entries().get(name)


def similar(name: str) -> str:
    """The name that somebody may have meant, or an empty string."""
    import difflib

    close = difflib.get_close_matches(name, entries(), n=1)
    return close[0] if close else ""


def default_name() -> str:
    """The image that is taken if nobody names one: the host's own distribution, else Debian."""
    host = _os_release()
    for name in (host.get("ID", ""), *host.get("ID_LIKE", "").split()):
        entry = find(name) if name else None
        if entry is not None and entry.comes_from_packages:
            return name
    return "debian"


def _os_release() -> dict[str, str]:
    """What the host calls itself (os-release(5))."""
    values = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.strip().partition("=")
                values[key] = value.strip("\"'")
    except OSError:
        pass
    return values
