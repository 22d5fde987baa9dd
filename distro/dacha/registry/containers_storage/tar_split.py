"""tar-split: all bytes of a layer's archive that are in none of its files.

The format is that of github.com/vbatts/tar-split (tar/storage/entry.go): one JSON object a line,
compressed with gzip, in the order of the archive.

    {"type": 2, "payload": BASE64}                    these bytes: headers, padding, the end
    {"type": 1, "name": NAME, "size": N, ...}         the contents of that file, if it has any

A name that is no UTF-8 is `name_raw`, in base64. The checksums of files are of no use to us: the
digest of the whole says more.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator
from typing import NamedTuple

from dacha.errors import BadImageError
from dacha.registry.compression import decompressed
from dacha.registry.digest import Readable

_FILE, _SEGMENT = 1, 2
_CHUNK = 1 << 18
# Padding comes in pieces of a mebibyte, and headers are smaller.
_MAX_LINE_BYTES = 1 << 24


class Contents(NamedTuple):
    """So many bytes of a file, from its beginning."""

    name: str  # bytes that are no UTF-8 as os.fsdecode has them
    size_bytes: int


def read_parts(source: Readable) -> Iterator[bytes | Contents]:
    """What an archive is made of, in order. Raises BadImageError."""
    for number, line in enumerate(_lines(decompressed(source, "tar-split")), start=1):
        part = _part(line, number)
        if part:
            yield part


def _part(line: bytes, number: int) -> bytes | Contents | None:
    try:
        value = json.loads(line)
        kind = value["type"]
        if kind == _SEGMENT:
            return binascii.a2b_base64(value["payload"] or "")
        size = value.get("size", 0)
        if kind != _FILE or not isinstance(size, int) or size < 0:
            raise ValueError("neither a segment nor a file")
        return Contents(_name(value), size) if size else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadImageError(f"its tar-split is damaged in line {number}: {error}") from error


def _name(value: dict[str, object]) -> str:
    raw = value.get("name_raw")
    if raw:
        return binascii.a2b_base64(str(raw)).decode("utf-8", "surrogateescape")
    name = value["name"]
    if not isinstance(name, str):
        raise ValueError("a file without a name")
    name.encode("utf-8", "strict")
    return name


def _lines(source: Readable) -> Iterator[bytes]:
    """The lines of a stream, without holding more than one."""
    rest = b""
    while data := source.read(_CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        yield from (line for line in lines if line)
        if len(rest) > _MAX_LINE_BYTES:
            raise BadImageError("its tar-split is damaged: a line without an end")
    if rest:
        yield rest
