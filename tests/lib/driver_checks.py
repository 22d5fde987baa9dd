"""What every storage driver must do, whatever it stands on: the checks that their tests share."""

from __future__ import annotations

import copy
import difflib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.lib import storage_image
from tests.lib.storage_image import TOP, Manifest


class Installation(Protocol):
    """A dacha to try: of whoever runs the tests, of another user, or in a namespace."""

    def run(self, *args: str, check: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Run `dacha ARGS`."""


def load(installation: Installation, layout: Path, driver: str) -> None:
    """Bring the image in, and make sure that it is this driver that is tried."""
    installation.run("image", "load", f"oci:{layout}", "--name", "everything", check=True)
    found = json.loads(installation.run("system", "info", "--json", check=True).stdout)
    assert found["store"]["driver"] == driver


def pid_of(installation: Installation, box: str) -> int:
    """The init of a box that runs."""
    (found,) = json.loads(installation.run("inspect", box, check=True).stdout)
    assert found["pid"]
    return int(found["pid"])


def check_tree(installation: Installation, expected: Manifest, *, is_exact: bool = True) -> None:
    """A box shows what umoci has unpacked; not `is_exact`: without nanoseconds and holes."""
    installation.run("create", "shown", "--image", "everything", check=True)
    installation.run("start", "shown", check=True)
    found = storage_image.read_manifest([], "--box", str(pid_of(installation, "shown")), f"/{TOP}")
    assert not set(found) ^ set(expected), sorted(set(found) ^ set(expected))
    for manifest in (found, expected := copy.deepcopy(expected)):
        for facts in manifest.values():
            facts["mtime"] //= 1 if is_exact else 1_000_000_000
    for path, facts in expected.items():
        assert found[path] == facts, f"{path}: {found[path]} is not {facts}"
    command = f"stat -c '%b %s' /{TOP}/sparse"
    blocks, size = installation.run("run", "shown", "--", "sh", "-c", command, check=True).stdout.split()
    assert int(size) == (1 << 20) + 3
    assert int(blocks) * 512 < int(size) / 4 or not is_exact
    installation.run("rm", "--force", "shown", check=True)


_CHANGE = f"""
set -e
cd /{TOP}
echo more >> plain
rm -r hiding sticky changed
mkdir -m 750 sub && mkdir hiding && echo own > hiding/own
mv file-to-dir moved
ln plain linked
chmod 4711 set-uid && chown 77:88 sub
rm /etc/motd
echo mine > /etc/hosts
printf 'visitor:x:4000:4000::/:/bin/sh\\n' >> /etc/passwd
"""
_LOOK = f"""
cd /{TOP}
tail -n 1 plain; ls hiding changed moved 2>&1; stat -c '%a %u:%g' set-uid sub; stat -c %h linked
ls /etc/motd 2>&1; cat /etc/hosts
grep -c visitor /etc/passwd; grep -c "^$1:" /etc/passwd
"""
_SEEN = """more
ls: changed: No such file or directory
hiding:
own

moved:
inside
4711 12:34
750 77:88
2
ls: /etc/motd: No such file or directory
mine
1
1
"""


def check_changes(installation: Installation, user: str) -> None:
    """What a box's root does lasts beyond a stop, and another box of the image knows nothing of it."""
    for box in ("changing", "untouched"):
        installation.run("create", box, "--image", "everything", check=True)
    installation.run("run", "changing", "--", "sudo", "sh", "-c", _CHANGE, check=True)
    for _ in range(2):
        installation.run("restart", "changing", check=True)
        look = installation.run("run", "changing", "--", "sudo", "sh", "-c", _LOOK, "sh", user, check=True)
        found = look.stdout.decode()
        assert found == _SEEN, "".join(difflib.ndiff(_SEEN.splitlines(True), found.splitlines(True)))
    other = installation.run("run", "untouched", "--", "ls", "-d", f"/{TOP}/sticky", "/etc/motd", check=True)
    assert other.stdout == f"/etc/motd\n/{TOP}/sticky\n".encode()
    installation.run("rm", "--force", "changing", "untouched", check=True)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 10) -> bool:
    """Look now and then; whether it came to that."""
    end = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def servers() -> list[int]:
    """The fuse-overlayfs processes that live, of boxes of whomever."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"fuse-overlayfs" in (entry / "cmdline").read_bytes().partition(b"\0")[0]:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def check_nothing_is_left(installation: Installation) -> None:
    """A killed init, a stop and a removal leave no process; what was written last is there after a kill."""
    before = servers()
    installation.run("create", "mortal", "--image", "everything", check=True)
    write = f"dd if=/dev/zero of=/{TOP}/late bs=64k count=64 2>/dev/null"
    installation.run("run", "mortal", "--", "sudo", "sh", "-c", write, check=True)
    os.kill(pid_of(installation, "mortal"), signal.SIGKILL)
    assert wait_until(lambda: set(servers()) <= set(before))
    size = installation.run("run", "mortal", "--", "stat", "-c", "%s", f"/{TOP}/late", check=True)
    assert size.stdout == b"4194304\n"
    installation.run("stop", "mortal", check=True)
    assert set(servers()) <= set(before)
    installation.run("start", "mortal", check=True)
    installation.run("rm", "--force", "mortal", check=True)
    assert set(servers()) <= set(before)
