"""Files of an image found in a tar, good ones and a stranger's."""

from __future__ import annotations

import io
import os
import random
import tarfile
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.errors import BadImageError
from dacha.registry import archive
from dacha.registry.archive import Archive, BadArchiveError
from tests.lib.archives import opened, read_all
from tests.lib.oci import DIR, FIFO, HARDLINK, SYMLINK, Entry, Kind, write_tar

LONG = "/".join(["directory"] * 40)


def file_in(entries: list[Entry] | bytes, name: str) -> bytes:
    with opened(entries) as files:
        return read_all(files.open(name, "the file"))


FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
NAMES = ["a", "./a", "a/b", f"{'d' * 90}/{'e' * 90}", LONG, "\xe4/\udcff"]


@pytest.mark.parametrize(
    ("written", "name"),
    [(form, name) for form in FORMATS for name in NAMES if (form, name) != ("ustar", LONG)],
)
def test_a_file_is_read_where_it_lies(written: str, name: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=FORMATS[written], encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for entry in (
            Entry("before", data=b"x" * 700),
            Entry(name, data=b"hello"),
            Entry("after", data=b"y"),
        ):
            tar.addfile(entry.as_tar_info(), io.BytesIO(entry.data))
    assert file_in(buffer.getvalue(), name) == b"hello"
    assert file_in(buffer.getvalue(), f"/x/../{name}") == b"hello"
    assert file_in(buffer.getvalue(), "after") == b"y"


def test_of_two_with_one_name_the_last_one_holds() -> None:
    entries = [Entry("a", data=b"1"), Entry("b"), Entry("./a", data=b"22")]
    assert file_in(entries, "a") == b"22"


def test_files_are_read_side_by_side() -> None:
    with opened([Entry("a", data=b"12345"), Entry("b", data=b"67890")]) as files:
        first, second = files.open("a", "a"), files.open("b", "b")
        assert [first.read(2), second.read(2), first.read(9), second.read(9)] == [
            b"12",
            b"67",
            b"345",
            b"890",
        ]


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("layer.tar", "real/file"),
        ("x/layer.tar", "../real/file"),
        ("x/layer.tar", "../../../real/file"),  # above the root is the root
        ("x/layer.tar", "/real/file"),
        ("x/layer.tar", "../alias/file"),
        ("layer.tar", "alias/../real/./file"),
    ],
)
def test_symlinks_lead_to_other_files_of_the_archive(name: str, link: str) -> None:
    entries = [
        Entry(name, SYMLINK, linkname=link),
        Entry("alias", SYMLINK, linkname="real"),
        Entry("real/file", data=b"hello"),
    ]
    assert file_in(entries, name) == b"hello"


@pytest.mark.parametrize("link", ["/etc/passwd", "../../../../etc/passwd", "nowhere"])
def test_symlinks_never_lead_out_of_the_archive(link: str) -> None:
    with opened([Entry("layer.tar", SYMLINK, linkname=link)]) as files:
        assert not files.has("layer.tar")
        with pytest.raises(BadImageError, match=r"the layer is missing in image\.tar"):
            files.open("layer.tar", "the layer")


@pytest.mark.parametrize("link", ["a", "./a", "b", "a/b"])
def test_symlinks_without_end_are_refused(link: str) -> None:
    with (
        opened([Entry("a", SYMLINK, linkname=link), Entry("b", SYMLINK, linkname="a")]) as files,
        pytest.raises(BadImageError, match="symlink without end"),
    ):
        files.open("a", "the layer")


def test_symlinks_that_grow_are_refused_at_once() -> None:
    start = time.monotonic()
    with (
        opened([Entry("a", SYMLINK, linkname="/".join(["a"] * 2000))]) as files,
        pytest.raises(BadImageError, match="symlink without end"),
    ):
        files.open("a", "the layer")
    assert time.monotonic() - start < 1


def test_hard_links_are_the_file_that_was_there() -> None:
    entries = [
        Entry("a", data=b"old"),
        Entry("b", HARDLINK, linkname="./a"),
        Entry("c", HARDLINK, linkname="b"),
        Entry("a", data=b"new"),
    ]
    assert [file_in(entries, name) for name in "abc"] == [b"new", b"old", b"old"]


@pytest.mark.parametrize("link", ["a", "nowhere", "../../etc/passwd"])
def test_hard_links_to_nothing_are_nothing(link: str) -> None:
    with (
        opened([Entry("a", HARDLINK, linkname=link)]) as files,
        pytest.raises(BadImageError, match="missing"),
    ):
        files.open("a", "the layer")


@pytest.mark.parametrize("kind", [DIR, FIFO])
def test_what_is_no_file_is_not_read(kind: Kind) -> None:
    with (
        opened([Entry("a", kind)]) as files,
        pytest.raises(BadImageError, match="is no regular file"),
    ):
        files.open("a", "the layer")


def test_a_name_that_leaves_the_archive_is_no_name_in_it() -> None:
    with opened([Entry("../a", data=b"x"), Entry("/b", data=b"y")]) as files:
        assert not files.has("a")
        assert not files.has("../a")
        assert files.has("b")


def sparse(**records: str) -> bytes:
    info = Entry("a", data=b"x" * 512).as_tar_info()
    info.pax_headers = records
    return info.tobuf(tarfile.PAX_FORMAT) + b"x" * 512 + bytes(1024)


def test_sparse_files_are_refused() -> None:
    data = sparse(**{"GNU.sparse.map": "0,512", "GNU.sparse.size": "1024"})
    with opened(data) as files, pytest.raises(BadImageError, match="is a sparse file") as caught:
        files.open("a", "the layer")
    assert "--sparse" in caught.value.hint


def test_the_size_of_an_extended_header_holds() -> None:
    # tarfile writes the record beside the right size, as for files of more than 8 GB.
    assert file_in(sparse(size="300"), "a") == b"x" * 300


def header(**fields: bytes) -> bytes:
    """A header with other fields, and the checksum that they make."""
    places = {"name": 0, "size": 124, "kind": 156, "magic": 257}
    block = bytearray(Entry("a").as_tar_info().tobuf(tarfile.USTAR_FORMAT))
    for field, value in fields.items():
        block[places[field] : places[field] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is no tar archive"),
        (b"x" * 511, "it is no tar archive"),
        (b"x" * 5000, "it is no tar archive"),
        (header(size=b"00000000010\0"), "cut off"),
        (header(size=b"\x80" + b"\x7f" * 11) + bytes(1024), "cut off"),
        (header(size=b"\xff" * 12) + bytes(1024), "is negative"),
        (header(size=b"9999") + bytes(1024), "damaged"),
        (header(size=b"-1") + bytes(1024), "damaged"),
        (header() + b"x" * 512, "damaged or cut off"),
        (header() + header()[:100], "damaged or cut off"),
        (header(kind=b"S") + bytes(1024), "sparse"),
        (header(kind=b"x", size=b"77777777777\0"), "too large"),
        (header(kind=b"L", size=b"77777777777\0"), "too large"),
        (header(kind=b"x", size=b"00000000012\0") + b"5 a=bcdef\n".ljust(512, b"\0"), "damaged"),
        (header(kind=b"x", size=b"00000000012\0") + b"0 a=bcdef\n".ljust(512, b"\0"), "damaged"),
        (header(kind=b"x", size=b"00000000012\0") + b"10 abcdef\n".ljust(512, b"\0"), "damaged"),
        (header(kind=b"x", size=b"00000000012\0") + b"10 size=x\n".ljust(512, b"\0") + header(), "damaged"),
        (header(kind=b"L", size=b"00000017777\0") + b"a" * 8192 + header(), "too long"),
    ],
)
def test_a_damaged_archive_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadArchiveError, match=message) as caught, opened(data):
        pass
    assert str(caught.value).startswith("image.tar: ")


def test_numbers_in_base_256_are_read() -> None:
    assert file_in(header(size=b"\x80" + bytes(10) + b"\x05") + b"hello".ljust(512, b"\0"), "a") == b"hello"


def test_an_archive_may_end_where_its_data_does() -> None:
    assert file_in(header(size=b"00000000005\0") + b"hello", "a") == b"hello"


def test_an_archive_of_nothing_has_nothing() -> None:
    with opened([]) as files:
        assert not files.has("manifest.json")


def test_there_is_an_end_to_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MAX_MEMBERS", 10)
    with opened([Entry(str(number)) for number in range(10)]):
        pass
    with (
        pytest.raises(BadArchiveError, match="no 10 entries") as caught,
        opened([Entry(str(number)) for number in range(11)]),
    ):
        pass
    assert "say tar:" in caught.value.hint


def test_a_file_that_shrinks_meanwhile_is_cut_off() -> None:
    fd = os.memfd_create("archive")
    os.write(fd, write_tar([Entry("a", data=b"x" * 2000)]))
    stream = Archive(fd, "image.tar").open("a", "the layer")
    os.truncate(fd, 1000)
    with pytest.raises(BadImageError, match=r"the layer in image\.tar is cut off"):
        read_all(stream)
    os.close(fd)


def damaged(seed: int) -> bytes:
    source = random.Random(seed)  # noqa: S311  (no secret)
    data = bytearray(write_tar([Entry(LONG, data=b"x" * 600), Entry("b", SYMLINK, linkname=LONG)]))
    for _ in range(source.randrange(1, 6)):
        data[source.randrange(len(data))] = source.randrange(256)
    return bytes(data[: source.randrange(len(data))])


@given(st.one_of(st.binary(max_size=2000), st.integers().map(damaged)))
def test_any_damage_is_a_bad_image(data: bytes) -> None:
    try:
        with opened(data) as files:
            for name in ("b", LONG):
                read_all(files.open(name, "it"))
    except BadImageError:
        pass
