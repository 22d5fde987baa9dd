"""A root file system in a directory, the transport `rootfs:`, as a tar that is made while it is read.

The directory is walked as the calling user, by descriptors, following no symlink. What may
not be read is an error: an image with a hole in it helps nobody.

Owners: what belongs to an ordinary user and their group is root's in the image, since that
is who unpacked it; other numbers stay, as they do for root. Files of subordinate ids are refused: which
numbers they had depends on the tool that made them.

Left out are sockets, devices, and all that is mounted below the directory. Extended attributes
are kept where they mean the same elsewhere: those of users, and file capabilities. What
is sparse stays so.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Generator, Iterator

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from dacha.linux.holes import data_pieces
from dacha.userns import mapping
from dacha.userns.mapping import IdMap
from dacha.userns.outer import OuterMaps

_CHUNK = 1 << 20
_BLOCK = 512
_CAPABILITY = "security.capability"

_Key = tuple[int, int]  # device and inode


class RootFileSystem:
    """The tar of a directory; of `left_out`, should it be below, it has no more than the name."""

    def __init__(self, directory: str, maps: OuterMaps, left_out: str = "") -> None:
        self.directory = directory
        self._maps = maps
        self._links: dict[_Key, str] = {}
        try:
            self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError as error:
            raise ImageNotFoundError(
                f"{directory} is no directory", hint=f"it is a file: say tar:{directory}"
            ) from error
        except OSError as error:
            raise ImageNotFoundError(f"cannot read {directory}: {error.strerror}") from error
        self._device = os.fstat(self._root).st_dev
        self._left_out = _key_of(os.stat(left_out)) if os.path.isdir(left_out) else None
        self._pieces = self._walk()
        self._piece = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """The next part of the tar. Raises BadImageError where the directory cannot be read."""
        while not self._piece:
            try:
                piece = next(self._pieces, None)
            except OSError as error:
                raise self._unreadable(error) from error
            if piece is None:
                return b""
            self._piece = memoryview(piece)
        data, self._piece = bytes(self._piece[:size]), self._piece[size:]
        return data

    def close(self) -> None:
        """End the walk."""
        self._pieces.close()
        os.close(self._root)

    def _unreadable(self, error: OSError) -> BadImageError:
        path = f"{self.directory}/{error.filename or ''}"
        hint = f"sudo tar -C {self.directory} -c . | dacha image load - --name NAME"
        return BadImageError(
            f"cannot read {_printable(path)}: {os.strerror(error.errno or 0)}",
            hint=hint if isinstance(error, PermissionError) else "",
        )

    def _walk(self) -> Generator[bytes, None, None]:
        """The tar, piece by piece. A directory comes before what is in it, all in the order of names."""
        todo = ["."]
        while todo:
            path = todo.pop()
            fd = self._open(path, os.O_DIRECTORY)
            try:
                facts = os.fstat(fd)
                yield self._directory_header(path, facts, fd)
                if facts.st_dev != self._device or _key_of(facts) == self._left_out:
                    continue
                directories = []
                for name in sorted(os.listdir(fd)):
                    inner = name if path == "." else f"{path}/{name}"
                    found = _stat_at(fd, name, inner)
                    if stat.S_ISDIR(found.st_mode):
                        directories.append(inner)
                    else:
                        yield from self._entry(fd, name, inner, found)
                todo += reversed(directories)
            finally:
                os.close(fd)
        yield bytes(2 * _BLOCK)

    def _open(self, path: str, flags: int) -> int:
        flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
        return openat2(self._root, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)

    def _directory_header(self, path: str, facts: os.stat_result, fd: int) -> bytes:
        info = self._info(path, facts, tarfile.DIRTYPE, fd)
        if path == ".":
            info.mode |= 0o755  # mktemp -d makes 0700, with which nobody but root would get anywhere
        return _header(info)

    def _entry(self, parent: int, name: str, path: str, facts: os.stat_result) -> Iterator[bytes]:
        is_file = stat.S_ISREG(facts.st_mode)
        if not (is_file or stat.S_ISLNK(facts.st_mode) or stat.S_ISFIFO(facts.st_mode)):
            return  # a socket or a device
        if facts.st_nlink > 1:
            first = self._links.setdefault(_key_of(facts), path)
            if first != path:
                info = self._info(path, facts, tarfile.LNKTYPE)
                info.linkname = first
                yield _header(info)
                return
        if is_file:
            yield from self._file(path)
        elif stat.S_ISLNK(facts.st_mode):
            info = self._info(path, facts, tarfile.SYMTYPE)
            info.linkname = os.readlink(name, dir_fd=parent)
            yield _header(info)
        else:
            yield _header(self._info(path, facts, tarfile.FIFOTYPE))

    def _file(self, path: str) -> Iterator[bytes]:
        fd = self._open(path, 0)
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                raise BadImageError(f"{_printable(path)} in {self.directory} has changed while it was read")
            info = self._info(path, facts, tarfile.REGTYPE, fd)
            segments = data_pieces(fd, facts, block=_BLOCK)
            table = b""
            if segments != [(0, facts.st_size)]:
                table = _sparse_map(segments, facts.st_size)
                info.pax_headers = {
                    **info.pax_headers,
                    "GNU.sparse.major": "1",
                    "GNU.sparse.minor": "0",
                    "GNU.sparse.name": path,
                    "GNU.sparse.realsize": str(facts.st_size),
                }
            stored = sum(size for _, size in segments)
            info.size = len(table) + stored
            yield _header(info)
            yield table
            for start, size in segments:
                yield from self._data(fd, start, size, path)
            yield bytes(-stored % _BLOCK)
        finally:
            os.close(fd)

    def _data(self, fd: int, start: int, size: int, path: str) -> Iterator[bytes]:
        while size:
            piece = os.pread(fd, min(size, _CHUNK), start)
            if not piece:
                raise BadImageError(f"{_printable(path)} in {self.directory} has shrunk while it was read")
            yield piece
            start += len(piece)
            size -= len(piece)

    def _info(self, path: str, facts: os.stat_result, kind: bytes, fd: int = -1) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.type = kind
        info.mode = stat.S_IMODE(facts.st_mode)
        info.uid = self._inside(self._maps.uids, facts.st_uid, path, "user")
        info.gid = self._inside(self._maps.gids, facts.st_gid, path, "group")
        info.mtime, nanoseconds = divmod(facts.st_mtime_ns, 1_000_000_000)
        records: dict[str, str] = {}
        if nanoseconds and info.mtime >= 0:
            records["mtime"] = f"{info.mtime}.{nanoseconds:09d}"
        if fd >= 0:
            for name, value in _xattrs(fd):
                key = name.replace("%", "%25").replace("=", "%3D")
                records[f"SCHILY.xattr.{key}"] = value.decode(errors="surrogateescape")
        info.pax_headers = records
        return info

    def _inside(self, outer: IdMap, owner: int, path: str, kind: str) -> int:
        """The number of an owner in the image."""
        if self._maps.is_initial:
            return owner
        inside = mapping.to_inside(outer, owner)
        if inside is None or inside == 0:
            return owner if inside is None else 0
        raise BadImageError(
            f"{_printable(path)} in {self.directory} belongs to the subordinate {kind} id {owner}",
            hint="pack it where that has its number in the image: unshare --map-root-user --map-auto"
            f" tar -C {self.directory} -c . | dacha image load - --name NAME",
        )


def _key_of(facts: os.stat_result) -> _Key:
    return facts.st_dev, facts.st_ino


def _stat_at(fd: int, name: str, path: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        error.filename = path
        raise


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _sparse_map(segments: list[tuple[int, int]], size: int) -> bytes:
    """A map of GNU's sparse format 1.0, padded to whole blocks."""
    listed = segments if segments else [(size, 0)]
    text = f"{len(listed)}\n" + "".join(f"{start}\n{length}\n" for start, length in listed)
    return text.encode() + bytes(-len(text) % _BLOCK)


def _xattrs(fd: int) -> Iterator[tuple[str, bytes]]:
    """The extended attributes that mean the same in an image."""
    try:
        names = os.listxattr(fd)
    except OSError:
        return  # a file system without them
    for name in sorted(names):
        if name == _CAPABILITY:
            yield name, _without_namespace(os.getxattr(fd, name))
        elif name.startswith("user.") and name.isprintable():
            yield name, os.getxattr(fd, name)


def _without_namespace(capabilities: bytes) -> bytes:
    """File capabilities of version 3, which are one user namespace's, as version 2 (linux/capability.h)."""
    if len(capabilities) == 24 and capabilities[3] == 3:
        return capabilities[:3] + b"\2" + capabilities[4:20]
    return capabilities


def _printable(path: str) -> str:
    shown = os.fsencode(path)[:300].decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in shown)
