"""What boxes share of a session: buses, display, sound, graphics and agents."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from dacha.box.doctor.base import Check, Verdict, noted, passed, warned
from dacha.box.doctor.host import Host

_SYSTEM_BUS = "/run/dbus/system_bus_socket"


def _is_connectable(host: Host, address: str, speaks: str = "") -> str:
    """An empty string, or why nobody answers there."""
    reply = host.answers.reply(address, speaks=speaks)
    return reply.error


def _session_bus(host: Host) -> Verdict:
    named = _bus_address(host.environment.get("DBUS_SESSION_BUS_ADDRESS", ""))
    address = named or f"{host.runtime_directory}/bus"
    if not named and not host.exists(address):
        return noted("none")
    error = _is_connectable(host, address, "dbus")
    if not error:
        return passed(address)
    fix = "systemctl --user restart dbus.socket" if host.has_systemd else "exec dbus-run-session -- $SHELL"
    return warned(f"{address}: {error}", fix)


def _bus_address(text: str) -> str:
    """The socket of the first usable address of D-Bus: a path, or '@name' for an abstract one."""
    for address in text.split(";"):
        kind, _, options = address.partition(":")
        values = dict(pair.split("=", 1) for pair in options.split(",") if "=" in pair)
        if kind == "unix" and "path" in values:
            return values["path"]
        if kind == "unix" and "abstract" in values:
            return f"@{values['abstract']}"
    return ""


def _system_bus(host: Host) -> Verdict:
    if not host.exists(_SYSTEM_BUS):
        return noted("none")
    error = _is_connectable(host, _SYSTEM_BUS, "dbus")
    if not error:
        return passed(_SYSTEM_BUS)
    return warned(f"{_SYSTEM_BUS}: {error}", host.sudo("systemctl restart dbus.socket"))


def _x11(host: Host) -> Verdict:
    display = host.environment.get("DISPLAY", "")
    if not display:
        return noted("no display: DISPLAY is not set")
    machine, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdecimal():
        return warned(f"DISPLAY is '{display}', which is no display", "unset DISPLAY")
    if machine in ("localhost", "127.0.0.1"):
        error = _is_connectable(host, f"tcp:{6000 + int(number)}")
        return (
            warned(f"{display}: {error}", "log in again with ssh -X")
            if error
            else passed(f"{display}, over ssh")
        )
    if machine not in ("", "unix"):
        return noted(f"{display}, on another machine")
    path = f"/tmp/.X11-unix/X{number}"  # noqa: S108  (where X servers listen)
    error = _is_connectable(host, path)
    if error and not _is_connectable(host, f"@{path}"):
        return passed(f"{display}, at an abstract socket")
    if error:
        return warned(f"{display}: {path}: {error}", "unset DISPLAY, or log in anew")
    authority = host.environment.get("XAUTHORITY", "")
    if authority and not os.access(host.path(authority), os.R_OK):
        return warned(f"{display}, but XAUTHORITY={authority} cannot be read", "log in anew")
    return passed(f"{display}, {path}")


def _wayland(host: Host) -> Verdict:
    name = host.environment.get("WAYLAND_DISPLAY", "")
    if not name:
        return noted("no display: WAYLAND_DISPLAY is not set")
    path = name if name.startswith("/") else f"{host.runtime_directory}/{name}"
    error = _is_connectable(host, path)
    return warned(f"{path}: {error}", "unset WAYLAND_DISPLAY, or log in anew") if error else passed(path)


def _sound(host: Host) -> Verdict:
    pulse = host.environment.get("PULSE_SERVER", "").removeprefix("unix:")
    sockets = {
        "PulseAudio": pulse if pulse.startswith("/") else f"{host.runtime_directory}/pulse/native",
        "PipeWire": f"{host.runtime_directory}/{host.environment.get('PIPEWIRE_REMOTE') or 'pipewire-0'}",
    }
    there = {name: path for name, path in sockets.items() if host.exists(path)}
    errors = {name: error for name, path in there.items() if (error := _is_connectable(host, path))}
    if errors:
        name, error = next(iter(errors.items()))
        unit = "pipewire.socket" if name == "PipeWire" else "pipewire-pulse.socket pulseaudio.socket"
        return warned(f"{there[name]}: {error}", f"systemctl --user restart {unit}")
    return passed(", ".join(there)) if there else noted("none")


def _nodes(host: Host, directory: str, prefix: str) -> Iterator[tuple[str, bool]]:
    """The device nodes of that name, and whether the user may use them."""
    for name in host.listing(directory):
        if name.startswith(prefix):
            path = f"{directory}/{name}"
            yield path, os.access(host.path(path), os.R_OK | os.W_OK)


def _graphics(host: Host) -> Verdict:
    nodes = dict(_nodes(host, "/dev/dri", "renderD"))
    if not nodes:
        return noted("none: programs draw in software")
    closed = [path for path, is_open in nodes.items() if not is_open]
    if not closed:
        return passed(", ".join(nodes))
    return warned(f"{', '.join(closed)} cannot be opened", _join_group(host, closed[0]))


def _join_group(host: Host, path: str) -> str:
    """The command that makes the user a member of the group that may use a device."""
    import grp

    try:
        group = grp.getgrgid(os.stat(host.path(path)).st_gid).gr_name
    except (OSError, KeyError):
        group = "render"
    return host.sudo(f"usermod --append --groups {group} {host.account.name}") + ", and log in anew"


def _nvidia(host: Host) -> Verdict:
    version = (host.read("/sys/module/nvidia/version") or "").strip()
    if not version:
        return passed("no driver of NVIDIA's on this host")
    nodes = dict(_nodes(host, "/dev", "nvidia"))
    nodes = {path: is_open for path, is_open in nodes.items() if not _is_directory(host, path)}
    closed = [path for path, is_open in nodes.items() if not is_open]
    if not nodes:
        return warned(f"driver {version}, but no /dev/nvidia…", host.sudo("nvidia-modprobe -c 0 -u"))
    if closed:
        return warned(f"driver {version}; {', '.join(closed)} cannot be opened", _join_group(host, closed[0]))
    return noted(
        f"driver {version}, devices: {len(nodes)}", cost="boxes need the libraries of just this version"
    )


def _is_directory(host: Host, path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(host.path(path)).st_mode)
    except OSError:
        return False


def _ssh_agent(host: Host) -> Verdict:
    path = host.environment.get("SSH_AUTH_SOCK", "")
    if not path:
        return noted("none: SSH_AUTH_SOCK is not set")
    reply = host.answers.reply(path, speaks="ssh-agent")
    if reply.error:
        return warned(f"{path}: {reply.error}", 'eval "$(ssh-agent)"')
    # A length, SSH_AGENT_IDENTITIES_ANSWER, and how many follow.
    count = int.from_bytes(reply.data[5:9], "big") if reply.data[4:5] == b"\x0c" else 0
    return passed(f"{path}, {count} key{'s' if count != 1 else ''}")


def _gpg_agent(host: Host) -> Verdict:
    home = host.environment.get("GNUPGHOME") or f"{host.account.home}/.gnupg"
    for directory in (f"{host.runtime_directory}/gnupg", home):
        path = f"{directory}/S.gpg-agent"
        if not host.exists(path):
            continue
        reply = host.answers.reply(path, speaks="gpg-agent")
        if not reply.error:
            return passed(path)
        return warned(f"{path}: {reply.error}", "gpgconf --kill gpg-agent; gpgconf --launch gpg-agent")
    return noted("none; gpg starts one when it needs it")


CHECKS = (
    Check(
        "desktop",
        "session bus",
        "Whether D-Bus answers at `$DBUS_SESSION_BUS_ADDRESS`.",
        "programs in boxes have no notifications, portals, keyrings or settings",
        _session_bus,
    ),
    Check(
        "desktop",
        "system bus",
        "Whether D-Bus answers at `/run/dbus`.",
        "programs in boxes reach no system service (network, power, printers)",
        _system_bus,
    ),
    Check(
        "desktop", "X11", "Whether somebody listens at `$DISPLAY`.", "X programs in boxes show nothing", _x11
    ),
    Check(
        "desktop",
        "Wayland",
        "Whether somebody listens at `$WAYLAND_DISPLAY`.",
        "Wayland programs in boxes show nothing",
        _wayland,
    ),
    Check(
        "desktop",
        "sound",
        "Whether PulseAudio or PipeWire listen.",
        "programs in boxes are silent",
        _sound,
    ),
    Check(
        "desktop",
        "graphics",
        "Whether you may use the render nodes in `/dev/dri`.",
        "programs in boxes draw in software, slowly",
        _graphics,
    ),
    Check(
        "desktop",
        "NVIDIA",
        "The version of NVIDIA's driver, and whether you may use its devices.",
        "programs in boxes cannot use the card",
        _nvidia,
    ),
    Check(
        "desktop",
        "ssh agent",
        "Whether it answers at `$SSH_AUTH_SOCK`.",
        "ssh and git in boxes ask for passphrases, or are refused",
        _ssh_agent,
    ),
    Check(
        "desktop",
        "gpg agent",
        "Whether it answers.",
        "signing and decrypting in boxes fails",
        _gpg_agent,
    ),
)
