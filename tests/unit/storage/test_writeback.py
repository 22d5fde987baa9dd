"""Writing a layer to disk while it is unpacked."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from dacha.linux import files
from dacha.storage import writeback
from dacha.storage.writeback import CountedSource, writing_back


class _OnlyReads:
    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


@pytest.mark.parametrize("kind", [io.BytesIO, _OnlyReads])
def test_both_ways_of_reading_give_the_bytes_and_count_them(kind: type) -> None:
    source = CountedSource(kind(b"abcdefgh"))
    view = memoryview(bytearray(5))
    assert source.read(3) == b"abc"
    assert source.readinto(view) == 5
    assert bytes(view) == b"defgh"
    assert source.readinto(view) == 0
    assert source.taken_bytes == 8


def test_the_file_system_is_written_back_by_the_amount_and_a_failure_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    happened = threading.Event()

    def syncfs(path: str) -> None:
        asked.append(path)
        happened.set()
        raise OSError(5, "it broke")

    monkeypatch.setattr(files, "syncfs", syncfs)
    monkeypatch.setattr(writeback, "_STEP_BYTES", 4)
    before = threading.active_count()
    with writing_back(io.BytesIO(b"abcdefgh"), str(tmp_path)) as source:
        source.read(3)
        assert not happened.wait(0.2), "less than a step was taken"
        source.read(1)
        assert happened.wait(5)
    assert asked == [str(tmp_path)]
    assert threading.active_count() == before
