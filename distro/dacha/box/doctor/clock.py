"""Time and its zone."""

from __future__ import annotations

import os
import time

from dacha.box.doctor.base import Check, Verdict, noted, passed, warned
from dacha.box.doctor.host import Host

_MARK = "/zoneinfo/"
_RELEASED = 1_750_000_000  # no clock that is right shows a time before dacha was written


def _zone(host: Host) -> Verdict:
    try:
        target = os.readlink(host.path("/etc/localtime"))
    except OSError:
        target = ""
    zone = target.partition(_MARK)[2] or (host.read("/etc/timezone") or "").strip()
    set_it = host.sudo("ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime")
    if not zone and host.exists("/etc/localtime"):
        return warned("/etc/localtime does not say which zone it is", set_it)
    if not zone:
        return noted("UTC, as none is set", set_it)
    if not host.exists(f"/usr/share/zoneinfo/{zone}"):
        return warned(f"{zone}, which this host has no data of", host.distribution.install("tzdata"))
    return passed(zone)


def _time(host: Host) -> Verdict:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    return passed(shown) if now > _RELEASED else warned(shown, host.sudo("timedatectl set-ntp true"))


CHECKS = (
    Check("clock", "time zone", "Boxes show the host's, by its name.", "boxes show UTC", _zone),
    Check(
        "clock",
        "time",
        "Whether it can be right at all.",
        "certificates seem not to be valid yet: downloads fail, and package managers refuse to work",
        _time,
    ),
)
