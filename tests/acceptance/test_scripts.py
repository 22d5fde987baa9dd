"""What scripts rely on: bytes, exit codes, signals, working directory and environment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.lib import processes
from tests.lib.dacha import Dacha
from tests.lib.shell import HostShell

pytestmark = pytest.mark.bare

Bytes = subprocess.CompletedProcess[bytes]


def _run(dacha: Dacha, box: str, *command: str | bytes, **options: Any) -> Bytes:
    return dacha.run("run", box, "--", *command, **options)


def _sh(dacha: Dacha, box: str, script: str, **options: Any) -> Bytes:
    return _run(dacha, box, "sh", "-c", script, **options)


def _popen(dacha: Dacha, *args: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([dacha.executable, *args], env=dacha.env, cwd=dacha.home, **options)


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["run", "enter"])
def test_bytes_go_through_untouched(shared_dacha: Dacha, box: str, verb: str) -> None:
    data = random.Random(1).randbytes(5_000_000)  # noqa: S311  (no secret)
    done = shared_dacha.run(verb, box, "--", "cat", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data


def test_stdout_and_stderr_stay_apart(shared_dacha: Dacha, box: str) -> None:
    done = _sh(shared_dacha, box, "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 3)


def test_closed_stdin_is_the_end_of_the_input(shared_dacha: Dacha, box: str) -> None:
    script = f"exec {shared_dacha.executable} run {box} -- sh -c 'cat; echo code $?' <&-"
    done = subprocess.run(["sh", "-c", script], env=shared_dacha.env, capture_output=True, timeout=60)
    assert b"code" in done.stdout
    assert done.returncode == 0, done.stderr.decode()


def test_closed_stdout_does_not_go_into_another_file(shared_dacha: Dacha, box: str) -> None:
    script = f"exec {shared_dacha.executable} run {box} -- echo lost >&-"
    done = subprocess.run(["sh", "-c", script], env=shared_dacha.env, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert b"echo" in done.stderr


def test_only_the_three_streams_are_open_in_the_box(shared_dacha: Dacha, box: str) -> None:
    """dacha has many open on the way: namespaces, the box's cgroup, pipes."""
    done = _run(shared_dacha, box, "ls", "/proc/self/fd", check=True)
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory that ls reads


def test_command_ends_when_nobody_reads_its_output(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    script = f"{shared_dacha.executable} run {box} -- yes {word} | head -1"
    done = subprocess.run(["sh", "-c", script], env=shared_dacha.env, capture_output=True, timeout=60)
    assert done.stdout.decode() == f"{word}\n"
    assert processes.wait_for(lambda: not processes.find("yes", word))


def test_background_process_does_not_hold_up_the_return(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    done = _sh(shared_dacha, box, f"setsid sleep {word} >/dev/null 2>&1 </dev/null & exit 4")
    assert done.returncode == 4
    processes.wait_for_sleepers(word, 1)
    for pid in processes.sleepers(word):
        os.kill(pid, signal.SIGKILL)


def test_return_does_not_wait_for_a_background_process_that_holds_the_output(
    shared_dacha: Dacha, box: str, tmp_path: Path
) -> None:
    word = processes.mark()
    with (tmp_path / "output").open("wb") as output:
        command = ("run", box, "--", "sh", "-c", f"setsid sleep {word} & echo begun; exit 4")
        assert _popen(shared_dacha, *command, stdout=output).wait(30) == 4
    assert (tmp_path / "output").read_text() == "begun\n"
    processes.wait_for_sleepers(word, 1)
    for pid in processes.sleepers(word):
        os.kill(pid, signal.SIGKILL)


# --- exit codes and arguments ---------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["run", "enter"])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["false"], 1),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "exit 255"], 255),
        (["/etc"], 126),
        (["/etc/passwd"], 126),
        (["no-such-command"], 127),
        (["/no/such/command"], 127),
        ([""], 127),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["sh", "-c", "kill -SEGV $$"], 139),
    ],
)
def test_exit_code_is_the_commands_own(
    shared_dacha: Dacha, box: str, verb: str, command: list[str], code: int
) -> None:
    assert shared_dacha.run(verb, box, "--", *command).returncode == code


@pytest.mark.parametrize("command", ["no-such-command", "/etc", "/no/such"])
def test_command_that_cannot_be_run_is_named_in_one_line(shared_dacha: Dacha, box: str, command: str) -> None:
    done = _run(shared_dacha, box, command)
    assert done.stdout == b""
    assert command in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        ["run", "no-such-box", "--", "true"],
        ["enter", "no-such-box", "--", "true"],
        ["run", "../etc", "--", "true"],
        ["run"],
        ["run", "--no-such-option", "box"],
        ["no-such-verb"],
    ],
)
def test_failures_of_dacha_itself_end_with_125(shared_dacha: Dacha, box: str, line: list[str]) -> None:
    done = shared_dacha.run(*line)
    assert done.returncode == 125
    assert done.stdout == b""
    assert done.stderr != b""
    assert b"Traceback" not in done.stderr


def test_arguments_arrive_as_they_are(shared_dacha: Dacha, box: str) -> None:
    arguments = [b"", b"a\xff\xfeb", b"two\nlines\n", b"$HOME `id` \\ \"'", b"*", b"--", b"-t", b" "]
    done = _run(shared_dacha, box, "printf", r"%s\0", *arguments, check=True)
    assert done.stdout.split(b"\0")[:-1] == arguments


def test_options_after_the_box_belong_to_the_command(shared_dacha: Dacha, box: str) -> None:
    done = shared_dacha.run("run", box, "echo", "--help", "-t", "--", "x", check=True)
    assert done.stdout == b"--help -t -- x\n"


def test_very_long_argument_arrives_whole(shared_dacha: Dacha, box: str) -> None:
    done = _run(shared_dacha, box, "printf", "%s", "x" * 100_000, check=True)
    assert done.stdout == b"x" * 100_000


# --- signals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT"])
def test_signal_to_dacha_reaches_the_command(shared_dacha: Dacha, box: str, name: str) -> None:
    script = f"trap 'echo got {name}; exit 9' {name}; echo ready; while sleep .05; do :; done"
    process = _popen(
        shared_dacha, "run", box, "--", "sh", "-c", script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    assert process.communicate(timeout=30)[0] == f"got {name}\n".encode()
    assert process.returncode == 9


def test_signal_that_ends_the_command_is_its_exit_code(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    process = _popen(shared_dacha, "run", box, "--", "sleep", word, stdin=subprocess.DEVNULL)
    processes.wait_for_sleepers(word, 1)
    process.terminate()
    assert process.wait(30) == 143
    processes.wait_for_sleepers(word, 0)


def test_signal_reaches_the_commands_children_too(shared_dacha: Dacha, box: str) -> None:
    """As with a pipeline on a terminal: the whole process group."""
    word = processes.mark()
    command = ("run", box, "--", "sh", "-c", f"sleep {word}; :")
    process = _popen(shared_dacha, *command, stdin=subprocess.DEVNULL)
    processes.wait_for_sleepers(word, 1)
    process.terminate()
    assert process.wait(30) == 143
    processes.wait_for_sleepers(word, 0)


def test_killing_dacha_ends_the_command(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    process = _popen(shared_dacha, "run", box, "--", "sleep", word, stdin=subprocess.DEVNULL)
    processes.wait_for_sleepers(word, 1)
    process.kill()
    process.wait()
    processes.wait_for_sleepers(word, 0)


def test_signal_reaches_a_command_of_the_boxs_root(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    process = _popen(shared_dacha, "run", box, "--", "sudo", "sleep", word, stdin=subprocess.DEVNULL)
    processes.wait_for_sleepers(word, 1)
    process.terminate()
    assert process.wait(30) == 143
    processes.wait_for_sleepers(word, 0)


def test_command_that_kills_its_group_does_not_reach_the_callers(shared_dacha: Dacha, box: str) -> None:
    script = f"{shared_dacha.executable} run {box} -- sh -c 'kill -TERM 0; sleep 9'; echo code $?"
    done = subprocess.run(
        ["sh", "-c", script],
        env=shared_dacha.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        timeout=60,
    )
    assert done.stdout == b"code 143\n"


def test_signals_that_the_caller_ignores_do_work_in_the_box(shared_dacha: Dacha, box: str) -> None:
    """As Python's subprocess leaves SIGPIPE, and nohup(1) SIGHUP: the box is another place."""
    script = f"trap '' INT QUIT PIPE; exec {shared_dacha.executable} run {box} -- cat /proc/self/status"
    done = subprocess.run(["sh", "-c", script], env=shared_dacha.env, capture_output=True, timeout=60)
    [ignored] = [line.split()[1] for line in done.stdout.decode().splitlines() if line.startswith("SigIgn")]
    mask = int(ignored, 16)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        assert not mask >> (number - 1) & 1, number


# --- in a pipeline on a terminal ------------------------------------------------------------------


@pytest.fixture
def shell(shared_dacha: Dacha, box: str) -> Iterator[HostShell]:
    """A terminal with the host's shell."""
    with HostShell(shared_dacha) as shell:
        yield shell


def test_command_in_a_pipeline_reads_the_terminal(shell: HostShell, box: str) -> None:
    shell.type(f"dacha enter {box} -- cat | wc -c")
    shell.child.sendline("four")
    shell.child.expect_exact("four")
    shell.child.sendcontrol("d")
    assert shell.read().split()[-1] == "5"


def test_output_in_a_pipeline_is_not_changed_by_a_terminal(shell: HostShell, box: str) -> None:
    assert shell.run(f"dacha enter {box} -- printf 'a\\nb\\n' | od -An -c").split() == [
        "a",
        "\\n",
        "b",
        "\\n",
    ]


def test_interrupt_in_a_pipeline_means_all_of_it(shell: HostShell, box: str) -> None:
    before = shell.run("stty -g")
    word = processes.mark()
    shell.type(f"dacha enter {box} -- sleep {word} | cat")
    processes.wait_for_sleepers(word, 1)
    shell.child.sendcontrol("c")
    shell.read()
    processes.wait_for_sleepers(word, 0)
    assert shell.run("stty -g") == before


def test_suspend_in_a_pipeline_means_all_of_it(shell: HostShell, box: str) -> None:
    word = processes.mark()
    shell.type(f"dacha enter {box} -- sleep {word} | cat")
    processes.wait_for_sleepers(word, 1)
    shell.child.sendcontrol("z")
    assert "Stopped" in shell.read()
    assert processes.wait_for(lambda: [processes.state(pid) for pid in processes.sleepers(word)] == ["T"])
    shell.type("fg")
    assert processes.wait_for(lambda: [processes.state(pid) for pid in processes.sleepers(word)] == ["S"])
    shell.child.sendcontrol("c")
    shell.read()
    processes.wait_for_sleepers(word, 0)


@pytest.mark.parametrize("trap", ["", "trap '' HUP; ", "trap 'exit 1' HUP; "])
def test_closing_the_terminal_ends_a_pipeline_and_what_it_started(
    shell: HostShell, box: str, trap: str
) -> None:
    word = processes.mark()
    shell.type(f'dacha enter {box} -- sh -c "{trap}setsid sleep {word} & wait" | cat')
    processes.wait_for_sleepers(word, 1)
    shell.child.close(force=False)
    processes.wait_for_sleepers(word, 0)


def test_run_gives_a_terminal_when_asked_to(shared_dacha: Dacha, box: str) -> None:
    child = shared_dacha.spawn("run", "--tty", box, "--", "tty")
    child.expect(r"/dev/pts/\d+")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_run_gives_no_terminal_unasked(shared_dacha: Dacha, box: str) -> None:
    child = shared_dacha.spawn("run", box, "--", "sh", "-c", "tty; exit 6")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 6


def test_a_terminal_where_there_is_none_is_refused(shared_dacha: Dacha, box: str) -> None:
    done = shared_dacha.run("run", "--tty", box, "--", "true")
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"--tty" in done.stderr


# --- working directory ----------------------------------------------------------------------------


def _directory(dacha: Dacha, box: str, cwd: Path, *options: str) -> str:
    done = dacha.run("run", *options, box, "--", "sh", "-c", "pwd -P", cwd=cwd, check=True)
    return done.stdout.decode().rstrip("\n")


def test_command_starts_in_the_directory_of_the_caller(shared_dacha: Dacha, box: str, tmp_path: Path) -> None:
    project = shared_dacha.home / "a project"
    project.mkdir(exist_ok=True)
    assert _directory(shared_dacha, box, project) == str(project)
    assert _directory(shared_dacha, box, shared_dacha.home) == str(shared_dacha.home)
    (tmp_path / "x").write_text("shared")
    assert str(tmp_path).startswith("/tmp/")
    assert _directory(shared_dacha, box, tmp_path) == str(tmp_path)
    assert _run(shared_dacha, box, "cat", "x", cwd=tmp_path, check=True).stdout == b"shared"


def test_directory_that_only_the_host_has_is_found_below_run_host(shared_dacha: Dacha, box: str) -> None:
    assert _directory(shared_dacha, box, Path("/usr/share")) == "/run/host/usr/share"
    assert _directory(shared_dacha, box, shared_dacha.base) == f"/run/host{shared_dacha.base}"
    assert _directory(shared_dacha, box, Path("/")) in ("/run/host", "/run/host/")


def test_deleted_directory_means_the_home(shared_dacha: Dacha, box: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"rmdir {gone}; exec {shared_dacha.executable} run {box} -- pwd"
    done = subprocess.run(
        ["sh", "-c", script], env=shared_dacha.env, cwd=gone, capture_output=True, timeout=60
    )
    assert done.stdout.decode() == f"{shared_dacha.home}\n", done.stderr.decode()


@pytest.mark.parametrize("option", ["-nw", "--no-workdir"])
def test_no_workdir_means_the_home(shared_dacha: Dacha, box: str, tmp_path: Path, option: str) -> None:
    assert _directory(shared_dacha, box, tmp_path, option) == str(shared_dacha.home)


# --- environment ----------------------------------------------------------------------------------


def _environment(dacha: Dacha, box: str, **variables: str) -> dict[str, str]:
    done = _run(dacha, box, "env", "-0", env=variables, check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)


def test_secrets_stay_on_the_host(shared_dacha: Dacha, box: str) -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "GITHUB_TOKEN": "s3cret",
        "PGPASSWORD": "s3cret",
        "MY_OWN_VARIABLE": "s3cret",
        "LD_PRELOAD": "",
        "BASH_ENV": "/s3cret",
        "XDG_DATA_HOME": shared_dacha.env["XDG_DATA_HOME"],
    }
    found = _environment(shared_dacha, box, **secrets)
    assert not set(secrets) & set(found)
    assert "s3cret" not in "".join(found.values())


def test_language_terminal_and_desktop_variables_arrive(shared_dacha: Dacha, box: str) -> None:
    sent = {
        "LANG": "C.UTF-8",
        "LC_TIME": "C",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "NO_COLOR": "1",
        "DISPLAY": ":99",
        "WAYLAND_DISPLAY": "wayland-7",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/nowhere",
        "SSH_AUTH_SOCK": "/tmp/nowhere",
        "TZ": "Europe/Berlin",
        "EDITOR": "vi",
        "https_proxy": "http://proxy:3128",
    }
    found = _environment(shared_dacha, box, **sent)
    assert {name: found.get(name) for name in sent} == sent


def test_environment_says_who_and_where_you_are(shared_dacha: Dacha, box: str) -> None:
    found = _environment(shared_dacha, box, HOME=str(shared_dacha.home), PATH=shared_dacha.env["PATH"])
    assert found["USER"] == found["LOGNAME"] == os.environ["USER"]
    assert found["HOME"] == str(shared_dacha.home)
    assert found["container"] == "dacha"
    assert found["DACHA_BOX"] == box
    assert found["XDG_RUNTIME_DIR"] == shared_dacha.env["XDG_RUNTIME_DIR"]


def test_path_is_the_boxs_with_your_own_directories_behind(shared_dacha: Dacha, box: str) -> None:
    own = f"{shared_dacha.home}/.local/bin"
    found = _environment(shared_dacha, box, PATH=f"{own}:{shared_dacha.env['PATH']}")
    assert found["PATH"].split(":") == [
        *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
        own,
    ]


def test_environment_is_on_nobodys_command_line(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    process = _popen(shared_dacha, "run", box, "--", "sleep", word, stdin=subprocess.DEVNULL)
    processes.wait_for_sleepers(word, 1)
    value = shared_dacha.env["XDG_DATA_HOME"]  # a variable of dacha's own environment
    try:
        lines = [_command_line(path) for path in Path("/proc").glob("[0-9]*")]
        assert any(word.encode() in line for line in lines)
        assert not [line for line in lines if value.encode() in line or b"LOGNAME=" in line]
    finally:
        process.terminate()
        process.wait(30)


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_box_that_is_stopped_is_started_for_a_command(shared_dacha: Dacha, box: str) -> None:
    shared_dacha.run("create", "asleep", "--image", "debian-test", check=True)
    assert shared_dacha.run("run", "asleep", "--", "echo", "up", check=True).stdout == b"up\n"
    listed = json.loads(shared_dacha.run("list", "--json", check=True).stdout)
    assert {each["name"]: each["status"] for each in listed}["asleep"] == "running"
    shared_dacha.run("rm", "--force", "asleep", check=True)
