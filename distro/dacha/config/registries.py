"""registries.conf(5), version 2: where the images of a repository are asked for.

One `[[registry]]` table is chosen for a name, the one with the longest prefix; it may block
the name, rewrite it, and put mirrors before it. Short names are the business of
`Registries.candidates`; who chooses among several is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dacha.config import places
from dacha.config.aliases import Alias, aliases_of, read_aliases
from dacha.config.names import expand, has_host, is_host, split_version
from dacha.config.reading import ConfigError, read_toml
from dacha.config.table import Table
from dacha.errors import DachaError, UsageError

AUTH_FILES = "containers-auth.json"  # the name of the built-in "credential helper": auth.json and its like
_MODES = ("enforcing", "permissive", "disabled", "")
_PULLS = ("all", "digest-only", "tag-only", "")


class BlockedRegistryError(DachaError):
    """The configuration forbids to pull that name."""

    def __init__(self, name: str, registry: Registry) -> None:
        super().__init__(
            f"'{name}' must not be pulled: {registry.file} blocks '{registry.prefix}'",
            hint="a [[registry]] with a more exact prefix overrules it, where you may write one",
        )
        self.name = name


class ShortNameError(DachaError):
    """A short name stands for nothing that could be pulled."""


class Endpoint(NamedTuple):
    """One place to ask for an image.

    `location` is the repository there, HOST[:PORT]/PATH; `version` is ":TAG" or "@DIGEST" as it
    is called there. `insecure`: HTTP and untrusted certificates will do.
    """

    location: str
    insecure: bool
    is_mirror: bool
    version: str = ""


class Mirror(NamedTuple):
    """A `[[registry.mirror]]`; `pull` is what it may be used for."""

    location: str
    insecure: bool
    pull: str


class Registry(NamedTuple):
    """A `[[registry]]`. `location` is empty where names are not rewritten; `file` is where it stands."""

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[Mirror, ...]
    file: str


class Candidates(NamedTuple):
    """The full names that a short name may stand for, in the order to try them.

    Where `is_ambiguous`, a person at a terminal chooses one, and the choice is remembered
    (`aliases.remember_alias`); with nobody there, all are tried if `may_try_all`, else none.
    """

    names: tuple[str, ...]
    is_ambiguous: bool
    may_try_all: bool
    origin: str


class Registries(NamedTuple):
    """All registries.conf files together. `search_file` is the one that sets `search`."""

    registries: tuple[Registry, ...] = ()
    search: tuple[str, ...] = ()
    search_file: str = ""
    aliases: dict[str, Alias] = {}  # noqa: RUF012  (never changed)
    short_name_mode: str = "permissive"
    credential_helpers: tuple[str, ...] = (AUTH_FILES,)
    unknown: tuple[str, ...] = ()

    def find(self, name: str) -> Registry | None:
        """The table with the longest prefix of a full name."""
        matching = [each for each in self.registries if match_prefix(name, each.prefix) is not None]
        return max(matching, key=lambda each: len(each.prefix), default=None)

    def resolve(self, name: str) -> tuple[Endpoint, ...]:
        """Where to ask for an image, in order; `name` is the full name, with its tag or digest.

        Raises BlockedRegistryError.
        """
        registry = self.find(name)
        if registry is None:
            return (_endpoint(name, insecure=False, is_mirror=False),)
        if registry.blocked:
            raise BlockedRegistryError(name, registry)
        kind = "digest-only" if "@" in name else "tag-only"
        mirrors = [each for each in registry.mirrors if each.pull in ("all", kind)]
        return (
            *(
                _endpoint(_rewrite(name, registry, each.location), insecure=each.insecure, is_mirror=True)
                for each in mirrors
            ),
            _endpoint(
                _rewrite(name, registry, registry.location), insecure=registry.insecure, is_mirror=False
            ),
        )

    def candidates(self, short_name: str) -> Candidates:
        """What a short name, with or without tag or digest, may stand for.

        Raises ShortNameError where it is neither an alias nor to be searched for anywhere.
        """
        name, version = split_version(short_name)
        if has_host(name):
            return Candidates((str(_expand(short_name)),), False, True, "")
        alias = self.aliases.get(name)
        if alias is not None and alias.value:
            return Candidates((alias.value + version,), False, True, alias.file)
        if not self.search:
            where = (
                f"no registries to search ({self.search_file})"
                if self.search_file
                else "no registries to search"
            )
            raise ShortNameError(
                f"'{short_name}' is a short name without an alias, and there are {where}",
                hint=f"give the full name, such as docker.io/library/{short_name}, "
                f"or set unqualified-search-registries in {places.user()}/registries.conf",
            )
        names = tuple(str(_expand(f"{host}/{short_name}")) for host in self.search)
        is_ambiguous = len(names) > 1 and self.short_name_mode != "disabled"
        may_try_all = not is_ambiguous or self.short_name_mode == "permissive"
        return Candidates(names, is_ambiguous, may_try_all, self.search_file)


def _expand(name: str) -> object:
    try:
        return expand(name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def match_prefix(name: str, prefix: str) -> int | None:
    """How much of a full name a prefix stands for, or None if the name does not begin so.

    `*.example.com` stands for the host of any name below example.com, without the port.
    """
    if prefix.startswith("*."):
        host = name.partition("/")[0].partition("@")[0].partition(":")[0]
        return len(host) if host.endswith(prefix[1:]) and len(host) > len(prefix) - 1 else None
    if not name.startswith(prefix):
        return None
    # A host also stands for all its ports: whoever blocks a host means it.
    return len(prefix) if name[len(prefix) :][:1] in ("", "/", ":", "@") else None


def _rewrite(name: str, registry: Registry, location: str) -> str:
    """`name` with the registry's prefix replaced; without a location it stays."""
    length = match_prefix(name, registry.prefix)
    return location + name[length:] if location else name


def _endpoint(name: str, *, insecure: bool, is_mirror: bool) -> Endpoint:
    location, version = split_version(name)
    return Endpoint(location, insecure, is_mirror, version)


def load_registries() -> Registries:
    """Read registries.conf, its drop-ins and the remembered aliases. Raises ConfigError."""
    merged = Registries()
    for file in places.registries_conf():
        content = read_toml(file)
        if content is not None:
            merged = _merge(merged, Table(file, content))
    remembered = read_aliases(places.short_name_aliases())
    return merged._replace(
        aliases=merged.aliases | remembered,
        short_name_mode=merged.short_name_mode or "permissive",
        credential_helpers=merged.credential_helpers or (AUTH_FILES,),
    )


def _merge(before: Registries, top: Table) -> Registries:
    """What a file says on top of what the files before it said."""
    if "registries" in top:
        raise ConfigError(
            top.file,
            "is written in version 1 of the format ([registries.search], …)",
            hint='write unqualified-search-registries = ["HOST"] and [[registry]] tables instead: '
            "containers-registries.conf(5)",
        )
    search = top.texts("unqualified-search-registries")
    helpers = top.texts("credential-helpers")
    mode = top.text("short-name-mode", choices=_MODES)
    aliases = aliases_of(top)
    registries = {each.prefix: each for each in before.registries}
    registries |= {each.prefix: each for each in _registries(top)}
    top.ignore("additional-layer-store-auth-helper")
    return Registries(
        registries=tuple(registries.values()),
        search=before.search if search is None else tuple(_checked_host(top, each) for each in search),
        search_file=before.search_file if search is None else top.file,
        aliases=before.aliases | aliases,
        short_name_mode=mode or before.short_name_mode,
        credential_helpers=before.credential_helpers if helpers is None else helpers,
        unknown=before.unknown + top.unknown(),
    )


def _checked_host(top: Table, text: str) -> str:
    host = text.rstrip("/")
    if not is_host(host):
        raise top.wrong("unqualified-search-registries", f"'{text}' is no HOST or HOST:PORT")
    return host


def _registries(top: Table) -> Iterable[Registry]:
    """The tables of one file. Of two with one prefix the first counts."""
    found: dict[str, Registry] = {}
    for table in top.tables("registry"):
        registry = _registry(table)
        found.setdefault(registry.prefix, registry)
    return found.values()


def _registry(table: Table) -> Registry:
    location = _location(table, "location")
    prefix = _location(table, "prefix") or location
    is_wildcard = prefix.startswith("*.")
    if not prefix:
        raise table.wrong("prefix", "a registry needs a prefix or a location")
    if is_wildcard and set(prefix) & set("/@:"):
        raise table.wrong("prefix", f"'{prefix}': a wildcard stands for hosts only: *.example.com")
    if "*" in prefix[2 if is_wildcard else 0 :]:
        raise table.wrong("prefix", f"'{prefix}': a wildcard can only stand at the beginning: *.example.com")
    if not location and not is_wildcard:
        raise table.wrong("location", f"is missing for the prefix '{prefix}'")
    by_digest_only = table.flag("mirror-by-digest-only") or False
    if "pull-from-mirror" in table:
        raise table.wrong("pull-from-mirror", "belongs into a [[registry.mirror]]")
    return Registry(
        prefix=prefix,
        location=location,
        insecure=table.flag("insecure") or False,
        blocked=table.flag("blocked") or False,
        mirrors=tuple(_mirror(each, by_digest_only=by_digest_only) for each in table.tables("mirror")),
        file=table.file,
    )


def _mirror(table: Table, *, by_digest_only: bool) -> Mirror:
    location = _location(table, "location")
    if not location:
        raise table.wrong("location", "is missing")
    pull = table.text("pull-from-mirror", choices=_PULLS)
    if by_digest_only and pull:
        raise table.wrong(
            "pull-from-mirror", "cannot be set together with the registry's mirror-by-digest-only"
        )
    return Mirror(
        location, table.flag("insecure") or False, "digest-only" if by_digest_only else pull or "all"
    )


def _location(table: Table, key: str) -> str:
    value = (table.text(key) or "").rstrip("/")
    if "://" in value:
        raise table.wrong(key, f"'{value}' must not be a URL", hint="leave out what stands before the host")
    return value
