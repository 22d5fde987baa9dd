"""The sudo of a box whose only id is its user's: who it can become, and which calls it fakes.

The stand-in is this machine's root file system in a user namespace with one id, as a box has it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lib.sudo_box import HOOKS, SHIM

_SETUP = """
mount -t tmpfs -o mode=755 run /run && mkdir /run/dacha /run/etc /run/home &&
cp "$1" /run/dacha/ && cp "$2" /run/dacha/sudo && chmod 755 /run/dacha/sudo &&
mount --bind /run/dacha/sudo /usr/bin/sudo &&
echo root:x:0:0:root:/run/home:/bin/sh >/run/etc/passwd &&
printf 'box:x:1000:1000::/run/home:/bin/sh\\nother:x:33:33::/:/bin/sh\\n' >>/run/etc/passwd &&
printf 'root:x:0:\\nbox:x:1000:\\nshadow:x:42:\\n' >/run/etc/group &&
mount --bind /run/etc /etc && shift 2 &&
exec unshare --user --map-user=1000 --map-group=1000 "$@"
"""
# What a package manager does, and what it then sees.
_CALLS = """
import errno, os
def attempt(call, *args):
    try:
        return call(*args) or "done"
    except OSError as error:
        return errno.errorcode[error.errno]
open("f", "w").close()
fd = os.open("f", os.O_RDWR)
print(attempt(os.chown, "f", 0, 42), attempt(os.lchown, "f", 33, -1), attempt(os.fchown, fd, 33, 33))
print(os.stat("f").st_uid, os.stat("f").st_gid)
print(attempt(os.chown, "f", 0, 0), attempt(os.chown, "f", -1, -1))
print(attempt(os.chown, "/proc/version", 0, 0), attempt(os.chown, "nothing", 0, -1))
print(attempt(os.setgroups, [42]), attempt(os.setresgid, 33, 33, 33), attempt(os.setresuid, 33, 33, 33))
print(attempt(os.setgid, 33), attempt(os.setuid, 33), attempt(os.setreuid, 33, 33))
print(attempt(os.setuid, 0), os.getresuid(), os.getresgid())
"""

# The same by the calls of 32-bit programs, which a 64-bit one may make as well.
_OLD_CALLS = """
#include <fcntl.h>
#include <stdio.h>
static int old(int number, int a, int b, int c)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}
int main(void)
{
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    /* fchown32 to a stranger and to root, setgroups32, setresuid32, setuid32 to oneself */
    printf("%d %d %d %d %d\\n", old(207, fd, 0, 42), old(207, fd, 0, -1), old(206, 1, 0, 0),
           old(208, 33, 33, 33), old(213, 0, 0, 0));
}
"""


class Box:
    """Commands in such a stand-in, each in one of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        first = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _SETUP]
        return subprocess.run(
            [*first, "sh", str(HOOKS / "sudo.sh"), str(SHIM), *argv],
            cwd=self.directory,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/run/home"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    if os.geteuid() == 0:
        pytest.skip("is for an ordinary user: root's boxes have all ids")
    return Box(tmp_path)


def test_root_is_the_user_by_another_number(box: Box) -> None:
    done = box.run(
        "sh", "-c", "id -u; sudo sh -c 'id -u; id -g; cat /proc/self/uid_map; touch made'; stat -c %u made"
    )
    assert done.stdout.split() == ["1000", "0", "0", "0", "1000", "1", "1000"], done.stderr


def test_ids_that_are_not_there_are_given_and_taken_in_appearance(box: Box) -> None:
    done = box.run("sudo", sys.executable, "-c", _CALLS)
    assert done.stdout.splitlines() == [
        "done done done",
        "0 0",
        "done done",
        "EPERM ENOENT",  # root's own ids are not faked, and so fail where they should
        "done done done",
        "done done done",
        "done (0, 0, 0) (0, 0, 0)",
    ], done.stderr


def test_without_it_the_same_calls_fail(box: Box) -> None:
    """What keeps the test above honest."""
    done = box.run("unshare", "--map-root-user", sys.executable, "-c", _CALLS)
    lines = done.stdout.splitlines()
    assert lines[0] == "EINVAL EINVAL EINVAL", done.stderr
    assert lines[4] == "EPERM EINVAL EINVAL"


def test_programs_of_32_bits_are_told_the_same(box: Box) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("such a program can be made on x86_64 only")
    (box.directory / "old.c").write_text(_OLD_CALLS)
    subprocess.run(["gcc", "-o", "old", "old.c"], cwd=box.directory, check=True)
    bare = box.run("unshare", "--map-root-user", "./old")
    if bare.returncode != 0:
        pytest.skip("needs a kernel that runs programs of 32 bits")
    assert bare.stdout == "-22 0 -1 -22 0\n"
    assert box.run("sudo", "./old").stdout == "0 0 0 0 0\n"


def test_a_sudo_below_sudo_adds_no_second_filter(box: Box) -> None:
    done = box.run("sudo", "sudo", "-E", "sudo", "grep", "Seccomp_filters", "/proc/self/status")
    once = box.run("sudo", "grep", "Seccomp_filters", "/proc/self/status")
    assert (done.stdout, once.returncode) == (once.stdout, 0), done.stderr


def test_the_way_back_is_the_user_without_what_is_faked(box: Box) -> None:
    script = "id -u; cat /proc/self/gid_map; chown 33 . || echo refused"
    assert box.run("sudo", "-u", "box", "sh", "-c", script).stdout.split() == [
        "1000",
        "1000",
        "0",
        "1",
        "refused",
    ]
    assert box.run("sudo", "sudo", "-u", "box", "id", "-u").stdout == "1000\n"
    assert box.run("sudo", "-u", "box", "sudo", "id", "-u").stdout == "0\n"


@pytest.mark.parametrize(
    "options", [["-u", "other"], ["-u", "#4000"], ["-g", "shadow"], ["-u", "box", "-g", "root"]]
)
def test_nobody_else_can_be_had(box: Box, options: list[str]) -> None:
    done = box.run("sudo", *options, "touch", "made")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("sudo: ")
    if options[-1] != "#4000":
        assert "no users but you and root (single-id mode" in done.stderr
    assert not (box.directory / "made").exists()


def test_exit_codes_and_the_environment_come_through(box: Box) -> None:
    done = box.run("sudo", "FOO=bar", "sh", "-c", "echo $FOO $SUDO_UID $SUDO_USER $HOME; exit 7")
    assert (done.stdout, done.returncode) == ("bar 1000 box /run/home\n", 7)


def test_a_host_that_gives_no_further_namespace_is_said_to(box: Box) -> None:
    limit = "echo 0 >/proc/sys/user/max_user_namespaces && exec sudo -u box id"
    done = box.run("sudo", "sh", "-c", limit)
    assert done.stderr == (
        "sudo: cannot become another user: no further user namespace can be made: No space left on device\n"
    )
    assert done.returncode == 1
