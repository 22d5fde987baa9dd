"""The set-uid program under a box's sudo: who may use it, what it takes over, for which machines."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.sudo_box import HOME, HOOKS, SudoBox

MACHINE = os.uname().machine
BECOME = ["sudo", "--dacha-become"]


@pytest.fixture(scope="module")
def box() -> Iterator[SudoBox]:
    with SudoBox() as box:
        box.write(f"{HOME}/bad", "#!/nonexistent\n")
        yield box


def test_says_why_it_cannot_become_root(box: SudoBox) -> None:
    done = box.run("sudo", "id", restrict=("--no-new-privs",))
    assert done.stderr == b"sudo: cannot become root: this box forbids new privileges\n"
    assert (done.stdout, done.returncode) == (b"", 1)
    copy = box.run("sh", "-c", "cp /run/sudo/sudo . && ./sudo id")
    assert copy.stderr.startswith(b"sudo: cannot become root: this program is not set-uid root")
    assert copy.returncode == 1


def test_other_users_of_the_box_may_not_run_it(box: SudoBox) -> None:
    done = box.run("/run/sudo/sudo", "id", user=1001, cwd="/")
    assert done.stderr.endswith(b"Permission denied\n")
    assert done.returncode == 126


def test_root_may_use_it_too(box: SudoBox) -> None:
    done = box.run("sudo", "-u", "other", "sh", "-c", "id -un; echo $SUDO_USER", user=0)
    assert done.stdout == b"other\nroot\n"


def test_become_takes_ids_and_leaves_the_environment(box: SudoBox) -> None:
    done = box.run(
        *(*BECOME, "1001", "2001", "2000,1001", "--", "/bin/sh", "-c", 'id; echo "$FOO $PATH"', "--"),
        user=0,
        env={"FOO": "foo"},
    )
    assert done.stdout.decode().splitlines() == [
        "uid=1001(other) gid=2001(more) groups=2001(more),1001(other),2000(extra)",
        "foo /run/sudo:/usr/bin:/bin",
    ]


def test_become_can_leave_or_clear_the_groups(box: SudoBox) -> None:
    script = (
        'setpriv --groups=2000,2001 "$@" - -- /usr/bin/id -G; setpriv --groups=2000 "$@" "" -- /usr/bin/id -G'
    )
    done = box.run("sh", "-c", script, "sh", *BECOME, "1001", "1001", user=0)
    assert done.stdout == b"1001 2000 2001\n1001\n"


def test_become_is_for_root(box: SudoBox) -> None:
    done = box.run(*BECOME, "0", "0", "", "--", "/usr/bin/id")
    assert (done.stdout, done.stderr) == (b"", b"sudo: --dacha-become is for root\n")
    assert done.returncode == 126


@pytest.mark.parametrize(
    ("command", "code", "complaint"),
    [
        (
            ["0", "0", "", "--", "/nonexistent"],
            127,
            "unable to execute /nonexistent: No such file or directory",
        ),
        (["0", "0", "", "--", "/etc"], 126, "unable to execute /etc: Permission denied"),
        (
            ["0", "0", "", "--", f"{HOME}/bad"],
            127,
            f"unable to execute {HOME}/bad: No such file or directory",
        ),
        (["0", "0", ""], 126, "--dacha-become: no program"),
        (["0", "0", "", "--"], 126, "--dacha-become: no program"),
        (["0", "0"], 126, "--dacha-become: ids are missing"),
        (["0", "0", "", "what", "--", "/usr/bin/id"], 126, "--dacha-become: not a word: what"),
        (["0", "x", "", "--", "/usr/bin/id"], 126, "not a number: x"),
        (["-1", "0", "", "--", "/usr/bin/id"], 126, "not a number: -1"),
        (["4294967295", "0", "", "--", "/usr/bin/id"], 126, "not a number: 4294967295"),
        (["0", "0", "1,,2", "--", "/usr/bin/id"], 126, "not a number: ,2"),
    ],
)
def test_become_fails_as_a_shell_does(box: SudoBox, command: list[str], code: int, complaint: str) -> None:
    done = box.run(*BECOME, *command, user=0)
    assert (done.stdout, done.stderr.decode(), done.returncode) == (b"", f"sudo: {complaint}\n", code)


def test_unmapped_ids_are_refused(box: SudoBox) -> None:
    if os.getuid() == 0:
        pytest.skip("to root of the machine every id is mapped")
    done = box.run(*BECOME, "4000000000", "0", "", "--", "/usr/bin/id", user=0)
    assert done.stderr == b"sudo: unable to change to runas uid 4000000000: Invalid argument\n"


# In the place of sudo.sh: shows what the shim tells it, and calls it again.
PROBE = """#!/bin/sh
printf '%s\\0' "$SUDO_UID $SUDO_GID $LC_ALL ${{FOO-unset}}" "$@"
exec {emulator} "$DACHA_SUDO" --dacha-become 1001 1001 2000 "@$DACHA_SUDO_ENV" -KEEP_NOT '+KEEP*' \
    =KEEP_OLD=new '=NEW=1 2' '?KEEP_ME=not' '?DEFAULT=3' '!name' '>/tmp' '#3' -- \
    /bin/sh -c 'printf "%s\\0" "$0" "$@" "$PWD" "$(id -un)"; exec env -0' "$@"
"""


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_program_for_each_machine_type_works(machine: str, tmp_path: Path) -> None:
    """The committed programs; that of another machine type in an emulator, so without set-uid."""
    emulator = ""
    if machine != MACHINE:
        found = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
        if found is None:
            pytest.skip(f"sudo-{machine} not tried: no qemu-{machine}-static")
        emulator = found
    script = tmp_path / "probe.sh"
    script.write_text(PROBE.format(emulator=emulator))
    with SudoBox(HOOKS / f"sudo-{machine}", script=script) as box:
        odd = b"a\xff\n'b"
        command: list[str | bytes] = ["/run/sudo/sudo", "-x", odd, ""]
        done = box.run(
            *([emulator] if emulator else []),
            *command,
            user=0 if emulator else 1000,
            env={b"KEEP_ME": odd, b"KEEP_NOT": b"x", b"KEEP_OLD": b"old", b"FOO": b"foo", b"KEEP_F": b"() {"},
        )
    assert done.stderr == b""
    told, *rest = done.stdout.split(b"\0")
    assert told == (b"0 0 C unset" if emulator else b"1000 1000 C unset")
    assert rest[:3] == [b"-x", odd, b""]
    assert rest[3:8] == [b"-x", odd, b"", b"/tmp", b"other"]
    got = set(rest[8:])
    assert {b"KEEP_ME=" + odd, b"KEEP_OLD=new", b"NEW=1 2", b"DEFAULT=3"} <= got
    assert {name.split(b"=")[0] for name in got} - {b"", b"_", b"SHLVL", b"OLDPWD", b"PWD"} == {
        *(b"KEEP_ME", b"KEEP_OLD", b"NEW", b"DEFAULT")
    }


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_committed_program_is_what_its_source_makes(machine: str, tmp_path: Path) -> None:
    build = HOOKS / "build.sh"
    wanted = subprocess.run(
        [build, "--gcc-version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    compiler = "gcc" if machine == MACHINE else f"{machine}-linux-gnu-gcc"
    if shutil.which(compiler) is None:
        pytest.skip(f"sudo-{machine} not rebuilt: no {compiler}; gcc {wanted} makes the same bytes")
    version = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=True).stdout
    if version.strip().split(".")[0] != wanted:
        pytest.skip(
            f"sudo-{machine} not compared: {compiler} is {version.strip()}, the committed one is of {wanted}"
        )
    subprocess.run([build, "--to", tmp_path, machine], check=True)
    name = f"sudo-{machine}"
    assert (tmp_path / name).read_bytes() == (HOOKS / name).read_bytes()
