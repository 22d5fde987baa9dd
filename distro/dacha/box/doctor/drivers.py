"""The store's driver: which one it has or will have, what that costs, and whether this host still has it."""

from __future__ import annotations

from dacha.box.doctor.base import Check, Verdict, failed, noted, passed, warned
from dacha.box.doctor.host import Host
from dacha.box.doctor.store import elsewhere, not_tried
from dacha.errors import DachaError
from dacha.storage.drivers import choice
from dacha.storage.drivers.choice import Choice

_COMES = "comes with the first image"


def _chosen(host: Host) -> Choice | None:
    """Raises DachaError where the store's own note of it is damaged."""
    text = host.read(f"{host.store}/{choice.FILE}")
    return None if text is None else choice.parse(text, host.store)


def _driver(host: Host) -> Verdict:
    try:
        chosen, wanted = _chosen(host), choice.wanted_driver(host.environment)
        if chosen is not None and chosen.driver not in wanted.drivers:
            raise choice.WrongDriverError(wanted, chosen.driver, host.store)
    except DachaError as error:
        return failed(str(error), error.hint)
    if chosen is None:
        return _future(host)
    if chosen.driver == "fuse-overlayfs":
        return _without_fuse(host) or noted(f"{chosen.driver}: {choice.COSTS[chosen.driver]}")
    if chosen.driver == "vfs" and not host.answers.trial("reflink").works:
        return warned(f"vfs, since {chosen.reason}", elsewhere(host), cost=choice.COSTS["vfs"])
    if chosen.driver == "btrfs":
        return _btrfs(host)
    return passed(chosen.driver)


def _future(host: Host) -> Verdict:
    """What a store will have that has none yet, if nobody asks for another."""
    trial = host.answers.trial("overlay")
    if trial.works:
        return passed(f"overlay {_COMES}")
    if not trial.was_done:
        return noted(f"{_COMES}: {not_tried(host)}")
    lack = _without_fuse(host)
    if lack is None:
        return noted(f"fuse-overlayfs {_COMES}: {choice.COSTS['fuse-overlayfs']}")
    return warned(f"vfs {_COMES}; {lack.detail}", lack.fix, cost=choice.COSTS["vfs"])


def _without_fuse(host: Host) -> Verdict | None:
    """What fuse-overlayfs lacks here, if anything."""
    if host.answers.program("fuse-overlayfs") is None:
        return failed("fuse-overlayfs is not installed", host.distribution.install("fuse-overlayfs"))
    device = host.answers.trial("/dev/fuse")
    if not device.works:
        fix = "chmod 666 /dev/fuse" if host.exists("/dev/fuse") else "modprobe fuse"
        return failed(f"fuse-overlayfs cannot open /dev/fuse: {device.reason}", host.sudo(fix))
    return None


def _btrfs(host: Host) -> Verdict:
    place = host.answers.place("store")
    mount = host.mount_of(place) if place else None
    if host.is_root or mount is None or "user_subvol_rm_allowed" in (*mount.options, *mount.super_options):
        return passed("btrfs")
    return noted(
        "btrfs; files of removed boxes are deleted one by one, without user_subvol_rm_allowed",
        f"sudo mount -o remount,user_subvol_rm_allowed {mount.target}",
    )


def _overlay(host: Host) -> Verdict:
    trial = host.answers.trial("overlay")
    if trial.works:
        return passed("can be mounted, written and emptied")
    if not trial.was_done:
        return noted(not_tried(host))
    try:
        chosen = _chosen(host)
    except DachaError:
        chosen = None
    if chosen is not None and chosen.driver != "overlay":
        return noted(f"{trial.error}; the store has {chosen.driver} instead")
    is_loaded = "overlay" in (host.read("/proc/filesystems") or "overlay")
    detail = trial.error if is_loaded else f"{trial.error}: this kernel has it not loaded"
    fix = elsewhere(host) if is_loaded else host.sudo("modprobe overlay")
    if chosen is not None:  # boxes were made with it
        return failed(detail, fix)
    return warned(detail, fix, cost="boxes stand on fuse-overlayfs, or are copies")


CHECKS = (
    Check(
        "store",
        "driver",
        "How layers become the root of a box here, and whether that still works (`docs/storage.md`).",
        "no box can start",
        _driver,
        stops=True,
    ),
    Check(
        "store",
        "overlayfs",
        "A stack of layers is mounted on the store's file system, in a namespace of yours, and changed.",
        "no box can start",
        _overlay,
        stops=True,
    ),
)
