"""Layers as directories, out of nothing but Python values.

    stack = open_stack(make_tree(tmp_path / "upper", {"etc/motd": WHITEOUT}),
                       make_tree(tmp_path / "image", {"etc/motd": b"hello", "bin": Link("usr/bin")}))

Everything belongs to whoever runs the tests: owners are for the integration tests.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest

from dacha.box.tree import LayerStack


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Directory:
    """A directory, which may hide what lower layers have in it."""

    mode: int = 0o755
    is_opaque: bool = False


@dataclass(frozen=True)
class Program:
    """A file that may be executed."""

    data: bytes = b"elf"


class Special(Enum):
    """What needs no more words."""

    WHITEOUT = "whiteout"
    FIFO = "fifo"


WHITEOUT = Special.WHITEOUT
FIFO = Special.FIFO

Node = bytes | Link | Directory | Program | Special
Tree = Mapping[str, Node]


def make_tree(directory: Path, tree: Tree) -> Path:
    """Make what `tree` says, and the directories on the way; add to what is there. Returns `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, node in tree.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_node(path, node)
    return directory


def _make_node(path: Path, node: Node) -> None:
    match node:
        case bytes():
            path.write_bytes(node)
        case Program():
            path.write_bytes(node.data)
            path.chmod(0o755)
        case Link():
            path.symlink_to(node.target)
        case Directory():
            path.mkdir(exist_ok=True)
            if node.is_opaque:
                _make_opaque(path)
            path.chmod(node.mode)
        case Special.FIFO:
            os.mkfifo(path)
        case Special.WHITEOUT:
            _make_whiteout(path)


def _make_whiteout(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0))
    except PermissionError:
        pytest.skip("needs a kernel that lets everybody make whiteouts (5.8)")


def _make_opaque(path: Path) -> None:
    try:
        os.setxattr(path, "user.overlay.opaque", b"y")
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip(f"needs user xattrs, which {path} cannot have")


@contextmanager
def open_stack(*directories: Path) -> Iterator[LayerStack]:
    """A stack of layers, the top one first."""
    descriptors = [os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for each in directories]
    try:
        yield LayerStack(descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
