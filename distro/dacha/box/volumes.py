"""The first use of a box's volumes: what the box has at their mount points goes into them."""

from __future__ import annotations

import os

from dacha.box.integrations import Context
from dacha.storage.ownership import Ownership


def fill_volumes(context: Context) -> None:
    """Make the directories of volumes that have none yet. In H, with the box's root mounted.

    Raises DachaError and OSError; a volume is there as a whole, or not at all.
    """
    new = [
        each
        for each in context.box.volumes
        if each.is_of_store
        and not context.volumes[each.source].is_tmpfs
        and not os.path.isdir(context.volumes[each.source].path)
        and not context.volumes[each.source].is_bind
    ]
    if not new:
        return
    from dacha.storage.volume_files import fill  # needed once in a volume's life

    owners = Ownership(
        context.account.uid, context.account.gid, context.maps.is_initial, context.maps.is_single
    )
    root = os.open(f"{context.runtime}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for each in new:
            volume = context.volumes[each.source]
            fill(volume, root, each.target, owners, copies=volume.copies and "nocopy" not in each.options)
    finally:
        os.close(root)
