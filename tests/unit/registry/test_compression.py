"""Compressed layers, as they stream."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dacha.errors import BadImageError
from dacha.registry.compression import decompressed

Compress = Callable[[bytes], bytes]
COMPRESS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
every_format = pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS.keys())

# Compresses to several of the pieces in which it is undone, and does not repeat itself.
DATA = random.Random(1).randbytes(300_000) + b"tail " * 10_000  # noqa: S311  (no secret)


class Trickle:
    """A pipe that gives a little at a time, whatever is asked for."""

    def __init__(self, data: bytes, step: int) -> None:
        self._file = io.BytesIO(data)
        self._step = step

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._step))


def read_all(data: bytes, step: int = 1 << 20) -> bytes:
    source = decompressed(io.BytesIO(data))
    return b"".join(iter(lambda: source.read(step), b""))


@every_format
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_a_layer_comes_out_as_it_went_in(compress: Compress, step: int) -> None:
    assert read_all(compress(DATA), step) == DATA


@every_format
def test_never_more_is_given_than_was_asked_for(compress: Compress) -> None:
    source = decompressed(io.BytesIO(compress(DATA)))
    assert max(len(piece) for piece in iter(lambda: source.read(777), b"")) == 777


@every_format
@pytest.mark.parametrize("step", [1, 5, 4096])
def test_the_format_is_told_however_slowly_it_comes(compress: Compress, step: int) -> None:
    source = decompressed(Trickle(compress(b"hello" * 1000), step))
    assert b"".join(iter(lambda: source.read(1 << 20), b"")) == b"hello" * 1000


@every_format
def test_nothing_compressed_is_nothing(compress: Compress) -> None:
    assert read_all(compress(b"")) == b""


@every_format
def test_members_follow_one_another(compress: Compress) -> None:
    members = [b"first " * 1000, b"", DATA, b"last"]
    assert read_all(b"".join(map(compress, members))) == b"".join(members)


def test_many_small_members_take_no_time_to_speak_of() -> None:
    assert read_all(gzip.compress(b"x") * 20_000) == b"x" * 20_000


def test_zstd_frames_that_are_to_be_skipped_are() -> None:
    # `zstd:chunked` images carry their table of contents in one.
    frame = (0x184D2A50).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"notes"
    assert read_all(zstandard.compress(b"one") + frame + zstandard.compress(b"two") + frame) == b"onetwo"


@every_format
def test_padding_of_zeros_may_follow(compress: Compress) -> None:
    assert read_all(compress(DATA) + bytes(3_000_000)) == DATA


@every_format
@pytest.mark.parametrize("padding", [0, 10_000])
def test_garbage_may_not_follow(compress: Compress, padding: int) -> None:
    with pytest.raises(BadImageError, match=r"garbage follows|is damaged"):
        read_all(compress(DATA) + bytes(padding) + b"garbage")


@every_format
@pytest.mark.parametrize("kept", [7, 0.5, -1])
def test_a_layer_that_is_cut_off_is_refused(compress: Compress, kept: float) -> None:
    whole = compress(DATA)
    with pytest.raises(BadImageError, match="cut off"):
        read_all(whole[: int(len(whole) * kept) if 0 < kept < 1 else int(kept)])


@every_format
def test_a_cut_in_a_later_member_is_found_too(compress: Compress) -> None:
    with pytest.raises(BadImageError, match="cut off"):
        read_all(compress(DATA) + compress(DATA)[:-20])


@every_format
def test_a_damaged_layer_is_refused(compress: Compress) -> None:
    whole = bytearray(compress(b"some text that compresses " * 10_000))
    middle = len(whole) // 2
    whole[middle : middle + 8] = bytes(byte ^ 0xFF for byte in whole[middle : middle + 8])
    with pytest.raises(BadImageError, match=r"damaged|cut off"):
        read_all(bytes(whole))


@given(st.binary(max_size=300))
def test_any_damage_is_a_bad_image(data: bytes) -> None:
    for magic in (b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9"):
        try:
            found = read_all(magic + data)
        except BadImageError:
            continue
        assert found == magic + data or magic


@pytest.mark.parametrize("data", [b"", b"x", b"usr/bin", bytes(512), DATA], ids=len)
def test_what_is_not_compressed_is_passed_on(data: bytes) -> None:
    assert read_all(data) == data
    assert read_all(data, 3 if len(data) < 1000 else 60_000) == data


def zeros(compressor: object, count: int) -> bytes:
    compress: Compress = compressor.compress  # type: ignore[attr-defined]
    flush: Callable[[], bytes] = compressor.flush  # type: ignore[attr-defined]
    return b"".join([*(compress(bytes(1 << 20)) for _ in range(count >> 20)), flush()])


MB = 1 << 20


@pytest.mark.parametrize(
    ("compressor", "size", "limit"),
    [
        (zlib.compressobj(9, zlib.DEFLATED, 31), 64 * MB, 12 * MB),
        (bz2.BZ2Compressor(), 64 * MB, 12 * MB),
        (lzma.LZMACompressor(preset=0), 64 * MB, 12 * MB),
        (zstandard.ZstdCompressor().compressobj(), 256 * MB, 140 * MB),
    ],
    ids=COMPRESS.keys(),
)
def test_a_bomb_is_streamed_in_bounded_memory(compressor: object, size: int, limit: int) -> None:
    bomb = zeros(compressor, size)
    assert len(bomb) < MB, "not all of it is in one piece of input"
    source = decompressed(io.BytesIO(bomb))
    tracemalloc.start()
    try:
        found = sum(map(len, iter(lambda: source.read(MB), b"")))
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
    assert found == size


def test_an_xz_layer_that_wants_gigabytes_to_be_undone_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(b"hello", filters=filters, check=lzma.CHECK_NONE))
    # Block header (xz file format, 3.1): the byte of LZMA2's properties says how large its dictionary is.
    assert data[12 + 4] != 40
    data[12 + 4] = 40  # 4 GiB - 1
    header_size = (data[12] + 1) * 4
    data[12 + header_size - 4 : 12 + header_size] = zlib.crc32(data[12 : 12 + header_size - 4]).to_bytes(
        4, "little"
    )
    with pytest.raises(BadImageError, match="Memory usage limit"):
        read_all(bytes(data))


def test_a_zstd_layer_that_wants_gigabytes_to_be_undone_is_refused() -> None:
    # Frame header (RFC 8878, 3.1.1.1): no content size, a window of 2 GiB.
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([21 << 3]) + b"\x01\x00\x00"
    assert read_all(frame.replace(bytes([21 << 3]), bytes([1 << 3]))) == b""
    with pytest.raises(BadImageError, match="memory"):
        read_all(frame)
