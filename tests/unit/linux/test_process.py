"""Helper programs, and what is known of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dacha.errors import CommandError, MissingProgramError
from dacha.linux import namespaces, process


def sh(script: str, *, stdin: int | None = None) -> bytes:
    return process.run(["sh", "-c", script], stdin=stdin)


def test_output_comes_back_byte_for_byte() -> None:
    assert sh(r"printf '\377\000caf\351\n'") == b"\xff\x00caf\xe9\n"


def test_arguments_are_passed_as_they_are() -> None:
    assert process.run(["printf", "%s|", "a b", "$HOME", "*", ""]) == b"a b|$HOME|*||"


def test_a_helper_reads_nothing_of_the_callers() -> None:
    assert sh("cat; test ! -t 0 && readlink /proc/self/fd/0").decode() == "/dev/null\n"


def test_a_helper_reads_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "input").write_text("hello")
    with (tmp_path / "input").open("rb") as file:
        assert sh("cat", stdin=file.fileno()) == b"hello"


def test_much_on_both_streams_is_no_deadlock() -> None:
    script = "i=0; while [ $i -lt 300 ]; do printf '%4096s' o; printf '%4096s' e >&2; i=$((i+1)); done"
    assert len(sh(script)) == 300 * 4096


def test_errors_of_a_helper_that_succeeds_are_not_its_output() -> None:
    assert sh("echo out; echo err >&2") == b"out\n"


def test_a_failure_carries_the_code_and_the_last_words() -> None:
    with pytest.raises(CommandError, match=r"^sh: second$") as caught:
        sh("echo first >&2; echo second >&2; exit 7")
    assert (caught.value.status, caught.value.program) == (7, "sh")
    assert caught.value.stderr == "first\nsecond\n"


def test_a_silent_failure_says_its_code() -> None:
    with pytest.raises(CommandError, match="sh: exit code 3"):
        sh("exit 3")


def test_a_death_by_a_signal_is_a_shells_exit_code() -> None:
    with pytest.raises(CommandError, match="exit code 143") as caught:
        sh("kill -TERM $$")
    assert caught.value.status == 128 + signal.SIGTERM


def test_last_words_in_no_encoding_are_shown_as_well_as_they_can_be() -> None:
    with pytest.raises(CommandError, match="caf\ufffd"):
        sh(r"printf 'caf\351' >&2; false")


def test_helpers_ignore_no_signal_that_python_ignores() -> None:
    ignored = int(sh("grep SigIgn: /proc/self/status").split()[1], 16)
    assert ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) == 0


def test_a_helper_inherits_no_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        assert secret.fileno() > 2
        assert str(tmp_path) not in sh("ls -l /proc/self/fd").decode()


def test_nothing_stays_open_after_a_run() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    sh("true")
    with pytest.raises(CommandError):
        sh("false")
    with pytest.raises(MissingProgramError):
        process.run(["no-such-program"])
    assert count() == before


@pytest.mark.parametrize(("status", "code"), [(0, 0), (7 << 8, 7), (9, 137), (15 | 0x80, 143)])
def test_a_wait_status_is_a_shells_exit_code(status: int, code: int) -> None:
    assert process.exit_code(status) == code


def test_a_program_is_looked_for_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory, mode in (("a", 0o644), ("b", 0o755), ("c", 0o755)):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "prog").touch(mode)
    (tmp_path / "d" / "prog").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "c")
    monkeypatch.setenv("PATH", f".::{tmp_path}/none:{tmp_path}/d:{tmp_path}/a:{tmp_path}/b:{tmp_path}/c")
    assert process.find_program("prog") == f"{tmp_path}/b/prog"


def test_a_helper_is_not_taken_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prog").touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingProgramError):
        process.find_program("prog")


def test_the_systems_own_places_are_looked_into_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert process.find_program("sh") in ("/bin/sh", "/usr/bin/sh")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("newuidmap", "sudo apt-get install uidmap"),
        ("crun", "apt-get install crun"),
        ("no-such", "install it"),
    ],
)
def test_a_missing_program_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(MissingProgramError, match=f"'{name}' is not installed") as caught:
        process.run([name])
    assert hint in caught.value.hint


def test_a_path_to_nothing_is_a_missing_program() -> None:
    with pytest.raises(MissingProgramError, match="'/no/such/program' is not installed"):
        process.run(["/no/such/program"])


def test_streams_and_environment_are_what_they_are_set_to() -> None:
    reader, writer = os.pipe()
    pid = process.spawn(
        ["/bin/sh", "-c", "env; echo err >&2"], stdout=writer, stderr=writer, env={"ONLY": "this"}
    )
    os.close(writer)
    with os.fdopen(reader) as file:
        lines = file.read().splitlines()
    assert process.wait(pid) == 0
    assert "ONLY=this" in lines
    assert "err" in lines
    assert not [line for line in lines if line.startswith("HOME=")]


def test_a_start_time_names_a_process_for_good() -> None:
    before = process.start_time(os.getpid())
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        ours = process.start_time(pid)
        assert int(ours) >= int(before)
        time.sleep(0.02)
        assert process.start_time(pid) == ours
        assert process.start_time(os.getpid()) == before
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with pytest.raises((ProcessLookupError, FileNotFoundError)):
        process.start_time(pid)


def test_a_zombie_has_no_start_time() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        with pytest.raises(ProcessLookupError):
            process.start_time(pid)
    finally:
        os.waitpid(pid, 0)


def test_a_hostile_name_does_not_change_a_start_time() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        namespaces.set_name(b"x) Z 1 (y) Z 2")
        os.write(writer, b"x")
        signal.pause()
        os._exit(0)
    try:
        os.read(reader, 1)
        assert "x) Z 1 (y)" in Path(f"/proc/{pid}/stat").read_text()
        assert int(process.start_time(pid)) >= int(process.start_time(os.getpid()))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


def test_trees_are_removed_with_what_is_in_them(tmp_path: Path) -> None:
    for name in ("-rf", "b"):
        (tmp_path / name / "deep" / "er").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "b" / "link").symlink_to(tmp_path / "outside")
    process.remove_tree(str(tmp_path / "-rf"), str(tmp_path / "b"), str(tmp_path / "none"))
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    process.remove_tree()


def test_only_processes_of_that_pid_namespace_are_found() -> None:
    script = "sleep 300 & sleep 300 & echo ready; exec sleep 300"
    command = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as launcher:
        try:
            assert launcher.stdout is not None
            if launcher.stdout.readline() != b"ready\n":
                pytest.skip("needs user namespaces")
            init = int(Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text())
            children = {int(pid) for pid in Path(f"/proc/{init}/task/{init}/children").read_text().split()}
            assert len(children) == 2
            while Path(f"/proc/{init}/comm").read_text() != "sleep\n":
                time.sleep(0.005)  # until then the shell waits for its children
            assert set(process.in_pid_namespace_of(init)) == children
            os.kill(min(children), signal.SIGKILL)
            _wait_for_zombie(min(children))
            assert process.in_pid_namespace_of(init) == [max(children)]
        finally:
            launcher.kill()
    end = time.monotonic() + 10
    while process.in_pid_namespace_of(init) and time.monotonic() < end:
        time.sleep(0.005)  # the kernel takes a moment to kill them all
    assert process.in_pid_namespace_of(init) == []


def _wait_for_zombie(pid: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if b") Z " in Path(f"/proc/{pid}/stat").read_bytes():
            return
        time.sleep(0.005)
    raise AssertionError(f"{pid} does not die")


def test_a_session_without_a_terminal_has_none() -> None:
    script = "import sys, time; print('ready', flush=True); time.sleep(300)"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            assert not process.has_terminal(child.pid)
        finally:
            child.kill()
    with pytest.raises(ProcessLookupError):
        process.has_terminal(child.pid)
