"""`signedIdentity` of containers-policy.json(5): which name a signature must give for an image.

A signature says: this digest is NAME. That is worth something only if NAME is what was asked
for; otherwise an old or foreign image with a proper signature could be put in its place.
"""

from __future__ import annotations

from typing import NamedTuple

from dacha.config.names import Name, expand, has_host, is_host
from dacha.config.table import Table

_KINDS = (
    "matchExact",
    "matchRepoDigestOrExact",
    "matchRepository",
    "exactReference",
    "exactRepository",
    "remapIdentity",
)


class Identity(NamedTuple):
    """A rule: its type, and the values it has: a reference, or a prefix and what replaces it."""

    kind: str
    reference: str = ""
    prefix: str = ""
    signed_prefix: str = ""

    def accepts(self, asked: str, signed: str) -> bool:
        """Whether a signature for `signed` is one for `asked`, the full name of an image.

        An image without such a name ("", as in directories) fits only the exact rules.
        """
        try:
            name = expand(signed)
            if self.kind in ("exactReference", "exactRepository"):
                wanted = expand(self.reference)
            elif not asked:
                return False
            else:
                wanted = expand(asked).exact()
                if self.kind == "remapIdentity":
                    wanted = expand(_remap(str(wanted), self.prefix, self.signed_prefix))
        except ValueError:
            return False
        if self.kind in ("matchRepository", "exactRepository"):
            return wanted.repository == name.repository
        if self.kind in ("matchExact", "exactReference"):
            return _has_version(wanted) and wanted == name
        return _has_version(name) and _matches_digest_or_exactly(wanted, name)


def _has_version(name: Name) -> bool:
    return bool(name.tag or name.digest)


def _matches_digest_or_exactly(wanted: Name, signed: Name) -> bool:
    """A name with a tag must be signed exactly; the digest of one without has been compared already."""
    return wanted == signed if wanted.tag else bool(wanted.digest) and wanted.repository == signed.repository


def _remap(name: str, prefix: str, signed_prefix: str) -> str:
    is_inside = name.startswith(prefix) and name[len(prefix) :][:1] in ("/", ":", "@")
    # A host stands for itself only, not for its ports.
    if not is_inside or ("/" not in prefix and name[len(prefix)] != "/"):
        return name
    return signed_prefix + name[len(prefix) :]


def parse_identity(requirement: Table) -> Identity:
    """The rule of a requirement, or the default one. Raises ConfigError."""
    if "signedIdentity" not in requirement:
        return Identity("matchRepoDigestOrExact")
    table = requirement.table("signedIdentity")
    kind = table.text("type", choices=_KINDS)
    if kind is None:
        raise table.wrong("type", "is missing")
    if kind == "exactReference":
        return Identity(kind, reference=_name(table, "dockerReference", needs_version=True))
    if kind == "exactRepository":
        return Identity(kind, reference=_name(table, "dockerRepository", needs_version=False))
    if kind == "remapIdentity":
        return Identity(kind, prefix=_prefix(table, "prefix"), signed_prefix=_prefix(table, "signedPrefix"))
    return Identity(kind)


def _name(table: Table, key: str, *, needs_version: bool) -> str:
    text = table.text(key) or ""
    try:
        name = expand(text)
    except ValueError as error:
        raise table.wrong(key, str(error)) from error
    if _has_version(name) != needs_version:
        raise table.wrong(key, f"'{text}' must have {'a' if needs_version else 'no'} tag or digest")
    return text


def _prefix(table: Table, key: str) -> str:
    """HOST[:PORT], or a full name without tag and digest."""
    text = table.text(key) or ""
    if is_host(text):
        return text
    try:
        name = expand(text)
    except ValueError as error:
        raise table.wrong(key, str(error)) from error
    if not has_host(text) or _has_version(name):
        raise table.wrong(key, f"'{text}' is no host and no full name without a tag")
    return text
