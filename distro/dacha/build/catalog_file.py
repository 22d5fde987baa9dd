"""Read a file of the catalog: YAML, checked key by key, so that an error has its line.

name: fedora                # what users write
title: Fedora
family: dnf                 # which package manager it has
aliases: [fedora-linux]     # other names, such as the ID of os-release(5)
default: "43"               # the version that the bare name means
versions:
  "43": {}
  rawhide:
    aliases: [devel]
    image: quay.io/…        # where the general reference does not fit
    release: …              # what the distribution's archive calls it (default: the version's name)
    bootstrap: …            # keys that stand over the general recipe's, or `none`
images:                     # variants; `base` is the bare name, others are NAME-VARIANT
  base: "registry.fedoraproject.org/fedora:{version}"
  toolbox: "registry.fedoraproject.org/fedora-toolbox:{version}"
prefer: registry            # or packages: which of the two the bare name means, where there are both
bootstrap: …                # how to make `base` from packages (`build.recipe`)

A user's file may change a shipped one rather than replace it: with `extends: fedora` all keys
but those it gives are Fedora's, and its `bootstrap` stands over every version's recipe.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from dacha import paths
from dacha.build import recipe
from dacha.build.checked_yaml import CatalogError, Reader, compose
from dacha.build.recipe import Recipe

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["CatalogError", "Distribution", "Version", "read"]

_FAMILIES = (
    *("apk", "apt", "apt-rpm", "dnf", "emerge", "eopkg", "nix", "none"),
    *("pacman", "slackpkg", "tdnf", "urpmi", "xbps", "zypper"),
)
_REQUIRED = ("name", "title", "family", "default", "versions")
_ORIGINS = ("registry", "packages")


class Version(NamedTuple):
    """A version of a distribution, with its own reference if the general one does not fit."""

    name: str
    aliases: tuple[str, ...]
    image: str
    release: str
    bootstrap: Recipe | None  # the whole recipe, with what the general one says


class Distribution(NamedTuple):
    """What a catalog file says."""

    name: str
    title: str
    family: str
    aliases: tuple[str, ...]
    default: str
    versions: tuple[Version, ...]
    images: dict[str, str]  # variant -> reference with {version}
    prefer: str
    bootstrap: Recipe | None


class _Reader(Reader):
    """Walks the nodes of one file."""

    def distribution(self, root: Node) -> Distribution:
        top = self.mapping(root, "the file")
        self.check_keys(top, (*Distribution._fields, "extends"))
        base = self._base(top["extends"]) if "extends" in top else None
        if base is None:
            for key in _REQUIRED:
                if key not in top:
                    raise self.error(root, f"key '{key}' is missing")
            base = Distribution("", "", "", (), "", (), {}, "registry", None)
        general = base.bootstrap
        if "bootstrap" in top:
            general = recipe.read(self, top["bootstrap"], self._directory, base.bootstrap)
        found = Distribution(
            name=self.text_of(top, "name", base.name),
            title=self.text_of(top, "title", base.title),
            family=self._choice(top, "family", _FAMILIES, base.family),
            aliases=self.texts(top["aliases"], "'aliases'") if "aliases" in top else base.aliases,
            default=self.text_of(top, "default", base.default),
            versions=self._versions(top, base, general),
            images=self.named_texts(top["images"], "'images'") if "images" in top else base.images,
            prefer=self._choice(top, "prefer", _ORIGINS, base.prefer),
            bootstrap=general,
        )
        if found.default not in [version.name for version in found.versions]:
            place = top.get("default", root)
            raise self.error(place, f"the default '{found.default}' is none of the versions")
        return found

    @property
    def _directory(self) -> str:
        return os.path.dirname(os.path.abspath(self.path))

    def _choice(self, top: dict[str, Node], key: str, known: tuple[str, ...], default: str) -> str:
        text = self.text_of(top, key, default)
        if text not in known:
            raise self.error(top[key], f"'{text}' is no {key}; known are {', '.join(known)}")
        return text

    def _base(self, node: Node) -> Distribution:
        name = self.text(node, "'extends'")
        path = f"{paths.shipped('images')}/{name}.yaml"
        if "/" in name or not os.path.exists(path) or os.path.abspath(self.path) == path:
            raise self.error(node, f"'{name}' is no shipped file of the catalog")
        return read(path)

    def _versions(
        self, top: dict[str, Node], base: Distribution, general: Recipe | None
    ) -> tuple[Version, ...]:
        if "versions" in top:
            found = self.mapping(top["versions"], "'versions'")
            return tuple(self._version(name, node, general) for name, node in found.items())
        if "bootstrap" not in top:
            return base.versions
        return tuple(
            version
            if version.bootstrap is None and base.bootstrap is not None  # it says `none`
            else version._replace(
                bootstrap=recipe.read(self, top["bootstrap"], self._directory, version.bootstrap)
            )
            for version in base.versions
        )

    def _version(self, name: str, node: Node, general: Recipe | None) -> Version:
        found = self.mapping(node, f"version '{name}'")
        self.check_keys(found, ("aliases", "image", "release", "bootstrap"))
        aliases = self.texts(found["aliases"], "'aliases'") if "aliases" in found else ()
        image = self.text(found["image"], "'image'") if "image" in found else ""
        release = self.text(found["release"], "'release'") if "release" in found else name
        own = general
        if "bootstrap" in found:
            is_none = getattr(found["bootstrap"], "value", None) == "none"
            own = None if is_none else recipe.read(self, found["bootstrap"], self._directory, general)
        return Version(name, aliases, image, release, own)


def read(path: str) -> Distribution:
    """Read a catalog file. Raises CatalogError."""
    return _Reader(path).distribution(compose(path))
