"""Verify signatures as cosign makes them, with public keys that the policy names.

A signature is over a payload, a small JSON text that says which digest it is for and by which
name the image goes (containers-signature(5), "critical"). In a registry it is an image itself,
tagged `sha256-HEX.sig`: each layer is a payload, and the layer's annotation
`dev.cosignproject.cosign/signature` is the signature in base64. Whoever fetches that gives both
here. The payload is looked at only after the key has vouched for every byte of it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dacha.config.policy import PolicyError, Requirement
from dacha.config.reading import ConfigError, read_bytes
from dacha.errors import DachaError
from dacha.paths import find_packages

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNATURE_TYPE = "cosign container image signature"
_MAX_PAYLOAD = 1 << 20


class Signature(NamedTuple):
    """A payload, and what its annotation says: the signature in base64."""

    payload: bytes
    signature: str


class SignatureError(DachaError):
    """A signature is not what the policy wants; the message says why."""


def signature_tag(digest: str) -> str:
    """The tag under which the signatures of a manifest are kept: sha256-HEX.sig."""
    return digest.replace(":", "-", 1) + ".sig"


def verify(
    requirement: Requirement, name: str, digests: Collection[str], signatures: Sequence[Signature]
) -> None:
    """Find one signature that meets a sigstoreSigned requirement. Raises PolicyError if none does.

    `name` is the full name as it was asked for, with its tag or digest; `digests` are those of the
    image's manifest and of the index that lists it: a signature for either vouches for the image.
    """
    if not signatures:
        raise PolicyError(f"'{name}' must be signed, and has no signature", requirement)
    keys = _load_keys(requirement)
    reasons = []
    for each in signatures:
        try:
            _verify_one(each, keys, requirement, name, digests)
        except SignatureError as error:
            reasons.append(str(error))
        else:
            return
    why = "; ".join(dict.fromkeys(reasons))
    raise PolicyError(f"no signature of '{name}' is accepted: {why}", requirement)


def _verify_one(
    signature: Signature,
    keys: Sequence[PublicKeyTypes],
    requirement: Requirement,
    name: str,
    digests: Collection[str],
) -> None:
    if len(signature.payload) > _MAX_PAYLOAD:
        raise SignatureError("its payload is too large")
    try:
        raw = base64.b64decode(signature.signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("it is not base64") from error
    if not any(_is_signed_by(key, raw, signature.payload) for key in keys):
        raise SignatureError("it is by none of the accepted keys")
    digest, signed_name = _read_payload(signature.payload)
    if digest not in digests:
        raise SignatureError(f"it is for another image, {digest}")
    if not requirement.identity.accepts(name, signed_name):
        raise SignatureError(f"it is for '{signed_name}' (signedIdentity: {requirement.identity.kind})")


def _read_payload(payload: bytes) -> tuple[str, str]:
    """The digest and the name that a payload vouches for. Nothing but the known keys may be there."""
    try:
        top = json.loads(payload, object_pairs_hook=_refuse_twins)
        critical = _exactly(_exactly(top, "critical", "optional")["critical"], "type", "image", "identity")
        digest = _exactly(critical["image"], "docker-manifest-digest")["docker-manifest-digest"]
        name = _exactly(critical["identity"], "docker-reference")["docker-reference"]
    except (ValueError, RecursionError) as error:
        raise SignatureError("its payload is not that of an image's signature") from error
    if critical["type"] != _SIGNATURE_TYPE or not isinstance(digest, str) or not isinstance(name, str):
        raise SignatureError("its payload is not that of an image's signature")
    return digest, name


def _exactly(value: Any, *keys: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise ValueError
    return value


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _is_signed_by(key: PublicKeyTypes, signature: bytes, payload: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, payload)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _load_keys(requirement: Requirement) -> list[PublicKeyTypes]:
    """The public keys of a requirement. One that cannot be read is an error, even beside others."""
    texts = [(file, _read_key(file)) for file in requirement.key_files]
    texts += [(f"{requirement.file}, {requirement.scope}: keyData", each) for each in requirement.keys]
    find_packages()
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise DachaError(
            f"{requirement.file} wants signatures, and the Python package 'cryptography' is not installed",
            hint="install it: pipx inject dacha cryptography",
        ) from error
    keys = []
    for place, text in texts:
        try:
            keys.append(load_pem_public_key(text))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ConfigError(place, "is no public key in PEM format") from error
    return keys


def _read_key(file: str) -> bytes:
    text = read_bytes(file)
    if text is None:
        raise ConfigError(file, "does not exist, but the signature policy names it")
    return text
