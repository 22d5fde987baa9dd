"""Pack trees into archives: a box's upper as a layer of an image, or any directory as it is.

An archive says exactly what the tree is: owners as an image has them (`storage.ownership`), hard
links, extended attributes, holes of sparse files, nanoseconds, names of any bytes and length.
Left out are sockets, which no archive can have, and the marks of overlayfs, for which layers have
whiteouts (OCI image specification, layer.md).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from dacha.errors import DachaError
from dacha.linux.holes import data_pieces
from dacha.storage import marks
from dacha.storage.archive.header import (
    BLOCK,
    DIRECTORY,
    FIFO,
    FILE,
    HARD_LINK,
    PADDINGS,
    SYMLINK,
    Entry,
)
from dacha.storage.archive.pax import encode_entry
from dacha.storage.archive.sparse import Sparse, encode_map
from dacha.storage.ownership import ACLS, CAPABILITY, Ownership
from dacha.storage.upper import Item

_BUFFER_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
_RECORD_BYTES = 10240  # tar pads archives to a multiple
_PREFIX, _OPAQUE = b".wh.", b".wh..wh..opq"


class Packer:
    """Writes one archive to the descriptor `sink`."""

    def __init__(self, sink: int, owners: Ownership) -> None:
        self._sink = sink
        self._owners = owners
        self._buffer = bytearray()
        self._size = 0
        self._links: dict[tuple[int, int], bytes] = {}  # device and inode, and the path that it has here

    def layer(self, items: Iterable[Item], contents: Mapping[str, bytes]) -> None:
        """Write what an upper says as a layer; files that are in `contents` get these. Raises DachaError."""
        for item in items:
            path = os.fsencode(item.path)
            parent, _, name = path.rpartition(b"/")
            if item.is_whiteout:
                self._mark(parent, _PREFIX + name, item.status)
                continue
            if name.startswith(_PREFIX):
                raise DachaError(
                    f"no layer of an image can have a file called {_printable(item.path)}",
                    hint="names that begin with .wh. mean that something is removed; rename it",
                )
            self.add(item, contents.get(item.path))
            if item.is_opaque:
                self._mark(path, _OPAQUE, item.status)

    def _mark(self, parent: bytes, name: bytes, status: os.stat_result) -> None:
        path = parent + b"/" + name if parent else name
        self._write(encode_entry(Entry(path, FILE, 0o600, 0, 0, 0, int(status.st_mtime), b"")))

    def add(self, item: Item, contents: bytes | None = None) -> None:
        """Write one thing of a tree; a file gets other `contents` than it has, where they are given."""
        status = item.status
        entry = self._entry(item)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            entry.name, entry.kind = (entry.name or b".") + b"/", DIRECTORY
            entry.xattrs = self._xattrs(item.fd)
            self._write(encode_entry(entry))
        elif status.st_nlink > 1 and contents is None and self._is_linked(entry, status):
            self._write(encode_entry(entry))
        elif kind == stat.S_IFREG:
            self._file(item, entry, contents)
        elif kind == stat.S_IFLNK:
            entry.kind, entry.link = SYMLINK, os.fsencode(os.readlink(item.name, dir_fd=item.fd))
            self._write(encode_entry(entry))
        elif kind == stat.S_IFIFO:
            entry.kind = FIFO
            self._write(encode_entry(entry))

    def _entry(self, item: Item) -> Entry:
        status = item.status
        seconds, nanoseconds = divmod(status.st_mtime_ns, 1_000_000_000)
        uid, gid = self._owners.image_uid(status.st_uid), self._owners.image_gid(status.st_gid)
        mode = stat.S_IMODE(status.st_mode)
        entry = Entry(os.fsencode(item.path), FILE, mode, uid, gid, 0, seconds, b"")
        entry.nanoseconds = nanoseconds
        return entry

    def _is_linked(self, entry: Entry, status: os.stat_result) -> bool:
        """Whether the file is in the archive already, under another name."""
        if stat.S_ISSOCK(status.st_mode):
            return False
        first = self._links.setdefault((status.st_dev, status.st_ino), entry.name)
        if first == entry.name:
            return False
        entry.kind, entry.link = HARD_LINK, first
        return True

    def _file(self, item: Item, entry: Entry, contents: bytes | None) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(item.name, flags, dir_fd=item.fd)
        except FileNotFoundError:  # just now: another name of it must not be a link to nothing
            self._links.pop((item.status.st_dev, item.status.st_ino), None)
            return
        try:
            entry.xattrs = self._xattrs(fd)
            if contents is not None:
                entry.size = len(contents)
                self._write(encode_entry(entry) + contents + PADDINGS[len(contents) % BLOCK])
                return
            facts = os.fstat(fd)
            pieces = data_pieces(fd, facts, block=BLOCK)
            stored = sum(size for _, size in pieces)
            table = b""
            if pieces != [(0, facts.st_size)]:
                table = encode_map(Sparse(facts.st_size, stored, pieces))
                entry.sparse_size = facts.st_size
            entry.size = len(table) + stored
            self._write(encode_entry(entry) + table)
            for offset, size in pieces:
                self._data(fd, offset, size, item.path)
            self._write(PADDINGS[stored % BLOCK])
        finally:
            os.close(fd)

    def _data(self, fd: int, offset: int, size: int, path: str) -> None:
        if size <= _BUFFER_BYTES:
            data = os.pread(fd, size, offset)
            self._check(len(data) == size, path)
            self._write(data)
            return
        self.flush()
        self._size += size
        end = offset + size
        while offset < end:
            count = os.sendfile(self._sink, fd, offset, min(end - offset, _CHUNK_BYTES))
            self._check(count, path)
            offset += count

    def _check(self, count: int, path: str) -> None:
        if not count:
            raise DachaError(
                f"{_printable(path)} has shrunk while it was read", hint="do it again, or stop the box first"
            )

    def _xattrs(self, fd: int) -> dict[bytes, bytes] | None:
        try:
            names = os.listxattr(fd)
        except OSError:
            return None  # a file system without them
        found = {
            os.fsencode(name): self._owners.image_xattr(name, os.getxattr(fd, name))
            for name in sorted(names)
            if (name.startswith("user.") and not name.startswith(marks.PRIVATE_XATTRS))
            or name == CAPABILITY
            or name in ACLS
        }
        return found or None

    def _write(self, data: bytes) -> None:
        self._buffer += data
        self._size += len(data)
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what has been collected."""
        view = memoryview(self._buffer)
        start = 0
        while start < len(view):
            start += os.write(self._sink, view[start:])
        view.release()
        self._buffer.clear()

    def finish(self) -> None:
        """Write the end of the archive."""
        self._write(bytes(2 * BLOCK + -(self._size + 2 * BLOCK) % _RECORD_BYTES))
        self.flush()


def _printable(path: str) -> str:
    shown = os.fsencode(path)[:300].decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in shown)
