"""Signatures of cosign's format: made here with real keys, and every part of them spoiled."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dacha.config.identity import Identity
from dacha.config.policy import PolicyError, Requirement
from dacha.config.reading import ConfigError
from dacha.config.sigstore import Signature, signature_tag, verify
from dacha.errors import DachaError

DIGEST = "sha256:" + "1" * 64
NAME = "q.io/team/app:1"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text


def payload(digest: str = DIGEST, name: str = "q.io/team/app", **critical: Any) -> bytes:
    content = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": content | critical, "optional": None}).encode()


def sign(data: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> Signature:
    return Signature(data, base64.b64encode(key.sign(data, ec.ECDSA(hashes.SHA256()))).decode())


def requirement(*keys: bytes, kind: str = "matchRepository", files: tuple[str, ...] = ()) -> Requirement:
    return Requirement(
        "sigstoreSigned", "/etc/containers/policy.json", "docker:q.io", files, keys, Identity(kind)
    )


def test_a_signature_by_the_key_for_the_digest_and_the_name_is_accepted() -> None:
    verify(requirement(pem(KEY)), NAME, [DIGEST], [sign(payload())])


def test_one_of_many_suffices() -> None:
    verify(
        requirement(pem(OTHER), pem(KEY)),
        NAME,
        ["sha256:" + "2" * 64, DIGEST],
        [Signature(b"{}", "AAAA"), sign(payload(), ec.generate_private_key(ec.SECP256R1())), sign(payload())],
    )


def test_other_kinds_of_keys_are_understood(tmp_path: Path) -> None:
    data = payload()
    big = rsa.generate_private_key(65537, 2048)
    edwards = ed25519.Ed25519PrivateKey.generate()
    file = tmp_path / "k.pub"
    file.write_bytes(pem(edwards))
    raw = big.sign(data, padding.PKCS1v15(), hashes.SHA256())
    verify(requirement(pem(big)), NAME, [DIGEST], [Signature(data, base64.b64encode(raw).decode())])
    raw = edwards.sign(data)
    verify(requirement(files=(str(file),)), NAME, [DIGEST], [Signature(data, base64.b64encode(raw).decode())])


@pytest.mark.parametrize(
    ("signature", "kind", "message"),
    [
        (sign(payload(), OTHER), "matchRepository", "by none of the accepted keys"),
        (
            Signature(payload() + b" ", sign(payload()).signature),
            "matchRepository",
            "by none of the accepted keys",
        ),
        (Signature(payload(), "???"), "matchRepository", "not base64"),
        (Signature(payload(), ""), "matchRepository", "by none of the accepted keys"),
        (sign(payload(digest="sha256:" + "9" * 64)), "matchRepository", "it is for another image"),
        (sign(payload(name="q.io/team/other")), "matchRepository", r"it is for 'q\.io/team/other'"),
        (sign(payload()), "matchRepoDigestOrExact", "signedIdentity: matchRepoDigestOrExact"),
        (sign(payload(name="q.io/team/app:2")), "matchRepoDigestOrExact", r"it is for 'q\.io/team/app:2'"),
        (sign(payload(type="atomic container signature")), "matchRepository", "payload is not that"),
        (sign(payload(more=1)), "matchRepository", "payload is not that"),
        (sign(payload(image={"docker-manifest-digest": 1})), "matchRepository", "payload is not that"),
        (
            sign(b'{"critical": {}, "critical": {}, "optional": null}'),
            "matchRepository",
            "payload is not that",
        ),
        (sign(b"[" * 100_000), "matchRepository", "payload is not that"),
        (sign(b"\xff"), "matchRepository", "payload is not that"),
        (sign(b" " * ((1 << 20) + 1)), "matchRepository", "payload is too large"),
    ],
    ids=range(15),
)
def test_anything_else_is_refused(signature: Signature, kind: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message) as caught:
        verify(requirement(pem(KEY), kind=kind), NAME, [DIGEST], [signature])
    assert "/etc/containers/policy.json, docker:q.io" in caught.value.hint


def test_no_signature_is_said_so() -> None:
    with pytest.raises(PolicyError, match="must be signed, and has no signature"):
        verify(requirement(pem(KEY)), NAME, [DIGEST], [])


def test_a_key_that_cannot_be_read_is_an_error_beside_a_good_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        verify(requirement(pem(KEY), files=(str(tmp_path / "none"),)), NAME, [DIGEST], [sign(payload())])
    with pytest.raises(ConfigError, match="no public key in PEM format"):
        verify(requirement(pem(KEY), b"nonsense"), NAME, [DIGEST], [sign(payload())])


def test_without_the_library_nothing_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(DachaError, match="'cryptography' is not installed"):
        verify(requirement(pem(KEY)), NAME, [DIGEST], [sign(payload())])


def test_where_signatures_are() -> None:
    assert signature_tag(DIGEST) == "sha256-" + "1" * 64 + ".sig"
