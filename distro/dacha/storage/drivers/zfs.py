"""Datasets of ZFS, for root: a box is a clone of a snapshot of its image's merged layers.

Only the machine's root may make and mount datasets. They lie below the dataset that holds the
store, each mounted in the store's `zfs` directory; a small file beside what a dataset belongs
to has its name, so that it is destroyed with it.
"""

from __future__ import annotations

import os
import time

from dacha.errors import CommandError, DachaError
from dacha.linux import files, mountinfo, process
from dacha.storage.drivers.base import Stack
from dacha.storage.drivers.removal import remove_trees
from dacha.storage.drivers.template import template_of
from dacha.storage.drivers.tree import TreeDriver, fill

KINDS = ("zfs", "fuse.zfs")  # as mountinfo calls them: the kernel's, and zfs-fuse's
_RECORD = "dataset"
_SNAPSHOT = "box"
_TIMEOUT_S = 5.0


def _zfs(*words: str) -> None:
    """Run zfs(8) where our parent is: what is mounted in this process' own namespace could not be unmounted
    from another, and is busy there for ever.
    """
    enter = [process.find_program("nsenter"), f"--mount=/proc/{os.getppid()}/ns/mnt", "--"]
    process.run([*enter, process.find_program("zfs"), *words])


class Zfs(TreeDriver):
    """`zfs`."""

    name = "zfs"

    def prepare(self, stack: Stack) -> None:
        """A clone, and a link to where it is mounted. Raises DachaError."""
        link = f"{stack.path}/{self.own}"
        if not os.path.islink(link):
            template = template_of(stack, lambda tree: self._make_template(stack, tree), self.remove)
            self._destroy(stack.path)  # what a killed command has left
            dataset = _new_dataset(stack, f"box-{os.path.basename(stack.path)}")
            _record(stack.path, dataset)
            where = _mount_point(stack.store, dataset)
            origin = f"{_recorded(os.path.dirname(template))}@{_SNAPSHOT}"
            _zfs("clone", "-o", "canmount=noauto", "-o", f"mountpoint={where}", origin, dataset)
            os.symlink(where, link)
        _mount(_recorded(stack.path), os.readlink(link))

    def _make_template(self, stack: Stack, tree: str) -> None:
        dataset = _new_dataset(stack, "image")
        _record(os.path.dirname(tree), dataset)
        where = _mount_point(stack.store, dataset)
        _zfs("create", "-o", "canmount=noauto", "-o", f"mountpoint={where}", dataset)
        _mount(dataset, where)
        fill(stack, where)
        files.syncfs(where)
        _zfs("snapshot", f"{dataset}@{_SNAPSHOT}")
        _zfs("unmount", dataset)

    def remove(self, trees: list[str]) -> None:
        """The boxes' datasets first: images' are not destroyed as long as they have clones."""
        for tree in sorted(trees, key=lambda tree: os.path.exists(f"{tree}/lowers")):
            self._destroy(tree)
        remove_trees(trees)

    def _destroy(self, tree: str) -> None:
        dataset = _recorded(tree)
        if not dataset:
            return
        end = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                _zfs("destroy", "-f", "-r", dataset)
            except CommandError as error:
                # zfs-fuse takes a moment to see that a file system is mounted nowhere any more.
                if "busy" in error.stderr and time.monotonic() < end:
                    time.sleep(0.05)
                    continue
                if "does not exist" not in error.stderr:
                    raise
            break
        os.unlink(f"{tree}/{_RECORD}")


def parent_of(store: str) -> str:
    """The dataset that the store lies in; empty where it lies in none."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mount = mountinfo.holding(mountinfo.parse(file.read()), os.path.realpath(store))
    return mount.source if mount is not None and mount.fstype in KINDS else ""


def _new_dataset(stack: Stack, kind: str) -> str:
    parent = parent_of(stack.store)
    if not parent:
        raise DachaError(f"the store {stack.store} does not lie on ZFS")
    return f"{parent}/dacha-{kind}-{os.urandom(4).hex()}"


def _mount_point(store: str, dataset: str) -> str:
    return f"{store}/zfs/{dataset.rpartition('/')[2]}"


def _mount(dataset: str, where: str) -> None:
    """Mount a dataset, unless it is. From where that happens it has to arrive here."""
    if os.path.ismount(where):
        return
    _zfs("mount", dataset)
    end = time.monotonic() + _TIMEOUT_S
    while not os.path.ismount(where):
        if time.monotonic() > end:
            raise DachaError(
                f"the dataset {dataset} was mounted, but not at {where}",
                hint="the mounts of this machine must be shared: sudo mount --make-rshared /",
            )
        time.sleep(0.01)


def _record(directory: str, dataset: str) -> None:
    files.replace_file(f"{directory}/{_RECORD}", dataset.encode())


def _recorded(directory: str) -> str:
    try:
        with open(f"{directory}/{_RECORD}") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""
