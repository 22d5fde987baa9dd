"""Recipes: how an image is made from a distribution's packages, where no registry is in reach.

A recipe is the `bootstrap` mapping of a catalog file; that of a version stands over that of the
whole file, key by key. Texts may have `{version}`, `{release}` (what the version is called in
the distribution's archive), `{arch}` (as uname(1) has it) and `{mirror}` in them.

bootstrap:
  tool: dnf                         # mmdebstrap, dnf, pacman, apk or zypper
  mirror: https://mirror.example/   # what {mirror} stands for below
  repositories:                     # a name, and where it is
    base: "{mirror}{version}/os/{arch}/"
  keys: [keys/example.asc]          # files; a relative path starts at the catalog file
  keys_from: example-keyring        # the Debian package that has them, for the hint
  packages: [example-release, bash, coreutils]
  unsigned: true                    # only where there is no key: check no signatures
  variant: minbase                  # of mmdebstrap
  host_sources: true                # of mmdebstrap: take the host's own sources, if it has the release
  rpm_database: /var/lib/rpm        # of dnf and zypper: where the distribution's rpm looks for it
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from yaml.nodes import Node

    from dacha.build.checked_yaml import Reader

TOOLS = ("mmdebstrap", "dnf", "pacman", "apk", "zypper")
_COMMON = ("tool", "mirror", "repositories", "keys", "keys_from", "packages", "unsigned")
_OWN: dict[str, tuple[str, ...]] = {
    "mmdebstrap": ("variant", "host_sources"),
    "dnf": ("rpm_database",),
    "zypper": ("rpm_database",),
}
_PLACEHOLDERS = ("version", "release", "arch", "mirror")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# What may stand in a configuration file of any of the tools: no quotes, brackets or comments.
_REPOSITORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PACKAGE = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9._+:@~=/-]*")


class Recipe(NamedTuple):
    """What a catalog file says about making an image from packages."""

    tool: str
    mirror: str = ""
    repositories: dict[str, str] = {}  # noqa: RUF012  (a NamedTuple's default; nobody changes it)
    keys: tuple[str, ...] = ()  # absolute paths
    keys_from: str = ""
    packages: tuple[str, ...] = ()
    unsigned: bool = False
    variant: str = ""
    host_sources: bool = False
    rpm_database: str = ""

    def expand(self, version: str, release: str, arch: str) -> Recipe:
        """The recipe for one version on one kind of machine, without placeholders."""
        values = {"version": version, "release": release, "arch": arch}
        values["mirror"] = _fill(self.mirror, values)
        return self._replace(
            mirror=values["mirror"],
            repositories={name: _fill(text, values) for name, text in self.repositories.items()},
            keys=tuple(_fill(text, values) for text in self.keys),
            packages=tuple(_fill(text, values) for text in self.packages),
        )


def _fill(text: str, values: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def read(reader: Reader, node: Node, directory: str, base: Recipe | None = None) -> Recipe:
    """Read a `bootstrap` mapping; what it does not say is as in `base`. Raises CatalogError."""
    found = reader.mapping(node, "'bootstrap'")
    if "tool" in found:
        tool = reader.text(found["tool"], "'tool'")
        if tool not in TOOLS:
            raise reader.error(found["tool"], f"'{tool}' is no tool; known are {', '.join(TOOLS)}")
        if base is not None and tool != base.tool:
            base = None
    elif base is not None:
        tool = base.tool
    else:
        raise reader.error(node, "key 'tool' is missing")
    reader.check_keys(found, (*_COMMON, *_OWN.get(tool, ())))
    recipe = _overlaid(reader, found, directory, base or Recipe(tool))
    _check(reader, node, found, recipe)
    return recipe


def _overlaid(reader: Reader, found: dict[str, Node], directory: str, base: Recipe) -> Recipe:
    """`base` with what `found` says. Who names mirrors or repositories does not want the host's."""
    own_sources = "mirror" in found or "repositories" in found
    host_sources = base.host_sources and not own_sources
    return base._replace(
        mirror=reader.text_of(found, "mirror", base.mirror),
        repositories=_repositories(reader, found, base),
        keys=_keys(reader, found, directory, base),
        keys_from=reader.text_of(found, "keys_from", base.keys_from),
        packages=_packages(reader, found, base),
        unsigned=reader.flag_of(found, "unsigned", default=base.unsigned and "keys" not in found),
        variant=reader.text_of(found, "variant", base.variant),
        host_sources=reader.flag_of(found, "host_sources", default=host_sources),
        rpm_database=reader.text_of(found, "rpm_database", base.rpm_database),
    )


def _repositories(reader: Reader, found: dict[str, Node], base: Recipe) -> dict[str, str]:
    if "repositories" not in found:
        return base.repositories
    for name, node in reader.mapping(found["repositories"], "'repositories'").items():
        if not _REPOSITORY_NAME.fullmatch(name):
            raise reader.error(node, f"'{name}' is no name for a repository")
        _check_placeholders(reader, node, reader.text(node, f"repository '{name}'"))
    return reader.named_texts(found["repositories"], "'repositories'")


def _keys(reader: Reader, found: dict[str, Node], directory: str, base: Recipe) -> tuple[str, ...]:
    if "keys" not in found:
        return () if "unsigned" in found else base.keys
    names = reader.texts(found["keys"], "'keys'")
    for name in names:
        _check_placeholders(reader, found["keys"], name)
    return tuple(name if name.startswith("/") else f"{directory}/{name}" for name in names)


def _packages(reader: Reader, found: dict[str, Node], base: Recipe) -> tuple[str, ...]:
    if "packages" not in found:
        return base.packages
    names = reader.texts(found["packages"], "'packages'")
    for name in names:
        _check_placeholders(reader, found["packages"], name)
        if not _PACKAGE.fullmatch(_PLACEHOLDER.sub("x", name)):
            raise reader.error(found["packages"], f"'{name}' is no name of a package")
    return names


def _check_placeholders(reader: Reader, node: Node, text: str) -> None:
    for name in _PLACEHOLDER.findall(text):
        if name not in _PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in _PLACEHOLDERS)
            raise reader.error(node, f"'{{{name}}}' stands for nothing; known are {known}")


def _check(reader: Reader, node: Node, found: dict[str, Node], recipe: Recipe) -> None:
    """What must be there for the recipe as a whole to make sense."""
    place = found.get("keys", node)
    if not recipe.repositories and not recipe.host_sources:
        raise reader.error(node, "key 'repositories' is missing")
    if not recipe.packages and recipe.tool != "mmdebstrap":
        raise reader.error(node, "key 'packages' is missing")
    if recipe.unsigned and recipe.keys:
        raise reader.error(found.get("unsigned", node), "'unsigned' makes no sense where there are keys")
    if not recipe.keys and not recipe.unsigned:
        raise reader.error(
            place, "no 'keys' to check signatures with; 'unsigned: true' makes an image without any check"
        )
    if recipe.mirror:
        _check_placeholders(reader, found.get("mirror", node), recipe.mirror)
        if "{mirror}" in recipe.mirror:
            raise reader.error(found.get("mirror", node), "'mirror' cannot stand for itself")
