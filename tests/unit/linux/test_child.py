"""Work in a forked child, and its failures here."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from dacha.errors import DachaError
from dacha.linux.child import ChildError, ChildStream, run_in_child
from dacha.linux.files import write_whole


def test_what_the_child_returns_comes_back() -> None:
    data = os.urandom(1_000_000)
    assert run_in_child(lambda: data) == data
    assert run_in_child(lambda: b"") == b""


def test_the_child_is_another_process_and_changes_nothing_here(tmp_path: Path) -> None:
    here = Path.cwd()

    def task() -> bytes:
        os.chdir(tmp_path)
        return str(os.getpid()).encode()

    assert run_in_child(task) != str(os.getpid()).encode()
    assert Path.cwd() == here


def test_a_failure_arrives_with_its_hint_and_exit_code() -> None:
    class OwnError(DachaError):
        exit_code = 7

    def task() -> bytes:
        raise OwnError("it broke", hint="mend it")

    with pytest.raises(ChildError, match=r"^it broke$") as caught:
        run_in_child(task)
    assert (caught.value.hint, caught.value.exit_code) == ("mend it", 7)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/srv/x"), "No space left on device: /srv/x"),
        (OSError(errno.EPERM, "Operation not permitted"), "Operation not permitted"),
        (OSError("odd"), "odd"),
    ],
)
def test_a_refusal_of_the_system_is_said_in_one_line(error: OSError, text: str) -> None:
    def task() -> bytes:
        raise error

    with pytest.raises(ChildError) as caught:
        run_in_child(task)
    assert str(caught.value) == text


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_in_the_child_is_called_one_and_shows_its_traceback_to_who_asks(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, debug: str
) -> None:
    monkeypatch.setenv("DACHA_DEBUG", debug)

    def task() -> bytes:
        raise KeyError("wrong key")

    with pytest.raises(ChildError, match="a bug: KeyError: 'wrong key'") as caught:
        run_in_child(task)
    assert "DACHA_DEBUG=1" in caught.value.hint
    assert ("Traceback" in capfd.readouterr().err) is bool(debug)


def test_a_killed_child_is_said_to_have_died() -> None:
    def task() -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    with pytest.raises(ChildError, match=r"died \(status 9\)"):
        run_in_child(task)


def test_a_child_that_exits_by_itself_has_not_done_its_work() -> None:
    def task() -> bytes:
        os._exit(0)

    with pytest.raises(ChildError, match="died"):
        run_in_child(task)


def test_what_was_printed_before_is_printed_once(capfd: pytest.CaptureFixture[str]) -> None:
    sys.stdout.write("before ")
    run_in_child(lambda: b"")
    sys.stdout.write("after")
    sys.stdout.flush()
    assert capfd.readouterr().out == "before after"


def test_no_child_and_no_descriptor_is_left() -> None:
    def belongings() -> tuple[int, str]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return len(list(Path("/proc/self/fd").iterdir())), children

    before = belongings()
    run_in_child(lambda: b"x")
    assert belongings() == before


def test_what_a_child_writes_is_read_to_its_end() -> None:
    data = os.urandom(1_000_000)
    stream = ChildStream(lambda sink: write_whole(sink, data))
    assert b"".join(iter(lambda: stream.read(1 << 16), b"")) == data
    assert stream.read(1) == b""
    stream.close()


def test_a_failure_arrives_after_what_was_written() -> None:
    def task(sink: int) -> None:
        os.write(sink, b"half")
        raise DachaError("it broke", hint="mend it")

    stream = ChildStream(task)
    assert stream.read(100) == b"half"
    with pytest.raises(ChildError, match="it broke") as caught:
        stream.read(100)
    assert caught.value.hint == "mend it"
    stream.close()


def _children() -> set[str]:
    """Our own, the dead ones that nobody has waited for among them."""
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


def test_a_child_that_is_not_read_to_its_end_is_ended() -> None:
    before = _children()
    stream = ChildStream(lambda sink: write_whole(sink, bytes(1 << 22)))
    stream.read(1)
    (child,) = _children() - before
    stream.close()
    assert child not in _children()
