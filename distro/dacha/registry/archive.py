"""The files of an image in a tar archive: found once by their offsets, then read in place.

Nothing is unpacked, and no name of the archive ever becomes a path on disk. Links lead
from one name of the archive to another, and nowhere else. This reader knows only as much
of tar as archives of images have; what layers are made of is `storage.archive`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dacha.errors import BadImageError
from dacha.registry.digest import Stream

BLOCK = 512
_CHUNK = 1 << 20
_MAX_MEMBERS = 100_000  # an image has some hundred
_MAX_EXTENSION_BYTES = 1 << 20
_MAX_NAME_BYTES = 4096
_MAX_LINKS = 40

_FILES = (b"0", b"\0", b"7")
_HARD_LINK, _SYMLINK = b"1", b"2"
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")  # whatever their size says
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"
_EXTENSIONS = (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL)
_GNU_SPARSE = b"S"

ReadAt = Callable[[int, int], bytes]  # offset, size; short only at the end


class Member(NamedTuple):
    """An entry of an archive."""

    kind: bytes  # tar's type code
    link: str
    offset: int  # of its data
    size_bytes: int
    is_sparse: bool = False


class BadArchiveError(BadImageError):
    """It is no tar archive, or a damaged one."""


class Archive:
    """The files of an uncompressed archive, whose descriptor stays open as long as it is used."""

    def __init__(self, fd: int, where: str) -> None:
        self.where = where
        self._fd = fd
        self._members: dict[str, Member] = {}
        try:
            self._index(os.fstat(fd).st_size)
        except BadArchiveError as error:
            raise BadArchiveError(f"{where}: {error}", hint=error.hint) from error

    def _index(self, total: int) -> None:
        members = self._members
        for count, (name, member) in enumerate(read_members(lambda at, size: os.pread(self._fd, size, at))):
            if count >= _MAX_MEMBERS:
                raise BadArchiveError(
                    f"an image archive has no {_MAX_MEMBERS} entries",
                    hint="is it a root file system? then say tar:FILE",
                )
            if member.offset + member.size_bytes > total:
                raise BadArchiveError("the archive is cut off")
            # Of two with one name the last one holds, as if it had been unpacked.
            members[name] = member
            if member.kind == _HARD_LINK:
                # To what is there now; a later file of that name is another file.
                target = members.get(_normal(member.link))
                members[name] = target if target is not None and target.kind != _HARD_LINK else member

    def has(self, name: str) -> bool:
        """Whether there is a regular file of that name."""
        member = self._find(name)
        return member is not None and member.kind in _FILES

    def open(self, name: str, what: str) -> Stream:
        """Open a file where it lies."""
        member = self._find(name)
        if member is None or member.kind == _HARD_LINK:
            raise BadImageError(f"{what} is missing in {self.where}")
        if member.kind not in _FILES:
            raise BadImageError(f"{what} in {self.where} is no regular file")
        if member.is_sparse:
            raise BadImageError(f"{what} in {self.where} is a sparse file", hint="pack it without --sparse")
        return _Window(self._fd, member.offset, member.size_bytes, f"{what} in {self.where}")

    def _find(self, name: str) -> Member | None:
        """Resolve a name as the kernel would, if the archive were the whole of the file system."""
        members = self._members
        todo = name.split("/")[::-1]
        path: list[str] = []
        followed = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                path = path[:-1]
                continue
            path.append(part)
            member = members.get("/".join(path))
            if member is None or member.kind != _SYMLINK:
                continue
            followed += 1
            if followed > _MAX_LINKS:
                raise BadImageError(f"{name[:100]} in {self.where} is a symlink without end")
            path = [] if member.link.startswith("/") else path[:-1]
            todo += member.link.split("/")[::-1]
        return members.get("/".join(path))


class _Window:
    """A part of a file, which others may read meanwhile."""

    def __init__(self, fd: int, offset: int, size_bytes: int, what: str) -> None:
        self._fd = fd
        self._offset = offset
        self._left = size_bytes
        self._what = what

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        data = os.pread(self._fd, min(size, self._left, _CHUNK), self._offset)
        if self._left and size and not data:
            raise BadImageError(f"{self._what} is cut off")
        self._offset += len(data)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Nothing: the file is the archive's."""


def read_members(read_at: ReadAt) -> Iterator[tuple[str, Member]]:
    """The entries of an archive and their names, in order, without what they hold."""
    offset = 0
    records: dict[bytes, bytes] = {}  # what extended headers say of the next entry, in the words of pax
    while True:
        block = read_at(offset, BLOCK)
        if block == bytes(BLOCK) or (not block and offset):
            return  # umoci, for one, writes no end mark
        if len(block) < BLOCK or not is_header(block):
            raise BadArchiveError("the archive is damaged or cut off" if offset else "it is no tar archive")
        kind = block[156:157]
        size = _parse_number(block[124:136])
        offset += BLOCK
        if kind in _EXTENSIONS:
            if size > _MAX_EXTENSION_BYTES:
                raise BadArchiveError("an extended header of the archive is too large")
            records |= _parse_extension(kind, read_at(offset, size))
            offset += size + -size % BLOCK
            continue
        if kind == _GNU_SPARSE:
            raise BadArchiveError("the archive has sparse files", hint="pack it without --sparse")
        if b"size" in records:
            size = _parse_decimal(records[b"size"])
        if kind in _WITHOUT_DATA:
            size = 0
        name = _as_name(records.get(b"path") or _header_name(block))
        link = _as_name(records.get(b"linkpath") or _cut(block[157:257]))
        is_sparse = any(key.startswith(b"GNU.sparse.") for key in records)
        yield _normal(name), Member(kind, link, offset, size, is_sparse)
        offset += size + -size % BLOCK
        records = {}


def is_header(block: bytes) -> bool:
    """Whether the checksum is right; it counts its own field as eight spaces."""
    try:
        stored = _parse_number(block[148:156])
    except BadArchiveError:
        return False
    counted = block[:148] + b" " * 8 + block[156:]
    if stored == sum(counted):
        return True
    return stored == sum(byte - 256 if byte > 127 else byte for byte in counted)  # some old tars


def _parse_number(field: bytes) -> int:
    """A number of a header: octal text, or base-256 where the first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        if field[0] & 0x40:
            raise BadArchiveError("a size in the archive is negative")
        return value
    digits = _cut(field).strip() or b"0"
    if digits.strip(b"01234567"):
        raise BadArchiveError("a header of the archive is damaged")
    return int(digits, 8)


def _parse_decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 20:
        raise BadArchiveError("an extended header of the archive is damaged")
    return int(digits)


def _parse_extension(kind: bytes, data: bytes) -> dict[bytes, bytes]:
    if kind == _LONG_NAME:
        return {b"path": _cut(data)}
    if kind == _LONG_LINK:
        return {b"linkpath": _cut(data)}
    records: dict[bytes, bytes] = {}
    if kind == _PAX:
        start = 0
        while start < len(data):
            length = _parse_decimal(data[start : start + 20].partition(b" ")[0])
            record = data[start : start + length]
            key, equals, value = record.partition(b" ")[2].partition(b"=")
            if not equals or not record.endswith(b"\n"):
                raise BadArchiveError("an extended header of the archive is damaged")
            records[key] = value[:-1]
            start += length
    return records


def _header_name(block: bytes) -> bytes:
    name = _cut(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        return _cut(block[345:500]) + b"/" + name
    return name


def _cut(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _as_name(name: bytes) -> str:
    if len(name) > _MAX_NAME_BYTES:
        raise BadArchiveError("a name in the archive is too long")
    return name.decode(errors="surrogateescape")


def _normal(name: str) -> str:
    """A name without what says nothing. With "..", it stays one that nobody asks for."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))
