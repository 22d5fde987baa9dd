"""Stack layers into one tree with overlayfs (Documentation/filesystems/overlayfs.rst).

`userxattr` keeps whiteout and opaque marks in user.overlay.*, the only ones that a user
namespace may write; root uses it too, so that a store has one format.
"""

from __future__ import annotations

import os

from dacha.errors import DachaError
from dacha.linux import mounts

_MAX_OPTIONS = 4095  # mount(2) takes one page of options


def options(lowers: list[str], upper: str, work: str) -> str:
    """The options of the mount; the top layer first. Paths have no ':' or ',' (they are the store's own)."""
    return f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work},userxattr"


def mount(store: str, target: str, lowers: list[str], upper: str, work: str) -> None:
    """Mount the stack on `target`; the layers' paths are relative to `store`.

    Changes the working directory, so that the options are short whatever the store's
    path is: call it in a child.
    """
    data = options(lowers, upper, work)
    if len(data) > _MAX_OPTIONS:
        raise DachaError(f"the image has too many layers for one mount ({len(lowers)})")
    os.chdir(store)
    try:
        mounts.mount("overlay", target, "overlay", 0, data)
    except OSError as error:
        raise DachaError(
            f"overlayfs refuses the layers in {store}: {error.strerror}",
            hint="it needs kernel 5.13 and a local file system with user xattrs, such as ext4, xfs or btrfs",
        ) from error
