"""What an upper says, and what does not count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dacha.storage.differences import differences
from dacha.storage.upper import Scaffold, Upper
from tests.lib.trees import WHITEOUT, Directory, Link, Tree, make_tree, open_stack

Diff = Callable[..., list[str]]


@pytest.fixture
def diff(tmp_path: Path) -> Iterator[Diff]:
    """The lines for an upper on an image."""
    with ExitStack() as exits:

        def lines(
            upper: Tree, image: Tree, *, mount_points: tuple[str, ...] = (), layer: Tree | None = None
        ) -> list[str]:
            below = exits.enter_context(open_stack(make_tree(tmp_path / "image", image)))
            opened = []
            for name, tree in (("upper", upper), ("layer", layer)):
                if tree is not None:
                    opened.append(os.open(make_tree(tmp_path / name, tree), os.O_RDONLY | os.O_DIRECTORY))
                    exits.callback(os.close, opened[-1])
            scaffold = Scaffold(frozenset(mount_points), opened[1] if layer is not None else None)
            return [f"{kind} {path}" for kind, path in differences(Upper(opened[0], below, scaffold), below)]

        yield lines


def test_added_changed_and_deleted(diff: Diff) -> None:
    upper: Tree = {"a": b"new", "etc/b": b"changed", "etc/c": WHITEOUT, "d/e": b"new"}
    image: Tree = {"etc/b": b"", "etc/c": b""}
    assert diff(upper, image) == ["A /a", "A /d", "A /d/e", "C /etc", "C /etc/b", "D /etc/c"]


def test_a_directory_made_anew_tells_what_was_in_it(diff: Diff) -> None:
    upper: Tree = {"d": Directory(is_opaque=True), "d/kept": b"", "d/sub/x": b""}
    image: Tree = {"d/kept": b"", "d/old": b"", "d/sub/y": b""}
    assert diff(upper, image)[:3] == ["C /d", "D /d/old", "C /d/kept"]


def test_removing_what_is_not_in_the_image_is_no_change(diff: Diff) -> None:
    assert diff({"etc/x": WHITEOUT}, {"etc/y": b""}) == ["C /etc"]


def test_places_for_mounts_are_no_change(diff: Diff) -> None:
    points = ("home/me", "run/dacha/init", "mnt")
    upper: Tree = {"home/me": Directory(), "run/dacha/init": b"", "mnt": Directory()}
    assert diff(upper, {"home": Directory()}, mount_points=points) == []


def test_what_is_in_a_place_for_a_mount_counts(diff: Diff) -> None:
    upper: Tree = {"home/me/file": b""}
    expected = ["C /home", "A /home/me", "A /home/me/file"]
    assert diff(upper, {"home": Directory()}, mount_points=("home/me",)) == expected


def test_files_laid_between_count_only_when_they_are_changed(diff: Diff) -> None:
    layer: Tree = {"etc/hosts": b"1", "etc/name": b"1", "etc/link": Link("x"), "new/file": b"1"}
    upper: Tree = {"etc/hosts": b"1", "etc/name": b"2", "etc/link": Link("x"), "new/file": b"1"}
    assert diff(upper, {"etc": Directory()}, layer=layer) == ["C /etc", "A /etc/name"]


def test_a_link_leads_nowhere(diff: Diff, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").touch()
    assert diff({"out": Link(str(tmp_path / "outside"))}, {}) == ["A /out"]
