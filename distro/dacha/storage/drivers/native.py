"""The kernel's overlayfs: nothing is copied, and no process stands between."""

from __future__ import annotations

from dacha.storage import overlay
from dacha.storage.drivers.base import Root, Stack, Stacking, Unserved


class NativeOverlay(Stacking):
    """`overlay`."""

    name = "overlay"
    needs_server = False

    def mount(self, stack: Stack, target: str) -> Root:
        """Raises DachaError."""
        upper, work = (f"{stack.directory}/{name}" for name in (self.own, "work"))
        overlay.mount(stack.store, target, list(stack.lowers), upper, work)
        return Unserved()
