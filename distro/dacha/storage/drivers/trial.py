"""Find the first driver that works in a store, by having it make a root there and changing that.

Everything happens in a child, which enters an H of its own, and in a staging directory.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from dacha import paths
from dacha.errors import DachaError
from dacha.linux import child, mountinfo, mounts
from dacha.storage import marks, staging
from dacha.storage.drivers import choice, zfs
from dacha.storage.drivers.base import Driver, Stack
from dacha.storage.drivers.choice import Choice, Wanted
from dacha.storage.drivers.removal import remove_trees
from dacha.userns import outer
from dacha.userns.outer import OuterMaps


class Failure(NamedTuple):
    """What was wrong with a driver."""

    driver: str
    why: str
    hint: str = ""


_ELSEWHERE = "the store lies on"  # nobody misses there what another file system has


def first_that_works(maps: OuterMaps, wanted: Wanted) -> Choice:
    """Raises DachaError where none of those that would do works, with what was wrong with each."""

    def clean(path: str) -> None:
        child.run_in_child(lambda: _remove(maps, path))

    with staging.staging_directory("driver", clean) as place:
        report = child.run_in_child(lambda: marshal.dumps(_try_all(maps, wanted, place)))
    driver, form, failures = marshal.loads(report)  # noqa: S302  (our own child wrote it)
    if not driver:
        raise _none_works(wanted, [Failure(*each) for each in failures])
    told = [
        f"{name} does not work here: {why}" for name, why, _ in failures if not why.startswith(_ELSEWHERE)
    ]
    if wanted.name:
        reason = f"{wanted.by} asks for '{wanted.name}'"
    else:
        reason = "; ".join(told) or "it works here, and is the fastest"
    return Choice(driver, form, reason.replace("\n", " "))


def _none_works(wanted: Wanted, failures: list[Failure]) -> DachaError:
    asked = f", which {wanted.by} asks for" if wanted.name else ""
    reasons = "; ".join(f"{each.driver}: {each.why}" for each in failures)
    hint = next((each.hint for each in failures if each.hint), "")
    if len(failures) == 1:
        name, why, _ = failures[0]
        what = f"the storage driver '{name}'{asked}, does not work in {paths.data_root()}"
        return DachaError(f"{what}: {why}", hint=hint)
    return DachaError(f"no storage driver{asked}, works in {paths.data_root()}: {reasons}", hint=hint)


def _remove(maps: OuterMaps, path: str) -> bytes:
    outer.enter(maps, None)
    remove_trees([path])
    return b""


def _try_all(maps: OuterMaps, wanted: Wanted, place: str) -> tuple[str, str, list[tuple[str, str, str]]]:
    outer.enter(maps, None)
    form = _make_layers(place, maps.first)
    failures: list[tuple[str, str, str]] = []
    for name in wanted.drivers:
        if why := _unsuited(name, maps, form, place):
            failures.append((name, why, ""))
            continue
        try:
            try_driver(choice.driver_of(Choice(name, form, ""), wanted), place, name, maps.first)
        except DachaError as error:
            failures.append((name, _cause(error, name), error.hint))
        except OSError as error:
            failures.append((name, error.strerror or str(error), ""))
        else:
            return name, form, failures
    return "", form, failures


def _cause(error: DachaError, driver: str) -> str:
    """What is to be said of a failure: of the kernel's overlayfs, only what the kernel says."""
    cause = error.__cause__
    if driver == "overlay" and isinstance(cause, OSError):
        return cause.strerror or str(cause)
    return str(error)


def _unsuited(name: str, maps: OuterMaps, form: str, place: str) -> str:
    """Why a driver need not be tried."""
    kind = mountinfo.kind_at(place)
    if name == "overlay" and form != marks.KERNEL:
        return "this file system does not take its marks for what is removed"
    if name == "btrfs" and kind != "btrfs":
        return f"{_ELSEWHERE} {kind}"
    if name == "zfs" and kind not in zfs.KINDS:
        return f"{_ELSEWHERE} {kind}"
    if name == "zfs" and not maps.is_initial:
        return "it is for root"
    return ""


def _make_layers(place: str, owner: int) -> str:
    """Two layers, of which the upper one hides something of the lower; the form of the marks in it."""
    for path in ("layer-1", "layer-1/hidden", "layer-2", "layer-2/hidden"):
        os.mkdir(f"{place}/{path}", 0o755)
    files = ("layer-1/changed", "layer-1/removed", "layer-1/gone", "layer-1/hidden/old", "layer-2/hidden/new")
    for path in files:
        with open(f"{place}/{path}", "w") as file:
            file.write(path)
        os.chown(f"{place}/{path}", owner, owner)
    try:
        os.mknod(f"{place}/layer-2/gone", stat.S_IFCHR, os.makedev(0, 0))
        os.setxattr(f"{place}/layer-2/hidden", marks.OPAQUE_XATTR, b"y")
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    else:
        return marks.KERNEL
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{place}/layer-2/gone")
    for path in (marks.whiteout_file("layer-2/gone"), f"layer-2/hidden/{marks.OPAQUE_FILE}"):
        with open(f"{place}/{path}", "w"):
            pass
    return marks.FILES


def try_driver(driver: Driver, place: str, name: str, owner: int) -> None:
    """Make a root, change it, and look at what it shows. Raises DachaError and OSError."""
    stack = Stack(place, ("layer-2", "layer-1"), f"box-{name}", owner)
    target = f"{place}/merged-{name}"
    for path in (stack.path, target):
        os.mkdir(path, 0o755)
    try:
        with _mounted(driver, stack, target):
            _change(target, owner)
            found = {"": sorted(os.listdir(target)), "hidden": sorted(os.listdir(f"{target}/hidden"))}
    finally:
        templates = f"{place}/flat"
        made = [f"{templates}/{key}" for key in os.listdir(templates)] if os.path.isdir(templates) else []
        driver.remove([stack.path, *made])
    if found != {"": ["changed", "hidden"], "hidden": ["new"]}:
        raise DachaError("what is removed comes back")


@contextlib.contextmanager
def _mounted(driver: Driver, stack: Stack, target: str) -> Iterator[None]:
    driver.prepare(stack)
    root = driver.mount(stack, target)
    try:
        root.serve("", -1)
        yield
    finally:
        mounts.umount(target, mounts.MNT_DETACH)


def _change(root: str, owner: int) -> None:
    with open(f"{root}/changed", "a") as file:
        file.write("x")
    os.chown(f"{root}/changed", owner, owner)
    os.chmod(f"{root}/changed", 0o4700)
    os.unlink(f"{root}/removed")
    if os.stat(f"{root}/changed").st_uid != owner:
        raise DachaError("files cannot be given to your subordinate ids")
