"""containers-policy.json(5): which images may be used, and whose signatures they need.

The file is read strictly: whatever is not understood in it refuses all of it, since a
requirement that is passed over would let images in that somebody meant to keep out.
Verifying a signature is the business of `sigstore`.
"""

from __future__ import annotations

import base64
import os
from typing import NamedTuple

from dacha.config import places
from dacha.config.identity import Identity, parse_identity
from dacha.config.names import enclosing, split_version, wildcards
from dacha.config.reading import ConfigError, read_json
from dacha.config.table import Table
from dacha.errors import DachaError

_WITH_PATHS = ("dir", "oci", "oci-archive", "sif")  # transports whose scopes are paths
_WITH_NAMES = ("docker", "atomic", "docker-daemon")
_WITH_STORES = ("containers-storage",)  # scopes are [DRIVER@ROOT]NAME and its parents, and [ROOT]
_ACCEPT = "insecureAcceptAnything"
_SIGSTORE_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
_GPG_KEYS = ("keyPath", "keyPaths", "keyData")
_REKOR_KEYS = ("rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas")


class PolicyError(DachaError):
    """The policy forbids an image. `file` and `scope` say which part of it."""

    def __init__(self, message: str, requirement: Requirement) -> None:
        super().__init__(
            message, hint=f"see {requirement.file}, {requirement.scope}: containers-policy.json(5)"
        )
        self.file = requirement.file
        self.scope = requirement.scope


class Requirement(NamedTuple):
    """One requirement of a scope.

    `kind` is its type. For sigstoreSigned: `key_files` and `keys` (PEM) hold the accepted public
    keys, and `identity` what a signature must name. `unsupported` says what dacha cannot check.
    """

    kind: str
    file: str
    scope: str
    key_files: tuple[str, ...] = ()
    keys: tuple[bytes, ...] = ()
    identity: Identity = Identity("matchRepoDigestOrExact")
    unsupported: str = ""


class Policy(NamedTuple):
    """A whole policy: the default, and by transport and scope what takes its place."""

    default: tuple[Requirement, ...]
    transports: dict[str, dict[str, tuple[Requirement, ...]]]

    def requirements_for(self, transport: str, scope: str) -> tuple[Requirement, ...]:
        """The requirements of the nearest scope; all of them must be met.

        `scope` is, for docker, a full name with its tag or digest (of both the digest counts);
        for the transports with paths, the image's path (made absolute and free of links here); for
        containers-storage [DRIVER@ROOT]NAME; else "".
        """
        scopes = self.transports.get(transport, {})
        for each in (*_scopes(transport, scope), ""):
            if each in scopes:
                return scopes[each]
        return self.default

    def decide(self, transport: str, scope: str) -> tuple[Requirement, ...]:
        """The signatures that an image needs before it may be used; () where it may be at once.

        Each requirement returned is a sigstoreSigned one, for `sigstore.verify`. Raises PolicyError
        where the image is refused, or a requirement is one that dacha cannot check.
        """
        name = f"{transport}:{scope}" if scope else transport
        needed = []
        for each in self.requirements_for(transport, scope):
            if each.kind == "reject":
                raise PolicyError(f"the signature policy rejects '{name}'", each)
            if each.unsupported:
                raise PolicyError(f"'{name}' needs {each.unsupported}, which dacha cannot check", each)
            if each.kind != _ACCEPT:
                needed.append(each)
        return tuple(needed)


def _scopes(transport: str, scope: str) -> list[str]:
    """The scopes that an image is in, the nearest first."""
    if transport in _WITH_PATHS and scope:
        path = os.path.realpath(scope)
        return ["/" + each for each in enclosing(path.strip("/"))]
    if transport in _WITH_NAMES:
        repository, version = split_version(scope)
        exact = repository + (version[version.index("@") :] if "@" in version else version)
        return [exact, *enclosing(repository), *wildcards(repository.partition("/")[0])]
    if transport in _WITH_STORES and scope.startswith("["):
        store, _, name = scope.rpartition("]")
        names = [name, *enclosing(split_version(name)[0])] if name else []
        return [*(f"{store}]{each}" for each in names), f"{store}]", f"[{store.partition('@')[2]}]"]
    return []


def load_policy() -> Policy:
    """Read policy.json, the user's or the administrator's. Raises ConfigError.

    Where there is none, everything is accepted: nobody asked for anything else.
    """
    file = places.policy_json()
    if file is None:
        return Policy((Requirement(_ACCEPT, "the default", "default"),), {})
    return read_policy(file)


def read_policy(file: str) -> Policy:
    """Read a policy file. Raises ConfigError."""
    content = read_json(file, strict=True)
    if content is None:
        raise ConfigError(file, "does not exist")
    top = Table(file, content)
    if "default" not in top:
        raise ConfigError(
            file,
            "'default' is missing",
            hint='a policy that accepts everything has "default": [{"type": "insecureAcceptAnything"}]',
        )
    default = _requirements(top, "default", "default")
    transports = {}
    table = top.table("transports")
    for name in table.names():
        scopes = table.table(name)
        transports[name] = {each: _requirements(scopes, each, f"{name}:{each}") for each in scopes.names()}
        if name in _WITH_PATHS and "/" in transports[name]:
            raise scopes.wrong("/", 'is no scope: the default of a transport is ""')
    _refuse_unknown(top)
    return Policy(default, transports)


def _refuse_unknown(top: Table) -> None:
    unknown = top.unknown()
    if unknown:
        raise ConfigError(top.file, f"unknown: {unknown[0].removeprefix(top.file + ': ')}")


def _requirements(table: Table, key: str, scope: str) -> tuple[Requirement, ...]:
    found = tuple(_requirement(each, scope) for each in table.tables(key))
    if not found:
        raise table.wrong(
            key, 'must list at least one requirement, such as {"type": "insecureAcceptAnything"}'
        )
    return found


def _requirement(table: Table, scope: str) -> Requirement:
    kind = table.text("type", choices=(_ACCEPT, "reject", "signedBy", "signedBaseLayer", "sigstoreSigned"))
    if kind is None:
        raise table.wrong("type", "is missing")
    plain = Requirement(kind, table.file, scope)
    if kind == "signedBaseLayer":
        table.ignore("baseLayerIdentity")
        return plain._replace(unsupported="a signature of its base layer (signedBaseLayer)")
    if kind == "signedBy":
        return _signed_by(table, plain)
    if kind == "sigstoreSigned":
        return _sigstore_signed(table, plain)
    return plain


def _signed_by(table: Table, plain: Requirement) -> Requirement:
    if table.text("keyType", choices=("GPGKeys",)) is None:
        raise table.wrong("keyType", "is missing")
    _only_one(table, _GPG_KEYS)
    table.text("keyPath")
    table.texts("keyPaths")
    table.text("keyData")
    return plain._replace(identity=parse_identity(table), unsupported="a GPG signature (signedBy)")


def _sigstore_signed(table: Table, plain: Requirement) -> Requirement:
    source = _only_one(table, (*_SIGSTORE_KEYS, "fulcio", "pki"))
    identity = parse_identity(table)
    unsupported = ""
    rekor = [key for key in _REKOR_KEYS if key in table]
    if len(rekor) > 1:
        raise table.wrong(rekor[1], f"cannot be set together with {rekor[0]}")
    if rekor:
        table.ignore(*rekor)
        unsupported = f"a record of Rekor ({rekor[0]})"
    if source in ("fulcio", "pki"):
        table.ignore(source)
        unsupported = f"a certificate's signature (sigstoreSigned with {source})"
    key_files = _one_or_more(table, "keyPath", "keyPaths")
    keys = tuple(_decode_key(table, source, each) for each in _one_or_more(table, "keyData", "keyDatas"))
    return plain._replace(key_files=key_files, keys=keys, identity=identity, unsupported=unsupported)


def _only_one(table: Table, keys: tuple[str, ...]) -> str:
    found = [key for key in keys if key in table]
    if len(found) != 1:
        raise table.wrong("type", f"needs exactly one of {', '.join(keys)}")
    return found[0]


def _one_or_more(table: Table, single: str, several: str) -> tuple[str, ...]:
    one, many = table.text(single), table.texts(several)
    if many == () or one == "":
        raise table.wrong(several if many == () else single, "is empty")
    return (one,) if one is not None else many or ()


def _decode_key(table: Table, key: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise table.wrong(key, "is not base64") from error
