"""The store, where images and boxes lie: what its file system can do, tried in it."""

from __future__ import annotations

import os
from collections.abc import Callable

from dacha.box.doctor import trials
from dacha.box.doctor.base import Check, Verdict, failed, noted, passed, warned
from dacha.box.doctor.host import Host, Place, Trial

_NETWORK = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "afs",
        "ceph",
        "fuse.sshfs",
        "fuse.glusterfs",
        "lustre",
        "gpfs",
        "virtiofs",
    )
)
_WEAK = frozenset(
    (
        "vfat",
        "exfat",
        "msdos",
        "ntfs",
        "ntfs3",
        "fuseblk",
        "ecryptfs",
        "fuse.encfs",
        "fuse.gocryptfs",
        "hfsplus",
    )
)
_FULL_BYTES, _SCARCE_BYTES = 100 << 20, 2 << 30
_FULL_INODES, _SCARCE_INODES = 1000, 50_000
_SILENT = "does not answer: a file server that is gone?"


def elsewhere(host: Host) -> str:
    """How the store comes to lie on another disk."""
    if host.is_root:
        return f"mount a local file system (ext4, xfs, btrfs) at {host.store}"
    return "export XDG_DATA_HOME=/path/on/a/local/disk (ext4, xfs, btrfs), also in your shell's profile"


def _directory(host: Host) -> Verdict:
    place = host.answers.place("store")
    if place is None:
        return failed(f"{host.store} {_SILENT}", elsewhere(host))
    if place.flags & os.ST_RDONLY:
        return failed(f"{place.path} is read-only", _remount(host, place, "rw"))
    if place.exists and not place.is_directory:
        return failed(f"{place.path} is no directory", f"mv {place.path} {place.path}.old")
    if place.exists and place.owner != host.account.uid:
        fix = host.sudo(f"chown {host.account.name} {place.path}")
        return failed(f"{place.path} belongs to the user id {place.owner}", fix)
    if not place.is_writable:
        if place.exists:
            return failed(f"{place.path} cannot be written", f"chmod u+rwx {place.path}")
        make = f"{host.sudo(f'install -d -o {host.account.name} {place.path}')}"
        return failed(f"{place.path} does not exist and cannot be made in {place.real}", make)
    if not place.exists:
        return passed(f"{place.path} comes with the first image")
    trial = host.answers.trial("directory")
    if trial.was_done and trial.error and not _is_full(place):  # which is a line of its own
        return failed(f"{place.path}: {trial.error}", elsewhere(host))
    return passed(place.path)


def _is_full(place: Place) -> bool:
    return place.free_bytes < _FULL_BYTES or (place.inodes > 0 and place.free_inodes < _FULL_INODES)


def _remount(host: Host, place: Place, option: str) -> str:
    mount = host.mount_of(place)
    return host.sudo(f"mount -o remount,{option} {mount.target if mount else place.real}")


def _file_system(host: Host) -> Verdict:
    place = host.answers.place("store")
    if place is None:
        return failed(_SILENT, elsewhere(host))
    mount = host.mount_of(place)
    if mount is None:
        return warned("is not known", cost="nothing can be said about it")
    detail = f"{mount.fstype} at {mount.target}"
    if mount.fstype in _NETWORK:
        return warned(f"{detail}, on the network", elsewhere(host))
    if mount.fstype in _WEAK:
        return failed(detail, elsewhere(host), cost="it cannot hold the owners and modes of an image's files")
    if mount.fstype == "overlay":
        return warned(detail, elsewhere(host), cost="boxes stand on fuse-overlayfs there, or are copies")
    if mount.fstype in ("tmpfs", "ramfs"):
        return warned(
            f"{detail}, in memory", elsewhere(host), cost="boxes and images are gone after a reboot"
        )
    return passed(detail)


def _options(host: Host) -> Verdict:
    place = host.answers.place("store")
    if place is None:
        return noted("not known")
    names = {os.ST_NOSUID: "nosuid", os.ST_NODEV: "nodev", os.ST_NOEXEC: "noexec"}
    found = [name for flag, name in names.items() if place.flags & flag]
    if found:
        return passed(f"{', '.join(found)}: does not hold in boxes, whose root is a mount of its own")
    return passed("nothing is forbidden")


def _tried(host: Host, name: str, works: str, refused: Callable[[str, str], Verdict]) -> Verdict:
    trial = host.answers.trial(name)
    if trial.works:
        return passed(works)
    if not trial.was_done:
        return noted(not_tried(host))
    return refused(trial.error, elsewhere(host))


def not_tried(host: Host) -> str:
    """Why something is not known."""
    directory: Trial = host.answers.trial("directory")
    return f"could not be tried: {directory.error}" if directory.error else "could not be tried"


def _entry_types(host: Host) -> Verdict:
    return _tried(host, "d_type", "directories say what is in them", warned)


def _xattrs(host: Host) -> Verdict:
    return _tried(host, "xattr", "can be set", warned)


def _owners(host: Host) -> Verdict:
    is_single = host.answers.trial("maps").value == trials.SINGLE
    return _tried(
        host, "chown", f"files can belong to {'you' if is_single else 'your subordinate ids'}", failed
    )


def _reflinks(host: Host) -> Verdict:
    trial = host.answers.trial("reflink")
    if trial.works:
        return passed("copies share their blocks")
    return noted("none: copies take their full space") if trial.was_done else noted(not_tried(host))


def _space(host: Host) -> Verdict:
    place = host.answers.place("store")
    if place is None:
        return failed(_SILENT, elsewhere(host))
    detail = f"{_size(place.free_bytes)} free of {_size(place.size_bytes)}"
    if place.free_bytes < _FULL_BYTES:
        return failed(
            detail, "dacha image rm --all", cost="nothing can be created; what runs in boxes may break"
        )
    return warned(detail, "dacha image rm --all") if place.free_bytes < _SCARCE_BYTES else passed(detail)


def _inodes(host: Host) -> Verdict:
    place = host.answers.place("store")
    if place is None:
        return failed(_SILENT, elsewhere(host))
    if not place.inodes:
        return passed("as many as there is space")
    detail = f"{place.free_inodes} free of {place.inodes}"
    if place.free_inodes < _FULL_INODES:
        return failed(
            detail, "dacha image rm --all", cost="nothing can be created; what runs in boxes may break"
        )
    return warned(detail, "dacha image rm --all") if place.free_inodes < _SCARCE_INODES else passed(detail)


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


CHECKS = (
    Check(
        "store",
        "directory",
        "Where images and boxes lie: it must be yours and writable. A file is made in it, and removed.",
        "no image can be loaded, no box created",
        _directory,
        stops=True,
    ),
    Check(
        "store",
        "file system",
        "The kind of file system that the store is on.",
        "unpacking and starting are slow, and fail where the server does not know your subordinate ids",
        _file_system,
        stops=True,
    ),
    Check(
        "store",
        "mount options",
        "`nosuid`, `nodev` and `noexec` of that file system. They do no harm: overlayfs does not inherit"
        " them (tried on Linux 6.18).",
        "",
        _options,
    ),
    Check(
        "store",
        "d_type",
        "Whether directories say which kind each entry is; old XFS does not.",
        "the kernel's overlayfs cannot be used: boxes stand on fuse-overlayfs, or are copies",
        _entry_types,
    ),
    Check(
        "store",
        "user xattrs",
        "Whether files can have extended attributes, in which overlayfs keeps its marks.",
        "boxes stand on fuse-overlayfs, or are copies; attributes of images' files are lost",
        _xattrs,
    ),
    Check(
        "store",
        "owners",
        "Whether files can be given to your subordinate ids.",
        "no image can be unpacked",
        _owners,
        stops=True,
    ),
    Check("store", "reflinks", "Whether copies of a file can share its blocks.", "", _reflinks),
    Check(
        "store",
        "free space",
        "At least 2 GB, and 100 MB at the very least.",
        "the next image may not fit",
        _space,
        stops=True,
    ),
    Check(
        "store",
        "free inodes",
        "At least 50000 files more, and 1000 at the very least.",
        "the next image may not fit",
        _inodes,
        stops=True,
    ),
)
