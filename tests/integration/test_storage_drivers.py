"""The same image gives the same box with every storage driver, and a box the same life."""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib import driver_checks, storage_image
from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.storage_image import Manifest

DRIVERS = ("overlay", "fuse-overlayfs", "vfs")


@pytest.fixture(scope="module")
def layout(images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image, on an Alpine."""
    directory = tmp_path_factory.mktemp("storage")
    return storage_image.write_image(directory, images.alpine_tar.read_bytes(), os.getuid(), os.getgid())


@pytest.fixture(scope="module")
def expected(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """What it must look like."""
    return storage_image.unpacked_by_umoci(layout, tmp_path_factory.mktemp("umoci"))


@pytest.fixture(scope="module", params=DRIVERS)
def installation(request: pytest.FixtureRequest, layout: Path) -> Iterator[Dacha]:
    """One for each driver, with the image."""
    if request.param == "fuse-overlayfs" and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")
    found = Dacha(env={"DACHA_STORAGE_DRIVER": request.param})
    try:
        driver_checks.load(found, layout, request.param)
        yield found
    finally:
        found.close()


def test_box_shows_what_umoci_unpacks(installation: Dacha, expected: Manifest) -> None:
    driver_checks.check_tree(installation, expected)


def test_changes_last_and_stay_in_their_box(installation: Dacha) -> None:
    driver_checks.check_changes(installation, getpass.getuser())


def test_nothing_is_left_of_a_box(installation: Dacha) -> None:
    driver_checks.check_nothing_is_left(installation)


def test_a_copy_that_was_cut_short_is_made_anew(layout: Path) -> None:
    """`kill -9` while a box's own tree grows: the box is there, and its first start makes the tree."""
    dacha = Dacha(env={"DACHA_STORAGE_DRIVER": "vfs"})
    try:
        driver_checks.load(dacha, layout, "vfs")
        boxes = dacha.data / "containers" / "dacha" / "boxes"
        command = [str(dacha.executable), "create", "cut", "--image", "everything"]
        creating = subprocess.Popen(command, env=dacha.env, start_new_session=True, stdout=subprocess.PIPE)
        with creating:
            assert driver_checks.wait_until(lambda: any(boxes.glob("*/root~")))
            os.killpg(creating.pid, signal.SIGKILL)
        assert [path.name for path in boxes.glob("*/*")] == ["root~"]
        looked = dacha.run("run", "cut", "--", "ls", f"/{storage_image.TOP}/large", "/bin/sh", check=True)
        assert looked.stdout == f"/bin/sh\n/{storage_image.TOP}/large\n".encode()
        assert not list(boxes.glob("*/root~"))
    finally:
        dacha.close()


def test_another_driver_is_refused_while_there_are_images(layout: Path) -> None:
    dacha = Dacha(env={"DACHA_STORAGE_DRIVER": "vfs"})
    try:
        driver_checks.load(dacha, layout, "vfs")
        refused = dacha.run(
            "create", "never", "--image", "everything", env={"DACHA_STORAGE_DRIVER": "overlay"}
        )
        assert refused.returncode == 125
        assert b"asks for the storage driver 'overlay'" in refused.stderr
        assert b"has images made with 'vfs'" in refused.stderr
        assert b"doctor: store, driver: " in refused.stderr
        assert dacha.run("list", "--quiet", check=True).stdout == b""
        dacha.run("image", "rm", "--all", check=True)
        found = dacha.run("system", "info", "--json", env={"DACHA_STORAGE_DRIVER": "overlay"}, check=True)
        assert json.loads(found.stdout)["store"]["driver"] == "overlay"
    finally:
        dacha.close()
