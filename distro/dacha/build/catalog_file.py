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
images:                     # variants; `base` is the bare name, others are NAME-VARIANT
  base: "registry.fedoraproject.org/fedora:{version}"
  toolbox: "registry.fedoraproject.org/fedora-toolbox:{version}"
bootstrap:                  # how to make it from packages, where no registry is
  tool: mmdebstrap
  variant: minbase
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dacha import paths
from dacha.errors import DachaError

if TYPE_CHECKING:
    from yaml.nodes import Node

_FAMILIES = (
    *("apk", "apt", "apt-rpm", "dnf", "emerge", "eopkg", "nix", "none"),
    *("pacman", "slackpkg", "tdnf", "urpmi", "xbps", "zypper"),
)
_MAX_BYTES = 1 << 20


class CatalogError(DachaError):
    """A catalog file that says something we do not understand; file, line and key are named."""


class Version(NamedTuple):
    """A version of a distribution, with its own reference if the general one does not fit."""

    name: str
    aliases: tuple[str, ...]
    image: str


class Distribution(NamedTuple):
    """What a catalog file says."""

    name: str
    title: str
    family: str
    aliases: tuple[str, ...]
    default: str
    versions: tuple[Version, ...]
    images: dict[str, str]  # variant -> reference with {version}
    bootstrap: dict[str, str]


class _Reader:
    """Walks the nodes of one file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def error(self, node: Node, text: str) -> CatalogError:
        return CatalogError(f"{self._path}:{node.start_mark.line + 1}: {text}")

    def mapping(self, node: Node, what: str) -> dict[str, Node]:
        from yaml.nodes import MappingNode

        if not isinstance(node, MappingNode):
            raise self.error(node, f"{what} must be a mapping")
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = self.text(key, "a key")
            if name in found:
                raise self.error(key, f"key '{name}' stands twice")
            found[name] = value
        return found

    def text(self, node: Node, what: str) -> str:
        from yaml.nodes import ScalarNode

        if not isinstance(node, ScalarNode) or not node.value:
            raise self.error(node, f"{what} must be a text")
        return str(node.value)

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        from yaml.nodes import SequenceNode

        if not isinstance(node, SequenceNode):
            raise self.error(node, f"{what} must be a list")
        return tuple(self.text(each, f"an entry of {what}") for each in node.value)

    def check_keys(self, found: dict[str, Node], allowed: tuple[str, ...]) -> None:
        for key, node in found.items():
            if key not in allowed:
                raise self.error(node, f"unknown key '{key}'; known are {', '.join(allowed)}")

    def distribution(self, root: Node) -> Distribution:
        top = self.mapping(root, "the file")
        self.check_keys(top, Distribution._fields)
        for key in ("name", "title", "family", "default", "versions"):
            if key not in top:
                raise self.error(root, f"key '{key}' is missing")
        family = self.text(top["family"], "'family'")
        if family not in _FAMILIES:
            raise self.error(top["family"], f"'{family}' is no family; known are {', '.join(_FAMILIES)}")
        versions = tuple(
            self.version(name, node) for name, node in self.mapping(top["versions"], "'versions'").items()
        )
        default = self.text(top["default"], "'default'")
        if default not in [version.name for version in versions]:
            raise self.error(top["default"], f"the default '{default}' is none of the versions")
        images = self.mapping(top["images"], "'images'") if "images" in top else {}
        bootstrap = self.mapping(top["bootstrap"], "'bootstrap'") if "bootstrap" in top else {}
        if bootstrap and "tool" not in bootstrap:
            raise self.error(top["bootstrap"], "key 'tool' is missing")
        return Distribution(
            name=self.text(top["name"], "'name'"),
            title=self.text(top["title"], "'title'"),
            family=family,
            aliases=self.texts(top["aliases"], "'aliases'") if "aliases" in top else (),
            default=default,
            versions=versions,
            images={key: self.text(node, f"image '{key}'") for key, node in images.items()},
            bootstrap={key: self.text(node, f"'{key}'") for key, node in bootstrap.items()},
        )

    def version(self, name: str, node: Node) -> Version:
        found = self.mapping(node, f"version '{name}'")
        self.check_keys(found, ("aliases", "image"))
        aliases = self.texts(found["aliases"], "'aliases'") if "aliases" in found else ()
        image = self.text(found["image"], "'image'") if "image" in found else ""
        return Version(name, aliases, image)


def read(path: str) -> Distribution:
    """Read a catalog file. Raises CatalogError."""
    paths.find_packages()
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise CatalogError(f"{path}: larger than {_MAX_BYTES} bytes")
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CatalogError(f"{path}:{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise CatalogError(f"{path}: {error}") from error
    if root is None:
        raise CatalogError(f"{path}:1: the file is empty")
    return _Reader(path).distribution(root)
