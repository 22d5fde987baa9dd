"""Layers merged into one tree: what hides what, in both forms of marks.

Owners are for the integration tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.storage import flatten
from tests.lib.trees import FIFO, WHITEOUT, Directory, Link, Tree, make_tree


def merge(base: Path, *trees: Tree) -> Path:
    """Merge trees, the top one first."""
    layers = [make_tree(base / f"layer-{number}", tree) for number, tree in enumerate(trees)]
    (base / "merged").mkdir()
    opened = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (*layers, base / "merged")]
    try:
        flatten.flatten(opened[:-1], opened[-1])
    finally:
        for fd in opened:
            os.close(fd)
    return base / "merged"


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_topmost_file_is_shown(tmp_path: Path) -> None:
    root = merge(tmp_path, {"a": b"new"}, {"a": b"old", "b": b"kept"})
    assert ((root / "a").read_bytes(), names(root)) == (b"new", ["a", "b"])


@pytest.mark.parametrize("mark", [{"a": WHITEOUT}, {".wh.a": b""}], ids=["device", "file"])
@pytest.mark.parametrize("below", [{"a": b"x"}, {"a/b": b"x"}, {"a": Link("b")}], ids=["file", "dir", "link"])
def test_whiteouts_hide_all_below(tmp_path: Path, mark: Tree, below: Tree) -> None:
    assert names(merge(tmp_path, {}, mark, below, below)) == []


def test_a_file_above_a_whiteout_is_shown(tmp_path: Path) -> None:
    root = merge(tmp_path, {"a": b"again"}, {".wh.a": b""}, {"a": b"old"})
    assert (root / "a").read_bytes() == b"again"


def test_a_directory_on_a_file_hides_it_and_what_is_below(tmp_path: Path) -> None:
    assert names(merge(tmp_path, {"a/new": b""}, {"a": b"file"}, {"a/old": b""})) == ["a", "a/new"]


def test_a_file_on_a_directory_hides_it(tmp_path: Path) -> None:
    assert names(merge(tmp_path, {"a": b""}, {"a/old": b""})) == ["a"]


@pytest.mark.parametrize(
    "mark", [{"a": Directory(is_opaque=True)}, {"a/.wh..wh..opq": b""}], ids=["attribute", "file"]
)
def test_opaque_directories_hide_what_is_below_them(tmp_path: Path, mark: Tree) -> None:
    top: Tree = {**mark, "a/new": b""}
    root = merge(tmp_path, {"a/newest": b""}, top, {"a/old": b"", "b": b""})
    assert names(root) == ["a", "a/new", "a/newest", "b"]
    assert os.listxattr(root / "a") == []


def test_links_that_lead_out_are_copied_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"x")
    root = merge(tmp_path, {"a": Link("../outside")}, {"a/inside": b"x"})
    assert (names(root), (root / "a").readlink()) == (["a"], Path("../outside"))


def test_hard_links_stay_links_and_pipes_pipes(tmp_path: Path) -> None:
    layer = make_tree(tmp_path / "layer-0", {"a": b"x", "b": b"y", "pipe": FIFO})
    (layer / "c").hardlink_to(layer / "a")
    root = merge(tmp_path, {}, {"d": b"z"})
    assert (root / "a").stat().st_ino == (root / "c").stat().st_ino
    assert (root / "a").stat().st_nlink == 2
    assert (root / "pipe").is_fifo()


def test_times_of_directories_are_those_of_the_topmost(tmp_path: Path) -> None:
    for number in (0, 1):
        make_tree(tmp_path / f"layer-{number}", {f"a/{number}": b""})
        os.utime(tmp_path / f"layer-{number}" / "a", ns=(5, number + 1_000_000_001))
    root = merge(tmp_path, {}, {})
    assert (root / "a").stat().st_mtime_ns == 1_000_000_001


def test_holes_stay_holes(tmp_path: Path) -> None:
    (tmp_path / "layer-0").mkdir()
    with (tmp_path / "layer-0" / "a").open("wb") as file:
        file.seek(8 << 20)
        file.write(b"end")
    copy = (merge(tmp_path, {}) / "a").stat()
    assert copy.st_size == (8 << 20) + 3
    assert copy.st_blocks * 512 < 1 << 20
