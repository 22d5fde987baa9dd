"""Where things grow before they count."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dacha.linux import lock
from dacha.storage import staging


def remove_tree(path: str) -> None:
    shutil.rmtree(path)


def swept() -> list[str]:
    """Sweep, and tell the names of what went."""
    names: list[str] = []

    def remove(trees: list[str]) -> None:
        for tree in trees:
            names.append(Path(tree).name)
            shutil.rmtree(tree)

    staging.sweep(remove)
    return names


@contextmanager
def other_process() -> Iterator[tuple[int, str]]:
    """A process that fills a staging directory: its pid, and the directory's name."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        with staging.staging_directory("layer", remove_tree) as path:
            Path(path, "file").touch()
            os.write(writer, Path(path).name.encode())
            signal.pause()
    os.close(writer)
    name = os.read(reader, 100).decode()
    os.close(reader)
    try:
        yield pid, name
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_staging_directory_is_its_makers_alone(store: Path) -> None:
    with staging.staging_directory("layer", remove_tree) as path:
        assert Path(path).parent == store / "staging"
        assert Path(path).name.startswith("layer-")
        assert Path(path).stat().st_mode & 0o777 == 0o700


def test_what_is_left_of_it_at_the_end_is_removed(store: Path) -> None:
    with staging.staging_directory("layer", remove_tree) as path:
        Path(path, "half").touch()
    assert list((store / "staging").iterdir()) == []


def test_it_is_removed_after_a_failure(store: Path) -> None:
    def fail() -> None:
        with staging.staging_directory("layer", remove_tree):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list((store / "staging").iterdir()) == []


def test_what_was_moved_away_is_not_looked_for(store: Path) -> None:
    with staging.staging_directory("layer", remove_tree) as path:
        Path(path).rename(store / "done")
    assert (store / "done").is_dir()


def test_a_sweep_passes_over_what_a_live_process_fills(store: Path) -> None:
    with other_process() as (_, name):
        assert swept() == []
        assert (store / "staging" / name / "file").exists()


def test_a_sweep_passes_over_what_this_process_fills(store: Path) -> None:
    with staging.staging_directory("layer", remove_tree) as path:
        assert swept() == []
        assert Path(path).is_dir()


def test_a_sweep_takes_what_a_dead_process_has_left(store: Path) -> None:
    with other_process() as (_, name):
        pass
    assert (store / "staging" / name / "file").exists()
    assert swept() == [name]
    assert list((store / "staging").iterdir()) == []


def test_a_child_that_outlives_its_parent_keeps_no_lock(store: Path) -> None:
    with staging.staging_directory("layer", remove_tree) as path:
        (descriptor,) = (
            int(entry.name)
            for entry in Path("/proc/self/fd").iterdir()
            if entry.is_symlink() and os.path.realpath(entry) == path
        )
        assert not os.get_inheritable(descriptor)


def test_trash_goes_with_the_next_sweep(store: Path) -> None:
    layer = store / "layers" / "old"
    layer.mkdir(parents=True)
    trash = Path(staging.move_to_trash(str(layer)))
    assert not layer.exists()
    assert trash.is_dir()
    assert swept() == [trash.name]


def test_a_sweep_that_finds_nothing_removes_nothing(store: Path) -> None:
    def fail(_trees: list[str]) -> None:
        raise AssertionError

    staging.sweep(fail)
    assert (store / "staging").is_dir()


def test_two_sweeps_do_not_remove_the_same_thing(store: Path) -> None:
    (store / "staging" / "trash-1").mkdir(parents=True)
    inner: list[str] = []

    def remove(trees: list[str]) -> None:
        inner.extend(swept())
        for tree in trees:
            shutil.rmtree(tree)

    staging.sweep(remove)
    assert inner == []
    assert list((store / "staging").iterdir()) == []


@pytest.mark.parametrize("moment", ["before the lock", "after it was opened"])
def test_a_directory_that_a_sweep_took_at_once_is_made_anew(
    store: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    taken: list[str] = []
    flock = fcntl.flock

    def take(path: str) -> None:
        if not taken:
            taken.append(path)
            shutil.rmtree(path)

    def flock_after_a_sweep(fd: int, operation: int) -> None:
        take(str(Path(f"/proc/self/fd/{fd}").readlink()))
        flock(fd, operation)

    def lock_after_a_sweep(path: str) -> int | None:
        take(path)
        return try_lock(path)

    try_lock = lock.try_lock_directory
    if moment == "before the lock":
        monkeypatch.setattr(lock, "try_lock_directory", lock_after_a_sweep)
    else:
        monkeypatch.setattr(fcntl, "flock", flock_after_a_sweep)
    with staging.staging_directory("layer", remove_tree) as path:
        assert path not in taken
        assert Path(path).is_dir()
    assert len(taken) == 1
    assert list((store / "staging").iterdir()) == []
