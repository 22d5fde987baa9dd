"""The programs of a foreign image: an instance of binfmt_misc of the box's own (`engine.emulation`)."""

from __future__ import annotations

from dacha.box.integrations.base import Context, Integration
from dacha.engine.emulation import PLACE
from dacha.engine.spec import Mount
from dacha.linux import binfmt


class EmulationIntegration(Integration):
    """Nothing for boxes of the host's own platform."""

    def mounts(self, context: Context) -> list[Mount]:
        """Mounted by crun in the box's user namespace, whose programs are looked up in it from then on."""
        if context.emulation is None or not context.emulation.is_own:
            return []
        return [Mount(PLACE, binfmt.FILE_SYSTEM, binfmt.FILE_SYSTEM, ("nosuid", "noexec", "nodev"))]
