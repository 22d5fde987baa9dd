"""What stands between a user and namespaces, beside the kernel's own rights."""

from __future__ import annotations

from dacha.box.doctor.base import Check, Verdict, failed, noted, passed, warned
from dacha.box.doctor.host import Host

_RESTRICT = "kernel.apparmor_restrict_unprivileged_userns"


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
    return failed(f"{detail}; user namespaces are restricted", host.set_sysctl(_RESTRICT, 0))


def _selinux(host: Host) -> Verdict:
    mode = (host.read("/sys/fs/selinux/enforce") or "").strip()
    if mode == "0":
        return noted("permissive: it complains in the log, and forbids nothing")
    if mode != "1":
        return passed("not on this host")
    context = _context(host.read("/proc/self/attr/current") or "")
    return warned(f"enforcing, context {context}", host.sudo("setenforce 0"))


def _context(text: str) -> str:
    """What the kernel calls this process's confinement; it ends with NUL or a line break."""
    return text.strip("\0\n") or "unknown"


def _no_new_privileges(host: Host) -> Verdict:
    if host.process_status("NoNewPrivs") != "1":
        return passed("not set")
    fix = "run dacha outside of the sandbox it is in (a snap, a Flatpak, a service with NoNewPrivileges=)"
    return warned("set", fix) if host.is_root else failed("set", fix)


def _seccomp(host: Host) -> Verdict:
    mode = host.process_status("Seccomp")
    if mode == "2":
        return noted("a filter is on: dacha runs in a container or a sandbox")
    return passed("no filter")


CHECKS = (
    Check(
        "security",
        "AppArmor",
        "Whether it restricts user namespaces, as on Ubuntu since 23.10. Only detected: dacha was not tested"
        " on such a host.",
        "no box can start",
        _apparmor,
        stops=True,
    ),
    Check(
        "security",
        "SELinux",
        "Whether it enforces, as on Fedora. Only detected: dacha was not tested on such a host, and sets no"
        " labels yet. `setenforce 0` lasts until the next boot, and shows whether SELinux causes a failure.",
        "boxes may be refused files of your home, sockets and devices (not tested)",
        _selinux,
    ),
    Check(
        "security",
        "no_new_privs",
        "With it set-uid programs such as newuidmap and sudo do nothing.",
        "no box can be created or started, and sudo in boxes does nothing",
        _no_new_privileges,
        stops=True,
    ),
    Check("security", "seccomp", "Whether a filter of system calls is on.", "", _seccomp),
)
