"""Root rights in the box without a password.

An image without sudo gets a small set-uid program (hooks/sudo), which the real one simply
replaces when it is installed. A real one is told by sudoers.d to ask for nothing.

In single-id mode no program can be set-uid, so no real one works: ours lies in its place and, for
when a package puts a real one there, also where it is found first.
"""

from __future__ import annotations

import os

from dacha import paths
from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration
from dacha.engine.spec import Mount

_PATH = "usr/bin/sudo"
_FIRST_PATH = "usr/local/bin/sudo"


class SudoIntegration(Integration):
    """The box belongs to its user, so its root does too."""

    def mounts(self, context: Context) -> list[Mount]:
        """The script behind the program: it follows dacha's version, also in boxes that run on."""
        script = f"{context.host}{paths.shipped('hooks')}/sudo/sudo.sh"
        return [Mount("/run/dacha/sudo.sh", script, "bind", ("bind", "ro", "nosuid", "nodev"))]

    def edits(self, context: Context) -> list[Edit]:
        """None for root, who needs no sudo, but for programs that call it all the same."""
        shim = self._shim()
        if context.maps.is_single:
            return [Edit(path, shim, mode=0o755, restores=True) for path in (_PATH, _FIRST_PATH) if shim]
        name = context.account.name.encode()
        rule = name + b" ALL=(ALL:ALL) NOPASSWD: ALL\n"
        edits = [Edit("etc/sudoers.d/dacha", rule, mode=0o440)]
        if shim and not self._image_has_sudo(context):
            # Set-uid for the box's root; only the user's own group may execute it.
            # That group is H's 0, as the user is, and root's own where H is the initial namespace.
            edits.append(Edit(_PATH, shim, mode=0o4750, group=0, restores=True))
        return edits

    def _image_has_sudo(self, context: Context) -> bool:
        if not context.image.is_executable("/" + _PATH):
            return False
        return b"includedir /etc/sudoers.d" in (context.image.read("etc/sudoers") or b"")

    def _shim(self) -> bytes:
        """The program for this machine, also in foreign boxes: it needs nothing of the image."""
        path = f"{paths.shipped('hooks')}/sudo/sudo-{os.uname().machine}"
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""  # a machine type we have no program for
