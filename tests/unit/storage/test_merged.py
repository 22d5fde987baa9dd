"""A stack of layers as one tree, without mounting it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.storage import merged
from tests.lib.trees import WHITEOUT, Directory, Tree, make_tree, open_stack


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"a": b"", "d/x": b""}, {"a": b"", "d/y": b"", "z": b""}], "a d d/x d/y z"),
        ([{"a": WHITEOUT, "d/x": WHITEOUT}, {"a": b"", "d/x": b"", "d/y": b""}], "d d/y"),
        ([{"d": WHITEOUT}, {"d/x": b""}], ""),
        ([{"d": Directory(is_opaque=True), "d/new": b""}, {"d/old": b""}], "d d/new"),
        ([{"d/new": b""}, {"d": WHITEOUT}, {"d/old": b""}], "d d/new"),
        ([{"d/new": b""}, {"d": b"file"}, {"d/old": b""}], "d d/new"),
        ([{"d": b"file"}, {"d/old": b""}], "d"),
        (
            [{"d/e": Directory()}, {"d": Directory(is_opaque=True), "d/e/x": b""}, {"d/e/y": b""}],
            "d d/e d/e/x",
        ),
        ([{"d": Directory()}, {"d/e": WHITEOUT}, {"d/e/y": b""}], "d"),
    ],
)
def test_merged(layers: list[Tree], expected: str, tmp_path: Path) -> None:
    made = [make_tree(tmp_path / str(number), tree) for number, tree in enumerate(layers)]
    with open_stack(*made) as stack:
        found = [item.path for item in merged.walk(stack.layers) if item.path]
        assert sorted(found) == expected.split()
        assert stack.names("d") == {
            path[2:] for path in expected.split() if path[:2] == "d/" and "/" not in path[2:]
        }
