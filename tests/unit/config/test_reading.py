"""Files that are not what they should be."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.config.reading import MAX_BYTES, ConfigError, parse_json, read_bytes, read_json, read_toml


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_bytes(str(tmp_path / "none")) is None
    (tmp_path / "file").touch()
    assert read_toml(str(tmp_path / "file" / "below")) is None


def test_dev_null_is_an_empty_file() -> None:
    assert read_toml("/dev/null") == {}


def test_nobody_waits_for_a_fifo_or_reads_a_device_or_a_directory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path, tmp_path / "socket"):
            with pytest.raises(ConfigError):
                read_bytes(str(path))


def test_a_huge_file_is_refused_and_one_at_the_limit_is_not(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.touch()
    os.truncate(path, MAX_BYTES)
    assert len(read_bytes(str(path)) or b"") == MAX_BYTES
    os.truncate(path, 1 << 40)  # sparse
    with pytest.raises(ConfigError, match="larger than"):
        read_bytes(str(path))


def test_toml_errors_give_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text('good = 1\n\nbad = "open\n')
    with pytest.raises(ConfigError, match=r"a\.conf: is not TOML: .*line 3"):
        read_toml(str(path))


def test_json_errors_give_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\n "a": 1,\n}')
    with pytest.raises(ConfigError, match=r"a\.json: is not JSON: .*line 3"):
        read_json(str(path))


def test_text_that_is_not_utf8_gives_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 \(line 2\)"):
        read_toml(str(path))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "[]", "null", ""])
def test_json_that_no_configuration_is(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_json("x", text.encode())


def test_toml_of_depth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep"
    path.write_text("a = " + "[" * 50_000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_toml(str(path))


def test_a_strict_file_gives_no_key_twice() -> None:
    text = b'{"a": {"b": 1, "c": 2, "b": 3}}'
    assert parse_json("x", text) == {"a": {"b": 3, "c": 2}}
    with pytest.raises(ConfigError, match="'b' is there twice"):
        parse_json("x", text, strict=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_json("x", data), dict)
