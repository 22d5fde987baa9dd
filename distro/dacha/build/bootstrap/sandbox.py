"""The root directory in which a package manager of this host works on a new root file system.

A tmpfs with the host's top directories bound into it, and below `plan.TOP` what is ours. Paths are
thus the same on every host, a home of mode 0700 is no obstacle, and what programs leave
in /tmp and /var/tmp goes with the rest. It is made in H and used in the shifted namespace, whose
ids are those of the image and which has no right over anything of the host's.
"""

from __future__ import annotations

import contextlib
import os
import stat

from dacha.build.bootstrap.plan import HOME, ROOT, TOP, WORK, Binds, File
from dacha.linux import files, mounts
from dacha.userns.outer import OuterMaps

_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108  (of the sandbox)
_HARMLESS = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC


def enter(maps: OuterMaps, place: str, binds: Binds) -> None:
    """Make the root directory below `place` and move this process, which is in H, into it.

    `binds` are files and directories of the host, and where they shall be seen.
    """
    for name, mode in (("root", 0o755), ("work", 0o755), ("tmp", 0o1777)):
        os.mkdir(f"{place}/{name}")
        os.chmod(f"{place}/{name}", mode)
        os.chown(f"{place}/{name}", maps.first, maps.first)
    new = f"{place}/sandbox"
    os.mkdir(new)
    mounts.mount("tmpfs", new, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=0755")
    # Else it would appear in itself, below the directory in which it is.
    mounts.set_propagation(new, mounts.MS_UNBINDABLE)
    for name in os.listdir("/"):
        if f"/{name}" != TOP:
            _show(f"/{name}", f"{new}/{name}")
    os.mkdir(f"{new}{TOP}", 0o755)
    for source, target in ((f"{place}/root", ROOT), (f"{place}/work", WORK), *binds):
        _bind(source, new + target)
    for target in _TEMPORARY:
        if os.path.isdir(new + target):
            mounts.bind(f"{place}/tmp", new + target)  # noqa: S108  (of the sandbox)
    mounts.pivot_root(new)


def _show(source: str, target: str) -> None:
    """Have an entry of the host's root also in ours, unless the user cannot even look at it."""
    with contextlib.suppress(PermissionError):
        if stat.S_ISLNK(os.lstat(source).st_mode):
            os.symlink(os.readlink(source), target)
        else:
            _bind(source, target)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o644))
    mounts.bind(source, target, recursive=True)


def prepare(work: tuple[File, ...], covers: Binds) -> None:
    """Write what the programs will read. Called, as all below, by the image's root in the sandbox."""
    _mount_proc("/proc")
    os.makedirs(HOME)
    for file in work:
        path = f"{WORK}/{file.path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.replace_file(path, file.data, file.mode)
    for source, target in covers:
        if os.path.isdir(source) and os.path.isdir(target):
            mounts.bind(source, target)


def mount_root(directories: tuple[str, ...]) -> None:
    """Make the new root file system fit for the packages' scripts, which run in it."""
    for name in ("dev", "proc", "sys", *directories):
        os.makedirs(f"{ROOT}/{name}", exist_ok=True)
    _mount_proc(f"{ROOT}/proc")
    mounts.bind("/sys", f"{ROOT}/sys", recursive=True)
    dev = f"{ROOT}/dev"
    mounts.mount("tmpfs", dev, "tmpfs", mounts.MS_NOSUID | mounts.MS_NOEXEC, "mode=0755")
    for name in _DEVICES:
        os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_CLOEXEC, 0o666))
        mounts.bind(f"/dev/{name}", f"{dev}/{name}")  # no user namespace may make device nodes
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{dev}/{name}")
    os.mkdir(f"{dev}/shm")
    os.mkdir(f"{dev}/pts")
    flags = mounts.MS_NOSUID | mounts.MS_NOEXEC
    mounts.mount("devpts", f"{dev}/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=0620")


def unmount_root() -> None:
    """Take away what `mount_root` has mounted."""
    for name in ("dev", "sys", "proc"):
        mounts.umount(f"{ROOT}/{name}", mounts.MNT_DETACH)


def write_root(root: tuple[File, ...]) -> None:
    """Write files of ours into the new root file system, whatever symlinks the packages have laid there."""
    top = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for file in root:
            parent = os.path.dirname(file.path)
            fd = files.openat2(top, parent, os.O_RDONLY | os.O_DIRECTORY, files.RESOLVE_IN_ROOT)
            try:
                name = os.path.basename(file.path)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=fd)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                with os.fdopen(os.open(name, flags, file.mode, dir_fd=fd), "wb") as target:
                    target.write(file.data)
            finally:
                os.close(fd)
    finally:
        os.close(top)


def _mount_proc(target: str) -> None:
    """The processes of the sandbox; those of the host where parts of its /proc are hidden from us."""
    try:
        mounts.mount("proc", target, "proc", _HARMLESS)
    except PermissionError:
        if target != "/proc":
            mounts.bind("/proc", target, recursive=True)
