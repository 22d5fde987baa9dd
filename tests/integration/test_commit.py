"""An image made of a box shows the very tree that the box had; what dacha put there is not in it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lib import nasty_tree, tree_manifest
from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import DIR, Entry, write_layout

BELOW = [
    Entry("t", DIR),
    Entry("t/removed", data=b"x"),
    Entry("t/gone", DIR),
    Entry("t/gone/inner", data=b"x"),
    Entry("t/remade", DIR),
    Entry("t/remade/old", data=b"x"),
    Entry("t/into-file", DIR),
    Entry("t/into-file/old", data=b"x"),
    Entry("t/into-directory", data=b"x"),
    Entry("t/link-to-be", data=b"x"),
    Entry("t/touched", data=b"x"),
    Entry("t/linked", data=b"x"),
    Entry("t/linked-2", "hardlink", linkname="t/linked"),
    Entry("t/stays", data=b"stays", uid=os.getuid(), gid=os.getgid()),
]


@pytest.fixture(scope="module")
def layout(images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image on an Alpine, with a /t to change."""
    directory = tmp_path_factory.mktemp("layout")
    return write_layout(directory, [images.alpine_tar.read_bytes(), BELOW], compression="gzip")


@pytest.fixture(scope="module")
def changed(shared_dacha: Dacha, layout: Path) -> Iterator[Dacha]:
    """A running box 'nasty', whose /t has been changed in every way."""
    _make_nasty(shared_dacha, layout)
    yield shared_dacha
    shared_dacha.run("rm", "--force", "nasty", check=True)


def _make_nasty(dacha: Dacha, layout: Path, *options: str) -> None:
    dacha.run("create", "nasty", "--image", f"oci:{layout}", check=True)
    dacha.run("run", "nasty", "--", "sudo", "adduser", "-D", "bob", check=True)
    _in_box(dacha, "nasty", nasty_tree.__file__, *options)


@pytest.fixture
def plain(shared_dacha: Dacha) -> Iterator[Dacha]:
    """A box 'plain' beside that one."""
    shared_dacha.run("create", "plain", "--image", "alpine-test", check=True)
    yield shared_dacha
    shared_dacha.run("rm", "--force", "plain", check=True)


def _in_box(dacha: Dacha, box: str, program: str, *options: str) -> bytes:
    dacha.run("start", box, check=True)
    [facts] = json.loads(dacha.run("inspect", box, check=True).stdout)
    argv = [sys.executable, program, "--box", str(facts["pid"]), "/t", *options]
    return subprocess.run(argv, check=True, capture_output=True).stdout


def _manifest(dacha: Dacha, box: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_in_box(dacha, box, tree_manifest.__file__))
    return found


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_image_of_a_box_shows_the_same_tree(changed: Dacha, *, runs: bool) -> None:
    expected = _manifest(changed, "nasty")
    assert len(expected) > 40
    if not runs:
        changed.run("stop", "nasty", check=True)
    for box, name in (("nasty", "copy"), ("copy", "copy-of-copy")):
        changed.run("commit", box, name, check=True)
        changed.run("create", name, "--image", name, check=True)
    try:
        for name in ("copy", "copy-of-copy"):
            found = _manifest(changed, name)
            assert found.keys() == expected.keys()
            for path, facts in expected.items():
                assert found[path] == facts, path
    finally:
        changed.run("rm", "--force", "copy", "copy-of-copy", check=True)


@pytest.mark.parametrize("driver", ["fuse-overlayfs", "vfs"])
def test_other_storage_drivers_are_as_exact(layout: Path, driver: str) -> None:
    """With fuse-overlayfs as far as it goes: it knows no access control lists and no times before 1970."""
    is_fuse = driver == "fuse-overlayfs"
    if is_fuse and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")
    dacha = Dacha(env={"DACHA_STORAGE_DRIVER": driver})
    try:
        _make_nasty(dacha, layout, *(["--plain"] if is_fuse else []))
        # A FUSE server's files may have times in the kernel's memory that are not those on disk.
        dacha.run("restart", "nasty", check=True)
        expected = _manifest(dacha, "nasty")
        said = set(dacha.run("diff", "nasty", check=True).stdout.decode().splitlines())
        assert {"D /t/removed", "D /t/gone", "D /t/remade/old", "A /t/remade/new", "C /t/touched"} <= said
        assert not {line for line in said if "sudoers" in line or "debian_chroot" in line}
        dacha.run("commit", "nasty", "copy", check=True)
        dacha.run("create", "copy", "--image", "copy", check=True)
        found = _manifest(dacha, "copy")
        assert found.keys() == expected.keys()
        for path, facts in expected.items():
            assert found[path] == facts, path
    finally:
        dacha.close()


def test_other_tools_unpack_the_same_tree(changed: Dacha, tmp_path: Path) -> None:
    if shutil.which("umoci") is None:
        pytest.skip("needs umoci")
    expected = _manifest(changed, "nasty")
    changed.run("commit", "nasty", "for-others", check=True)
    changed.run("image", "push", "for-others", f"oci:{tmp_path}/oci:t", check=True)
    mapped = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
    bundle = tmp_path / "bundle"
    # In one namespace, since the bundle belongs to ids that only it has.
    script = (
        'umoci unpack --image "$1/oci:t" "$1/bundle" >&2 && "$2" "$3" "$1/bundle/rootfs/t"; '
        'code=$?; rm -rf "$1/bundle"; exit $code'
    )
    words = ["sh", "-c", script, "sh", str(tmp_path), sys.executable, tree_manifest.__file__]
    found = json.loads(subprocess.run([*mapped, *words], check=True, capture_output=True).stdout)
    assert not bundle.exists()
    # Go's archive/tar takes a record without a value for none, so umoci loses that attribute,
    # and it does not know how GNU tar quotes the names of attributes.
    del expected["./attributed"]["xattrs"]["user.empty"]
    odd = expected["./capable"]["xattrs"]
    odd["user.name%3D%2541"] = odd.pop("user.name=%41")
    assert found.keys() == expected.keys()
    for path, facts in expected.items():
        assert found[path] == facts, path


def test_flat_archive_makes_an_image_with_the_same_tree(changed: Dacha, tmp_path: Path) -> None:
    expected = _manifest(changed, "nasty")
    changed.run("tar", "nasty", "-o", f"{tmp_path}/nasty.tar", check=True)
    changed.run("image", "import", f"{tmp_path}/nasty.tar", "flat", "-c", "CMD x", check=True)
    changed.run("create", "flat", "--image", "flat", check=True)
    try:
        found = _manifest(changed, "flat")
        assert found.keys() == expected.keys()
        for path, facts in expected.items():
            assert found[path] == facts, path
    finally:
        changed.run("rm", "--force", "flat", check=True)


def test_image_is_mounted_only_in_a_namespace(changed: Dacha) -> None:
    if os.geteuid() != 0:
        outside = changed.run("image", "mount", "alpine-test")
        assert outside.returncode == 125
        assert b"hint: first: dacha unshare" in outside.stderr
    dacha = str(changed.executable)
    script = (
        f"d=$({dacha} image mount alpine-test) && cat $d/etc/os-release; touch $d/x; {dacha} image mount;"
    )
    inside = changed.run("unshare", "sh", "-c", f"{script} {dacha} image unmount --all")
    assert b"ID=alpine" in inside.stdout
    assert b"Read-only" in inside.stderr
    assert inside.returncode == 0
    assert changed.run("unshare", "sh", "-c", "exit 7").returncode == 7
    assert changed.run("unshare", "no-such-program").returncode == 127


def test_holes_stay_holes(changed: Dacha) -> None:
    changed.run("commit", "nasty", "holes", check=True)
    changed.run("create", "holes", "--image", "holes", check=True)
    try:
        script = "cd /t && du -k sparse only-a-hole tail"
        sizes = changed.run("run", "holes", "--", "sh", "-c", script, check=True).stdout.split()[::2]
        assert all(int(size) < 100 for size in sizes), sizes
    finally:
        changed.run("rm", "--force", "holes", check=True)


def test_user_is_in_no_image(changed: Dacha) -> None:
    """The box has its own passwd since adduser wrote it, with the user in it; whom the image gets anew."""
    if os.geteuid() == 0:
        pytest.skip("root is in every image")
    changed.run("commit", "nasty", "users", check=True)
    changed.run("create", "users", "--image", "users", check=True)
    name = changed.run("run", "users", "--", "id", "-un", check=True).stdout.strip()
    try:
        upper = changed.run("run", "users", "--", "cat", "/etc/passwd", check=True).stdout
        assert b"bob:" in upper
        assert upper.count(name + b":") <= 2  # the name and the home of one line
        layers = changed.data / "containers" / "dacha" / "layers"
        mapped = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
        for file in ("passwd", "passwd-", "group", "shadow"):
            pattern = ["sh", "-c", f"grep -ls '^{name.decode()}:' {layers}/*/*/etc/{file}"]
            found = subprocess.run([*mapped, *pattern], capture_output=True, check=False).stdout
            assert found == b"", found
    finally:
        changed.run("rm", "--force", "users", check=True)


def test_diff_tells_what_was_done(changed: Dacha) -> None:
    said = set(changed.run("diff", "nasty", check=True).stdout.decode().splitlines())
    assert {
        "C /t",
        "D /t/removed",
        "D /t/gone",
        "C /t/remade",
        "D /t/remade/old",
        "A /t/remade/new",
        "C /t/into-file",
        "C /t/into-directory",
        "A /t/into-directory/inner",
        "C /t/touched",
        "A /t/no-\\xff-utf8\\x0a",
        "A /home/bob",
    } <= said
    assert not {line for line in said if "sudoers" in line or "/run" in line or "debian_chroot" in line}


def test_diff_of_a_box_that_only_ran_is_empty(plain: Dacha) -> None:
    assert plain.run("diff", "plain", check=True).stdout == b""
    plain.run("start", "plain", check=True)
    assert plain.run("diff", "plain", check=True).stdout == b""
    plain.run("run", "plain", "--", "sudo", "chmod", "a+r", "/etc/sudoers.d/dacha", "/etc/hosts", check=True)
    assert plain.run("diff", "plain", check=True).stdout in (b"", b"C /etc\n", b"C /etc\nC /etc/sudoers.d\n")


def test_diff_as_json_and_of_an_image(changed: Dacha) -> None:
    of_box = json.loads(changed.run("diff", "--json", "nasty", check=True).stdout)
    assert set(of_box) == {"added", "changed", "deleted"}
    changed.run("commit", "nasty", "differs", check=True)
    of_image = json.loads(changed.run("diff", "--json", "differs", check=True).stdout)
    assert of_image["deleted"] == of_box["deleted"]
    assert set(of_image["added"]) == set(of_box["added"])


def test_configuration_is_changed_as_wished(plain: Dacha) -> None:
    options = [
        "--author",
        "A. N. Other",
        "--message",
        "no more",
        "--change",
        "ENV A=b c",
        "--change",
        "CMD x",
    ]
    image = plain.run("commit", "-q", "plain", "configured", *options, check=True)
    assert image.stderr == b""
    database = plain.data / "containers" / "dacha" / "dacha.db"
    query = "SELECT config FROM images JOIN image_names ON image = id WHERE name = 'configured'"
    config = json.loads(sqlite3.connect(database).execute(query).fetchone()[0])
    assert config["config"]["Cmd"] == ["/bin/sh", "-c", "x"]
    assert "A=b c" in config["config"]["Env"]
    assert config["author"] == "A. N. Other"
    assert config["history"][-1]["comment"] == "no more"
    assert config["rootfs"]["diff_ids"][-1].startswith("sha256:")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["commit", "nope", "image"], "no box named"),
        (["commit", "plain"], "NAME"),
        (["commit", "plain", "a b"], "is no"),
        (["commit", "plain", "oci:x"], "no name for an image"),
        (["commit", "plain", "x", "--change", "FROM y"], "no change of an image"),
        (["diff", "nope"], "neither a box nor an image"),
    ],
)
def test_mistakes_are_named(plain: Dacha, words: list[str], says: str) -> None:
    done = plain.run(*words)
    assert (done.returncode, done.stdout) == (125, b"")
    assert says in done.stderr.decode()


def test_name_that_a_layer_cannot_have_is_refused(plain: Dacha) -> None:
    plain.run("run", "plain", "--", "sudo", "touch", "/.wh.hosts", check=True)
    done = plain.run("commit", "plain", "image")
    assert done.returncode == 125
    assert ".wh.hosts" in done.stderr.decode()
    assert b"image" not in plain.run("image", "list", "--json", check=True).stdout.replace(b"images", b"")
