"""Namespaces: make them, join them, be born in a cgroup.

Flags and semantics: namespaces(7), setns(2), unshare(2), clone(2), ioctl_ns(2).
"""

from __future__ import annotations

import os

from dacha.linux.libc import Call

NEWNS = 0x00020000
NEWCGROUP = 0x02000000
NEWUTS = 0x04000000
NEWIPC = 0x08000000
NEWUSER = 0x10000000
NEWPID = 0x20000000
NEWNET = 0x40000000

_SYS_CLONE3 = 435  # from 424 up, one number on all our architectures
_CLONE_INTO_CGROUP = 0x200000000
_SIGCHLD = 17
_CLONE_ARGS_SIZE = 88
_NS_GET_PARENT = 0xB702
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_clone3 = Call("syscall", label="clone3")
_setns = Call("setns")
_unshare = Call("unshare")
_prctl = Call("prctl")
_ioctl = Call("ioctl")


def setns(fd: int, flags: int) -> None:
    """setns(2); `fd` is a namespace, or a pidfd whose namespaces named by `flags` are joined at once."""
    _setns(fd, flags)


def unshare(flags: int) -> None:
    """unshare(2)."""
    _unshare(flags)


def parent_user_namespace(fd: int) -> int:
    """A descriptor of the parent of the user namespace `fd` (ioctl_ns(2), NS_GET_PARENT).

    Raises PermissionError where the parent is outside the caller's reach.
    """
    return _ioctl(fd, _NS_GET_PARENT)


def fork_into_cgroup(cgroup_fd: int) -> int:
    """fork(2), the child born in the cgroup whose directory is open as `cgroup_fd` (clone3(2)).

    Moving a process by a write to cgroup.procs waits for an RCU grace period, 5 to 15 ms
    on an idle machine; being born there costs half a millisecond.
    """
    args = bytearray(_CLONE_ARGS_SIZE)
    args[0:8] = _CLONE_INTO_CGROUP.to_bytes(8, "little")
    args[32:40] = _SIGCHLD.to_bytes(8, "little")
    args[80:88] = cgroup_fd.to_bytes(8, "little")
    return _clone3(_SYS_CLONE3, bytes(args), _CLONE_ARGS_SIZE)


def set_undumpable() -> None:
    """Hide our /proc entries from a box's root after we join its namespaces (PR_SET_DUMPABLE)."""
    _prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def set_parent_death_signal(number: int) -> None:
    """Get this signal when our parent dies (PR_SET_PDEATHSIG)."""
    _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def set_child_subreaper() -> None:
    """Inherit the orphans among our descendants (PR_SET_CHILD_SUBREAPER)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def set_name(name: bytes) -> None:
    """What ps(1) shows for this process; at most 15 bytes (PR_SET_NAME)."""
    _prctl(_PR_SET_NAME, name + b"\0", 0, 0, 0)


def is_initial_user_namespace() -> bool:
    """Whether every id of the machine is mapped here, as in the namespace it booted with."""
    with open("/proc/self/uid_map", "rb") as file:
        return file.read().split() == [b"0", b"0", b"4294967295"]


def has_single_id(pid: int) -> bool:
    """Whether one user id, and no other, is mapped in the user namespace that process `pid` is in."""
    with open(f"/proc/{pid}/uid_map", "rb") as file:
        fields = file.read().split()
    return len(fields) == 3 and fields[2] == b"1"


def inode(pid: int | str, kind: str) -> int:
    """The identity of the namespace `kind` that process `pid` is in."""
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino
