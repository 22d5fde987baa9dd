"""The sudo of boxes that have none of their own, in real user namespaces, beside the real sudo.

What the table below expects holds for both: the real one is run on it too, where it is installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.lib.sudo_box import HOME, REAL_SUDO, SECURE_PATH, SudoBox

SHELLS = {"dash": "/bin/dash", "bash": "/bin/bash", "busybox": "/bin/busybox"}
ROOT = "uid=0(root) gid=0(root) groups=0(root)"
MINE = f"{HOME}/shell"  # a shell that shows its arguments
USAGE = "usage: sudo -h | -K | -k | -V"


@dataclass(frozen=True)
class Case:
    """A command line of sudo and what comes of it."""

    command: list[str]
    out: str = ""
    err: str = ""
    code: int = 0
    env: dict[str, str] = field(default_factory=dict)
    only_ours: bool = False  # the real sudo, as Debian sets it up, does otherwise

    def __str__(self) -> str:
        return " ".join(self.command) or "nothing"


def _refused(*command: str, why: str = "") -> Case:
    return Case([*command], err=f"sudo: {why}\n{USAGE}" if why else USAGE, code=1)


ONE_MODE = "Only one of the -e, -h, -i, -K, -l, -s, -v or -V options may be specified"
CASES = [
    # the plain command, its path and its end
    Case(["id"], ROOT),
    Case(["--", "id"], ROOT),
    Case(["/usr/bin/id", "-un"], "root"),
    Case(["./plain", "a b", ""], "plain [a b] []"),
    Case(["sh", "-c", "exit 42"], code=42),
    Case(["sh", "-c", "kill -9 $$"], code=-9),
    Case(["sh", "-c", "echo to stderr >&2"], err="to stderr"),
    Case(["sh", "-c", "umask"], "0022"),
    Case(["sh", "-c", 'echo "$0 $SUDO_COMMAND"'], 'sh /usr/bin/sh -c echo "$0 $SUDO_COMMAND"'),
    Case(["nosuch"], err="sudo: nosuch: command not found", code=1),
    Case(["./nosuch"], err="sudo: ./nosuch: command not found", code=1),
    Case(["/etc"], err="sudo: /etc: command not found", code=1),
    Case(["/etc/passwd"], err="sudo: /etc/passwd: command not found", code=1),
    Case([""], err="sudo: : command not found", code=1),
    Case(["--", "A=1", "id"], err="sudo: A=1: command not found", code=1),
    Case(["=x", "id"], err="sudo: =x: command not found", code=1),
    Case(["./bad"], err="sudo: unable to execute ./bad: No such file or directory", code=1),
    # users and groups
    Case(["-u", "other", "id"], "uid=1001(other) gid=1001(other) groups=1001(other),2000(extra),2001(more)"),
    Case(["-uother", "-n", "id", "-un"], "other"),
    Case(["-nuother", "id", "-un"], "other"),
    Case(["--user=other", "id", "-un"], "other"),
    Case(["--user", "other", "id", "-un"], "other"),
    Case(["-u", "#1001", "id", "-un"], "other"),
    Case(["-u", "#00", "id", "-un"], "root"),
    Case(["-u", "nohome", "pwd"], HOME),
    Case(["-u", "nosuch", "id"], err="sudo: unknown user nosuch", code=1),
    Case(["-u", "1001", "id"], err="sudo: unknown user 1001", code=1),
    Case(["-u", "+", "id"], err="sudo: unknown user +", code=1),
    Case(["-u", "#5555", "id"], err="sudo: unknown user #5555", code=1),
    Case(["-u", "#", "id"], err="sudo: unknown user #", code=1),
    Case(["-u", "#-1", "id"], err="sudo: unknown user #-1", code=1),
    Case(["-g", "extra", "id"], "uid=1000(box) gid=2000(extra) groups=2000(extra),1000(box)"),
    Case(["-g", "#2001", "id"], "uid=1000(box) gid=2001(more) groups=2001(more),1000(box),2000(extra)"),
    Case(["-u", "root", "-g", "extra", "id"], "uid=0(root) gid=2000(extra) groups=2000(extra),0(root)"),
    Case(["-g", "nogrp", "id"], err="sudo: unknown group nogrp", code=1),
    Case(["-g", "#7777", "id"], err="sudo: unknown group #7777", code=1),
    Case(["-P", "id"], "uid=0(root) gid=0(root) groups=0(root),1000(box),2000(extra)"),
    # about passwords: nothing to do
    Case(["-v"]),
    Case(["-k"]),
    Case(["-K"]),
    Case(["-nv"]),
    Case(["-k", "id", "-un"], "root"),
    Case(["-ABNn", "-p", "word", "id", "-un"], "root"),
    Case(["--stdin", "--prompt=word", "--non-interactive", "id", "-un"], "root"),
    # shells
    Case(["-s", "pwd"], HOME),
    Case(["-s", "echo", "$HOME", "x y", "$(id)", "*", "a_b-c.d"], "/root x y $(id) * a_b-c.d"),
    Case(["-s", "echo", "$0"], "/bin/bash"),
    Case(["-s", "a b", "c"], f"[{MINE}][{MINE}][-c][a\\ b c]", env={"SHELL": MINE}),
    Case(["-s"], f"[{MINE}][{MINE}]", env={"SHELL": MINE}),
    Case(["-s", "echo", "$0"], "/bin/bash", env={"SHELL": ""}),
    Case(["-su", "other", "echo", "$HOME"], "/run/home/other"),
    Case(["-s", "exit", "3"], code=3),
    Case(["-s"]),
    Case(["-i", "pwd"], "/root"),
    Case(["-iu", "other", "pwd"], "/run/home/other"),
    Case(["-i", "echo", "$0", "$HOME", "x y"], "-bash /root x y"),
    Case(["-i", "echo", "$SUDO_COMMAND"], "/bin/bash -c echo $SUDO_COMMAND"),
    Case(["--login", "--user=other", "sh", "-c", 'echo "$SHELL"'], "/bin/sh"),
    Case(["-i"]),
    Case(
        ["-iu", "nohome", "pwd"],
        HOME,
        "sudo: unable to change directory to /nonexistent: No such file or directory",
    ),
    # other options
    Case(["-l", "id", "-u"], "/usr/bin/id -u"),
    Case(["-l", "nosuch"], err="sudo: nosuch: command not found", code=1),
    Case(["-lU", "other"], f"User other is not allowed to run sudo on {os.uname().nodename}."),
    Case(
        ["-l"],
        f"User box may run the following commands on {os.uname().nodename}:\n    (ALL : ALL) NOPASSWD: ALL",
        only_ours=True,
    ),
    Case(["-D", "/tmp", "pwd"], "/tmp", only_ours=True),
    Case(["--chdir=/", "./bin/pwd"], "/", only_ours=True),
    Case(["-iD", "/tmp", "pwd"], "/tmp", only_ours=True),
    Case(
        ["-D", "/nonexistent", "pwd"],
        err="sudo: unable to change directory to /nonexistent: No such file or directory",
        code=1,
        only_ours=True,
    ),
    Case(["-C", "5", "id", "-un"], "root", only_ours=True),
    Case(["-R", "/tmp", "id"], err="sudo: you are not permitted to use the -R option with id", code=1),
    Case(["-T", "5", "id"], err="sudo: sorry, you are not allowed set a command timeout", code=1),
    # sudo's own mistakes
    _refused(),
    _refused("-n"),
    _refused("-E"),
    _refused("A=1"),
    _refused("--"),
    _refused("-u", "", "id"),
    _refused("-g", "", "id"),
    _refused("-u", "root", "-u", "other", "id"),
    _refused("-e"),
    _refused("-v", "id"),
    _refused("-K", "id"),
    _refused("-Z", why="invalid option -- 'Z'"),
    _refused("--foo", why="unrecognized option '--foo'"),
    _refused("-u", why="option requires an argument -- 'u'"),
    _refused("--user", why="option '--user' requires an argument"),
    _refused("--background=x", "id", why="option '--background' doesn't allow an argument"),
    _refused("-i", "-s", why="you may not specify both the -i and -s options"),
    _refused("-i", "-E", why="you may not specify both the -i and -E options"),
    _refused("-C", "2", "id", why="the argument to -C must be a number greater than or equal to 3"),
    _refused("-C", "x", "id", why="the argument to -C must be a number greater than or equal to 3"),
    _refused("-U", "other", "id", why="the -U option may only be used with the -l option"),
    _refused("-l", "-e", why=ONE_MODE),
    _refused("--version", "--help", why=ONE_MODE),
]


def _prepare(box: SudoBox) -> SudoBox:
    box.write(f"{HOME}/plain", 'printf plain; printf " [%s]" "$@"; echo\n')
    box.write(MINE, '#!/bin/bash\nprintf "[%s]" "$0" "$SHELL" "$@"\n')
    box.write(f"{HOME}/bad", "#!/nonexistent\n")
    return box


@pytest.fixture(scope="module", params=SHELLS)
def box(request: pytest.FixtureRequest) -> Iterator[SudoBox]:
    """A box with the shim and, in turn, each of the shells that its script may meet."""
    shell = SHELLS[request.param]
    if not os.access(shell, os.X_OK):
        pytest.skip(f"needs {shell}")
    with _prepare(SudoBox(shell=shell)) as box:
        yield box


@pytest.fixture(scope="module")
def plain_box() -> Iterator[SudoBox]:
    """A box with the shim, for what does not depend on the shell."""
    with _prepare(SudoBox()) as box:
        yield box


@pytest.fixture(scope="module")
def real_box() -> Iterator[SudoBox]:
    """The same box with the real sudo."""
    if not REAL_SUDO.exists():
        pytest.skip("needs the package sudo, to compare with")
    with _prepare(SudoBox(REAL_SUDO, script=None)) as box:
        yield box


def _sudo(box: SudoBox, case: Case) -> tuple[str, str, int]:
    """What comes of it: of a usage text the first line, without what depends on sudo's version."""
    done = box.run("sudo", *case.command, env=case.env)
    err = done.stderr.decode()
    if USAGE in err:
        err = err[: err.index(USAGE) + len(USAGE)]
    lines = [line for line in err.splitlines() if "audit plugin" not in line]
    return done.stdout.decode().rstrip("\n"), "\n".join(lines), done.returncode


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shim_does_what_the_table_says(box: SudoBox, case: Case) -> None:
    assert _sudo(box, case) == (case.out, case.err, case.code)


@pytest.mark.parametrize("case", [case for case in CASES if not case.only_ours], ids=str)
def test_real_sudo_does_what_the_table_says(real_box: SudoBox, case: Case) -> None:
    assert _sudo(real_box, case) == (case.out, case.err, case.code)


CALLER = {
    "a.b": "no name for a shell",
    "BASH_FUNC_f%%": "() { :; }",
    "COLORTERM": "truecolor",
    "ENV": "/env",
    "FOO": "foo",
    "LC_TIME": "de_DE.UTF-8",
    "LD_LIBRARY_PATH": "/lib",
    "LS_COLORS": "di=1",
    "MAIL": "/mail",
    "SUDO_COMMAND": "of an outer sudo",
    "SUDO_USER": "outer",
}
FOR_ROOT = {
    "COLORTERM": "truecolor",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_TIME": "de_DE.UTF-8",
    "LOGNAME": "root",
    "LS_COLORS": "di=1",
    "MAIL": "/var/mail/root",
    "PATH": SECURE_PATH,
    "SHELL": "/bin/bash",
    "SUDO_COMMAND": "/usr/bin/env -0",
    "SUDO_GID": "1000",
    "SUDO_UID": "1000",
    "SUDO_USER": "box",
    "TERM": "xterm",
    "USER": "root",
}
FOR_OTHER = FOR_ROOT | {
    "HOME": "/run/home/other",
    "LOGNAME": "other",
    "MAIL": "/var/mail/other",
    "SHELL": "/bin/sh",
    "USER": "other",
}
WHOLE = FOR_ROOT | {"a.b": "no name for a shell", "FOO": "foo", "HOME": HOME, "MAIL": "/mail"}
ENVIRONMENTS: dict[tuple[str, ...], dict[str, str]] = {
    (): FOR_ROOT,
    ("-H",): FOR_ROOT,
    ("-u", "other"): FOR_OTHER,
    ("FOO=1", "-u", "other", "BAR=2", "BAR=3"): FOR_OTHER | {"FOO": "1", "BAR": "3"},
    ("a b=c", "1=2", "PATH=/p", "USER=u", "SUDO_USER=s"): FOR_ROOT
    | {"a b": "c", "1": "2", "PATH": "/p", "USER": "u", "SUDO_USER": "s"},
    ("LD_LIBRARY_PATH=/mine",): FOR_ROOT | {"LD_LIBRARY_PATH": "/mine"},
    ("-E",): WHOLE,
    ("-nE",): WHOLE,
    ("--preserve-env",): WHOLE,
    ("-EH",): WHOLE | {"HOME": "/root"},
    ("-Eu", "other"): WHOLE | {"LOGNAME": "other", "USER": "other"},
    ("--preserve-env=FOO,NOT,HOME", "--preserve-env=USER,PATH"): FOR_ROOT
    | {"FOO": "foo", "HOME": HOME, "USER": "box", "PATH": "/run/sudo:/usr/bin:/bin"},
    ("--preserve-env=FOO", "-E"): WHOLE,
    ("--preserve-env=",): FOR_ROOT,
}


def _environment(box: SudoBox, options: tuple[str, ...]) -> dict[str, str]:
    done = box.run("sudo", *options, "env", "-0", env=CALLER)
    assert done.stderr == b""
    return dict(line.split("=", 1) for line in done.stdout.decode().split("\0")[:-1])


@pytest.mark.parametrize("options", ENVIRONMENTS, ids=" ".join)
def test_shim_cleans_the_environment(box: SudoBox, options: tuple[str, ...]) -> None:
    assert _environment(box, options) == ENVIRONMENTS[options]


@pytest.mark.parametrize("options", ENVIRONMENTS, ids=" ".join)
def test_real_sudo_cleans_the_environment_alike(real_box: SudoBox, options: tuple[str, ...]) -> None:
    assert _environment(real_box, options) == ENVIRONMENTS[options]


def test_what_a_box_needs_is_kept(box: SudoBox) -> None:
    kept = {"https_proxy": "http://proxy:1", "DACHA_BOX": "name", "container": "dacha", "TZ": "Europe/Berlin"}
    dropped = {"SSH_AUTH_SOCK": "/agent", "XDG_RUNTIME_DIR": "/run/user/1000"}
    done = box.run("sudo", "env", "-0", env=kept | dropped)
    names = {line.split(b"=")[0].decode() for line in done.stdout.split(b"\0")}
    assert kept.keys() <= names
    assert not dropped.keys() & names


def test_unset_terminal_is_unknown(plain_box: SudoBox) -> None:
    assert plain_box.run("env", "-u", "TERM", "sudo", "sh", "-c", "echo $TERM").stdout == b"unknown\n"


def test_values_stay_as_they_are(box: SudoBox) -> None:
    value = b" two\nlines, 'quoted' \\n $HOME `id` \xff\xfe\t" + "ü".encode()
    done = box.run(
        *("sudo", "--preserve-env=MINE", b"GIVEN=" + value, "env", "-0"),
        env={b"LC_ODD": value, b"MINE": value, b"OTHER": value},
    )
    got = done.stdout.split(b"\0")
    assert b"LC_ODD=" + value in got
    assert b"MINE=" + value in got
    assert b"GIVEN=" + value in got
    assert b"OTHER=" + value not in got


def test_arguments_stay_as_they_are(box: SudoBox) -> None:
    args = [
        b"",
        b" ",
        b"a\xff\xfeb",
        b"two\nlines\n",
        b"'",
        b'"$(id)"',
        b"*",
        b"-u",
        b"A=1",
        b"\\",
        "ü".encode(),
    ]
    done = box.run("sudo", "--", "printf", "%s\\0", *args)
    assert done.stdout.split(b"\0")[:-1] == args


def test_arguments_for_a_shell_stay_as_they_are(box: SudoBox) -> None:
    args = [b" ", b"a\xff\xfeb", b"'", b'"`id`"', b"*", b"~", b"a=b;c&|<>(){}[]#!", b"\\", "ü".encode()]
    done = box.run("sudo", "-s", "printf", "%s\\0", *args)
    assert done.stdout.split(b"\0")[:-1] == args


def test_long_command_lines_and_environments_stay_whole(box: SudoBox) -> None:
    args = [str(i).encode() * 50 for i in range(2000)]
    env = {f"N{i}".encode(): b"x" * 100 for i in range(3000)}
    done = box.run("sudo", "-E", "printf", "%s\\0", *args, env=env)
    assert done.stdout.split(b"\0")[:-1] == args
    done = box.run("sudo", "-E", "env", "-0", *[b"A" + arg + b"=" for arg in args], env=env)
    lines = set(done.stdout.split(b"\0"))
    assert {name + b"=" + value for name, value in env.items()} <= lines
    assert {b"A" + arg + b"=" for arg in args} <= lines
    command = next(line for line in lines if line.startswith(b"SUDO_COMMAND="))
    assert len(command) == len(b"SUDO_COMMAND=") + 4096


def test_works_where_root_may_not_enter(box: SudoBox) -> None:
    """As on a network file system or a FUSE mount of the user's: root is nobody there."""
    box.run("mkdir", "-m", "700", "-p", f"{HOME}/mine")
    weak = "--bounding-set=-dac_override,-dac_read_search"
    denied = box.run("sudo", "ls", restrict=(weak,), cwd=f"{HOME}/mine")
    assert denied.returncode == 2
    assert b"cannot open directory" in denied.stderr
    done = box.run("sudo", "/bin/pwd", restrict=(weak,), cwd=f"{HOME}/mine")
    assert (done.stdout, done.stderr, done.returncode) == (f"{HOME}/mine\n".encode(), b"", 0)


def test_works_in_a_directory_that_is_gone(box: SudoBox) -> None:
    done = box.run("sh", "-c", "mkdir gone; cd gone; rmdir ../gone; sudo id -un")
    assert done.stdout == b"root\n"


def test_is_the_same_process_to_the_end(box: SudoBox) -> None:
    """No pty and nothing in between: terminal, job control and signals are the command's."""
    done = box.run("sh", "-c", "echo $$; exec sudo sh -c 'echo $$'")
    first, second = done.stdout.split()
    assert first == second


def test_background_returns_at_once(box: SudoBox) -> None:
    done = box.run(
        "sh",
        "-c",
        "sudo -b sh -c 'read word; echo $word; id -un' <<END\n$(echo hi)\nEND\necho rc $?; sleep .3",
    )
    assert sorted(done.stdout.split(b"\n")) == [b"", b"hi", b"rc 0", b"root"]


def test_descriptors_above_two_are_closed(box: SudoBox) -> None:
    script = "exec 7</etc/passwd; sudo ls /proc/self/fd; echo; sudo -C 8 ls /proc/self/fd"
    usual, chosen = box.run("sh", "-c", script).stdout.split(b"\n\n")
    assert usual.split() == [b"0", b"1", b"2", b"3"]  # 3 is ls's own
    assert b"7" in chosen.split()


def test_closed_standard_streams_stay_out_of_the_way(box: SudoBox) -> None:
    done = box.run("sh", "-c", "sudo sh -c 'echo $FOO; echo no >&2' <&- 2>&-", env={"FOO": "foo"})
    assert (done.stdout, done.returncode) == (b"\n", 0)


@pytest.mark.parametrize("name", [["sudoedit"], ["sudo", "-e"], ["sudo", "--edit"]], ids=" ".join)
def test_edit_runs_the_editor_as_the_target(box: SudoBox, name: list[str]) -> None:
    box.write("/run/editor", '#!/bin/sh\nid -un; printf "[%s]" "$@"\n')
    done = box.run(*name, "-u", "other", "a b", "c", env={"EDITOR": "no", "VISUAL": "/run/editor --wait  -x"})
    assert done.stdout == b"other\n[--wait][-x][--][a b][c]"


def test_help_and_version_are_on_stdout(box: SudoBox) -> None:
    for option in ("-h", "--help"):
        done = box.run("sudo", option)
        assert done.stdout.startswith(b"sudo - execute a command as another user\n")
        assert (done.stderr, done.returncode) == (b"", 0)
    done = box.run("sudo", "-V")
    assert (done.stdout.split(b" (")[0], done.stderr) == (b"Sudo version 1.9", b"")
