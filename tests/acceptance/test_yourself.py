"""In a box you are yourself: your name and numbers, your files, your sockets, your machine's names."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import shlex
import socket
import stat
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import DIR, Entry, write_layout

UID, GID = os.getuid(), os.getgid()
ME = pwd.getpwuid(UID).pw_name

# Perl is in every Debian: a small client of a socket, for what a minimal box has no program for.
# Arguments: the socket, what to send in hex digits, and how many bytes to wait for.
_TALK = """
use IO::Socket::UNIX; my ($path, $hex, $size) = @ARGV;
my $s = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!\\n";
print $s pack("H*", $hex); $s->flush;
while ($size > 0 and sysread($s, my $data, $size)) { print $data; $size -= length $data; }
"""


def _sh(dacha: Dacha, box: str, script: str, **env: str) -> str:
    done = dacha.run("run", box, "--", "sh", "-c", script, env=env, check=True)
    return done.stdout.decode().strip()


def _talk(
    dacha: Dacha, box: str, path: str | Path, message: bytes, size_bytes: int, *, as_root: bool = False
) -> bytes:
    """Connect to a socket from inside the box, and what it answers."""
    sudo = ["sudo"] if as_root else []
    command = [*sudo, "perl", "-e", _TALK, str(path), message.hex(), str(size_bytes)]
    done = dacha.run("run", box, "--", *command, timeout=60)
    assert done.stderr == b""
    return done.stdout


# --- who ------------------------------------------------------------------------------------------


def test_name_and_numbers_are_yours(shared_dacha: Dacha, box: str) -> None:
    assert _sh(shared_dacha, box, "id -un; id -u; id -g").split() == [ME, str(UID), str(GID)]
    assert _sh(shared_dacha, box, "id -gn") == grp.getgrgid(GID).gr_name


def test_passwd_entry_is_yours(shared_dacha: Dacha, box: str) -> None:
    entry = _sh(shared_dacha, box, f"getent passwd {ME}").split(":")
    assert entry[0] == ME
    assert entry[2:4] == [str(UID), str(GID)]
    assert entry[4:] == [pwd.getpwuid(UID).pw_gecos, str(shared_dacha.home), pwd.getpwuid(UID).pw_shell]


def test_shell_is_one_that_the_box_has(shared_dacha: Dacha) -> None:
    shared_dacha.run("create", "small", "--image", "alpine-test", check=True)
    try:
        shell = _sh(shared_dacha, "small", "echo $SHELL")
        assert _sh(shared_dacha, "small", f"test -x {shell} && getent passwd {ME}").endswith(f":{shell}")
        child = shared_dacha.spawn("enter", "small")
        child.sendline("echo $((40+2))")
        child.expect_exact("42")
        child.sendline("exit")
        child.wait()
    finally:
        shared_dacha.run("rm", "--force", "small", check=True)


def test_supplementary_groups_are_kept(shared_dacha: Dacha, box: str) -> None:
    """Most have no name in the box, but they are there, and so are their rights."""
    outside = _groups(Path("/proc/self/status").read_text())
    assert len(_groups(_sh(shared_dacha, box, "cat /proc/self/status"))) == len(outside)


def _groups(status: str) -> list[str]:
    [groups] = re.findall(r"^Groups:\s*(.*)$", status, re.MULTILINE)
    return str(groups).split()


def test_user_is_no_root_and_may_become_it_without_a_password(shared_dacha: Dacha, box: str) -> None:
    assert _sh(shared_dacha, box, "grep CapEff /proc/self/status | cut -f2") == "0" * 16
    assert _sh(shared_dacha, box, "sudo id -u") == "0"
    assert _sh(shared_dacha, box, "sudo sh -c 'echo 1 > /etc/of-root && stat -c %u /etc/of-root'") == "0"


def test_image_with_another_user_of_your_number_becomes_yours(
    shared_dacha: Dacha, tmp_path: Path, images: RealImages
) -> None:
    base = images.alpine_tar.read_bytes()
    theirs = [
        Entry("etc/passwd", data=f"root:x:0:0::/root:/bin/sh\nubuntu:x:{UID}:{GID}::/u:/bin/sh\n".encode()),
        Entry("etc/group", data=f"root:x:0:\nubuntu:x:{GID}:\n".encode()),
        Entry("u", DIR, uid=UID, gid=GID, mode=0o750),
        Entry("u/notes", data=b"theirs\n", uid=UID, gid=GID, mode=0o600),
    ]
    layout = write_layout(tmp_path / "oci", [base, theirs])
    shared_dacha.run("create", "taken", "--image", f"oci:{layout}", check=True)
    try:
        assert _sh(shared_dacha, "taken", "id -un; id -gn").split() == [ME, grp.getgrgid(GID).gr_name]
        assert _sh(shared_dacha, "taken", "echo mine >> /u/notes; cat /u/notes").split() == ["theirs", "mine"]
    finally:
        shared_dacha.run("rm", "--force", "taken", check=True)


# --- files ----------------------------------------------------------------------------------------


def test_files_that_you_make_at_home_are_yours_on_the_host(shared_dacha: Dacha, box: str) -> None:
    _sh(shared_dacha, box, "umask 022; mkdir ~/made; echo text > ~/made/file; ln -s file ~/made/link")
    made = shared_dacha.home / "made"
    for path in (made, made / "file", made / "link"):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (UID, GID)
    assert (made / "file").read_text() == "text\n"
    assert stat.S_IMODE((made / "file").stat().st_mode) == 0o644


def test_files_of_the_host_can_be_changed_in_the_box(shared_dacha: Dacha, box: str) -> None:
    private = shared_dacha.home / "private"
    private.mkdir(mode=0o700, exist_ok=True)
    (private / "letter").write_text("dear ")
    _sh(shared_dacha, box, "printf you >> ~/private/letter; chmod 600 ~/private/letter")
    assert (private / "letter").read_text() == "dear you"
    assert stat.S_IMODE((private / "letter").stat().st_mode) == 0o600


@pytest.mark.all_ids
def test_what_the_boxs_root_makes_never_belongs_to_the_hosts(shared_dacha: Dacha, box: str) -> None:
    _sh(shared_dacha, box, "sudo touch /by-root")
    _sh(shared_dacha, box, "sudo touch ~/by-root")
    [details] = json.loads(shared_dacha.run("inspect", box, check=True).stdout)
    upper = Path(details["directory"]) / "upper"
    for path in (upper / "by-root", shared_dacha.home / "by-root"):
        assert path.lstat().st_uid in _subordinate_uids(), path
        assert path.lstat().st_gid in _subordinate_uids("gid"), path


def _subordinate_uids(kind: str = "uid") -> set[int]:
    found: set[int] = set()
    for line in Path(f"/etc/sub{kind}").read_text().splitlines():
        owner, start, count = line.split(":")
        if owner in (ME, str(UID)):
            found |= set(range(int(start), int(start) + int(count)))
    return found


def test_set_uid_program_of_the_boxs_root_gives_no_rights_on_the_host(shared_dacha: Dacha, box: str) -> None:
    _sh(shared_dacha, box, "sudo install -m 4755 /usr/bin/id ~/set-uid-id")
    done = subprocess.run([shared_dacha.home / "set-uid-id", "-u"], capture_output=True, check=True)
    assert int(done.stdout) in {UID, *_subordinate_uids()}


def test_tmp_is_the_hosts(shared_dacha: Dacha, box: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("from outside")
    assert _sh(shared_dacha, box, f"echo inside > {tmp_path}/in; cat {tmp_path}/out") == "from outside"
    assert (tmp_path / "in").read_text() == "inside\n"


def test_host_is_at_run_host(shared_dacha: Dacha, box: str) -> None:
    assert _sh(shared_dacha, box, "cat /run/host/etc/passwd") == Path("/etc/passwd").read_text().strip()
    own = f"/run/host{shared_dacha.runtime}/dacha/boxes/{box}/root"
    assert _sh(shared_dacha, box, f"ls {own}") == "", "the box does not find itself there once more"


def test_devices_are_the_hosts(shared_dacha: Dacha, box: str) -> None:
    for name in ("null", "zero", "tty", "shm", "fuse"):
        path = Path("/dev", name)
        if path.exists():
            found = path.stat()
            assert _sh(shared_dacha, box, f"stat -c '%d %i' {path}") == f"{found.st_dev} {found.st_ino}"
    assert _sh(shared_dacha, box, "stat -c %m /dev/pts") == "/dev/pts"


# --- names, time and language -----------------------------------------------------------------------


def test_host_name_is_the_hosts_and_resolves(shared_dacha: Dacha, box: str) -> None:
    name = os.uname().nodename
    assert _sh(shared_dacha, box, "uname -n; cat /etc/hostname").split() == [name, name]
    assert name in _sh(shared_dacha, box, f"getent hosts {name}").split()


def test_name_servers_and_hosts_are_the_hosts(shared_dacha: Dacha, box: str) -> None:
    assert (
        _sh(shared_dacha, box, "cat /etc/resolv.conf")
        == Path("/etc/resolv.conf").read_text(errors="replace").strip()
    )
    inside = _sh(shared_dacha, box, "cat /etc/hosts").splitlines()
    assert set(Path("/etc/hosts").read_text().splitlines()) <= set(inside)


def test_time_zone_is_the_hosts(shared_dacha: Dacha, box: str) -> None:
    # Half a year apart, for zones with summer time.
    for moment in ("2024-01-01", "2024-07-01"):
        format_it = f"date --date={moment}T00:00Z +%Z%z"
        outside = subprocess.run(shlex.split(format_it), capture_output=True, check=True, text=True)
        assert _sh(shared_dacha, box, format_it) == outside.stdout.strip()
    zone = Path("/etc/localtime").readlink().as_posix().partition("zoneinfo/")[2]
    assert _sh(shared_dacha, box, "readlink /etc/localtime").endswith(f"zoneinfo/{zone}")


def test_locale_that_every_system_has_works(shared_dacha: Dacha, box: str) -> None:
    output = shared_dacha.run("run", box, "--", "locale", env={"LANG": "C.UTF-8", "LC_ALL": None}, check=True)
    assert output.stderr == b""
    assert b"LANG=C.UTF-8" in output.stdout
    assert _sh(shared_dacha, box, "locale charmap", LANG="C.UTF-8") == "UTF-8"


def test_locale_of_the_host_works(shared_dacha: Dacha, box: str) -> None:
    if not Path("/usr/lib/locale/locale-archive").exists():
        pytest.skip("the host has no locale archive")
    listed = subprocess.run(["locale", "-a"], capture_output=True, check=True, text=True).stdout.split()
    names = [name for name in listed if name.endswith(".utf8") and not name.startswith("C.")]
    for name in names[:3]:
        done = shared_dacha.run("run", box, "--", "locale", "charmap", env={"LC_ALL": name}, check=True)
        assert (done.stdout, done.stderr) == (b"UTF-8\n", b"")


def test_programs_can_tell_that_they_are_in_a_box(shared_dacha: Dacha, box: str) -> None:
    text = _sh(shared_dacha, box, "cat /run/.containerenv")
    assert f'name="{box}"' in text
    assert 'rootless="1"' in text
    assert re.search(r'^engine="dacha-', text, re.MULTILINE)
    assert _sh(shared_dacha, box, "cat /etc/debian_chroot") == box


# --- sockets ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _server(*argv: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def test_socket_in_the_runtime_directory_is_reached_as_yourself(shared_dacha: Dacha, box: str) -> None:
    """Wayland, PulseAudio, PipeWire and gpg-agent have theirs there: they are files like this one."""
    path = shared_dacha.runtime / "wayland-7"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        seen: list[tuple[int, int]] = []

        def answer() -> None:
            with server.accept()[0] as client:
                size = struct.calcsize("3i")
                credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
                seen.append(struct.unpack("3i", credentials)[1:])
                client.sendall(client.recv(5)[::-1])

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert _talk(shared_dacha, box, path, b"hello", 5) == b"olleh"
        thread.join()
    assert seen == [(UID, GID)]


def test_x11_display_accepts_the_box(shared_dacha: Dacha, box: str) -> None:
    with _server("Xvfb", "-displayfd", "1", "-screen", "0", "320x200x8", "-nolisten", "tcp") as server:
        assert server.stdout is not None
        display = int(server.stdout.readline())
        # The connection setup of the X protocol: little endian, version 11.0, no authorization.
        setup = struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0)
        answer = _talk(shared_dacha, box, f"/tmp/.X11-unix/X{display}", setup, 8)
        assert answer[0] == 1, "1 is success"
        variables = {"DISPLAY": f":{display}", "XAUTHORITY": "/nowhere"}
        said = _sh(shared_dacha, box, 'echo "$DISPLAY $XAUTHORITY"', **variables)
        assert said == f":{display} /nowhere"


@pytest.mark.all_ids
def test_session_bus_knows_you_and_not_the_boxs_root(shared_dacha: Dacha, box: str) -> None:
    path = shared_dacha.runtime / "bus"
    daemon = ["dbus-daemon", "--session", "--nofork", "--print-address=1", f"--address=unix:path={path}"]
    with _server(*daemon, env=shared_dacha.env) as server:
        assert server.stdout is not None
        address = server.stdout.readline().decode().strip()
        # EXTERNAL: the kernel says who is at the other end, and the bus compares.
        hello = b"\0AUTH EXTERNAL " + str(UID).encode().hex().encode() + b"\r\n"
        assert _talk(shared_dacha, box, path, hello, 3) == b"OK "
        assert _talk(shared_dacha, box, path, hello, 8, as_root=True) == b"REJECTED"
        variable = _sh(shared_dacha, box, "echo $DBUS_SESSION_BUS_ADDRESS", DBUS_SESSION_BUS_ADDRESS=address)
        assert variable == address


def test_system_bus_is_the_hosts(shared_dacha: Dacha, box: str) -> None:
    path = Path("/run/dbus/system_bus_socket")
    if not path.exists():
        pytest.skip("the host has no system bus")
    assert _sh(shared_dacha, box, f"stat -c %i {path}") == str(path.stat().st_ino)
    hello = b"\0AUTH EXTERNAL " + str(UID).encode().hex().encode() + b"\r\n"
    assert _talk(shared_dacha, box, path, hello, 3) == b"OK "


def test_ssh_agent_lends_its_keys_to_the_box(shared_dacha: Dacha, box: str, tmp_path: Path) -> None:
    with _server("ssh-agent", "-D", "-s", env={**shared_dacha.env, "TMPDIR": "/tmp"}) as server:
        assert server.stdout is not None
        [path] = re.findall(r"SSH_AUTH_SOCK=([^;]+);", server.stdout.readline().decode())
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        add = subprocess.run(
            ["ssh-add", "-q", key], env={**shared_dacha.env, "SSH_AUTH_SOCK": path}, capture_output=True
        )
        assert add.returncode == 0, add.stderr.decode()
        assert _sh(shared_dacha, box, "echo $SSH_AUTH_SOCK", SSH_AUTH_SOCK=path) == path
        # SSH_AGENTC_REQUEST_IDENTITIES; the answer is of type 12, with the number of keys.
        answer = _talk(shared_dacha, box, path, b"\0\0\0\1\x0b", 9)
        assert answer[4] == 12
        assert struct.unpack(">I", answer[5:9]) == (1,)
