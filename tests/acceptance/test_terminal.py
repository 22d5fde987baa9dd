"""A session on a terminal is one on a terminal: job control, full-screen programs, hang-ups."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.lib import processes
from tests.lib.dacha import Dacha
from tests.lib.shell import HostShell

pytestmark = pytest.mark.bare

_CTRL_B = "\x02"


@pytest.fixture
def shell(shared_dacha: Dacha, box: str) -> Iterator[HostShell]:
    """A terminal with the box's bash in it."""
    with HostShell(shared_dacha) as shell:
        shell.enter(box)
        yield shell


@pytest.fixture
def host(shared_dacha: Dacha, box: str) -> Iterator[HostShell]:
    """A terminal with the host's bash in it, in a place where the box runs."""
    with HostShell(shared_dacha) as shell:
        yield shell


# --- the terminal itself --------------------------------------------------------------------------


@pytest.mark.all_ids
def test_terminal_is_the_boxs_own(shell: HostShell) -> None:
    name = shell.run("tty")
    assert re.fullmatch(r"/dev/pts/\d+", name)
    assert shell.run(f"stat -c '%U %G %a' {name}") == f"{os.environ['USER']} tty 620"


def test_interactive_shell_starts_without_a_complaint(host: HostShell, box: str) -> None:
    assert host.enter(box) == ""


def test_login_shell_is_the_users_and_starts_without_a_complaint(shared_dacha: Dacha, box: str) -> None:
    child = shared_dacha.spawn("enter", box)
    child.sendline("echo $0:$((40+2)):$?")
    child.expect_exact(f"-{Path(os.environ['SHELL']).name}:42:0")
    assert "job control" not in (child.before or "")
    child.sendline("exit 7")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 7


def test_size_is_that_of_the_terminal_outside(shared_dacha: Dacha, box: str) -> None:
    with HostShell(shared_dacha, dimensions=(31, 97)) as shell:
        shell.enter(box)
        assert shell.run("stty size") == "31 97"


def test_size_follows_the_terminal_outside(shell: HostShell) -> None:
    shell.run("trap 'echo now $(stty size)' WINCH")
    shell.child.setwinsize(40, 100)
    shell.child.sendline("")  # bash runs a trap when it has read a line
    shell.child.expect_exact("now 40 100")


def test_programs_can_open_dev_tty(shell: HostShell) -> None:
    assert shell.run("echo here > /dev/tty") == "here"
    assert shell.run("sudo sh -c 'echo root > /dev/tty'") == "root"


def test_sudo_works_on_the_terminal(shell: HostShell) -> None:
    assert shell.run("sudo id -u") == "0"
    assert shell.run("sudo tty") == shell.run("tty")
    shell.type("sudo sh -c 'read word; echo got $word'")
    shell.child.sendline("this")
    shell.child.expect_exact("got this")


def test_exit_code_is_the_shells(host: HostShell, box: str) -> None:
    host.enter(box)
    host.leave(42)
    assert host.run("echo $?") == "42"


def test_terms_name_and_colours_arrive(shared_dacha: Dacha, box: str) -> None:
    with HostShell(shared_dacha, env={"TERM": "xterm-256color", "COLORTERM": "truecolor"}) as shell:
        shell.enter(box)
        assert shell.run('echo "$TERM $COLORTERM"') == "xterm-256color truecolor"
        assert shell.run("tput colors") == "256"
        shell.child.sendline(r"printf '\033[38;2;1;2;3m%s\033[0m\n' co''loured")
        shell.child.expect_exact("\x1b[38;2;1;2;3mcoloured\x1b[0m\r\n")


def test_boxs_terminal_takes_over_the_outers_special_characters(host: HostShell, box: str) -> None:
    host.run("stty intr ^X")
    host.enter(box)
    word = processes.mark()
    host.type(f"sleep {word}")
    processes.wait_for_sleepers(word, 1)
    host.child.sendcontrol("x")
    host.read()
    assert host.run("echo $?") == "130"


# --- job control ----------------------------------------------------------------------------------


def test_suspend_resume_and_interrupt(shell: HostShell) -> None:
    word = processes.mark()
    shell.type(f"sleep {word}")
    processes.wait_for_sleepers(word, 1)
    shell.child.sendcontrol("z")
    assert "Stopped" in shell.read()
    assert "Stopped" in shell.run("jobs")
    shell.type("fg")
    shell.child.expect_exact(f"sleep {word}")
    shell.child.sendcontrol("c")
    shell.read()
    assert shell.run("echo $?") == "130"
    assert shell.run("jobs") == ""
    processes.wait_for_sleepers(word, 0)


def test_background_job_runs_and_can_be_killed(shell: HostShell) -> None:
    word = processes.mark()
    shell.run(f"sleep {word} &")
    assert "Running" in shell.run("jobs")
    shell.run("kill %1; wait")
    processes.wait_for_sleepers(word, 0)


def test_end_of_file_ends_the_input(shell: HostShell) -> None:
    shell.type("cat; echo code $?")
    shell.child.sendline("hello")
    shell.child.expect_exact("hello\r\nhello\r\n")
    shell.child.sendcontrol("d")
    shell.child.expect_exact("code 0")


def test_quit_character_ends_a_program(shell: HostShell) -> None:
    word = processes.mark()
    shell.type(f"sleep {word}")
    processes.wait_for_sleepers(word, 1)
    shell.child.sendcontrol("\\")
    shell.read()
    assert shell.run("echo $?") == "131"


def test_interrupt_ends_a_command_with_130(host: HostShell, box: str) -> None:
    word = processes.mark()
    host.type(f"dacha enter {box} -- sleep {word}")
    processes.wait_for_sleepers(word, 1)
    host.child.sendcontrol("c")
    host.read()
    assert host.run("echo $?") == "130"
    processes.wait_for_sleepers(word, 0)


# --- what a session leaves behind -----------------------------------------------------------------


def test_outer_terminal_is_as_it_was_after_a_session(host: HostShell, box: str) -> None:
    host.run("stty -ixon tab3")
    before = host.run("stty -g")
    host.enter(box)
    host.run("stty -echo -icanon; stty raw; stty sane")
    host.leave()
    assert host.run("stty -g") == before


def test_outer_terminal_is_as_it_was_after_a_session_that_was_killed(host: HostShell, box: str) -> None:
    before = host.run("stty -g")
    host.enter(box)
    host.type("kill -9 $$")
    host.await_host()
    assert host.run("echo $?") == "137"
    assert host.run("stty -g") == before


def test_outer_terminal_is_as_it_was_after_stop_below_the_session(shared_dacha: Dacha, box: str) -> None:
    shared_dacha.run("create", "stopped-below", "--image", "debian-test", check=True)
    with HostShell(shared_dacha) as shell:
        before = shell.run("stty -g")
        shell.enter("stopped-below")
        shell.run("trap '' HUP TERM")
        shared_dacha.run("stop", "--time", "0", "stopped-below", check=True)
        shell.await_host()
        assert shell.run("echo $?") == "137"
        assert shell.run("stty -g") == before
    shared_dacha.run("rm", "stopped-below", check=True)


def test_background_process_does_not_hold_up_the_return(host: HostShell, box: str) -> None:
    word = processes.mark()
    # It has the terminal open, and does not end with it.
    host.run(f"dacha enter {box} -- sh -c 'trap \"\" HUP; sleep {word} & exit 3'")
    assert host.run("echo $?") == "3"
    processes.wait_for_sleepers(word, 1)
    for pid in processes.sleepers(word):
        os.kill(pid, signal.SIGKILL)


def test_background_process_that_floods_the_terminal_does_not_hold_up_the_return(
    host: HostShell, box: str
) -> None:
    word = processes.mark()
    host.run(f"dacha enter {box} -- sh -c 'trap \"\" HUP; yes {word} & exit 3'")
    assert host.run("echo $?") == "3"
    assert processes.wait_for(lambda: not processes.find("yes", word)), "nobody reads what it writes"


def test_background_job_does_not_hold_up_the_return_of_a_shell(host: HostShell, box: str) -> None:
    word = processes.mark()
    host.enter(box)
    host.run(f"nohup sleep {word} &")
    host.leave(5)
    assert host.run("echo $?") == "5"
    processes.wait_for_sleepers(word, 1)
    for pid in processes.sleepers(word):
        os.kill(pid, signal.SIGKILL)


def _start_survivors(shell: HostShell, word: str) -> None:
    """Four processes that a hang-up alone does not end."""
    shell.run(f"nohup sleep {word} >/dev/null 2>&1 &")
    shell.run(f"setsid nohup sleep {word} >/dev/null 2>&1 & disown")
    shell.run(f"(trap '' HUP TERM; exec setsid -f sleep {word})")
    shell.run(f"sudo sh -c 'setsid -f env -i sleep {word}'")
    shell.run("trap '' HUP")
    processes.wait_for_sleepers(word, 4)


def test_closing_the_terminal_ends_what_ran_in_it(shell: HostShell) -> None:
    word = processes.mark()
    _start_survivors(shell, word)
    shell.child.close(force=False)
    processes.wait_for_sleepers(word, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ending_dacha_ends_what_ran_on_its_terminal(
    shared_dacha: Dacha, box: str, number: signal.Signals
) -> None:
    word = processes.mark()
    with HostShell(shared_dacha) as shell:
        before = shell.run("stty -g")
        shell.enter(box)
        _start_survivors(shell, word)
        [dacha] = processes.children(shell.pid)
        os.kill(dacha, number)
        processes.wait_for_sleepers(word, 0)
        shell.await_host()
        assert shell.run("echo $?") == str(128 + number)
        assert shell.run("stty -g") == before


def test_ending_dacha_ends_what_floods_a_terminal_that_nobody_reads(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    with HostShell(shared_dacha) as shell:
        shell.type(f"dacha enter {box} -- sh -c 'sleep {word} & exec yes'")
        processes.wait_for_sleepers(word, 1)
        [dacha] = processes.children(shell.pid)
        assert processes.wait_for(lambda: processes.is_asleep(dacha))
        os.kill(dacha, signal.SIGTERM)
        processes.wait_for_sleepers(word, 0)


def test_killing_dacha_ends_what_ran_on_its_terminal(shared_dacha: Dacha, box: str) -> None:
    word = processes.mark()
    with HostShell(shared_dacha) as shell:
        shell.enter(box)
        shell.run(f"sleep {word} &")
        processes.wait_for_sleepers(word, 1)
        [dacha] = processes.children(shell.pid)
        os.kill(dacha, signal.SIGKILL)
        # Nobody is left to end what ignores the hang-up, but the hang-up itself arrives.
        processes.wait_for_sleepers(word, 0)


# --- much data ------------------------------------------------------------------------------------


def test_long_output_is_whole(host: HostShell, box: str) -> None:
    output = host.run(f"dacha enter {box} -- seq 100000")
    assert output.splitlines() == [str(number) for number in range(1, 100001)]


def test_last_words_of_a_command_are_not_lost(host: HostShell, box: str) -> None:
    output = host.run(f"for i in 1 2 3 4 5; do dacha enter {box} -- printf 'last %s' $i; echo; done")
    assert output.splitlines() == [f"last {number}" for number in range(1, 6)]


def _paste(shell: HostShell, data: bytes) -> threading.Thread:
    """Write to the terminal as an emulator does: while its other side reads what the program prints."""

    def write() -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(shell.child.child_fd, rest[:4096]) :]

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def test_large_paste_arrives_whole(shell: HostShell) -> None:
    lines = "".join(f"{number:07} {'x' * 92}\n" for number in range(2000))
    shell.type("stty -echo; echo ready; sha256sum; stty echo")
    shell.child.expect_exact("ready\r\n")
    thread = _paste(shell, lines.encode() + b"\x04")
    output = shell.read()
    thread.join()
    assert output.split()[0] == hashlib.sha256(lines.encode()).hexdigest()


def test_large_paste_into_a_program_that_answers_each_byte_is_answered_whole(shell: HostShell) -> None:
    # No end of line, and nothing that a raw terminal would still treat.
    data = bytes(32 + index % 90 for index in range(200_000))
    # The program reads nothing for a while, then answers all: both directions fill up.
    shell.type(f"stty raw -echo; echo ready; sleep .3; head -c {len(data)}; stty sane; echo; echo end")
    shell.child.expect_exact("ready\n")
    thread = _paste(shell, data)
    shell.child.expect_exact("end\r\n")
    thread.join()
    assert (shell.child.before or "").strip("\r\n") == data.decode()


# --- full-screen programs and other shells --------------------------------------------------------


@pytest.fixture(scope="module")
def tools(shared_dacha: Dacha, box: str) -> str:
    """The box with the programs that the tests below are about."""
    update = "sudo apt-get -q update"
    install = "sudo apt-get -q install -y --no-install-recommends vim-tiny tmux htop zsh fish"
    done = shared_dacha.run("run", box, "--", "sh", "-c", f"{update} && {install}", timeout=200)
    if done.returncode != 0:
        pytest.skip(f"needs a Debian mirror: {(done.stdout + done.stderr).decode()[-300:]}")
    return box


@pytest.mark.parametrize("program", ["bash --norc", "zsh -f", "fish --no-config", "dash"])
def test_job_control_in_shell(host: HostShell, tools: str, program: str) -> None:
    """With the shell's own line editor: nothing is expected that an echo could fake."""
    word = processes.mark()
    child = host.child
    child.sendline(f"dacha enter {tools} -- {program} -i")
    child.sendline("echo up-$(expr 40 + 2)" if program != "fish" else "echo up-(expr 40 + 2)")
    child.expect("up-42", timeout=60)
    child.sendline(f"sleep {word}")
    processes.wait_for_sleepers(word, 1)
    child.sendcontrol("z")
    child.expect("(?i)stopped|suspended")
    child.sendline("fg")
    # It runs again when it has the terminal: then the interrupt is for it alone.
    assert processes.wait_for(lambda: [processes.state(pid) for pid in processes.sleepers(word)] == ["S"])
    child.sendcontrol("c")
    processes.wait_for_sleepers(word, 0)
    child.sendline("echo still-$(expr 40 + 2)" if program != "fish" else "echo still-(expr 40 + 2)")
    child.expect("still-42")
    child.sendline("exit 9")
    host.await_host()
    assert host.run("echo $?") == "9"


def test_vim_draws_follows_the_size_and_can_be_suspended(shell: HostShell, tools: str) -> None:
    child = shell.child
    shell.type("vi -u NONE /tmp/not-written")
    child.send("iabc\x1b:set lines?\r")
    child.expect_exact("lines=24")
    child.setwinsize(33, 77)
    assert processes.wait_for(lambda: _vim_says(shell, ":set lines?", "lines=33"))
    child.sendcontrol("z")
    assert "Stopped" in shell.read()
    shell.type("fg")
    child.expect_exact("abc")  # it has drawn its screen again
    child.send(":q!\r")
    shell.read()
    assert shell.run("echo $?") == "0"


def _vim_says(shell: HostShell, command: str, answer: str) -> bool:
    shell.child.send(f"{command}\r")
    return shell.child.expect_exact([answer, pexpect.TIMEOUT], timeout=1) == 0


def test_htop_draws_the_boxs_processes(shell: HostShell, tools: str) -> None:
    shell.child.setwinsize(24, 120)
    shell.type("htop")
    shell.child.expect_exact("catatonit")
    shell.child.send("q")
    shell.read()
    assert shell.run("echo $?") == "0"


def test_tmux_works_follows_the_size_and_outlives_the_session(host: HostShell, tools: str) -> None:
    child = host.child
    server = f"test{processes.mark()}"
    host.enter(tools)
    child.sendline(f"tmux -f /dev/null -L {server} new")
    child.expect_exact("[0]")  # its status line
    child.sendline("echo in-$((40+2))")
    child.expect_exact("in-42")
    child.setwinsize(30, 90)
    assert processes.wait_for(lambda: _tmux_has_size(host, "29 90"))
    child.send(f"{_CTRL_B}d")
    child.expect_exact("[detached")
    host.read()
    host.leave(4)  # the server has its own pty: the caller does not wait for it
    assert host.run("echo $?") == "4"
    assert _is_served(server)
    host.enter(tools)
    child.sendline(f"tmux -L {server} attach")
    child.expect_exact("in-42")
    child.sendline(f"tmux -L {server} kill-server")
    child.expect_exact("[server exited]")
    host.read()
    host.leave()
    assert processes.wait_for(lambda: not _is_served(server))


def _is_served(server: str) -> bool:
    return bool(processes.find("tmux", "-f", "/dev/null", "-L", server))


def _tmux_has_size(shell: HostShell, size: str) -> bool:
    shell.child.sendline("stty size")
    return shell.child.expect_exact([size, pexpect.TIMEOUT], timeout=1) == 0


def test_box_works_inside_the_hosts_tmux(host: HostShell, tools: str) -> None:
    """A terminal emulator's usual neighbour: TERM=tmux, and resizes that come from it."""
    child = host.child
    server = f"test{processes.mark()}"
    try:
        child.sendline(f"tmux -f /dev/null -L {server} new bash --norc")
        child.expect_exact("[0]")
        says_size = 'trap "stty size" WINCH; stty size; echo $TERM; while sleep .1; do :; done'
        child.sendline(f"dacha enter {tools} -- sh -c '{says_size}'")
        child.expect_exact("23 80")
        child.expect("screen|tmux")
        child.setwinsize(30, 90)
        child.expect_exact("29 90")
    finally:
        subprocess.run(["tmux", "-L", server, "kill-server"], check=True)
