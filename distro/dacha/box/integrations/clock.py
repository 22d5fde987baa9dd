"""The time zone (localtime(5)).

/etc/localtime is a proper link into the box's own zoneinfo, with Debian's /etc/timezone
beside it: a link into /run/host is mangled by the scripts of tzdata.
"""

from __future__ import annotations

import os

from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration

_MARK = "/zoneinfo/"


def host_zone() -> str:
    """The host's time zone by name, such as Europe/Berlin; UTC where it names none."""
    try:
        target = os.readlink("/etc/localtime")
    except OSError:
        target = ""
    if _MARK in target:
        return target.partition(_MARK)[2]
    try:
        with open("/etc/timezone") as file:
            zone = file.read().strip()
    except OSError:
        zone = ""
    return zone or "Etc/UTC"


class ClockIntegration(Integration):
    """The host's time zone."""

    def edits(self, context: Context) -> list[Edit]:
        """The host's zoneinfo serves where the image has none."""
        zone = host_zone()
        if ".." in zone or zone.startswith("/"):
            return []
        if context.stack.find(f"usr/share/zoneinfo/{zone}") is not None:
            edits = [Edit("etc/localtime", link=f"../usr/share/zoneinfo/{zone}")]
        else:
            edits = [Edit("etc/localtime", link=f"/run/host/usr/share/zoneinfo/{zone}")]
        if context.image.find("etc/timezone") is not None:
            edits.append(Edit("etc/timezone", zone.encode() + b"\n"))
        return edits
