"""The journal of an archive: with the files, it is the archive again, whatever that was."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.storage.archive import journal, stream
from tests.lib.oci import DIR, HARDLINK, SYMLINK, Entry, opaque, whiteout, write_tar


def put_together(archive: bytes, chunk: int = 1 << 20) -> bytes | None:
    """The archive again, from its journal and what was in it; None where the journal is of no use."""
    kept: list[bytes] = []
    writer = journal.Writer(kept.append)

    class Source:
        def __init__(self) -> None:
            self.file = io.BytesIO(archive)

        def read(self, size: int, /) -> bytes:
            return self.file.read(min(size, chunk))

    reader, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(sink)
        with open(reader, "rb") as file:  # noqa: PTH123  (a descriptor)
            while file.read(1 << 20):
                pass
        os._exit(0)
    os.close(reader)
    try:
        facts = stream.rewrite(Source(), sink, journal=writer)
    finally:
        os.close(sink)
        os.waitpid(pid, 0)
    assert facts.diff_id == f"sha256:{hashlib.sha256(archive).hexdigest()}"
    if writer.is_broken:
        return None
    contents = {}
    with tarfile.open(fileobj=io.BytesIO(archive + bytes(2048))) as tar:
        for member in tar:
            if member.isreg():
                data = tar.extractfile(member)
                assert data is not None
                contents[os.path.normpath(member.name)] = data.read()
    pieces = []
    for part in journal.read_journal(io.BytesIO(b"".join(kept)).read):
        if isinstance(part, journal.Literal):
            pieces.append(part.data)
        else:
            whole = contents[os.fsdecode(part.name)]
            pieces.append(whole[part.offset : part.offset + part.size])
    return b"".join(pieces)


ODD = [
    Entry("./a", DIR),
    Entry("a/" + "long" * 60, data=b"x" * 513),
    Entry("a/empty"),
    Entry("a/link", SYMLINK, linkname="empty"),
    Entry("a/hard", HARDLINK, linkname="a/empty"),
    Entry("a/big", data=bytes(range(256)) * 12_000, xattrs={"user.x": b"1"}),
    whiteout("a/gone"),
    opaque("b"),
    Entry("./x//y/./z", data=b"z"),
]


@pytest.mark.parametrize("chunk", [1, 511, 512, 4096, 1 << 20])
def test_an_archive_comes_out_as_it_went_in(chunk: int) -> None:
    archive = write_tar(ODD if chunk > 1 else ODD[:5])
    assert put_together(archive, chunk) == archive


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.rstrip(b"\0"),  # umoci writes neither padding nor an end
        lambda data: data + bytes(3 << 20),
        lambda data: data + b"garbage behind the end",
    ],
)
def test_whatever_its_end_is(change: object) -> None:
    assert callable(change)
    archive = change(write_tar([*ODD, Entry("last", data=b"no block")]))
    assert put_together(archive) == archive


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7"])
def test_archives_of_gnu_tar(tmp_path: Path, form: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(b"x" * 70_000)
    with (tmp_path / "tree/holes").open("wb") as file:
        for offset in (0, 1 << 20, 5 << 20):
            file.seek(offset)
            file.write(b"data" * 1024)
    sparse = ["--sparse"] if form in ("gnu", "pax") else []
    archive = subprocess.run(
        ["tar", "-c", *sparse, f"--format={form}", "-C", str(tmp_path / "tree"), "."],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert put_together(archive) == archive


def test_a_file_that_is_replaced_makes_it_useless() -> None:
    archive = write_tar([Entry("a", data=b"1"), Entry("a", data=b"2")])
    assert put_together(archive) is None


@given(st.lists(st.one_of(st.binary(max_size=700), st.tuples(st.binary(min_size=1), st.integers(1, 99)))))
def test_what_is_written_is_read(parts: list[bytes | tuple[bytes, int]]) -> None:
    kept: list[bytes] = []
    writer = journal.Writer(kept.append)
    for part in parts:
        if isinstance(part, bytes):
            writer.literal(part)
        else:
            writer.file(part[0])
            writer.data(7, part[1])
    writer.finish()
    found = list(journal.read_journal(io.BytesIO(b"".join(kept)).read))
    expected = [
        journal.Literal(part) if isinstance(part, bytes) else journal.Piece(part[0], 7, part[1])
        for part in parts
        if part != b""
    ]
    assert found == expected


@pytest.mark.parametrize("cut", [0, 1, 5, -20, -1000])
def test_a_journal_that_is_cut_off_says_so(cut: int) -> None:
    kept: list[bytes] = []
    writer = journal.Writer(kept.append)
    writer.literal(os.urandom(5000))
    writer.finish()
    data = b"".join(kept)[:cut]
    with pytest.raises(journal.JournalError):
        list(journal.read_journal(io.BytesIO(data).read))
