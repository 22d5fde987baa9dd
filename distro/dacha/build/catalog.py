"""The catalog: short names of distributions, and how to get an image of each.

One YAML file a distribution, in images/.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha import paths
from dacha.errors import BadImageError


class Entry(NamedTuple):
    """A version of a distribution, with the recipe that makes its image."""

    name: str  # as a user writes it: debian, debian:trixie
    title: str
    version: str
    tool: str  # which bootstrap program the recipe is for
    settings: dict[str, str]  # what that program is given


def _load(path: str) -> list[Entry]:
    paths.find_packages()
    import yaml

    with open(path, encoding="utf-8") as file:
        try:
            value = yaml.safe_load(file)
        except yaml.YAMLError as error:
            raise BadImageError(f"{path}: {error}") from error
    try:
        base = str(value["name"])
        host = _os_release()
        # On the same distribution the plain name means the host's own version.
        own = host.get("VERSION_CODENAME", "") if host.get("ID") == base else ""
        default = own if own in value["versions"] else str(value["default"])
        recipe = value["bootstrap"]
        entries = []
        for version, details in value["versions"].items():
            aliases = [str(alias) for alias in (details or {}).get("aliases", [])]
            for tag in [str(version), *aliases]:
                entries.append(_entry(value, f"{base}:{tag}", str(version), recipe))
            if str(version) == default:
                entries.append(_entry(value, base, str(version), recipe))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadImageError(f"{path}: the catalog entry lacks {error}") from error
    return entries


def _entry(value: dict[str, object], name: str, version: str, recipe: dict[str, object]) -> Entry:
    settings = {key: str(text) for key, text in recipe.items() if key != "tool"}
    return Entry(name, f"{value['title']} {version}", version, str(recipe["tool"]), settings)


def entries() -> dict[str, Entry]:
    """All that the catalog has, by name. Raises BadImageError with the file that is wrong."""
    directory = paths.shipped("images")
    found = {}
    for file in sorted(os.listdir(directory)):
        if file.endswith(".yaml"):
            found.update({entry.name: entry for entry in _load(f"{directory}/{file}")})
    return found


def find(name: str) -> Entry | None:
    """The entry of that name, or None."""
    return entries().get(name.removesuffix(":latest"))


def default_name() -> str:
    """The image that is taken if nobody names one: the host's own distribution, else Debian."""
    host = _os_release()
    known = entries()
    for name in (host.get("ID", ""), *host.get("ID_LIKE", "").split()):
        if name in known:
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
