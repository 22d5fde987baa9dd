"""A file that somebody gives: which kind of archive it is, and how it is read.

Three kinds look alike from outside: an image layout in a tar (`oci-archive:`), what
`docker save` writes (`docker-archive:`), and a root file system (`tar:`). The first name in
it tells the last one from the others without reading on, also on a pipe. An archive of
images is then read by offsets: where it lies, or, of a compressed one and of a pipe, in a
copy that a `Spool` makes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.archive import BLOCK, Archive, BadArchiveError, is_header, read_members
from dacha.registry.compression import Prefixed, decompressed, is_compressed
from dacha.registry.digest import Readable
from dacha.registry.files import read_at_most
from dacha.registry.reference import STDIN

OCI_ARCHIVE, DOCKER_ARCHIVE, TAR = "oci-archive", "docker-archive", "tar"
_TITLES = {OCI_ARCHIVE: "an OCI archive", DOCKER_ARCHIVE: "a docker archive", TAR: "a root file system"}

_PREFIX_BYTES = 1 << 16
# What stands at the top of archives of images, beside names of digests. No root file system has these.
_IMAGE_NAMES = ("blobs", "oci-layout", "index.json", "manifest.json", "repositories", "config.json")
_DIGITS = frozenset("0123456789abcdef")

# Writes a stream to a file for the time of a `with` block, and gives its descriptor.
Spool = Callable[[Readable], AbstractContextManager[int]]


class Incoming:
    """A file, a pipe or standard input, of which no more is read than is needed."""

    def __init__(self, fd: int, path: str, spool: Spool, stack: ExitStack) -> None:
        self.where = "standard input" if path == STDIN else path
        self._path = path
        self._spool = spool
        self._stack = stack
        self._archive: Archive | None = None
        self._seekable = fd if _is_plain(fd) else -1
        self._stream = decompressed(_Descriptor(fd), "archive" if path == STDIN else f"archive {path}")
        self._prefix = read_at_most(self._stream, _PREFIX_BYTES)

    def kind(self) -> str:
        """What it is. Newer docker archives are OCI archives as well; docker's names for images say more."""
        return _kinds(self._index())[0] if self._looks_like_images() else TAR

    def archive(self, wanted: str) -> Archive:
        """The files of an archive of images. Raises BadImageError if it is not of the `wanted` kind."""
        archive = self._index()
        kinds = _kinds(archive)
        if wanted not in kinds:
            if kinds[0] == TAR:
                missing = "manifest.json" if wanted == DOCKER_ARCHIVE else "index.json"
                raise BadImageError(
                    f"{self.where} is not {_TITLES[wanted]}: it has no {missing}",
                    hint=f"if it is {_TITLES[TAR]}, say {TAR}:{self._path}",
                )
            raise self._wrong_kind(kinds[0], wanted)
        return archive

    def root_file_system(self) -> Readable:
        """The uncompressed archive from its beginning. Raises BadImageError if it is one of images."""
        if (kind := self.kind()) != TAR:
            raise self._wrong_kind(kind, TAR)
        first = self._prefix[:BLOCK]
        if len(first) < BLOCK or not (is_header(first) or first == bytes(BLOCK)):
            raise BadImageError(
                f"{self.where} is no tar archive",
                hint="a tar is wanted, as it is or compressed with gzip, zstd, xz or bzip2",
            )
        if self._archive is None:
            return Prefixed(self._stream, self._prefix)
        os.lseek(self._seekable, 0, os.SEEK_SET)
        return _Descriptor(self._seekable)

    def _wrong_kind(self, kind: str, wanted: str) -> BadImageError:
        return BadImageError(
            f"{self.where} is {_TITLES[kind]}, not {_TITLES[wanted]}", hint=f"say {kind}:{self._path}"
        )

    def _looks_like_images(self) -> bool:
        try:
            for name, _ in read_members(lambda at, size: self._prefix[at : at + size]):
                if name:
                    return _is_image_name(name.partition("/")[0])
        except BadArchiveError:
            pass  # whoever unpacks it says more
        return False

    def _index(self) -> Archive:
        if self._archive is None:
            if self._seekable < 0:
                whole = Prefixed(self._stream, self._prefix)
                self._seekable = self._stack.enter_context(self._spool(whole))
            self._archive = Archive(self._seekable, self.where)
        return self._archive


class _Descriptor:
    """A file by its descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int, /) -> bytes:
        return os.read(self._fd, size)


@contextmanager
def open_incoming(path: str, spool: Spool) -> Iterator[Incoming]:
    """Open a file, or standard input for "-". Raises ImageNotFoundError where there is nothing to read."""
    if path == STDIN and os.isatty(0):
        raise ImageNotFoundError(
            "standard input is a terminal, not an archive", hint="pipe one into it: tar -c . | dacha ... -"
        )
    try:
        fd = os.dup(0) if path == STDIN else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageNotFoundError(f"cannot read {path}: {error.strerror}") from error
    with ExitStack() as stack:
        stack.callback(os.close, fd)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise ImageNotFoundError(
                f"{path} is a directory, not an archive",
                hint=f"say rootfs:{path}, oci:{path} or dir:{path}",
            )
        yield Incoming(fd, path, spool, stack)


def _is_plain(fd: int) -> bool:
    """Whether it can be read by offsets as it lies."""
    if not stat.S_ISREG(os.fstat(fd).st_mode) or os.lseek(fd, 0, os.SEEK_CUR) != 0:
        return False
    return not is_compressed(os.pread(fd, 6, 0))


def _is_image_name(top: str) -> bool:
    """Whether that stands at the top of archives of images, which have little but names of digests there."""
    stem = top.removeprefix("sha256:").partition(".")[0]
    return top in _IMAGE_NAMES or (len(stem) == 64 and not set(stem) - _DIGITS)


def _kinds(archive: Archive) -> tuple[str, ...]:
    kinds = []
    if archive.has("manifest.json") or archive.has("repositories"):
        kinds.append(DOCKER_ARCHIVE)
    if archive.has("index.json"):
        kinds.append(OCI_ARCHIVE)
    return tuple(kinds) or (TAR,)
