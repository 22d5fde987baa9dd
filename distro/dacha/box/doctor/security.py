"""What stands between a user and namespaces, beside the kernel's own rights."""

from __future__ import annotations

import os

from dacha.box.doctor.base import Check, Verdict, failed, noted, passed, warned
from dacha.box.doctor.host import Host
from dacha.box.policy import selinux

_RESTRICT = "kernel.apparmor_restrict_unprivileged_userns"
_POLICY = "dacha system install-policy"


def _apparmor(host: Host) -> Verdict:
    enabled = (host.read("/sys/module/apparmor/parameters/enabled") or "").strip()
    if enabled != "Y":
        return passed("not on this host")
    profile = host.read("/proc/self/attr/apparmor/current") or host.read("/proc/self/attr/current") or ""
    detail = f"on, profile {_context(profile)}"
    if host.sysctl(_RESTRICT) != 1 or host.is_root:
        return passed(f"{detail}; user namespaces are not restricted")
    if host.answers.trial("mount").works:
        return passed(f"{detail}; user namespaces are restricted, but not for dacha")
    return failed(f"{detail}; user namespaces are restricted", _POLICY)


def _selinux(host: Host) -> Verdict:
    mode = (host.read("/sys/fs/selinux/enforce") or "").strip()
    if mode == "0":
        return noted("permissive: it complains in the log, and forbids nothing")
    if mode != "1":
        return passed("not on this host")
    context = _context(host.read("/proc/self/attr/current") or "")
    known = host.read(selinux.subs_file(host.read("/etc/selinux/config") or "")) or ""
    if f"{os.path.realpath(host.store)}/layers" in selinux.declared(known):
        return noted(f"enforcing, context {context}; the store has podman's labels")
    return warned(f"enforcing, context {context}", _POLICY)


def _context(text: str) -> str:
    """What the kernel calls this process's confinement; it ends with NUL or a line break."""
    return text.strip("\0\n") or "unknown"


def _no_new_privileges(host: Host) -> Verdict:
    if host.process_status("NoNewPrivs") != "1":
        return passed("not set")
    fix = "run dacha outside of the sandbox it is in (a snap, a Flatpak, a service with NoNewPrivileges=)"
    return warned("set", fix)


def _seccomp(host: Host) -> Verdict:
    mode = host.process_status("Seccomp")
    if mode == "2":
        return noted("a filter is on: dacha runs in a container or a sandbox")
    return passed("no filter")


CHECKS = (
    Check(
        "security",
        "AppArmor",
        "Whether it restricts user namespaces, as on Ubuntu since 23.10. [What mends it](security-policy.md)"
        " could not be tried on such a host.",
        "no box can start",
        _apparmor,
        stops=True,
    ),
    Check(
        "security",
        "SELinux",
        "Whether it enforces, as on Fedora, and whether the store is [labelled](security-policy.md) as"
        " podman's is. Could not be tried on such a host. `setenforce 0` lasts until the next boot, and shows"
        " whether SELinux causes a failure.",
        "boxes may be refused files of your home, sockets and devices (not tested)",
        _selinux,
    ),
    Check(
        "security",
        "no_new_privs",
        "With it set-uid programs such as newuidmap and sudo do nothing.",
        "new boxes are in single-id mode, others do not start, and root's boxes have no sudo",
        _no_new_privileges,
    ),
    Check("security", "seccomp", "Whether a filter of system calls is on.", "", _seccomp),
)
