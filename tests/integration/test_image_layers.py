"""What is in an image's layers is what a box shows: owners, links, bits, removals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import Entry, opaque, whiteout, write_layout

UID, GID = os.getuid(), os.getgid()


def _entries() -> list[Entry]:
    """Files of a user who has the tester's number, as Ubuntu's images have them."""
    return [
        Entry("home/image-user", "dir", mode=0o750, uid=UID, gid=GID, mtime=1_600_000_000),
        Entry("home/image-user/notes", data=b"mine\n", uid=UID, gid=GID, mode=0o640, mtime=1_600_000_001),
        Entry("home/image-user/again", "hardlink", linkname="home/image-user/notes"),
        Entry("home/image-user/diary", data=b"mine\n", uid=UID, gid=GID, mode=0o600),
        Entry("home/image-user/link", "symlink", linkname="notes", uid=UID, gid=GID),
        Entry("opt/tools", "dir", mode=0o2775, uid=0, gid=GID),
        Entry("opt/tools/of-group", data=b"group\n", uid=0, gid=GID, mode=0o660),
        Entry("opt/tools/set-uid", data=b"#!/bin/true\n", uid=UID, gid=0, mode=0o4755),
        Entry("opt/tools/of-root", data=b"root\n", uid=0, gid=0),
        Entry("opt/tools/of-other", data=b"other\n", uid=4321, gid=4322),
        Entry("opt/deep/er", "dir", mode=0o711, uid=7, gid=8),
        Entry("opt/deep/er/pipe", "fifo", uid=UID, gid=GID, mode=0o600),
    ]


@pytest.fixture(scope="module")
def box(shared_dacha: Dacha, images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A box of an Alpine with a layer of such files on top."""
    layout = write_layout(
        tmp_path_factory.mktemp("layout"), [images.alpine_tar.read_bytes(), _entries()], compression="gzip"
    )
    shared_dacha.run("create", "delta", "--image", f"oci:{layout}", check=True)
    yield "delta"
    shared_dacha.run("rm", "--force", "delta", check=True)


def _in_box(dacha: Dacha, box: str, command: str) -> str:
    return dacha.run("run", box, "--", "sh", "-c", command, check=True).stdout.decode()


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        ("/home/image-user", f"{UID}:{GID} 750"),
        ("/home/image-user/notes", f"{UID}:{GID} 640"),
        ("/home/image-user/link", f"{UID}:{GID} 777"),
        ("/opt/tools", f"0:{GID} 2775"),
        ("/opt/tools/of-group", f"0:{GID} 660"),
        ("/opt/tools/set-uid", f"{UID}:0 4755"),
        ("/opt/tools/of-root", "0:0 644"),
        ("/opt/tools/of-other", "4321:4322 644"),
        ("/opt/deep/er", "7:8 711"),
        ("/opt/deep/er/pipe", f"{UID}:{GID} 600"),
    ],
)
def test_owner_and_mode_are_the_images(shared_dacha: Dacha, box: str, path: str, facts: str) -> None:
    assert _in_box(shared_dacha, box, f"stat -c '%u:%g %a' {path}").strip() == facts


def test_files_of_the_users_number_are_the_users(shared_dacha: Dacha, box: str) -> None:
    output = _in_box(shared_dacha, box, "cd /home/image-user && echo more >>diary && cat diary link")
    assert output == "mine\nmore\nmine\n"


def test_hard_links_and_times_survive_the_copy(shared_dacha: Dacha, box: str) -> None:
    command = "cd /home/image-user && stat -c %i notes again | uniq | wc -l && stat -c %Y ."
    assert _in_box(shared_dacha, box, command).split() == ["1", "1600000000"]


def test_root_of_the_box_may_touch_all_of_them(shared_dacha: Dacha, box: str) -> None:
    assert (
        _in_box(shared_dacha, box, "sudo chown -R 12:13 /opt/tools && stat -c %u /opt/tools/of-group")
        == "12\n"
    )


def test_later_layers_take_away(shared_dacha: Dacha, images: RealImages, tmp_path: Path) -> None:
    first = [Entry(f"srv/{name}", data=b"x") for name in ("kept/a", "kept/b", "emptied/c", "gone")]
    second = [whiteout("srv/kept/b"), whiteout("srv/gone"), opaque("srv/emptied"), Entry("srv/emptied/new")]
    layout = write_layout(tmp_path, [images.alpine_tar.read_bytes(), first, second], compression="zstd")
    shared_dacha.run("create", "removals", "--image", f"oci:{layout}", check=True)
    try:
        listed = _in_box(shared_dacha, "removals", "cd /srv && find . -type f | sort").split()
        assert listed == ["./emptied/new", "./kept/a"]
    finally:
        shared_dacha.run("rm", "--force", "removals", check=True)


def test_image_written_by_umoci_is_read(shared_dacha: Dacha, images: RealImages) -> None:
    shared_dacha.run("create", "umoci", "--image", f"oci:{images.layout}:debian-bookworm", check=True)
    try:
        command = "cd /testbed && find . | sort && stat -c '%u:%g %a' file && cat hard"
        listed = _in_box(shared_dacha, "umoci", command).split("\n")
        assert listed == [
            *(".", "./dir", "./dir/a", "./file", "./hard", "./old", "./old/new", "./sym"),
            *("1234:1234 4755", "file", ""),
        ]
    finally:
        shared_dacha.run("rm", "--force", "umoci", check=True)


def test_layer_that_is_listed_twice_counts_once(
    shared_dacha: Dacha, images: RealImages, tmp_path: Path
) -> None:
    """As docker's empty layer is; overlayfs refuses to stack a directory on itself."""
    twice, between = [Entry("srv/a", data=b"upper")], [Entry("srv/a", data=b"lower")]
    layout = write_layout(tmp_path, [images.alpine_tar.read_bytes(), twice, between, twice])
    shared_dacha.run("create", "twice", "--image", f"oci:{layout}", check=True)
    try:
        assert _in_box(shared_dacha, "twice", "cat /srv/a") == "upper"
    finally:
        shared_dacha.run("rm", "--force", "twice", check=True)
