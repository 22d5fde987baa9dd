"""Deltas: the few files of a layer that belong to a box's user.

In a box the user's own number is the user, so the place that the shifted view has for that
number is unmapped: files that the image gives to it would belong to nobody, and not even
the box's root could touch them. Each (layer, uid, gid) that needs it gets a delta: copies of
just those files, owned by the user, as one more lower layer right above their own. The
directories on the way to them carry the metadata of the layer's, as overlayfs shows the
topmost ones.
"""

from __future__ import annotations

import os
import stat

from dacha.linux import files
from dacha.storage import marks, ownership
from dacha.storage.layers import Layer

_COPY_BYTES = 1 << 30


def is_needed(layer: Layer, uid: int, gid: int) -> bool:
    """Whether the layer has files of that user or group (image ids)."""
    return uid in layer.uids or gid in layer.gids


def directory(layer: Layer, uid: int, gid: int) -> str:
    """Where the delta for that user and group lies, relative to the store."""
    return f"layers/{layer.directory}/delta-{uid}-{gid}"


class _Builder:
    """Copies what belongs to (`uid`, `gid`), given as H sees the shifted view, from one tree to another.

    Works on open directories: the tree is a stranger's, and a name could be anything.
    """

    def __init__(self, source: int, target: int, uid: int, gid: int) -> None:
        self._uid = uid
        self._gid = gid
        self._root = target
        self._links: dict[tuple[int, int], bytes] = {}  # inode -> path of its first copy
        self._opened: list[tuple[bytes, os.stat_result, int]] = [(b"", os.fstat(source), os.dup(source))]
        self._made = {b""}
        self.copied = 0

    def walk(self, source: int, path: bytes) -> None:
        """Copy what is ours below the open directory `source`, which is `path` in the layer."""
        for entry in os.listdir(source):
            name = os.fsencode(entry)
            where = path + b"/" + name if path else name
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            ours = found.st_uid == self._uid or found.st_gid == self._gid or self._is_named(source, name)
            if not stat.S_ISDIR(found.st_mode):
                if ours:
                    self._make_parents(path)
                    self._copy(source, name, where, found)
                continue
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=source)
            self._opened.append((where, found, fd))
            if ours:
                self._make_parents(where)
            self.walk(fd, where)
            self._close(where, found, fd)

    def _is_named(self, source: int, name: bytes) -> bool:
        """Whether an access control list of the file names us."""
        path = f"/proc/self/fd/{source}/".encode() + name
        for key in ownership.ACLS:
            try:
                users, groups = ownership.acl_ids(os.getxattr(path, key, follow_symlinks=False))
            except OSError:
                continue
            if self._uid in users or self._gid in groups:
                return True
        return False

    def finish(self) -> None:
        """Give the root of the delta the metadata of the layer's."""
        self._close(*self._opened[0])

    def _close(self, path: bytes, found: os.stat_result, fd: int) -> None:
        """A directory is complete: now its times can be set."""
        self._opened.pop()
        if path in self._made:
            self._carry_over(fd, path or b".", found)
        os.close(fd)

    def _make_parents(self, path: bytes) -> None:
        for where, _, _ in self._opened[1:]:
            if where not in self._made and (path == where or path.startswith(where + b"/")):
                os.mkdir(where, 0o700, dir_fd=self._root)
                self._made.add(where)
                self.copied += 1

    def _copy(self, source: int, name: bytes, where: bytes, found: os.stat_result) -> None:
        self.copied += 1
        key = (found.st_dev, found.st_ino)
        if key in self._links:
            os.link(
                self._links[key], where, src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False
            )
            return
        if found.st_nlink > 1:
            self._links[key] = where
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), where, dir_fd=self._root)
            self._carry_over(None, where, found)
        elif stat.S_ISREG(found.st_mode):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
            try:
                self._copy_data(fd, where)
                self._carry_over(fd, where, found)
            finally:
                os.close(fd)
        else:
            os.mknod(where, found.st_mode, found.st_rdev, dir_fd=self._root)
            self._carry_over(None, where, found)

    def _copy_data(self, source: int, where: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        target = os.open(where, flags, 0o600, dir_fd=self._root)
        try:
            while os.copy_file_range(source, target, _COPY_BYTES):
                pass
        finally:
            os.close(target)

    def _carry_over(self, source: int | None, where: bytes, found: os.stat_result) -> None:
        """Owner, xattrs, mode and times, in the order in which none undoes another."""
        uid = 0 if found.st_uid == self._uid else found.st_uid
        gid = 0 if found.st_gid == self._gid else found.st_gid
        os.chown(where, uid, gid, dir_fd=self._root, follow_symlinks=False)
        if source is not None:
            target = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root)
            try:
                for key in os.listxattr(source):
                    # An opaque directory must not hide what is in its own layer, right below.
                    if not key.startswith(marks.PRIVATE_XATTRS):
                        os.setxattr(target, key, self._translated(key, os.getxattr(source, key)))
                os.chmod(target, stat.S_IMODE(found.st_mode))
            finally:
                os.close(target)
        elif not stat.S_ISLNK(found.st_mode):
            os.chmod(where, stat.S_IMODE(found.st_mode), dir_fd=self._root)
        times = (found.st_atime_ns, found.st_mtime_ns)
        os.utime(where, ns=times, dir_fd=self._root, follow_symlinks=False)

    def _translated(self, key: str, value: bytes) -> bytes:
        if key not in ownership.ACLS:
            return value
        return ownership.map_acl(
            value,
            lambda number: 0 if number == self._uid else number,
            lambda number: 0 if number == self._gid else number,
        )


def build(store: int, layer: Layer, uid: int, gid: int) -> None:
    """Make the delta of a layer, unless it is there. Call it in H; `store` is the store, open.

    It grows beside its final place, and is renamed when it is on disk. Two at once do the
    work twice, and one wins.
    """
    final = directory(layer, uid, gid)
    try:
        os.stat(final, dir_fd=store)
        return
    except FileNotFoundError:
        pass
    growing = f"{final}.{os.getpid()}~"
    if os.path.lexists(f"/proc/self/fd/{store}/{growing}"):  # of a dead process that had our number
        _remove(store, growing)
    os.mkdir(growing, 0o700, dir_fd=store)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    source = os.open(f"layers/{layer.directory}/shifted", flags, dir_fd=store)
    target = os.open(growing, flags, dir_fd=store)
    try:
        builder = _Builder(source, target, uid + 1, gid + 1)
        builder.walk(source, b"")
        builder.finish()
        files.syncfs(f"/proc/self/fd/{target}")
    finally:
        os.close(source)
        os.close(target)
    try:
        os.rename(growing, final, src_dir_fd=store, dst_dir_fd=store)
    except OSError:
        os.stat(final, dir_fd=store)  # somebody else was faster; otherwise this says what failed
        _remove(store, growing)


def _remove(store: int, path: str) -> None:
    from dacha.linux import process

    process.remove_tree(f"/proc/self/fd/{store}/{path}")
