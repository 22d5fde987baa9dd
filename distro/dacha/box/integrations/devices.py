"""Devices and the kernel's own file systems: /dev, /sys, /proc, and a terminal multiplexer of the box's."""

from __future__ import annotations

from dacha.box.integrations.base import Context, Integration, host_bind
from dacha.engine.spec import Mount
from dacha.userns import mapping

# The group tty in every distribution: a terminal then has the group that wall(1) and grantpt(3) want.
_TTY = 5


class DevicesIntegration(Integration):
    """The host's devices with the user's rights. Only /dev/pts is the box's own."""

    def mounts(self, context: Context) -> list[Mount]:
        """/proc is new, as the box has its own processes; /sys may not be made anew on a host's network."""
        pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
        if mapping.to_outside(context.maps.box_gids(context.account.gid), _TTY) is not None:
            pts.append(f"gid={_TTY}")
        return [
            Mount("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
            host_bind(context, "/sys"),
            host_bind(context, "/dev"),
            Mount("/dev/pts", "devpts", "devpts", tuple(pts)),
        ]

    def shared_paths(self, _context: Context) -> list[str]:
        """Where the same files are."""
        return ["/dev", "/sys"]
