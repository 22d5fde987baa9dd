"""What is tried in children, step by step: each step is a name, and an error or a value.

A child that has entered a namespace never comes back, so everything is cleaned up in it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dacha.box.tree import LayerStack
from dacha.errors import DachaError
from dacha.linux import binfmt, cgroup, features, mounts, namespaces, process
from dacha.linux.probe import Steps
from dacha.storage import overlay, staging
from dacha.storage.marks import is_whiteout
from dacha.userns import outer
from dacha.userns.outer import OuterMaps

SINGLE = "single"  # what the step "maps" tells of a namespace with the own id alone

# A step's value: its error, and what is told beside.
Step = tuple[str, tuple[str, str]]


def _attempt(name: str, action: Callable[[], str | None]) -> Step:
    try:
        return name, ("", action() or "")
    except DachaError as error:
        return name, (str(error), "")
    except OSError as error:
        return name, (error.strerror or str(error), "")


def try_namespaces() -> Steps:
    """Whether this host lets an ordinary user make what a box is made of."""
    uid, gid = os.getuid(), os.getgid()

    def map_self() -> None:
        for file, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{file}", "w") as opened:
                opened.write(text)

    def mount_something() -> None:
        # Ubuntu's AppArmor lets the namespace be made, and takes the capabilities in it.
        namespaces.unshare(namespaces.NEWNS | namespaces.NEWPID)
        mounts.set_propagation("/", mounts.MS_PRIVATE)

    step = _attempt("user namespace", lambda: namespaces.unshare(namespaces.NEWUSER))
    yield step
    if step[1][0]:
        return
    yield _attempt("own id", map_self)
    step = _attempt("mount", mount_something)
    yield step
    if not step[1][0]:
        yield _attempt("proc", _mount_proc)
        # Over the root, where nobody sees it: there is no directory that must exist.
        yield _attempt("binfmt_misc", lambda: mounts.mount(binfmt.FILE_SYSTEM, "/", binfmt.FILE_SYSTEM))


def _mount_proc() -> None:
    """In a child, which is in the new pid namespace as this process is not. Raises OSError."""
    pid = os.fork()
    if pid == 0:
        code = errno.EIO
        try:
            flags = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC
            mounts.mount("proc", "/proc", "proc", flags)
            code = 0
        except OSError as error:
            code = error.errno or errno.EIO
        finally:
            os._exit(code)
    code = process.wait(pid)
    if code:
        raise OSError(code, os.strerror(code))


def try_cgroup() -> str:
    """Make a cgroup where a box's would be, and remove it; where that is. Raises OSError."""
    top = cgroup.delegated_path()
    if not top:
        raise OSError(errno.EACCES, "no cgroup may be written")
    directory = f"{cgroup.tree()}{top.rstrip('/')}/dacha-doctor-{os.getpid()}"
    os.mkdir(directory)
    os.rmdir(directory)
    return top


def try_store(store: str, maps: OuterMaps | None, box: Callable[[], Steps] | None) -> Steps:
    """What the store's file system can do, first as it is and then in H, and what a box has there.

    `maps` is None where H cannot be made; `box` goes on in H.
    """
    try:
        with _probe_directory(store) as directory:
            yield "directory", ("", directory)
            yield from _try_files(directory)
            if maps is not None:
                yield from _try_in_outer(directory, maps, box)
    except OSError as error:
        yield "directory", (error.strerror or str(error), error.filename or "")
    except DachaError as error:
        yield "directory", (str(error), "")


@contextmanager
def _probe_directory(store: str) -> Iterator[str]:
    """An empty directory in the store or, where that is still to be made, on its file system."""
    if os.path.isdir(store):
        with staging.staging_directory("doctor", process.remove_tree) as path:
            yield path
        return
    parent = os.path.dirname(store)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    path = f"{parent}/.dacha-doctor-{os.getpid()}"
    os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        process.remove_tree(path)


def _try_files(directory: str) -> Steps:
    def types() -> None:
        os.mkdir(f"{directory}/a-directory")
        if not features.has_entry_types(directory):
            raise OSError(errno.EOPNOTSUPP, "directories do not say what is in them")

    file = f"{directory}/a-file"
    with open(file, "w") as opened:
        opened.write("x")
    yield _attempt("d_type", types)
    yield _attempt("xattr", lambda: features.set_user_xattr(file))
    yield _attempt("reflink", lambda: features.clone_file(file, f"{directory}/a-clone"))


def _try_in_outer(directory: str, maps: OuterMaps, box: Callable[[], Steps] | None) -> Steps:
    def enter() -> str:
        outer.enter(maps, None)
        return SINGLE if maps.is_single else ""

    step = _attempt("maps", enter)
    yield step
    if step[1][0]:
        return
    yield _attempt("chown", lambda: os.chown(f"{directory}/a-file", maps.first, maps.first))
    yield _attempt("overlay", lambda: _try_overlay(directory))
    if box is not None:
        yield from box()


def _try_overlay(directory: str) -> None:
    """Mount a stack as a box's root is mounted, change it, and look for what that leaves."""
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{directory}/{name}")
    for name in ("changed", "removed"):
        with open(f"{directory}/lower/{name}", "w") as file:
            file.write("x")
    merged = f"{directory}/merged"
    try:
        overlay.mount(directory, merged, ["lower"], "upper", "work")
    except DachaError as error:
        raise error.__cause__ or error from error
    try:
        with open(f"{merged}/changed", "a") as file:
            file.write("y")
        os.unlink(f"{merged}/removed")
    finally:
        mounts.umount(merged)
    if not is_whiteout(os.lstat(f"{directory}/upper/removed")):
        raise OSError(errno.EOPNOTSUPP, "what is removed comes back")


def look_into_box(store: str, upper: str, lowers: tuple[str, ...], shells: tuple[str, ...]) -> Steps:
    """Which shell a box has, and how its upper layer stands, as H sees it."""

    def upper_layer() -> str:
        status = os.stat(f"{store}/{upper}")
        if not stat.S_ISDIR(status.st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(f"{store}/{upper}", os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return str(status.st_uid)

    def shell() -> str:
        directories = [f"{store}/{each}" for each in (upper, *lowers)]
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        stack = LayerStack([os.open(each, flags) for each in directories if os.path.isdir(each)])
        return next((each for each in shells if stack.is_executable(each)), "")

    yield _attempt("box upper", upper_layer)
    yield _attempt("box shell", shell)
