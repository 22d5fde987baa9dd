"""The same image gives the same box with every storage driver, and a box the same life."""

from __future__ import annotations

import getpass
import os
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
