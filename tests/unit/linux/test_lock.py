"""Locks between processes."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dacha.linux.lock import FileLock, share_record_lock, try_lock_directory


class Other:
    """Another process that takes a lock when it is told to, and says when it has it."""

    def __init__(self, path: Path, *, then: Callable[[], None] = lambda: None) -> None:
        orders, self._orders = os.pipe()
        self._news, news = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._orders)
            os.read(orders, 1)
            with FileLock(str(path)):
                os.write(news, b"x")
                os.read(orders, 1)
                then()
            os._exit(0)
        os.close(orders)
        os.close(news)

    def go_on(self) -> None:
        os.write(self._orders, b"x")

    def has_it(self, *, within_s: float) -> bool:
        end = time.monotonic() + within_s
        os.set_blocking(self._news, False)
        while time.monotonic() < end:
            try:
                return os.read(self._news, 1) == b"x"
            except BlockingIOError:
                time.sleep(0.005)
        return False

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._orders)
        os.close(self._news)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a lock may be."""
    return tmp_path / "lock"


def test_a_second_process_waits_until_the_first_is_done(path: Path) -> None:
    other = Other(path)
    try:
        with FileLock(str(path)):
            other.go_on()
            assert not other.has_it(within_s=0.1)
        assert other.has_it(within_s=10)
    finally:
        other.end()


def test_the_lock_of_a_killed_process_is_free(path: Path) -> None:
    other = Other(path)
    other.go_on()
    assert other.has_it(within_s=10)
    other.end()
    with FileLock(str(path)):
        assert path.exists()


def test_a_lock_let_go_early_is_free_inside_the_block(path: Path) -> None:
    other = Other(path)
    try:
        with FileLock(str(path)) as lock:
            lock.release()
            lock.release()
            other.go_on()
            assert other.has_it(within_s=10)
    finally:
        other.end()


def test_the_file_stays_for_the_next_holder_and_is_its_users_alone(path: Path) -> None:
    with FileLock(str(path)):
        pass
    assert path.stat().st_size == 0
    assert path.stat().st_mode & 0o777 == 0o600
    with FileLock(str(path)):
        pass


def test_a_lock_does_not_reach_programs(path: Path) -> None:
    with FileLock(str(path)):
        held = [fd for fd in map(int, os.listdir("/proc/self/fd")) if _leads_to(fd, path)]  # noqa: PTH208
        assert [os.get_inheritable(fd) for fd in held] == [False]


def _leads_to(fd: int, path: Path) -> bool:
    try:
        return Path(f"/proc/self/fd/{fd}").readlink() == path
    except OSError:
        return False


def test_who_waited_for_a_file_that_its_holder_removed_takes_the_new_one(path: Path) -> None:
    waiter = Other(path)
    try:
        with FileLock(str(path)):
            waiter.go_on()
            _wait_until_blocked(waiter.pid)
            path.unlink()
        assert waiter.has_it(within_s=10)
        # It holds the file that is there now: nobody else gets in.
        third = Other(path)
        try:
            third.go_on()
            assert not third.has_it(within_s=0.1)
            waiter.go_on()
            assert third.has_it(within_s=10)
        finally:
            third.end()
    finally:
        waiter.end()


def _wait_until_blocked(pid: int) -> None:
    """Until the process sleeps in flock(2)."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        locks = Path("/proc/locks").read_text()
        if any("->" in line and f" {pid} " in line for line in locks.splitlines()):
            return
        time.sleep(0.005)
    raise AssertionError(f"{pid} does not wait for a lock")


def test_many_processes_never_hold_it_together(path: Path, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            for _ in range(50):
                with FileLock(str(path)) as lock:
                    counter.write_text(str(int(counter.read_text()) + 1))
                    os.unlink(lock.path)  # noqa: PTH108  (as `rm` does, the hardest case)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert counter.read_text() == "200"


def _in_another_process(path: Path, kind: int) -> bool:
    """Whether somebody else would get that record lock at once."""
    pid = os.fork()
    if pid == 0:
        with path.open("r+") as file:
            try:
                fcntl.lockf(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def test_readers_keep_writers_away_and_not_each_other(path: Path) -> None:
    path.touch()
    with path.open() as file:
        share_record_lock(file.fileno(), lambda: pytest.fail("nobody has it"))
        assert _in_another_process(path, fcntl.LOCK_SH)
        assert not _in_another_process(path, fcntl.LOCK_EX)
    assert _in_another_process(path, fcntl.LOCK_EX)


def test_a_writer_is_waited_for_and_that_is_told(path: Path) -> None:
    path.touch()
    ready, said = os.pipe()
    go_on, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        with path.open("r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(said, b"x")
            os.read(go_on, 1)
        os._exit(0)
    os.read(ready, 1)
    with path.open() as file:
        calls: list[int] = []
        share_record_lock(file.fileno(), lambda: calls.append(os.write(told, b"x")))
    assert calls == [1]
    assert os.waitpid(pid, 0)[1] == 0
    for fd in (ready, said, go_on, told):
        os.close(fd)


def test_a_directory_is_locked_once(tmp_path: Path) -> None:
    first = try_lock_directory(str(tmp_path))
    assert first is not None
    assert try_lock_directory(str(tmp_path)) is None
    os.close(first)
    again = try_lock_directory(str(tmp_path))
    assert again is not None
    os.close(again)


@pytest.mark.parametrize("kind", ["nothing", "a file"])
def test_only_a_directory_is_locked_as_one(tmp_path: Path, kind: str) -> None:
    if kind == "a file":
        (tmp_path / "x").touch()
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        try_lock_directory(str(tmp_path / "x"))
