"""Which name a signature must give."""

from __future__ import annotations

from typing import Any

import pytest

from dacha.config.identity import Identity, parse_identity
from dacha.config.reading import ConfigError
from dacha.config.table import Table

SHA = "sha256:" + "d" * 64
BY_DIGEST = f"q.io/a@{SHA}"


@pytest.mark.parametrize(
    ("kind", "asked", "signed", "expected"),
    [
        ("matchExact", "q.io/a:1", "q.io/a:1", True),
        ("matchExact", "q.io/a:1", "q.io/a:2", False),
        ("matchExact", BY_DIGEST, "q.io/a:1", False),
        ("matchRepoDigestOrExact", "q.io/a:1", "q.io/a:1", True),
        ("matchRepoDigestOrExact", "q.io/a:1", "q.io/a:2", False),
        ("matchRepoDigestOrExact", "q.io/a:1", "q.io/a", False),
        ("matchRepoDigestOrExact", BY_DIGEST, "q.io/a:1", True),
        ("matchRepoDigestOrExact", f"q.io/a:1@{SHA}", "q.io/a:2", True),
        ("matchRepoDigestOrExact", BY_DIGEST, "q.io/a", False),
        ("matchRepoDigestOrExact", BY_DIGEST, "q.io/b:1", False),
        ("matchRepository", "q.io/a:1", "q.io/a", True),
        ("matchRepository", "q.io/a:1", "q.io/a:7", True),
        ("matchRepository", "q.io/a:1", "q.io/b", False),
        ("matchRepository", "q.io/a:1", "not a name", False),
        ("matchRepository", "", "q.io/a", False),
        ("matchRepository", "docker.io/library/debian:1", "debian", True),
    ],
)
def test_rules_without_values(kind: str, asked: str, signed: str, expected: bool) -> None:
    assert Identity(kind).accepts(asked, signed) is expected


def test_rules_with_a_name_of_their_own() -> None:
    exact = Identity("exactReference", reference="q.io/a:1")
    assert exact.accepts("", "q.io/a:1")
    assert not exact.accepts("q.io/a:2", "q.io/a:2")
    repository = Identity("exactRepository", reference="q.io/a")
    assert repository.accepts("mirror.io/x:1", "q.io/a:9")
    assert not repository.accepts("q.io/b:1", "q.io/b:1")


def test_a_mirrors_name_is_remapped() -> None:
    rule = Identity("remapIdentity", prefix="mirror:5000/vendor", signed_prefix="vendor.com")
    assert rule.accepts("mirror:5000/vendor/product/image:1", "vendor.com/product/image:1")
    assert not rule.accepts("mirror:5000/vendor/product/image:1", "vendor.com/product/image:2")
    assert not rule.accepts("mirror:5000/vendorx/image:1", "vendor.com/image:1")
    assert rule.accepts("q.io/a:1", "q.io/a:1")
    whole = Identity("remapIdentity", prefix="mirror", signed_prefix="vendor.com")
    assert not whole.accepts("mirror:5000/a:1", "vendor.com:5000/a:1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"type": "exactReference"}, "dockerReference: '' is no name"),
        ({"type": "exactReference", "dockerReference": "q.io/a"}, "must have a tag or digest"),
        ({"type": "exactRepository", "dockerRepository": "q.io/a:1"}, "must have no tag or digest"),
        ({"type": "remapIdentity", "prefix": "q.io"}, "signedPrefix: '' is no name"),
        (
            {"type": "remapIdentity", "prefix": "library/a", "signedPrefix": "q.io"},
            "prefix: 'library/a' is no host",
        ),
        (
            {"type": "remapIdentity", "prefix": "q.io/a:1", "signedPrefix": "q.io"},
            "prefix: 'q.io/a:1' is no host",
        ),
    ],
)
def test_mistakes_are_said(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_identity(Table("f", {"signedIdentity": content}))
