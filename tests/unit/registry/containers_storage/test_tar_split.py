"""What an archive was made of."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.errors import BadImageError
from dacha.registry.containers_storage.tar_split import Contents, read_parts
from tests.lib.containers_storage import split
from tests.lib.oci import Entry, write_tar


def _read(*lines: object) -> list[bytes | Contents]:
    text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return list(read_parts(io.BytesIO(gzip.compress(text))))


def test_segments_and_files_come_in_order() -> None:
    parts = _read(
        {"type": 2, "payload": base64.b64encode(b"header").decode(), "position": 0},
        {"type": 1, "name": "./etc/motd", "size": 5, "payload": "AAAAAAAAAAA=", "position": 1},
        {"type": 1, "name": "etc/", "payload": None, "position": 2},
        {"type": 2, "payload": "", "position": 3},
        {"type": 2, "payload": None, "position": 4},
    )
    assert parts == [b"header", Contents("./etc/motd", 5)]


def test_a_name_that_is_no_utf8_is_raw() -> None:
    raw = base64.b64encode(b"caf\xe9").decode()
    assert _read({"type": 1, "name_raw": raw, "size": 1}) == [Contents(os.fsdecode(b"caf\xe9"), 1)]


@pytest.mark.parametrize(
    "line",
    [
        [],
        {},
        {"type": 3},
        {"type": 2},
        {"type": 2, "payload": 7},
        {"type": 2, "payload": "a"},
        {"type": 1, "size": 1},
        {"type": 1, "size": -1, "name": "x"},
        {"type": 1, "size": "1", "name": "x"},
        {"type": 1, "size": 1, "name": 7},
        {"type": 1, "size": 1, "name": "\udcff"},
        {"type": 1, "size": 1, "name_raw": "a"},
    ],
    ids=str,
)
def test_other_lines_are_damage(line: object) -> None:
    with pytest.raises(BadImageError, match="damaged in line 2"):
        _read({"type": 2, "payload": ""}, line)


def test_a_line_without_an_end_is_not_held() -> None:
    endless = gzip.compress(bytes(1 << 26), compresslevel=1)
    with pytest.raises(BadImageError, match="a line without an end"):
        list(read_parts(io.BytesIO(endless)))


@given(st.lists(st.binary(max_size=600), max_size=6))
def test_parts_and_files_are_the_archive(contents: list[bytes]) -> None:
    names = {f"file-{number}": data for number, data in enumerate(contents)}
    tar = write_tar([Entry(name, data=data) for name, data in names.items()])
    lines = b"".join(json.dumps(part).encode() + b"\n" for part in split(tar))
    parts = read_parts(io.BytesIO(gzip.compress(lines)))
    whole = b"".join(
        part if isinstance(part, bytes) else names[part.name][: part.size_bytes] for part in parts
    )
    assert whole == tar
