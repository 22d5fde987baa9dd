"""Directories that boxes share with the host, and the mounts below them."""

from __future__ import annotations

import os

from dacha.box.doctor.base import Check, Verdict, failed, noted, passed, warned
from dacha.box.doctor.host import Host, Place

_LATE_MOUNTS = "discs and network drives that are mounted later show only after a restart of the box"
_SILENT = "does not answer: a file server that is gone?"


def _home(host: Host) -> Verdict:
    home = host.account.home
    place = host.answers.place("home")
    if place is None:
        return failed(f"{home} {_SILENT}", "df (the file system that hangs is where df hangs)")
    if not place.exists:
        return failed(f"{home} does not exist", host.sudo(f"install -d -m 700 -o {host.account.name} {home}"))
    if not place.is_directory:
        return failed(f"{home} is no directory", "export HOME=/path/of/your/home")
    words = [home if place.real == home else f"{home}, a link to {place.real}", f"mode {place.mode:04o}"]
    mount = host.mount_of(place)
    if mount is not None:
        words.append(mount.fstype)
    if place.owner != host.account.uid:
        return warned(f"{', '.join(words)}, of the user id {place.owner}", "export HOME=/path/of/your/home")
    if not place.is_writable:
        return warned(f"{', '.join(words)}, cannot be written", f"chmod u+rwx {home}")
    if place.flags & os.ST_NOEXEC:
        return noted(
            f"{', '.join(words)}, noexec", cost="programs in your home run neither here nor in boxes"
        )
    return passed(", ".join(words))


def _runtime(host: Host) -> Verdict:
    place = host.answers.place("runtime")
    if place is None:
        return failed(f"{host.runtime} {_SILENT}", "export XDG_RUNTIME_DIR=/path/to/a/local/directory")
    wrong = _wrong_with_runtime(host, place)
    if wrong is not None:
        return wrong
    mount = host.mount_of(place)
    kind = mount.fstype if mount is not None else "unknown"
    given = host.environment.get("XDG_RUNTIME_DIR", "")
    if not host.is_root and host.runtime != f"{given}/dacha":
        expected = f"/run/user/{host.account.uid}"
        why = f"XDG_RUNTIME_DIR={given} is another user's" if given else "XDG_RUNTIME_DIR is not set"
        if host.exists(expected):
            return noted(f"{place.path}, though {why}", f"export XDG_RUNTIME_DIR={expected}")
        return warned(
            f"{place.path}, since {why}",
            host.sudo(f"install -d -m 700 -o {host.account.name} {expected}")
            + f" && export XDG_RUNTIME_DIR={expected}",
            cost="boxes do not see your session's sockets, and your other sessions may not see your boxes",
        )
    if kind not in ("tmpfs", "ramfs") and mount is not None:
        return noted(f"{place.path} on {kind}, which outlives a reboot")
    return passed(f"{place.path}, {kind}")


def _wrong_with_runtime(host: Host, place: Place) -> Verdict | None:
    """What keeps boxes from starting; `place` may be the directory in which it will be made."""
    user, target = host.account, place.path if place.exists else place.real
    if place.exists and not place.is_directory:
        return failed(f"{target} is no directory", f"rm {target}")
    if place.exists and place.owner != user.uid:
        return failed(
            f"{target} belongs to the user id {place.owner}", host.sudo(f"chown {user.name} {target}")
        )
    if place.exists and place.mode & 0o022:
        return failed(f"{target} is open to others (mode {place.mode:04o})", f"chmod 700 {target}")
    if not place.is_writable:
        if os.path.dirname(place.path) == target:
            return failed(f"{target} cannot be written", f"chmod u+rwx {target}")
        directory = os.path.dirname(place.path)
        return failed(
            f"{directory} does not exist", host.sudo(f"install -d -m 700 -o {user.name} {directory}")
        )
    if place.closed_at and not host.is_root:
        return failed(
            f"{place.closed_at} is closed to others, and its group is not yours",
            host.sudo(f"chgrp {user.gid} {place.closed_at}"),
        )
    return None


def _propagation_root(host: Host) -> Verdict:
    root = next((each for each in reversed(host.mounts) if each.target == "/"), None)
    if root is None:
        return noted("/ is no mount")
    if root.is_shared:
        return passed("shared")
    return warned("private", host.sudo("mount --make-rshared /"))


def _propagation_home(host: Host) -> Verdict:
    place = host.answers.place("home")
    mount = host.mount_of(place) if place is not None else None
    if mount is None:
        return noted("is not known")
    if mount.is_shared:
        return passed(f"shared ({mount.target})")
    return warned(f"private ({mount.target})", host.sudo(f"mount --make-rshared {mount.target}"))


CHECKS = (
    Check(
        "places",
        "home",
        "It must exist. Mode 0700, a symbolic link and a network file system are fine.",
        "boxes share your home, and cannot without one",
        _home,
        stops=True,
    ),
    Check(
        "places",
        "runtime directory",
        "`dacha` in `$XDG_RUNTIME_DIR`: yours, closed to others, and in memory. `noexec` does no harm.",
        "no box can start",
        _runtime,
        stops=True,
    ),
    Check(
        "places",
        "mounts below /",
        "Whether mounts that are made later show in running boxes (shared propagation).",
        _LATE_MOUNTS,
        _propagation_root,
    ),
    Check("places", "mounts below home", "The same for your home.", _LATE_MOUNTS, _propagation_home),
)
