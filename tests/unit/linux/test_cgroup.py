"""The cgroup tree. Where it stands and what we are in is read from the real one; the rest is
tried on directories that look like it. They have no kernel behind them: nothing is killed,
no event comes by itself, and files do not vanish with their directory. The integration tests
have the real thing.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from dacha.linux import cgroup


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A unified tree of ours alone."""
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    monkeypatch.setattr(cgroup, "HYBRID", str(tmp_path / "unified"))
    return tmp_path


def make_group(tree: Path, path: str, *, is_ours: bool = True) -> Path:
    directory = tree / path.lstrip("/")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.procs").touch()
    (directory / "cgroup.procs").chmod(0o644 if is_ours else 0o444)
    return directory


def test_the_real_tree_has_the_group_that_we_are_in() -> None:
    tree = cgroup.tree()
    if not tree:
        pytest.skip("needs a mounted cgroup v2 tree")
    own = cgroup.own_path()
    assert own.startswith("/")
    group = Path(tree + own)
    if not group.is_dir():
        pytest.skip("needs to see its own cgroup, which is outside of this namespace")
    assert str(os.getpid()) in (group / "cgroup.procs").read_text().split()
    assert cgroup.is_populated(str(group)) or own == "/"  # the root has no cgroup.events


def test_what_is_delegated_is_above_us_and_ours_to_write() -> None:
    path = cgroup.delegated_path()
    own = cgroup.own_path()
    assert path == "" or path == "/" or own == path or own.startswith(path + "/")
    assert path == "" or os.access(f"{cgroup.tree()}{path}", os.W_OK)


def test_the_unified_tree_is_found_beside_version_1(tree: Path) -> None:
    assert cgroup.tree() == ""
    make_group(tree, "unified")
    assert cgroup.tree() == str(tree / "unified")
    make_group(tree, "")
    assert cgroup.tree() == str(tree)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize(
    ("foreign", "delegated"),
    [
        (("", "/user", "/user/me"), "/user/me/app"),
        (("", "/user"), "/user/me"),
        (("",), "/user"),
        ((), "/"),
        (("", "/user", "/user/me", "/user/me/app", "/user/me/app/shell"), ""),
        (("/user/me/app/shell",), "/"),  # as from a login session: what is above may still be ours
        (("", "/user/me"), "/user/me/app"),  # not beyond a group that is somebody else's
    ],
)
def test_the_topmost_group_of_ours_is_delegated(
    tree: Path, monkeypatch: pytest.MonkeyPatch, foreign: tuple[str, ...], delegated: str
) -> None:
    path = ""
    for part in ("", "/user", "/me", "/app", "/shell"):
        path += part
        make_group(tree, path, is_ours=path not in foreign)
    monkeypatch.setattr(cgroup, "own_path", lambda: "/user/me/app/shell")
    assert cgroup.delegated_path() == delegated


def test_without_a_tree_nothing_is_delegated(tree: Path) -> None:
    assert list(tree.iterdir()) == []
    assert cgroup.delegated_path() == ""


def test_this_process_moves_into_a_new_group_below(tree: Path) -> None:
    box = make_group(tree, "box")
    cgroup.move_to_child(str(box), "launch")
    assert (box / "launch" / "cgroup.procs").read_text() == "0"  # which is the writer: cgroup-v2.rst


@pytest.mark.parametrize(
    ("kind", "controllers", "processes", "expected"),
    [
        ("domain\n", "cpu memory pids\n", "", True),
        ("domain\n", "cpu memory pids\n", "77\n", False),
        ("domain\n", "\n", "77\n", True),
        (None, "cpu memory pids\n", "77\n", True),  # the root of the tree
    ],
)
def test_processes_and_controllers_do_not_go_together(
    tree: Path, kind: str | None, controllers: str, processes: str, expected: bool
) -> None:
    group = make_group(tree, "box")
    (group / "cgroup.procs").write_text(processes)
    (group / "cgroup.controllers").write_text(controllers)
    if kind is not None:
        (group / "cgroup.type").write_text(kind)
    assert cgroup.may_have_domains(str(group)) is expected


def test_a_group_is_killed_by_one_write(tree: Path) -> None:
    (tree / "cgroup.kill").touch()
    cgroup.kill(str(tree))
    assert (tree / "cgroup.kill").read_text() == "1"


def test_a_group_that_is_gone_is_dead_empty_and_removed(tree: Path) -> None:
    gone = str(tree / "gone")
    cgroup.kill(gone)
    assert not cgroup.is_populated(gone)
    assert cgroup.wait_until_empty(gone, 0.01)
    cgroup.remove(gone)
    assert not Path(gone).exists()


@pytest.mark.parametrize(
    ("events", "expected"), [("populated 1\nfrozen 0\n", True), ("populated 0\n", False)]
)
def test_a_group_is_populated_as_its_events_say(tree: Path, events: str, expected: bool) -> None:
    (tree / "cgroup.events").write_text(events)
    assert cgroup.is_populated(str(tree)) is expected


def test_waiting_for_a_group_ends_when_it_is_empty(tree: Path) -> None:
    events = tree / "cgroup.events"
    events.write_text("populated 1\n")
    timer = threading.Timer(0.05, events.write_text, ("populated 0\n",))
    timer.start()
    try:
        assert cgroup.wait_until_empty(str(tree), 10)
    finally:
        timer.join()


def test_waiting_for_a_group_ends_when_the_time_is_over(tree: Path) -> None:
    (tree / "cgroup.events").write_text("populated 1\n")
    start = time.monotonic()
    assert not cgroup.wait_until_empty(str(tree), 0.05)
    assert 0.05 <= time.monotonic() - start < 5


def test_groups_are_removed_from_below(tree: Path) -> None:
    (tree / "box" / "init" / "deep").mkdir(parents=True)
    (tree / "box" / "s-1").mkdir()
    cgroup.remove(str(tree / "box"))
    assert not (tree / "box").exists()
