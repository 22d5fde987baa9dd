"""The programs of a foreign image: an instance of binfmt_misc of the box's own (`engine.emulation`)."""

from __future__ import annotations

from dacha.box.integrations.base import Context, Integration
from dacha.engine.emulation import OUTER_PLACE, PLACE
from dacha.engine.spec import Mount
from dacha.linux import binfmt


class EmulationIntegration(Integration):
    """Nothing for boxes of the host's own platform."""

    def mounts(self, context: Context) -> list[Mount]:
        """Mounted by crun in the box's user namespace, whose programs are looked up in it from then on."""
        if context.emulation is None or not context.emulation.is_own:
            return []
        if context.maps.is_single:
            # Its files belong to the root of the namespace that mounts it, and this box has none. So the
            # instance is H's (`box.start` mounts it), which no other box shares; the box keeps it alive.
            return [Mount(PLACE, f"{context.runtime}/{OUTER_PLACE}", "bind", ("bind", "nosuid", "nodev"))]
        return [Mount(PLACE, binfmt.FILE_SYSTEM, binfmt.FILE_SYSTEM, ("nosuid", "noexec", "nodev"))]
