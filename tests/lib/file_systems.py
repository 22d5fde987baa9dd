"""Real file systems to put a store on, made by root and mounted over a directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lib.ordinary_user import OrdinaryUser


def _run(*argv: str | Path) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"


def _need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")


@contextmanager
def btrfs(target: Path, *, options: str) -> Iterator[None]:
    """A btrfs in a file."""
    _need("mkfs.btrfs")
    with tempfile.NamedTemporaryFile(dir="/var/tmp", prefix="btrfs-") as file:
        file.truncate(1 << 30)
        _run("mkfs.btrfs", "--quiet", file.name)
        _run("mount", "-o", f"loop,{options}" if options else "loop", file.name, target)
        try:
            yield
        finally:
            _run("umount", target)


@contextmanager
def bindfs(target: Path) -> Iterator[None]:
    """A FUSE file system: the kernel's overlayfs takes none for what boxes change."""
    _need("bindfs")
    source = Path(tempfile.mkdtemp(prefix="bindfs-", dir="/var/tmp"))
    _run("bindfs", "-o", "dev,suid", source, target)
    try:
        yield
    finally:
        _run("umount", target)
        shutil.rmtree(source)


@contextmanager
def tmpfs(target: Path, *, size: str) -> Iterator[None]:
    """A small one."""
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "small", target)
    try:
        yield
    finally:
        _run("umount", target)


@contextmanager
def overlay(target: Path) -> Iterator[None]:
    """Another overlayfs, as a container's own root is: it takes no marks of what is removed."""
    base = Path(tempfile.mkdtemp(prefix="overlay-", dir="/var/tmp"))
    for name in ("lower", "upper", "work"):
        (base / name).mkdir()
    options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    _run("mount", "-t", "overlay", "-o", options, "overlay", target)
    try:
        yield
    finally:
        _run("umount", target)
        shutil.rmtree(base)


class FuseUser(OrdinaryUser):
    """An ordinary user on a host whose /dev/fuse is for all, as it is on most."""

    _GIVE = """
    mount --types tmpfs devices /mnt && mknod -m 666 /mnt/fuse c 10 229 &&
    mount --bind /mnt/fuse /dev/fuse && umount --lazy /mnt && exec "$@"
    """

    store_lies_on = ""  # for tests to look at

    def __init__(self) -> None:
        super().__init__()
        unshare = ["unshare", "--mount", "--propagation", "slave", "--"]
        self._become = [*unshare, "sh", "-c", self._GIVE, "sh", *self._become]


class ZfsRoot:
    """root's dacha in a mount namespace of its own, in which its store lies on a pool of zfs-fuse."""

    _SET_UP = """
    mount --make-rshared /
    mkdir -p /etc/zfs /var/lib/zfs /run/zfs /run/dacha /var/lib/containers
    for each in /etc/zfs /var/lib/zfs /run/zfs /run/dacha /var/lib/containers; do
        mount --types tmpfs --options mode=700 private "$each"
    done
    mkdir /var/lib/containers/dacha
    exec zfs-fuse --no-daemon --no-kstat-mount --enable-xattr
    """

    def __init__(self, executable: Path) -> None:
        for program in ("zfs-fuse", "zpool"):
            _need(program)
        self._executable = executable
        self._pool = f"dacha{os.getpid()}"
        self._file = tempfile.NamedTemporaryFile(dir="/var/tmp", prefix="zfs-")  # noqa: SIM115 (close)
        self._file.truncate(1 << 30)
        self.env = {"PATH": os.environ["PATH"], "HOME": "/root", "DACHA_STORAGE_DRIVER": "zfs"}
        unshare = ["unshare", "--mount", "--propagation", "private", "--"]
        self._daemon = subprocess.Popen(
            [*unshare, "sh", "-ec", self._SET_UP], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 10
            while self.call("test", "-S", "/run/zfs/zfs_socket").returncode != 0:
                assert time.monotonic() < deadline, "zfs-fuse does not start"
                time.sleep(0.05)
            made = self.call(
                "zpool", "create", "-m", "/var/lib/containers/dacha", self._pool, self._file.name
            )
            assert made.returncode == 0, made.stderr
        except BaseException:
            self.close()
            raise

    @property
    def prefix(self) -> list[str]:
        """What brings a command there."""
        return ["nsenter", f"--mount=/proc/{self._daemon.pid}/ns/mnt", "--wd=/", "--"]

    def call(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command there."""
        return subprocess.run(
            [*self.prefix, *argv],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def run(self, *args: str, check: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Run `dacha ARGS` there. `check`: it must succeed."""
        done = self.call(str(self._executable), *args)
        if check and done.returncode != 0:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise AssertionError(f"dacha {' '.join(args)}: exit code {done.returncode}\n{output}")
        return done

    def datasets(self) -> list[str]:
        """All that are left in the pool, without the pool itself."""
        listed = self.call("zfs", "list", "-H", "-o", "name").stdout.decode().split()
        return [name for name in listed if name != self._pool]

    def close(self) -> None:
        self.run("rm", "--all", "--force")
        self._daemon.send_signal(signal.SIGKILL)
        self._daemon.wait()
        self._file.close()
