"""Digests, and streams held to theirs."""

from __future__ import annotations

import hashlib
import io

import pytest

from dacha.errors import BadImageError
from dacha.registry.digest import VerifiedStream, check_digest

GOOD = "sha256:" + "0123456789abcdef" * 4
DATA = b"what the layer holds"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def stream(data: bytes, *, digest: str = "", size_bytes: int = len(DATA)) -> VerifiedStream:
    return VerifiedStream(io.BytesIO(data), digest or digest_of(data), size_bytes, "the blob")


def read_all(source: VerifiedStream, step: int) -> bytes:
    return b"".join(iter(lambda: source.read(step), b""))


def test_a_sha256_digest_is_one() -> None:
    assert check_digest(GOOD) == GOOD


@pytest.mark.parametrize(
    "value",
    [
        GOOD[:-1],
        GOOD + "0",
        GOOD.upper(),
        GOOD.replace("f", "g"),
        GOOD + "\n",
        "sha512:" + "0" * 64,
        "sha384:" + "0" * 96,
        "0" * 64,
        "sha256:" + "../" * 21 + "a",
        "sha256:" + "\u0660" * 64,  # digits to str.isdigit
        "",
        None,
        7,
        [GOOD],
    ],
)
def test_nothing_else_is_a_digest(value: object) -> None:
    with pytest.raises(BadImageError, match="is no digest"):
        check_digest(value)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(BadImageError) as caught:
        check_digest("x" * 10_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_fits_its_digest_is_passed_on_whole(step: int) -> None:
    assert read_all(stream(DATA), step) == DATA


def test_the_end_may_be_read_again() -> None:
    source = stream(DATA)
    read_all(source, 100)
    assert source.read(1) == b""


def test_a_changed_byte_is_found_at_the_end() -> None:
    source = stream(DATA.replace(b"w", b"W"), digest=digest_of(DATA))
    with pytest.raises(BadImageError, match="the blob is damaged"):
        read_all(source, 5)


def test_a_byte_too_many_is_found_where_it_stands() -> None:
    source = stream(DATA + b"!" + bytes(1000), digest=digest_of(DATA))
    assert source.read(len(DATA)) == DATA
    with pytest.raises(BadImageError, match="larger than its descriptor says"):
        source.read(1)


def test_a_missing_byte_is_found_at_the_end() -> None:
    with pytest.raises(BadImageError, match="cut off: 1 bytes are missing"):
        read_all(stream(DATA[:-1], digest=digest_of(DATA)), 5)


def test_closing_closes_the_file_below() -> None:
    file = io.BytesIO(DATA)
    VerifiedStream(file, digest_of(DATA), len(DATA), "the blob").close()
    assert file.closed
