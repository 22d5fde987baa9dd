"""What the host contributes to a box that has a whole tree, and how it is taken back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.box.edits import Edit
from dacha.box.tree import LayerStack
from dacha.box.tree_edits import TreeEditor, withdraw
from tests.lib.trees import Tree, make_tree

IMAGE: Tree = {"etc/passwd": b"root\n", "etc/hosts": b"image\n", "bin/sh": b"elf"}
_TIME = 1_600_000_000_000_000_000


class Box:
    """A box with a tree that was copied from an image."""

    def __init__(self, base: Path) -> None:
        self.image, self.root, self.record = (base / name for name in ("image", "root", "integration"))
        for tree in (self.image, self.root):
            make_tree(tree, IMAGE)
            for path in tree.rglob("*"):
                os.utime(path, ns=(_TIME, _TIME))

    def start(self, *edits: Edit) -> None:
        """What a start does with the tree."""
        flags = os.O_RDONLY | os.O_DIRECTORY
        root, image = os.open(self.root, flags), LayerStack([os.open(self.image, flags)])
        if self.record.exists():
            withdraw(str(self.record), root, image)
            self.record.rename(self.record.with_name(f"old-{os.urandom(4).hex()}"))
        self.record.mkdir()
        layer = os.open(self.record, flags)
        TreeEditor(image, root, layer, os.getuid()).carry_out(list(edits))
        for fd in (root, layer, *image.layers):
            os.close(fd)

    def read(self, path: str) -> bytes | None:
        file = self.root / path
        return file.read_bytes() if file.exists() else None


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box that has not been started yet."""
    return Box(tmp_path)


def edit(path: str, data: bytes, *, into_upper: bool = False, restores: bool = False) -> Edit:
    return Edit(path, data, owner=os.getuid(), group=os.getgid(), into_upper=into_upper, restores=restores)


def test_contributions_come_and_change_and_go(box: Box) -> None:
    box.start(edit("etc/hosts", b"ours\n"), edit("etc/sudoers.d/dacha", b"rule\n"))
    assert (box.read("etc/hosts"), box.read("etc/sudoers.d/dacha")) == (b"ours\n", b"rule\n")
    box.start(edit("etc/hosts", b"ours, later\n"))
    assert (box.read("etc/hosts"), box.read("etc/sudoers.d/dacha")) == (b"ours, later\n", None)
    box.start()
    assert box.read("etc/hosts") == b"image\n"
    assert (box.root / "etc/hosts").stat().st_mtime_ns == _TIME


def test_what_the_box_has_written_stays(box: Box) -> None:
    box.start(edit("etc/hosts", b"ours\n"))
    (box.root / "etc/hosts").write_bytes(b"mine\n")
    for _ in range(2):
        box.start(edit("etc/hosts", b"ours\n"))
        assert box.read("etc/hosts") == b"mine\n"


def test_what_belongs_into_the_upper_is_rewritten_in_place(box: Box) -> None:
    box.start(edit("etc/passwd", b"root\nalex\n", into_upper=True))
    (box.root / "etc/passwd").write_bytes(b"root\nalex\nother\n")
    before = (box.root / "etc/passwd").stat().st_ino
    box.start(edit("etc/passwd", b"root\nother\nalex\n", into_upper=True))
    assert box.read("etc/passwd") == b"root\nother\nalex\n"
    assert (box.root / "etc/passwd").stat().st_ino == before


def test_what_the_box_has_removed_stays_away_unless_it_comes_back(box: Box) -> None:
    box.start(edit("etc/hosts", b"ours\n"))
    (box.root / "etc/hosts").unlink()
    box.start(edit("etc/hosts", b"ours\n"))
    assert box.read("etc/hosts") is None
    box.start(edit("etc/hosts", b"ours\n", restores=True))
    assert box.read("etc/hosts") == b"ours\n"


def test_directories_the_box_has_removed_or_linked_elsewhere_are_left_alone(box: Box, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (box.root / "bin/sh").unlink()
    (box.root / "bin").rmdir()
    box.start(edit("bin/new", b"x"))
    assert not (box.root / "bin").exists()
    (box.root / "bin").symlink_to(tmp_path / "outside")
    box.start(edit("bin/new", b"x"))
    assert list((tmp_path / "outside").iterdir()) == []


def test_links_are_contributed_and_withdrawn(box: Box) -> None:
    link = Edit("etc/resolv.conf", link="/run/host/etc/resolv.conf", owner=os.getuid(), group=os.getgid())
    box.start(link)
    assert (box.root / "etc/resolv.conf").readlink() == Path("/run/host/etc/resolv.conf")
    box.start()
    assert not (box.root / "etc/resolv.conf").is_symlink()
