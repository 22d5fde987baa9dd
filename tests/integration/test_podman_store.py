"""Images of podman's come over exactly: the same ids, the same layers, the same trees."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import Entry, opaque, whiteout, write_layout
from tests.lib.podman import Podman

# Everything that may go wrong between an archive and podman's files.
FIRST = [
    Entry("srv", "dir"),
    Entry("srv/big", data=os.urandom(300_000)),
    Entry("srv/empty"),
    Entry("srv/file", data=b"set-uid", mode=0o4750, uid=1234, gid=1235),
    Entry("srv/hard", "hardlink", linkname="srv/file", mode=0o4750, uid=1234, gid=1235),
    Entry("srv/secret", data=b"of root alone", mode=0o000),
    Entry("srv/closed", "dir", mode=0o000, uid=7, gid=8),
    Entry("srv/closed/inside", data=b"behind a closed door", mode=0o600, uid=7),
    Entry("srv/sym", "symlink", linkname="/srv/file"),
    Entry("srv/real", "dir"),
    Entry("srv/through", "symlink", linkname="real"),
    Entry("srv/through/there", data=b"by a symlink of the archive's own"),
    Entry("srv/pipe", "fifo"),
    Entry("srv/" + "long-" * 40, data=b"long"),
    Entry("srv/caf\udce9 \\x", data=b"no UTF-8"),
    Entry("srv/<&>\u2028\u00e9", data=b"what JSON of Go escapes"),
    Entry(
        "srv/xattr",
        data=b"x",
        xattrs={
            "user.mine": b"\x00\xff",
            "security.capability": bytes.fromhex("0100000200200000000000000000000000000000"),
        },
    ),
    Entry("srv/old", "dir"),
    Entry("srv/old/hidden", data=b"x"),
    Entry("srv/gone", data=b"x"),
]
SECOND = [whiteout("srv/gone"), Entry("srv/old", "dir"), opaque("srv/old"), Entry("srv/old/new", data=b"new")]
FUSE = "overlay.mount_program=/usr/bin/fuse-overlayfs"


@pytest.fixture(scope="module")
def layout(images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with `odd`, all of whose files are above, and `alpine`, which has them on top of an Alpine."""
    directory = tmp_path_factory.mktemp("layout")
    write_layout(directory, [FIRST, SECOND], tags=["odd"])
    return write_layout(directory, [images.alpine_tar.read_bytes(), FIRST, SECOND], tags=["alpine"])


@pytest.fixture(scope="module")
def podman(layout: Path) -> Iterator[Podman]:
    """A store of the driver overlay: pulled, built, imported, and an image without a name."""
    podman = Podman()
    try:
        podman.pull(layout, "odd")
        podman.pull(layout, "alpine", "docker.io/library/odd:1", "localhost/mine:latest")
        podman.run(
            *("build", "--quiet", "--isolation=chroot", "--tag=built", "-"),
            stdin=b"FROM localhost/mine\nRUN echo built >/srv/built && rm /srv/big\nENV GREETING=hello\n",
        )
        yield podman
    finally:
        podman.close()


def _listing(dacha: Dacha, **options: Any) -> dict[str, Any]:
    images = json.loads(dacha.run("image", "list", "--json", check=True, **options).stdout)
    return {image["id"]: image for image in images}


@pytest.fixture(scope="module")
def imported(podman: Podman) -> Iterator[Dacha]:
    """An installation that has taken over all there is."""
    installation = Dacha()
    try:
        installation.run("image", "import-podman", "--all", "--root", podman.root, check=True)
        yield installation
    finally:
        installation.close()


def test_ids_names_and_layers_are_podmans(imported: Dacha, podman: Podman) -> None:
    found = _listing(imported)
    for name in ("docker.io/library/odd:1", "localhost/built"):
        facts = podman.inspect(name)
        image = found[f"sha256:{facts['Id']}"]
        assert image["layers"] == facts["RootFS"]["Layers"]
        assert sorted(image["names"]) == sorted(each.removesuffix(":latest") for each in facts["RepoTags"])
    assert len(found) == 2, "those without a name are not asked for"


def _tree(text: str) -> list[str]:
    return sorted(text.rstrip("\0").split("\0"))


_STAT = r"find srv -exec stat -c '%n %f %u:%g %s %Y %h' {} + | tr '\n' '\0'"


def test_trees_are_those_that_podman_mounts(imported: Dacha, podman: Podman) -> None:
    mount = f"podman --root={podman.root} --runroot={podman.runtime}/run --storage-driver=overlay image mount"
    theirs = podman.unshare(f'cd "$({mount} built)" && {_STAT}')
    imported.run("create", "tree", "--image", "built", check=True)
    ours = imported.run("run", "tree", "--", "sudo", "sh", "-c", f"cd / && {_STAT}", check=True).stdout
    assert _tree(os.fsdecode(ours)) == _tree(theirs)


def test_a_box_of_what_podman_built_runs(imported: Dacha) -> None:
    imported.run("create", "running", "--image", "built", check=True)
    done = imported.run(
        "run", "running", "--", "sh", "-c", "cat /srv/built && ls /srv/old /srv/big", check=False
    )
    assert done.stdout.decode().split() == ["built", "/srv/old:", "new"]


def test_what_is_there_is_skipped(imported: Dacha, podman: Podman) -> None:
    done = imported.run("image", "import-podman", "built", "--root", podman.root, "--json", check=True)
    (outcome,) = json.loads(done.stdout)
    assert (outcome["was_there"], outcome["new_layers"], outcome["layers"]) == (True, 0, 4)


@pytest.mark.parametrize(
    ("driver", "options"), [("overlay", (FUSE,)), ("vfs", ())], ids=["fuse-overlayfs", "vfs"]
)
def test_other_drivers_stores_are_read(
    empty_dacha: Dacha, layout: Path, driver: str, options: tuple[str, ...]
) -> None:
    if options and shutil.which("fuse-overlayfs") is None:
        pytest.skip("needs fuse-overlayfs")
    podman = Podman(driver, *options)
    try:
        image = podman.pull(layout, "odd", "odd")
        empty_dacha.run("image", "import-podman", "--all", "--root", podman.root, check=True)
        found = _listing(empty_dacha)[f"sha256:{image}"]
        assert found["layers"] == podman.inspect(image)["RootFS"]["Layers"]
    finally:
        podman.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root's storage.conf is the machine's")
def test_podmans_own_store_is_where_its_configuration_says(empty_dacha: Dacha, podman: Podman) -> None:
    path = empty_dacha.config / "containers" / "storage.conf"
    path.parent.mkdir()
    path.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{podman.root}"\n')
    (image,) = empty_dacha.run("image", "import-podman", "odd:1", check=True).stdout.decode().split()
    done = empty_dacha.run("image", "load", "containers-storage:odd:1", "--name", "mine", check=True)
    assert done.stdout.decode().strip() == image
    assert _listing(empty_dacha)[image]["names"] == ["docker.io/library/odd:1", "localhost/mine", "mine"]


def test_images_of_a_store_for_all_are_listed_and_come_over_when_used(
    empty_dacha: Dacha, podman: Podman
) -> None:
    env = {"STORAGE_OPTS": f"overlay.imagestore={podman.root}"}
    before = _listing(empty_dacha, env=env)
    assert {image["read_only"] for image in before.values()} == {True}
    table = empty_dacha.run("image", "list", env=env, check=True).stdout.decode()
    assert "R/O" in table.splitlines()[0]
    assert "docker.io/library/odd:1" in table
    empty_dacha.run("create", "lazy", "--image", "docker.io/library/odd:1", env=env, check=True)
    after = _listing(empty_dacha, env=env)
    assert before.keys() == after.keys()
    ours = [image for image in after.values() if not image["read_only"]]
    assert [image["id"] for image in ours] == [f"sha256:{podman.inspect('odd:1')['Id']}"]
    assert empty_dacha.run("run", "lazy", "--", "cat", "/srv/old/new", check=True).stdout == b"new"
