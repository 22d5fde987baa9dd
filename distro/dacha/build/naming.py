"""What images are called in the store when one name stands for several platforms.

The bare name is for the image that this machine runs itself. One for another platform that was
asked for is NAME@PLATFORM, beside it: `debian` and `debian@arm64`. And whatever was asked
for, a name never moves from an image of one platform to one of another, as it does in
podman, where the last one pulled has it.
"""

from __future__ import annotations

import sqlite3

from dacha.engine.emulation import platform_of
from dacha.registry.platform import Platform, host_platform
from dacha.storage import images
from dacha.storage.images import Image


def qualified(name: str, platform: Platform) -> str:
    """The name that leaves no doubt: debian@arm64."""
    return f"{name}@{platform.short}"


def find(connection: sqlite3.Connection, name: str, wanted: Platform | None = None) -> Image | None:
    """The image of that name in the store; if a platform is wanted, the one for it."""
    if wanted is None:
        return images.find(connection, name)
    for each in (name, qualified(name, wanted)):
        image = images.find(connection, each)
        if image is not None and platform_of(image).serves(wanted):
            return image
    return None


def free_name(connection: sqlite3.Connection, name: str, platform: Platform, *, was_wanted: bool) -> str:
    """What to call an image of that platform; `was_wanted`: it was chosen by name, not met by chance."""
    if was_wanted and platform.architecture != host_platform().architecture:
        return qualified(name, platform)
    holder = images.find(connection, name)
    is_taken = holder is not None and name in holder.names
    if holder is not None and is_taken and platform_of(holder).architecture != platform.architecture:
        return qualified(name, platform)
    return name


def for_other_platforms(connection: sqlite3.Connection, name: str) -> str:
    """The names, for people, under which an image of that name is in the store; empty where it is not."""
    names = [each for image in images.listing(connection) for each in image.names]
    return ", ".join(f"'{each}'" for each in sorted(names) if each == name or each.startswith(f"{name}@"))
