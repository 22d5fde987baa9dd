"""Children that are asked with a limit in time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from dacha.errors import MissingProgramError
from dacha.linux.probe import Answer, Steps, start_program, start_steps, steps_of


def after(seconds: float) -> float:
    return time.monotonic() + seconds


def test_programs_are_heard_on_both_streams() -> None:
    started = start_program(["sh", "-c", "echo out; echo err >&2; exit 3"], after(10))
    assert started.wait() == Answer(b"out\nerr\n", 3)
    assert started.wait() == Answer(b"out\nerr\n", 3)  # it keeps its answer


def test_a_missing_program_is_an_error_of_its_own() -> None:
    with pytest.raises(MissingProgramError):
        start_program(["no-such-program"], after(10))


def test_what_hangs_is_killed_and_what_it_said_is_kept(tmp_path: Path) -> None:
    started = time.monotonic()
    pid_file = tmp_path / "pid"
    script = f"echo $$ >{pid_file}; echo begun; exec sleep 60"
    answer = start_program(["sh", "-c", script], after(0.3)).wait()
    assert answer == Answer(b"begun\n", None)
    assert time.monotonic() - started < 5
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_a_child_that_closes_its_pipe_and_stays_is_killed_too() -> None:
    answer = start_program(["sh", "-c", "exec sleep 60 >/dev/null 2>&1"], after(0.2)).wait()
    assert answer == Answer(b"", None)


def test_steps_are_reported_one_by_one_until_the_child_hangs() -> None:
    def task() -> Steps:
        yield "first", ("", "value")
        yield "second", 2
        signal.pause()
        yield "third", 3

    answer = start_steps(task, after(0.3)).wait()
    assert answer.exit_code is None
    assert steps_of(answer) == {"first": ("", "value"), "second": 2}


def test_a_child_that_breaks_leaves_its_steps_and_its_error() -> None:
    def task() -> Steps:
        yield "first", 1
        raise ValueError("broken")

    assert steps_of(start_steps(task, after(10)).wait()) == {"first": 1, "error": "ValueError: broken"}


def test_half_a_step_does_not_count() -> None:
    whole = start_steps(lambda: iter([("first", 1), ("second", "x" * 100)]), after(10)).wait()
    cut = whole._replace(output=whole.output[:-10])
    assert steps_of(cut) == {"first": 1}
    assert steps_of(Answer(b"\xffnoise", 0)) == {}


def test_what_a_child_does_stays_in_it() -> None:
    def task() -> Steps:
        os.chdir("/")
        os.environ["DACHA_TEST_PROBE"] = "changed"
        yield "done", Path.cwd().as_posix()

    before = Path.cwd()
    assert steps_of(start_steps(task, after(10)).wait()) == {"done": "/"}
    assert Path.cwd() == before
    assert "DACHA_TEST_PROBE" not in os.environ


def test_children_of_a_child_end_with_it(tmp_path: Path) -> None:
    def task() -> Steps:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        (tmp_path / "pid").write_text(str(pid))
        yield "forked", pid
        signal.pause()

    started = start_steps(task, after(0.3))
    started.wait()
    path = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    for _ in range(100):  # its new parent has to reap it
        if not path.exists() or path.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.02)
    else:
        pytest.fail("the grandchild lives on")
