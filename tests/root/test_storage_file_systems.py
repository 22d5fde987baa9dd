"""Stores on file systems that only root can make: which driver they get by themselves, and that it does."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.lib import driver_checks, file_systems, storage_image
from tests.lib.dacha import Dacha
from tests.lib.driver_checks import Installation
from tests.lib.file_systems import FuseUser, ZfsRoot
from tests.lib.images import RealImages
from tests.lib.storage_image import Manifest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="is for root: scripts/test runs it so")

# A store's file system, what is asked for, and the driver that comes of it.
USERS_STORES = {
    "btrfs": ("btrfs", "btrfs", "btrfs"),
    "btrfs that lets users delete": ("btrfs-rm", "btrfs", "btrfs"),
    "a FUSE file system": ("bindfs", "", "fuse-overlayfs"),
    "a FUSE file system, copied": ("bindfs", "vfs", "vfs"),
    "another overlay": ("overlay", "", "fuse-overlayfs"),
    "another overlay, copied": ("overlay", "vfs", "vfs"),
}


@contextmanager
def _image(images: RealImages, uid: int, gid: int) -> Iterator[tuple[Path, Manifest]]:
    """The image where everybody may read it, and what it must look like."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="layout-") as name:
        base = Path(name)
        base.chmod(0o755)
        layout = storage_image.write_image(base, images.alpine_tar.read_bytes(), uid, gid)
        yield layout, storage_image.unpacked_by_umoci(layout, base)


@pytest.fixture(scope="module")
def users_image(images: RealImages) -> Iterator[tuple[Path, Manifest]]:
    """The image for an ordinary user."""
    user = FuseUser()
    user.close()
    with _image(images, user.uid, user.gid) as made:
        yield made


@pytest.fixture(scope="module", params=list(USERS_STORES.values()), ids=list(USERS_STORES))
def user(request: pytest.FixtureRequest, users_image: tuple[Path, Manifest]) -> Iterator[FuseUser]:
    """A user whose store lies on such a file system, with the image in it."""
    kind, wanted, driver = request.param
    with ExitStack() as exits:
        found = FuseUser()
        mounts = {
            "btrfs": lambda: file_systems.btrfs(found.data, options=""),
            "btrfs-rm": lambda: file_systems.btrfs(found.data, options="user_subvol_rm_allowed"),
            "bindfs": lambda: file_systems.bindfs(found.data),
            "overlay": lambda: file_systems.overlay(found.data),
        }
        exits.callback(found.close)
        exits.enter_context(mounts[kind]())
        exits.callback(found.run, "rm", "--all", "--force")
        os.chown(found.data, found.uid, found.gid)
        if wanted:
            found.env["DACHA_STORAGE_DRIVER"] = wanted
        driver_checks.load(found, users_image[0], driver)
        found.store_lies_on = kind
        yield found


def _stores_leftovers(user: FuseUser) -> list[str]:
    store = user.data / "containers" / "dacha"
    return [path.name for name in ("staging", "boxes", "flat") for path in store.glob(f"{name}/*")]


def test_box_shows_what_umoci_unpacks(user: FuseUser, users_image: tuple[Path, Manifest]) -> None:
    if user.store_lies_on == "bindfs":
        pytest.skip("bindfs forgets by itself which files are hard links, and times of directories")
    driver_checks.check_tree(user, users_image[1])


def test_changes_last_and_stay_in_their_box(user: FuseUser) -> None:
    driver_checks.check_changes(user, user.env["USER"])


def test_nothing_is_left_of_a_box(user: FuseUser) -> None:
    driver_checks.check_nothing_is_left(user)


def test_nothing_is_left_of_an_image(user: FuseUser) -> None:
    user.run("image", "rm", "--all", check=True)
    assert _stores_leftovers(user) == []


@pytest.fixture(scope="module")
def roots_image(images: RealImages) -> Iterator[tuple[Path, Manifest]]:
    """The image for root."""
    with _image(images, 0, 0) as made:
        yield made


@pytest.fixture(scope="module")
def zfs(roots_image: tuple[Path, Manifest]) -> Iterator[ZfsRoot]:
    """root's store on ZFS."""
    found = ZfsRoot(Dacha.executable)
    try:
        driver_checks.load(found, roots_image[0], "zfs")
        yield found
    finally:
        found.close()


def test_zfs_shows_what_umoci_unpacks(zfs: ZfsRoot, roots_image: tuple[Path, Manifest]) -> None:
    driver_checks.check_tree(zfs, roots_image[1], is_exact=False)


def test_changes_last_on_zfs(zfs: ZfsRoot) -> None:
    driver_checks.check_changes(zfs, "root")


def test_nothing_is_left_on_zfs(zfs: ZfsRoot) -> None:
    driver_checks.check_nothing_is_left(zfs)
    zfs.run("image", "rm", "--all", check=True)
    assert zfs.datasets() == []


@pytest.fixture(scope="module", params=("overlay", "fuse-overlayfs"))
def roots(request: pytest.FixtureRequest, roots_image: tuple[Path, Manifest]) -> Iterator[Installation]:
    """root's store where the tests are."""
    found = Dacha(env={"DACHA_STORAGE_DRIVER": request.param})
    try:
        driver_checks.load(found, roots_image[0], request.param)
        yield found
    finally:
        found.close()


def test_roots_box_shows_what_umoci_unpacks(roots: Installation, roots_image: tuple[Path, Manifest]) -> None:
    driver_checks.check_tree(roots, roots_image[1])


def test_nothing_is_left_of_roots_box(roots: Installation) -> None:
    driver_checks.check_nothing_is_left(roots)


def test_btrfs_is_not_chosen_where_overlay_works(users_image: tuple[Path, Manifest]) -> None:
    user = FuseUser()
    try:
        with file_systems.btrfs(user.data, options=""):
            os.chown(user.data, user.uid, user.gid)
            found = json.loads(user.run("system", "info", "--json", check=True).stdout)["store"]
            assert (found["driver"], found["fileSystem"]) == ("overlay", "btrfs")
            user.run("rm", "--all", "--force", check=True)
    finally:
        user.close()


def test_a_copy_that_does_not_fit_leaves_no_box(users_image: tuple[Path, Manifest]) -> None:
    user = FuseUser()
    try:
        user.env["DACHA_STORAGE_DRIVER"] = "vfs"
        with file_systems.tmpfs(user.data, size="45m"):
            os.chown(user.data, user.uid, user.gid)
            driver_checks.load(user, users_image[0], "vfs")
            refused = user.run("create", "fat", "--image", "everything")
            assert refused.returncode == 125
            assert b"No space left on device" in refused.stderr
            assert user.run("list", "--quiet", check=True).stdout == b""
            assert _stores_leftovers(user) == []
    finally:
        user.close()
