"""Control groups: which kind there is, and which part of it is yours."""

from __future__ import annotations

from dacha.box.doctor.base import Check, Verdict, noted, passed, warned
from dacha.box.doctor.host import Host
from dacha.box.doctor.kernel import version_of

_TOP, _HYBRID = "/sys/fs/cgroup", "/sys/fs/cgroup/unified"
_WANTED = ("cpu", "memory", "pids")
_PARAMETER = "systemd.unified_cgroup_hierarchy=1"
_CONTAINER_MARKS = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")
_KILL_SINCE = (5, 14)
_NO_CGROUP = "boxes have no cgroup: no limits, and in each a helper process that ends what sessions leave"
_NO_LIMITS = "memory, cpu and process limits cannot be set"


def _tree(host: Host) -> str:
    """Where the unified tree is, or an empty string."""
    for path in (_TOP, _HYBRID):
        if host.exists(f"{path}/cgroup.controllers"):
            return path
    return ""


def _layout(host: Host) -> Verdict:
    tree = _tree(host)
    if tree == _TOP:
        return passed("pure version 2")
    if tree:
        return warned(f"hybrid: version 2 at {tree}, beside version 1", _way_to_v2(host), cost=_NO_LIMITS)
    if host.listing(_TOP):
        return warned("version 1 only", _way_to_v2(host))
    return warned(f"nothing is mounted at {_TOP}", host.sudo(f"mount -t cgroup2 cgroup2 {_TOP}"))


def _way_to_v2(host: Host) -> str:
    """The command after which the next boot has a pure version 2 tree."""
    if any(host.exists(mark) for mark in _CONTAINER_MARKS):
        return "let the machine that runs this container give it the controllers"
    if not host.has_systemd:
        if host.exists("/etc/rc.conf"):
            return f"echo 'rc_cgroup_mode=\"unified\"' | {host.sudo('tee -a /etc/rc.conf')}, and reboot"
        return f"have your init mount cgroup2 at {_TOP} and nothing else there, and reboot"
    if host.distribution.family == "dnf":
        return host.sudo(f"grubby --update-kernel=ALL --args={_PARAMETER}") + ", and reboot"
    update = "update-grub" if host.distribution.family == "apt" else "grub-mkconfig -o /boot/grub/grub.cfg"
    edit = f"sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{_PARAMETER} /' /etc/default/grub"
    return f"{host.sudo(edit)} && {host.sudo(update)}, and reboot"


def _systemd(host: Host) -> Verdict:
    if not host.has_systemd:
        return noted("does not run this machine; boxes need none")
    whose = "the machine's" if host.is_root else "your"
    if _manager_answers(host):
        return passed(f"{whose} manager answers")
    if host.is_root:
        return warned("the machine's manager does not answer", "systemctl daemon-reexec")
    expected = f"/run/user/{host.account.uid}"
    if host.runtime_directory != expected and host.exists(f"{expected}/systemd/private"):
        return warned(
            "your manager runs, but XDG_RUNTIME_DIR leads elsewhere", f"export XDG_RUNTIME_DIR={expected}"
        )
    return warned(
        "your manager does not answer", host.sudo(f"systemctl start user@{host.account.uid}.service")
    )


def _manager_answers(host: Host) -> bool:
    directory = "/run" if host.is_root else host.runtime_directory
    socket = f"{directory}/systemd/private"
    return host.exists(socket) and host.answers.reply(socket, speaks="dbus").data.startswith(b"OK")


def _delegation(host: Host) -> Verdict:
    if not _tree(host):
        return warned("there is no version 2 tree", _way_to_v2(host))
    if host.has_systemd and _manager_answers(host):
        return passed("systemd gives each box a scope of its own")
    trial = host.answers.trial("cgroup")
    if trial.works:
        return passed(f"{trial.value} is yours")
    if host.has_systemd:
        return warned(trial.reason, host.sudo(f"loginctl enable-linger {host.account.name}"))
    group = f"{_tree(host)}/dacha-{host.account.name}"
    make = f"mkdir -p {group}; chown -R {host.account.name} {group}; echo $$ >{group}/cgroup.procs"
    # In double quotes $$ is the shell that this is typed into, which moves there for as long as it lives.
    return warned(trial.reason, host.sudo(f'sh -c "{make}"'))


def _controllers(host: Host) -> Verdict:
    tree = _tree(host)
    path = ""
    user = host.account.uid
    if host.has_systemd and not host.is_root:
        path = f"/user.slice/user-{user}.slice/user@{user}.service"
    elif not host.is_root:
        path = host.answers.trial("cgroup").value
    text = host.read(f"{tree}{path}/cgroup.controllers") if tree else None
    found = (text or "").split()
    missing = [name for name in _WANTED if name not in found]
    detail = " ".join(found) or "none"
    if not missing:
        return passed(detail)
    detail += f"; not {', '.join(missing)}"
    if tree != _TOP or set(missing) & _held_by_v1(host):
        return warned(detail, _way_to_v2(host))
    if not host.has_systemd:
        # At the top all that the kernel has is there for the asking; below, for who is given it.
        enable = f"echo '+{' +'.join(missing)}' |"
        return warned(detail, f"{enable} {host.sudo(f'tee {tree}/cgroup.subtree_control')}")
    directory = "/etc/systemd/system/user@.service.d"
    text = "[Service]\\nDelegate=cpu cpuset io memory pids\\n"
    write = f"printf '{text}' | {host.sudo(f'tee {directory}/delegate.conf')}"
    return warned(
        detail, f"{host.sudo(f'mkdir -p {directory}')} && {write} && {host.sudo('systemctl daemon-reload')}"
    )


def _held_by_v1(host: Host) -> set[str]:
    """The controllers that a version 1 hierarchy has, wherever that is mounted (cgroups(7))."""
    rows = [line.split() for line in (host.read("/proc/cgroups") or "").splitlines()]
    return {row[0] for row in rows if len(row) == 4 and row[1].isdecimal() and row[1] != "0"}


def _kill(host: Host) -> Verdict:
    tree = _tree(host)
    if not tree:
        return warned("there is no version 2 tree", _way_to_v2(host))
    for line in (host.read("/proc/self/cgroup") or "").splitlines():
        own = line[3:]
        if line.startswith("0::") and own != "/" and host.exists(f"{tree}{own}/cgroup.kill"):
            return passed("this kernel has it")
    if version_of(host.kernel) >= _KILL_SINCE:  # the root of the tree has no such file
        return passed("this kernel has it")
    return warned("this kernel has none", "upgrade this host to a release with kernel 5.14 or newer")


def _lingering(host: Host) -> Verdict:
    if host.is_root:
        return passed("not needed: boxes of root are the machine's")
    if not host.has_systemd:
        return passed("not needed without systemd")
    if host.exists(f"/var/lib/systemd/linger/{host.account.name}"):
        return passed("your boxes live on when you log out")
    return noted(
        "off",
        host.sudo(f"loginctl enable-linger {host.account.name}"),
        cost="your boxes stop when you log out",
    )


CHECKS = (
    Check(
        "cgroups",
        "layout",
        "Pure version 2, hybrid, or version 1 only.",
        _NO_CGROUP,
        _layout,
    ),
    Check(
        "cgroups",
        "systemd",
        "Whether your systemd manager answers; it gives boxes their scopes. dacha does without systemd, too.",
        "boxes have no scope of their own, no limits, and are not to be seen in systemctl",
        _systemd,
    ),
    Check(
        "cgroups",
        "delegation",
        "Whether there is a part of the tree in which you may make cgroups. One is made and removed.",
        _NO_CGROUP,
        _delegation,
    ),
    Check("cgroups", "controllers", "Which controllers are yours to use.", _NO_LIMITS, _controllers),
    Check(
        "cgroups",
        "cgroup.kill",
        "The file that ends all of a session at once (kernel 5.14).",
        "what a session leaves behind is ended with its box, not with its terminal",
        _kill,
    ),
    Check(
        "cgroups",
        "lingering",
        "Whether systemd keeps what you started when you log out.",
        "your boxes stop when you log out",
        _lingering,
    ),
)
