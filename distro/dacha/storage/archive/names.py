"""Where the entries of an archive end up: names resolved inside a root that is not there yet.

The tree is virtual: it knows the directories and symlinks that the archive has
made so far, and resolves a name as openat2(2) with RESOLVE_IN_ROOT would. So the
names it hands out pass through no symlink, and whoever writes them cannot leave
the root, whatever the archive says.

It also knows overlayfs's side of it: whiteouts, and which directories hide what
lies below them (docs: "layer.md" of the OCI image specification).
"""

from __future__ import annotations

from dacha.storage.archive.header import (
    CHARACTER_DEVICE,
    DIRECTORY,
    FILE,
    SYMLINK,
    BadTarError,
)

WHITEOUT = CHARACTER_DEVICE  # that is what one is, with numbers 0 and 0
SKIPPED = b"skipped"  # something we leave out: nothing is at that name

_MAX_SYMLINKS = 40  # as the kernel has it
_MAX_COMPONENT = 255
_DOTS = (b"", b".", b"..")
_UP = b"/.."  # a ".." of a symlink's target: the root's parent is the root. No name has such a component


class Tree:
    """What the archive has made so far: kinds (tar's type codes) by real path, the root being b""."""

    def __init__(self, *, max_path_bytes: int) -> None:
        self._max_path = max_path_bytes - 2  # room for a directory's slash, and the NUL that PATH_MAX counts
        self._kinds: dict[bytes, bytes] = {b"": DIRECTORY}
        self._targets: dict[bytes, bytes] = {}
        self._prefixes: dict[bytes, bytes] = {}
        self._forget_prefixes()
        self.implied: list[bytes] = []  # directories that entries stand in but that no entry has made
        self.opaque: dict[bytes, None] = {}
        self.has_replaced_file = False

    def place(self, name: bytes) -> bytes:
        """Resolve the name of a new entry: its parents are followed, itself not.

        Parents that are not there yet are made, and added to `implied`.
        """
        head, _, last = name.rstrip(b"/").rpartition(b"/")
        prefix = self._prefixes.get(head)
        if prefix is None or last in _DOTS or len(last) > _MAX_COMPONENT:
            return self._place_in_new_parent(name, head)
        path = prefix + last
        if len(path) > self._max_path:
            raise BadTarError("its path is too long")
        return path

    def find(self, name: bytes) -> tuple[bytes, bytes | None]:
        """Resolve the name of something that should be there: its path and kind."""
        head, _, last = name.rpartition(b"/")
        prefix = self._prefixes.get(head)
        if prefix is None or last in _DOTS:
            path = self._walk(components(name), follow_last=False)
        else:
            path = prefix + last
        return path, self._kinds.get(path)

    def add(self, path: bytes, kind: bytes) -> None:
        """Put something at a placed path, instead of what was there."""
        if path in self._kinds:
            self._replace(path, kind)
        self._kinds[path] = kind

    def add_symlink(self, path: bytes, target: bytes) -> None:
        self.add(path, SYMLINK)
        self._targets[path] = target

    def add_hard_link(self, path: bytes, target: bytes) -> None:
        """Make `path` the same as `target`, which may be a symlink."""
        self.add(path, self._kinds[target])
        if target in self._targets:
            self._targets[path] = self._targets[target]

    def add_whiteout(self, path: bytes) -> bool:
        """Hide what lower layers have at `path`; true if that takes a device node.

        A whiteout never touches what its own layer has at that name.
        """
        kind = self._kinds.get(path)
        if kind == DIRECTORY:
            self.opaque[path] = None
        if kind is None or kind == SKIPPED:
            self._kinds[path] = WHITEOUT
            return True
        return False

    def whiteouts(self) -> list[bytes]:
        """The paths of which nothing is left but that they are gone."""
        return [path for path, kind in self._kinds.items() if kind == WHITEOUT]

    def add_opaque(self, name: bytes) -> None:
        """Hide what lower layers have in the directory that `name` would stand in."""
        self.opaque[self.place(name).rpartition(b"/")[0]] = None

    def add_skipped(self, path: bytes) -> None:
        self._kinds.setdefault(path, SKIPPED)

    def _replace(self, path: bytes, kind: bytes) -> None:
        old = self._kinds[path]
        if old == DIRECTORY and kind != DIRECTORY:
            raise BadTarError("it replaces a directory of the same archive by something else")
        if old == FILE:
            self.has_replaced_file = True
        if old == SYMLINK:
            del self._targets[path]
            self._forget_prefixes()
        elif old == WHITEOUT and kind == DIRECTORY:
            self.opaque[path] = None

    def _forget_prefixes(self) -> None:
        self._prefixes.clear()
        self._prefixes.update({b"": b"", b".": b""})

    def _place_in_new_parent(self, name: bytes, head: bytes) -> bytes:
        parts = components(name)
        if not parts or parts[-1] == b"..":
            path = self._walk(parts, follow_last=True)
            self._make_directories(path.rpartition(b"/")[0])
            return path
        parent = self._walk(parts[:-1], follow_last=True)
        self._make_directories(parent)
        prefix = parent + b"/" if parent else b""
        path = prefix + parts[-1]
        if len(parts[-1]) > _MAX_COMPONENT or len(path) > self._max_path:
            raise BadTarError("its path is too long")
        if parts[-1] == name.rstrip(b"/").rpartition(b"/")[2]:
            self._prefixes[head] = prefix
        return path

    def _make_directories(self, path: bytes) -> None:
        missing = []
        while (kind := self._kinds.get(path)) != DIRECTORY:
            if kind is not None and kind != WHITEOUT and kind != SKIPPED:
                raise BadTarError("it stands in something that is not a directory")
            missing.append(path)
            path, _, last = path.rpartition(b"/")
            if last.startswith(b".wh."):
                raise BadTarError("it stands in a whiteout")
        for directory in reversed(missing):
            self.add(directory, DIRECTORY)
            self.implied.append(directory)

    def _walk(self, parts: list[bytes], *, follow_last: bool) -> bytes:
        todo = parts[::-1]
        path = b""
        followed = 0
        while todo:
            part = todo.pop()
            if part == b".." or part == _UP:
                if self._kinds.get(path, DIRECTORY) not in (DIRECTORY, WHITEOUT, SKIPPED):
                    raise BadTarError("its name goes through something that is not a directory")
                if not path and part == b"..":
                    raise BadTarError("its name leaves the root")
                path = path.rpartition(b"/")[0]
                continue
            inner = path + b"/" + part if path else part
            target = self._targets.get(inner)
            if target is None or not (todo or follow_last):
                path = inner
                if len(part) > _MAX_COMPONENT or len(path) > self._max_path:
                    raise BadTarError("its path is too long")
                continue
            followed += 1
            if followed > _MAX_SYMLINKS:
                raise BadTarError("its name goes through too many symlinks")
            if target.startswith(b"/"):
                path = b""
            todo += [_UP if piece == b".." else piece for piece in reversed(components(target))]
        return path


def components(name: bytes) -> list[bytes]:
    """Split a name; empty parts and "." say nothing."""
    return [part for part in name.split(b"/") if part != b"" and part != b"."]
