"""The file that says a box runs."""

from __future__ import annotations

import marshal
import os
import signal
from pathlib import Path

import pytest

from dacha.engine import state
from dacha.engine.state import State
from dacha.linux import namespaces, process

FIELDS: dict[str, object] = {
    "id": "0123456789abcdef",
    "name": "work",
    "pid": 4321,
    "start_time": "98765",
    "namespaces": 0x7E020000,
    "cgroup": "/sys/fs/cgroup/dacha-work",
    "user": "alex",
    "uid": 1000,
    "gid": 100,
    "home": "/home/caf\udcff",  # a name that is no UTF-8
    "shell": "/bin/bash",
    "shared": ["/tmp", "/home/alex"],
    "environment": {"container": "dacha"},
}


@pytest.fixture(autouse=True)
def box_directory(store: Path) -> Path:
    """The runtime directory of the box 'work'."""
    directory = store.with_name("runtime") / "boxes" / "work"
    directory.mkdir(parents=True)
    return directory


def written(**changes: object) -> State:
    result = State(**{**FIELDS, **changes})
    state.write(result)
    return result


def fields_of(value: State) -> dict[str, object]:
    return {name: getattr(value, name) for name in State.__slots__}


def test_a_state_is_read_as_it_was_written() -> None:
    written()
    found = state.read("work")
    assert found is not None
    assert fields_of(found) == FIELDS


def test_only_the_user_may_read_a_state() -> None:
    written()
    assert Path(state.path_of("work")).stat().st_mode & 0o777 == 0o600


def test_a_state_that_somebody_else_has_put_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """In /tmp, where the runtime directory may have to be, anybody could have made it first."""
    written()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert state.read("work") is None


def test_fields_of_a_later_version_are_ignored() -> None:
    written()
    path = Path(state.path_of("work"))
    fields = marshal.loads(path.read_bytes())  # noqa: S302  (written above)
    path.write_bytes(marshal.dumps({**fields, "colour": "green"}))
    found = state.read("work")
    assert found is not None
    assert fields_of(found) == FIELDS


@pytest.mark.parametrize(
    "content",
    [
        marshal.dumps({**FIELDS, "format": 2}),
        marshal.dumps(FIELDS),
        marshal.dumps({"format": 1}),
        marshal.dumps([1, 2]),
        b"\xff\xfe what is this",
    ],
    ids=["format", "no format", "no fields", "a list", "garbage"],
)
def test_a_file_of_another_format_is_no_state(content: bytes) -> None:
    Path(state.path_of("work")).write_bytes(content)
    assert state.read("work") is None


def test_a_file_cut_off_anywhere_is_no_state() -> None:
    written()
    path = Path(state.path_of("work"))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert state.read("work") is None, f"after {length} of {len(whole)} bytes"


def test_a_box_that_was_never_started_has_no_state() -> None:
    assert state.read("other") is None
    assert not state.is_running("other")


def test_a_box_runs_while_its_init_lives() -> None:
    written(pid=os.getpid(), start_time=process.start_time(os.getpid()))
    found = state.open_running("work")
    assert found is not None
    assert found[0].pid == os.getpid()
    os.close(found[1])
    assert state.is_running("work")


def test_another_process_of_the_same_number_is_not_its_init() -> None:
    written(pid=os.getpid(), start_time="1")
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    assert state.open_running("work") is None
    assert len(list(descriptors.iterdir())) == before, "a pidfd was left open"


def test_a_dead_init_that_nobody_has_waited_for_does_not_run() -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    start_time = process.start_time(pid)
    written(pid=pid, start_time=start_time)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert not state.is_running("work")
    finally:
        os.waitpid(pid, 0)
    assert not state.is_running("work")


def test_a_forgotten_box_does_not_run() -> None:
    written(pid=os.getpid(), start_time=process.start_time(os.getpid()))
    state.forget("work")
    state.forget("work")
    assert not state.is_running("work")


def test_any_live_pid_passes_over_dead_boxes(box_directory: Path) -> None:
    assert state.any_live_pid() is None
    for name, start_time in (("dead", "1"), ("live", process.start_time(os.getpid())), ("gone", "2")):
        box_directory.with_name(name).mkdir()
        written(name=name, pid=os.getpid(), start_time=start_time)
    assert state.any_live_pid() == os.getpid()
    state.forget("live")
    assert state.any_live_pid() is None


def test_any_live_pid_passes_over_boxes_of_a_single_id(
    box_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(pid=os.getpid(), start_time=process.start_time(os.getpid()))
    monkeypatch.setattr(namespaces, "has_single_id", lambda _pid: True)
    assert box_directory.is_dir()
    assert state.any_live_pid() is None


def test_without_a_runtime_directory_no_box_runs(box_directory: Path) -> None:
    box_directory.rmdir()
    box_directory.parent.rmdir()
    assert state.any_live_pid() is None
