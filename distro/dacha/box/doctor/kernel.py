"""The kernel: its version, what it lets an ordinary user do, and its limits."""

from __future__ import annotations

from dacha.box.doctor.base import Check, Verdict, failed, noted, passed, warned
from dacha.box.doctor.host import Host
from dacha.linux import features

_OLDEST, _WANTED = (5, 11), (5, 13)
_NAMESPACES_WANTED = 1000
_WATCHES_WANTED, _INSTANCES_WANTED = 65536, 128
_NOT_FOR_ROOT = "not needed: boxes of root have no user namespace"


def version_of(release: str) -> tuple[int, int]:
    """The two first numbers of a kernel's release; zeros where there are none."""
    major, _, rest = release.partition(".")
    minor = rest.split(".")[0].split("-")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


def _version(host: Host) -> Verdict:
    found = version_of(host.kernel)
    if found >= _WANTED:
        return passed(host.kernel)
    fix = "upgrade this host to a release with kernel 5.13 or newer"
    return warned(host.kernel, fix) if found >= _OLDEST else failed(host.kernel, fix)


def _system_calls(_host: Host) -> Verdict:
    missing = features.missing_system_calls()
    if missing:
        return failed(
            f"refused: {', '.join(missing)}", "run dacha outside of the container or sandbox it is in"
        )
    return passed("pidfd_open, openat2, clone3")


def _user_namespaces(host: Host) -> Verdict:
    if host.is_root:
        return passed(_NOT_FOR_ROOT)
    made, mounted = host.answers.trial("user namespace"), host.answers.trial("mount")
    if not made.was_done:
        return noted("could not be tried in time")
    if made.works and mounted.works:
        return passed("can be made")
    if made.works:
        return failed(f"can be made, but are powerless: {mounted.reason}", _way_to_namespaces(host))
    return failed(f"cannot be made: {made.error}", _way_to_namespaces(host))


def _way_to_namespaces(host: Host) -> str:
    for name, bad, good in (
        ("user.max_user_namespaces", 0, 15000),
        ("kernel.unprivileged_userns_clone", 0, 1),
        ("kernel.apparmor_restrict_unprivileged_userns", 1, 0),
    ):
        if host.sysctl(name) == bad:
            return host.set_sysctl(name, good)
    if host.process_status("Seccomp") == "2":
        return "run dacha outside of the container or sandbox it is in (a seccomp filter forbids it)"
    if host.answers.trial("user namespace").error.startswith("No space"):
        return host.set_sysctl("user.max_user_namespaces", 15000)
    return "leave the chroot that dacha runs in, or ask who has hardened this kernel"


def _proc(host: Host) -> Verdict:
    if host.is_root:
        return passed(_NOT_FOR_ROOT)
    trial = host.answers.trial("proc")
    if trial.works:
        return passed("can be mounted")
    if not trial.was_done:
        return noted("could not be tried: no user namespace")
    covered = [each.target for each in host.mounts if each.target.startswith("/proc/")]
    detail = f"cannot be mounted: {trial.error}"
    if not covered:
        return failed(detail, "run dacha outside of the container or sandbox it is in")
    return failed(
        f"{detail}; something is mounted over {covered[0]}",
        "start the container that dacha runs in with --security-opt unmask=ALL"
        " (Docker: --security-opt systempaths=unconfined)",
    )


def _max_user_namespaces(host: Host) -> Verdict:
    name = "user.max_user_namespaces"
    value = host.sysctl(name)
    if value is None:
        return warned("this kernel has no user namespaces", "install your distribution's own kernel")
    if value >= _NAMESPACES_WANTED or host.is_root:
        return passed(str(value))
    fix = host.set_sysctl(name, 15000)
    return failed("0", fix) if value == 0 else warned(str(value), fix, cost="only few boxes can run at once")


def _userns_clone(host: Host) -> Verdict:
    name = "kernel.unprivileged_userns_clone"
    value = host.sysctl(name)
    if value == 0 and not host.is_root:
        return failed("0", host.set_sysctl(name, 1))
    return passed("this kernel has no such restriction" if value is None else str(value))


def _inotify(host: Host) -> Verdict:
    watches = host.sysctl("fs.inotify.max_user_watches") or 0
    instances = host.sysctl("fs.inotify.max_user_instances") or 0
    detail = f"{watches} watches, {instances} instances"
    if watches < _WATCHES_WANTED:
        return warned(detail, host.set_sysctl("fs.inotify.max_user_watches", 524288))
    if instances < _INSTANCES_WANTED:
        return warned(detail, host.set_sysctl("fs.inotify.max_user_instances", 1024))
    return passed(detail)


def _fuse(host: Host) -> Verdict:
    return _device(host, "/dev/fuse", "modprobe fuse")


def _tun(host: Host) -> Verdict:
    return _device(host, "/dev/net/tun", "modprobe tun")


def _device(host: Host, path: str, load: str) -> Verdict:
    trial = host.answers.trial(path)
    if trial.works:
        return passed("can be opened")
    if not host.exists(path):
        return warned("does not exist", host.sudo(load))
    return warned(f"cannot be opened: {trial.reason}", host.sudo(f"chmod 666 {path}"))


CHECKS = (
    Check(
        "kernel",
        "version",
        "Boxes need overlayfs in user namespaces: 5.13 or newer.",
        "no box can start on a kernel before 5.11; before 5.13 dacha is not tested",
        _version,
        stops=True,
    ),
    Check(
        "kernel",
        "system calls",
        "`pidfd_open`, `openat2` and `clone3` are called: the kernel may lack them, or a filter forbid them.",
        "no box can be entered, no image unpacked",
        _system_calls,
        stops=True,
    ),
    Check(
        "kernel",
        "user namespaces",
        "One is made, and something is done in it that needs its privileges.",
        "no box can start",
        _user_namespaces,
        stops=True,
    ),
    Check(
        "kernel",
        "proc in boxes",
        "A `/proc` is mounted for a new pid namespace, as every box has one. The kernel refuses where parts"
        " of the host's `/proc` are hidden.",
        "no box can start",
        _proc,
        stops=True,
    ),
    Check(
        "kernel",
        "max_user_namespaces",
        "`user.max_user_namespaces`: how many user namespaces you may have at once. A box takes one.",
        "no box can start",
        _max_user_namespaces,
        stops=True,
    ),
    Check(
        "kernel",
        "userns_clone",
        "`kernel.unprivileged_userns_clone`, which only some distributions' kernels have.",
        "no box can start",
        _userns_clone,
        stops=True,
    ),
    Check(
        "kernel",
        "inotify",
        "`fs.inotify.max_user_watches` and `…instances`. Boxes share yours.",
        "editors and file watchers on the host and in boxes run out of watches",
        _inotify,
    ),
    Check(
        "kernel",
        "/dev/fuse",
        "Whether it can be opened; fuse-overlayfs, AppImages and sshfs in boxes need it.",
        "no FUSE file systems in boxes, and no fuse-overlayfs where the kernel's overlayfs does not do",
        _fuse,
    ),
    Check(
        "kernel",
        "/dev/net/tun",
        "Whether it can be opened; networks of containers need it (boxes use the host's).",
        "containers can have no network of their own, VPN programs do not work in boxes",
        _tun,
    ),
)
