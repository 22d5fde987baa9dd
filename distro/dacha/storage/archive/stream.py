"""Rewrite an image layer's archive on its way to GNU tar.

Layers come from strangers, and GNU tar, which writes files twice as fast as
Python could, must not meet what strangers wrote. So it reads an archive of ours:
every entry is checked, its name resolved inside the root (`storage.archive.names`),
and written anew (`storage.archive.header`, `pax`); the data between passes through unseen.

This stands on tar starting in an empty directory: then nothing is on the disk
but what the archive made, and a name without symlinks stays one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from dacha.errors import BadImageError
from dacha.storage.archive.buffer import Input, Output, Source
from dacha.storage.archive.header import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARD_LINK,
    PADDINGS,
    SYMLINK,
    ZERO_BLOCK,
    BadTarError,
    Entry,
    cut_text,
    parse_entry,
)
from dacha.storage.archive.journal import Writer
from dacha.storage.archive.names import SKIPPED, WHITEOUT, Tree, components
from dacha.storage.archive.pax import apply_records, check_time, encode_entry, parse_records
from dacha.storage.archive.sparse import encode_map, read_map
from dacha.storage.ownership import ACLS, acl_ids

# How tar must be called. --absolute-names may look daring, but names are safe here, and without it
# tar puts placeholders where symlinks point upwards, with work for every later entry and hard link.
# Blocks of 64 KiB, the unit it reads and writes in, take a sixth off its work.
TAR_EXTRACT_OPTIONS: tuple[str, ...] = (
    "--extract",
    "--file=-",
    "--blocking-factor=128",
    "--absolute-names",
    "--numeric-owner",
    "--same-owner",
    "--preserve-permissions",
    "--xattrs",
    "--xattrs-include=*",
    "--delay-directory-restore",
    "--warning=no-timestamp",
)

# And all of its environment: in other locales it would translate long names, in TAR_OPTIONS may be anything.
TAR_ENVIRONMENT: dict[str, str] = {"LC_ALL": "C"}

_MAX_SKIPPED = 100
# What overlayfs, fuse-overlayfs and podman keep their own marks in.
_PRIVATE_XATTRS = (b"user.overlay.", b"user.fuseoverlayfs.", b"user.containers.override_stat")
_KINDS = frozenset((FILE, HARD_LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO))


class LayerFacts(NamedTuple):
    """What was in the layer."""

    diff_id: str  # "sha256:..." of the archive as it came, to its very end
    size_bytes: int  # of all regular files, holes counted
    files: int | None  # how many are regular; None where one replaced another, and the size is too large
    entries: int  # written to the sink, with whiteouts and directories that the archive only implied
    owners: frozenset[tuple[int, int]]  # uid and gid
    opaque: tuple[str, ...]  # directories that must hide those of lower layers; "." is the root
    skipped: tuple[str, ...]  # device nodes that were left out, the first hundred


class Limits(NamedTuple):
    """What a layer may ask for."""

    max_entries: int = 10_000_000
    max_size_bytes: int = 1 << 40
    max_path_bytes: int = 4096
    max_header_bytes: int = 1 << 20  # of extended headers, long names and sparse maps
    max_id: int = (1 << 32) - 2
    has_whiteouts: bool = True  # else names that begin with .wh. are names like all others


def rewrite(
    source: Source,
    sink: int,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
    *,
    journal: Writer | None = None,
    marks_files: bool = False,
    squashes_owners: bool = False,
) -> LayerFacts:
    """Read an archive from `source`, write a clean one to the descriptor `sink`, and its journal.

    `marks_files`: whiteouts become files of their old names (`storage.marks`) rather than devices.
    `squashes_owners`: everything belongs to root in what is written, for who has no other id;
    file capabilities and access lists are left out then. The facts are those of the archive as it came.

    Raises BadImageError if the archive is damaged or hostile; what stands in the sink then
    is of no use.
    """
    output = Output(sink)
    with Input(source, output, journal) as archive:
        rewriter = _Rewriter(
            archive, output, limits, journal, marks_files=marks_files, squashes_owners=squashes_owners
        )
        return rewriter.run()


class _Rewriter:
    """One pass over one archive."""

    def __init__(
        self,
        archive: Input,
        output: Output,
        limits: Limits,
        journal: Writer | None,
        *,
        marks_files: bool,
        squashes_owners: bool,
    ) -> None:
        self._journal = journal
        self._limits = limits
        self._marks_files = marks_files
        self._squashes_owners = squashes_owners
        self._output = output
        self._input = archive
        self._tree = Tree(max_path_bytes=limits.max_path_bytes)
        self._globals: dict[bytes, bytes] = {}
        self._globals_bytes = 0
        self._number = 1  # of the entry at hand, for errors
        self._offset = 0
        self._name = b""
        self._written = 0
        self._size_bytes = 0
        self._files = 0
        self._owners: set[tuple[int, int]] = set()
        self._skipped: list[str] = []

    def run(self) -> LayerFacts:
        try:
            self._copy_entries()
        except BadTarError as error:
            name = f" ({_printable(self._name)})" if self._name else ""
            place = f"entry {self._number}{name} at byte {self._offset}"
            raise BadImageError(f"bad layer archive, {place}: {error}", hint=error.hint) from error
        if self._marks_files:
            self._write_marks()
        self._output.finish()
        diff_id = "sha256:" + self._input.finish()
        if self._journal is not None:
            self._journal.is_broken = self._tree.has_replaced_file
            self._journal.finish()
        return LayerFacts(
            diff_id=diff_id,
            size_bytes=self._size_bytes,
            files=None if self._tree.has_replaced_file else self._files,
            entries=self._written,
            owners=frozenset(self._owners),
            opaque=tuple(os.fsdecode(path) or "." for path in self._tree.opaque),
            skipped=tuple(self._skipped),
        )

    def _copy_entries(self) -> None:
        archive = self._input
        records: dict[bytes, bytes] | None = None
        long_name = long_link = b""
        while archive.has(BLOCK):
            self._offset = archive.position
            block = archive.peek(BLOCK)
            if block == ZERO_BLOCK:
                break
            archive.start += BLOCK
            entry = parse_entry(block)
            kind = entry.kind
            if kind == b"x":
                records = parse_records(self._take_extension(entry))
            elif kind == b"g":
                self._add_globals(self._take_extension(entry))
            elif kind == b"L":
                long_name = cut_text(self._take_extension(entry))
            elif kind == b"K":
                long_link = cut_text(self._take_extension(entry))
            else:
                if self._globals:
                    records = {**self._globals, **(records or {})}
                if records:
                    apply_records(entry, records)
                entry.name = self._name = long_name or entry.name
                entry.link = long_link or entry.link
                self._copy_entry(entry, block)
                self._number += 1
                self._name = long_name = long_link = b""
                records = None
        self._offset = archive.position
        if records is not None or long_name or long_link:
            raise BadTarError("the archive ends between its extended header and itself")
        self._check_end()

    def _check_end(self) -> None:
        archive = self._input
        if not archive.has(BLOCK):
            if archive.start < archive.end:
                raise BadTarError("the archive ends in the middle of a header")
            return  # umoci writes layers without an end mark, and GNU tar reads them
        archive.start += BLOCK
        if archive.has(BLOCK):
            if archive.view[archive.start : archive.start + BLOCK] != ZERO_BLOCK:
                raise BadTarError("a single block of zeros, and then more")
        elif archive.start < archive.end:
            raise BadTarError("the archive ends in the middle of its end mark")

    def _take_extension(self, entry: Entry) -> bytes:
        allowed = self._limits.max_header_bytes
        if not 0 <= entry.size <= allowed:
            raise BadTarError(f"its extended header has {entry.size} bytes; {allowed} are allowed")
        data = self._input.take(entry.size)
        self._input.take(-entry.size % BLOCK)
        return data

    def _add_globals(self, data: bytes) -> None:
        self._globals_bytes += len(data)
        if self._globals_bytes > self._limits.max_header_bytes:
            raise BadTarError(f"global headers have more than {self._limits.max_header_bytes} bytes")
        self._globals.update(parse_records(data))

    def _copy_entry(self, entry: Entry, block: bytes) -> None:
        kind = entry.kind
        if kind == b"\0":
            # Before there was a type for it, a slash at the end made a directory.
            kind = DIRECTORY if entry.name.endswith(b"/") else FILE
        elif kind == b"7" or kind == b"S":
            kind = FILE
        entry.kind = kind
        if self._number > self._limits.max_entries:
            raise self._too_many()
        if kind != FILE:
            entry.size = 0  # whatever it says, no data follows
        elif entry.size < 0:
            raise BadTarError(f"its size is {entry.size}")
        if b".wh." in entry.name and self._limits.has_whiteouts and self._is_whiteout(entry):
            self._skip_data(entry.size)
            return
        if kind not in _KINDS:
            raise BadTarError(f"its type {kind!r} is unknown")
        path = self._tree.place(entry.name)
        if self._tree.implied:
            self._write_implied(entry)
        if kind in (CHARACTER_DEVICE, BLOCK_DEVICE):
            self._skip(path)
            return
        self._check_values(entry)
        entry.name = path
        if kind == FILE:
            self._copy_file(entry, block)
        elif kind != HARD_LINK or self._link(entry):
            self._copy_other(entry)

    def _check_values(self, entry: Entry) -> None:
        max_id = self._limits.max_id
        if not (0 <= entry.uid <= max_id and 0 <= entry.gid <= max_id):
            is_user = not 0 <= entry.uid <= max_id
            owner = f"user {entry.uid}" if is_user else f"group {entry.gid}"
            raise BadTarError(
                f"it belongs to {owner}; only {max_id + 1} ids are available",
                hint="more subordinate ids in /etc/subuid and /etc/subgid make room for it",
            )
        check_time(entry.seconds)
        if entry.xattrs is not None:
            kind = entry.kind
            entry.xattrs = {key: value for key, value in entry.xattrs.items() if _is_kept(key, kind)}

    def _copy_file(self, entry: Entry, block: bytes) -> None:
        self._tree.add(entry.name, FILE)
        self._files += 1
        entry.link = b""
        if entry.sparse_records is not None or block[156:157] == b"S":
            self._copy_sparse(entry, block)
        else:
            self._add_size(entry.size)
            self._write(entry)
            self._copy_data(entry.name, entry.size, ((0, entry.size),))

    def _copy_other(self, entry: Entry) -> None:
        path = entry.name
        if entry.kind == DIRECTORY:
            self._tree.add(path, DIRECTORY)
            entry.name = path + b"/" if path else b"./"
            entry.link = b""
        elif entry.kind == SYMLINK:
            if not 0 < len(entry.link) < self._limits.max_path_bytes:
                raise BadTarError("its target is " + ("too long" if entry.link else "empty"))
            self._tree.add_symlink(path, entry.link)
        elif entry.kind == FIFO:
            self._tree.add(path, FIFO)
            entry.link = b""
        self._write(entry)

    def _link(self, entry: Entry) -> bool:
        """Find what a hard link means; false if there is nothing to write."""
        path = entry.name
        target, kind = self._tree.find(entry.link)
        if kind == SKIPPED:
            self._skip(path)
            return False
        if kind is None or kind == WHITEOUT:
            raise BadTarError(f"it is a hard link to '{_printable(entry.link)}', which is not in the layer")
        if kind == DIRECTORY:
            raise BadTarError(f"it is a hard link to '{_printable(entry.link)}', which is a directory")
        if path == target:
            return False
        self._tree.add_hard_link(path, target)
        entry.link = target
        entry.xattrs = None
        return True

    def _is_whiteout(self, entry: Entry) -> bool:
        """Carry out a whiteout; false if the name only looks a little like one."""
        *heads, last = components(entry.name) or [b""]
        if any(part.startswith(b".wh..wh.") for part in heads):
            return True  # what aufs kept for itself
        if not last.startswith(b".wh."):
            return False
        if last.startswith(b".wh..wh."):
            if last == b".wh..wh..opq":
                self._tree.add_opaque(entry.name)
                self._write_implied(entry)
            return True
        hidden = last[4:]
        if hidden in (b"", b".", b".."):
            raise BadTarError("it is a whiteout of nothing")
        path = self._tree.place(b"/".join([*heads, hidden]))
        self._write_implied(entry)
        if self._tree.add_whiteout(path) and not self._marks_files:
            entry.name, entry.kind, entry.mode, entry.uid, entry.gid = path, CHARACTER_DEVICE, 0, 0, 0
            size, entry.size, entry.link, entry.xattrs = entry.size, 0, b"", None
            check_time(entry.seconds)
            self._write(entry)
            entry.size = size
        return True

    def _write_marks(self) -> None:
        """At the very end: what a later entry has put at the name of a whiteout hides by itself."""
        for path in self._tree.whiteouts():
            parent, slash, name = path.rpartition(b"/")
            self._write(Entry(parent + slash + b".wh." + name, FILE, 0o600, 0, 0, 0, 0, b""))

    def _write_implied(self, cause: Entry) -> None:
        """Make directories that stand in the archive only as a part of names."""
        if self._written + len(self._tree.implied) > self._limits.max_entries:
            raise self._too_many()
        for path in self._tree.implied:
            entry = Entry(path + b"/", DIRECTORY, 0o755, 0, 0, 0, check_time(cause.seconds), b"")
            self._write(entry)
        self._tree.implied.clear()

    def _too_many(self) -> BadTarError:
        return BadTarError(f"the archive has more than {self._limits.max_entries} entries")

    def _skip(self, path: bytes) -> None:
        self._tree.add_skipped(path)
        if len(self._skipped) < _MAX_SKIPPED:
            self._skipped.append(os.fsdecode(path))

    def _add_size(self, size: int) -> None:
        self._size_bytes += size
        if self._size_bytes > self._limits.max_size_bytes:
            raise BadTarError(f"the files have more than {self._limits.max_size_bytes} bytes")

    def _write(self, entry: Entry) -> None:
        self._owners.add((entry.uid, entry.gid))
        if entry.xattrs:
            self._add_acl_owners(entry)
        self._written += 1
        if self._squashes_owners:
            entry.uid = entry.gid = 0
            if entry.xattrs:  # what is left out speaks of other users, or of root's rights
                entry.xattrs = {key: value for key, value in entry.xattrs.items() if key.startswith(b"user.")}
        self._output.pieces.append(encode_entry(entry))

    def _add_acl_owners(self, entry: Entry) -> None:
        """Who is named in an access control list must be known to a layer as its owners are."""
        for name in ACLS:
            users, groups = acl_ids((entry.xattrs or {}).get(name.encode(), b""))
            self._owners.update((user, entry.gid) for user in users)
            self._owners.update((entry.uid, group) for group in groups)

    def _copy_data(self, name: bytes, size: int, pieces: Sequence[tuple[int, int]]) -> None:
        """Copy the data of a file, whose `pieces` (offset, size) it is."""
        archive = self._input
        if self._journal is not None:
            archive.begin_data()
            if size:
                self._journal.file(name)
                for offset, length in pieces:
                    self._journal.data(offset, length)
        start = archive.start
        padding = PADDINGS[size % BLOCK]
        end = start + size
        if end + len(padding) <= archive.end:
            self._output.pieces += (archive.view[start:end], padding)
            archive.start = end
            archive.end_data()
            archive.start = end + len(padding)
            return
        for piece in archive.pieces(size):
            self._output.pieces.append(piece)
        archive.end_data()
        self._output.pieces.append(padding)
        archive.skip_padding(len(padding))

    def _skip_data(self, size: int) -> None:
        for _ in self._input.pieces(size):
            pass
        self._input.skip_padding(-size % BLOCK)

    def _copy_sparse(self, entry: Entry, block: bytes) -> None:
        """Copy a sparse file with its holes, for nobody knows how large they are."""
        sparse = read_map(entry, block, self._input.take, max_bytes=self._limits.max_header_bytes)
        self._add_size(sparse.real_size)
        text = encode_map(sparse)
        entry.size = len(text) + sparse.stored_size
        entry.sparse_size = sparse.real_size
        self._write(entry)
        self._output.pieces.append(text)
        self._copy_data(entry.name, sparse.stored_size, sparse.pieces)


def _is_kept(xattr: bytes, kind: bytes) -> bool:
    """Whether an extended attribute belongs to the image, and can be set on such a file.

    user.overlay.* and the like would speak to overlayfs, trusted.* and labels to a host that is not theirs.
    """
    if xattr.startswith(b"user."):
        return kind in (FILE, DIRECTORY) and not xattr.startswith(_PRIVATE_XATTRS)
    if xattr == b"security.capability":
        return kind == FILE
    if xattr == b"system.posix_acl_access":
        return kind != SYMLINK
    return xattr == b"system.posix_acl_default" and kind == DIRECTORY


def _printable(name: bytes) -> str:
    """Show a name on one line of a terminal, whatever is in it."""
    shown = name[:200].decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in shown)
