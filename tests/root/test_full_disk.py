"""A full disk: one line that says so, nothing half-made, and the way out of it is open."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.images import RealImages
from tests.lib.ordinary_user import OrdinaryUser

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="is for root: scripts/test runs it so")


class SmallDisk:
    """A user's store on a file system of a few megabytes."""

    def __init__(self, user: OrdinaryUser) -> None:
        self.user = user
        options = f"size=12m,uid={user.uid},gid={user.gid},mode=700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", user.data], check=True)
        try:
            os.setxattr(user.data, "user.overlay.test", b"x")
        except OSError:
            self.close()
            pytest.skip("needs user xattrs on a tmpfs, for overlayfs: Linux 6.6")

    def grow(self) -> None:
        """Make it large enough for all."""
        subprocess.run(["mount", "-o", "remount,size=200m", "small", self.user.data], check=True)

    def fill(self) -> None:
        """Leave no byte of it."""
        self.user.call("sh", "-c", f"cat /dev/zero > {self.user.data}/ballast")
        filled = os.statvfs(self.user.data)
        assert filled.f_bavail == 0

    def empty(self) -> None:
        """Free what `fill` took."""
        (self.user.data / "ballast").unlink()

    def staged(self) -> list[str]:
        """What lies around half-made."""
        return [path.name for path in (self.user.data / "containers" / "dacha" / "staging").iterdir()]

    def close(self) -> None:
        subprocess.run(["umount", self.user.data], check=False)


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    """A user's store on a disk that is too small for an image."""
    user = OrdinaryUser()
    try:
        small = SmallDisk(user)
        try:
            yield small
        finally:
            (user.data / "ballast").unlink(missing_ok=True)
            user.run("rm", "--all", "--force")
            small.close()
    finally:
        user.close()


@pytest.fixture
def with_box(disk: SmallDisk, images: RealImages) -> SmallDisk:
    """The disk large enough, with a box, and then full."""
    disk.grow()
    disk.user.run("image", "load", f"tar:{images.alpine_tar}", "--name", "image", check=True)
    disk.user.run("create", "work", "--image", "image", check=True)
    disk.user.run("run", "work", "--", "sudo", "touch", "/kept", check=True)
    disk.user.run("stop", "work", check=True)
    disk.fill()
    return disk


def _says_so(done: subprocess.CompletedProcess[bytes]) -> None:
    lines = [line for line in done.stderr.decode().splitlines() if not line.startswith("unpacking ")]
    assert done.returncode == 125, lines
    assert done.stdout == b""
    assert lines[0].startswith("dacha: "), lines
    # doctor says how much is left.
    assert [line.partition(":")[0] for line in lines[1:]] == ["doctor", "hint"], lines
    assert "free space" in lines[1]
    assert "dacha image rm" in lines[2]


def test_image_that_does_not_fit_leaves_nothing(disk: SmallDisk, images: RealImages) -> None:
    load = ["image", "load", f"tar:{images.alpine_tar}", "--name", "image"]
    done = disk.user.run(*load)
    _says_so(done)
    assert b"No space left" in done.stderr
    assert disk.staged() == []
    assert b"image" not in disk.user.run("image", "list", "--json", check=True).stdout
    disk.grow()
    disk.user.run(*load, check=True)


def test_create_on_a_full_disk_makes_no_box(with_box: SmallDisk) -> None:
    # What dacha holds back for this case is used up, and the disk is full again.
    with_box.user.run("list", check=True)
    with_box.fill()
    _says_so(with_box.user.run("create", "another", "--image", "image"))
    with_box.empty()
    assert with_box.user.run("list", "--quiet", check=True).stdout == b"work\n"
    with_box.user.run("create", "another", "--image", "image", check=True)


def test_start_on_a_full_disk_starts_nothing_or_all(with_box: SmallDisk) -> None:
    done = with_box.user.run("start", "work")
    if done.returncode != 0:
        _says_so(done)
        assert b'"stopped"' in with_box.user.run("list", "--json", check=True).stdout
        with_box.empty()
    assert with_box.user.run("run", "work", "--", "ls", "/kept", check=True).stdout == b"/kept\n"


def test_box_that_fills_the_disk_can_be_entered_stopped_and_removed(with_box: SmallDisk) -> None:
    """Removing something is how people make room."""
    with_box.empty()
    user = with_box.user
    user.run("start", "work", check=True)
    done = user.run("run", "work", "--", "sudo", "sh", "-c", "cat /dev/zero > /ballast")
    assert b"No space left on device" in done.stderr
    assert os.statvfs(user.data).f_bavail == 0
    user.run("enter", "work", "--", "true", check=True)
    user.run("stop", "work", check=True)
    user.run("rm", "work", check=True)
    assert os.statvfs(user.data).f_bavail > 0
    assert with_box.staged() == []


def test_image_can_be_removed_from_a_full_disk(with_box: SmallDisk) -> None:
    user = with_box.user
    user.run("rm", "work", check=True)
    user.run("image", "rm", "image", check=True)
    assert os.statvfs(user.data).f_bavail > 0


def test_home_that_is_full_does_not_keep_a_box_from_running(with_box: SmallDisk, tmp_path: Path) -> None:
    with_box.empty()
    with_box.user.run("start", "work", check=True)
    with_box.fill()
    assert with_box.user.run("run", "work", "--", "echo", "up", check=True).stdout == b"up\n"
