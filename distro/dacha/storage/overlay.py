"""Stack layers into one tree with overlayfs (Documentation/filesystems/overlayfs.rst).

`userxattr` keeps whiteout and opaque marks in user.overlay.*, the only ones that a user
namespace may write; root uses it too, so that a store has one format.

mount(2) takes one page of options, which some hundred layers fill. A higher stack gets short
names: symbolic links in a tmpfs, which overlayfs follows once, as it mounts.
"""

from __future__ import annotations

import os

from dacha.errors import DachaError
from dacha.linux import mounts

_MAX_OPTIONS = 4095  # mount(2) takes one page of options
MAX_LAYERS = 500  # OVL_MAX_STACK in Linux' fs/overlayfs/params.h


def options(lowers: list[str], upper: str, work: str) -> str:
    """The options of the mount; the top layer first. Paths have no ':' or ',' (they are the store's own)."""
    return f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work},userxattr"


def mount_readonly(store: str, target: str, lowers: list[str], empty: str) -> None:
    """Mount layers on `target` as they are; `empty` is an empty directory. Else as `mount`."""
    if len(lowers) < 2:  # overlayfs wants two where there is no upper
        lowers = [*lowers, *[empty] * (2 - len(lowers))]
    data = f"lowerdir={':'.join(lowers)},userxattr"
    if len(data) > _MAX_OPTIONS:
        raise DachaError(f"the image has too many layers for one mount ({len(lowers)})")
    os.chdir(store)
    flags = mounts.MS_RDONLY | mounts.MS_NOSUID | mounts.MS_NODEV
    try:
        mounts.mount("overlay", target, "overlay", flags, data)
    except OSError as error:
        raise DachaError(f"overlayfs refuses the layers in {store}: {error.strerror}") from error


def mount(store: str, target: str, lowers: list[str], upper: str, work: str) -> None:
    """Mount the stack on `target`; the layers' paths are relative to `store`.

    Changes the working directory, so that the options are short whatever the store's
    path is: call it in a child. Raises DachaError.
    """
    if len(lowers) > MAX_LAYERS:
        raise DachaError(
            f"the box would stand on {len(lowers)} layers; the kernel's overlayfs stacks {MAX_LAYERS}",
            hint="load the image as one layer: umoci unpack, or podman export, and dacha image load rootfs:…",
        )
    os.chdir(store)
    data = options(lowers, upper, work)
    if len(data) > _MAX_OPTIONS:
        os.chdir(_short_names(store, target, lowers, upper))
        data = options([str(number) for number in range(len(lowers))], upper, work)
    try:
        mounts.mount("overlay", target, "overlay", 0, data)
    except OSError as error:
        raise DachaError(
            f"overlayfs refuses the layers in {store}: {error.strerror}",
            hint="it needs kernel 5.13 and a local file system with user xattrs, such as ext4, xfs or btrfs",
        ) from error


def _short_names(store: str, target: str, lowers: list[str], upper: str) -> str:
    """A directory with a link to each layer, named by its number, and the way to `upper` as it was.

    It lies where the stack will be mounted, which hides it, and ends with the mount namespace.
    """
    mounts.mount("tmpfs", target, "tmpfs", 0, "mode=700")
    for number, lower in enumerate(lowers):
        os.symlink(f"{store}/{lower}", f"{target}/{number}")
    top = upper.partition("/")[0]
    os.symlink(f"{store}/{top}", f"{target}/{top}")
    return target
