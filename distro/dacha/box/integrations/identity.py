"""Who the box is: marks by which programs and people tell that they are in one."""

from __future__ import annotations

import os

from dacha import __version__
from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration
from dacha.engine.spec import Mount
from dacha.linux import files

# Shells read the file, and the name of an image may be a path.
_QUOTED = str.maketrans({character: f"\\{character}" for character in '"\\$`'})


class IdentityIntegration(Integration):
    """/run/.containerenv, $container, the prompt's mark, and the host's machine id."""

    def mounts(self, context: Context) -> list[Mount]:
        """The init, and the file by which toolbx, distrobox and many programs know a container."""
        lines = {
            "engine": f"dacha-{__version__}",
            "name": context.box.name,
            "id": context.box.id,
            "image": context.box.image_name,
            "imageid": context.box.image.removeprefix("sha256:"),
            "rootless": "0" if context.maps.is_initial else "1",
        }
        text = "".join(f'{key}="{value.translate(_QUOTED)}"\n' for key, value in lines.items())
        path = f"{context.runtime}/containerenv"
        files.replace_file(path, text.encode(), 0o644)
        return [
            Mount(
                "/run/dacha/catatonit", context.host + context.init, "bind", ("bind", "ro", "nosuid", "nodev")
            ),
            Mount("/run/.containerenv", path, "bind", ("bind", "ro", "nosuid", "nodev", "noexec")),
        ]

    def edits(self, context: Context) -> list[Edit]:
        """Debian's and Ubuntu's shells put the contents of debian_chroot before their prompt."""
        edits = [Edit("etc/debian_chroot", context.box.name.encode() + b"\n")]
        machine_id = _machine_id()
        # D-Bus clients compare it with the bus's: one machine, one id (machine-id(5)).
        if machine_id and (context.stack.read("etc/machine-id") or b"").strip() in (b"", b"uninitialized"):
            edits.append(Edit("etc/machine-id", machine_id, mode=0o444))
        return edits

    def environment(self, context: Context) -> dict[str, str]:
        """As systemd's CONTAINER_INTERFACE has it, and one of our own."""
        return {"container": "dacha", "DACHA_BOX": context.box.name}


def _machine_id() -> bytes:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read(64)
    return b""
