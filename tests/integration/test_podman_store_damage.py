"""Stores that podman would not write: a clear error, and nothing has changed."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lib.containers_storage import HandMadeStore, write_store
from tests.lib.dacha import Dacha
from tests.lib.oci import Entry

LAYERS = [
    [Entry("srv", "dir"), Entry("srv/file", data=b"hello"), Entry("srv/big", data=bytes(100_000))],
    [Entry("srv/more", data=b"more"), Entry("srv/n\udcffme", data=b"odd")],
]


@pytest.fixture(scope="module")
def installation() -> Iterator[Dacha]:
    """An installation whose store must stay empty."""
    installation = Dacha()
    try:
        yield installation
    finally:
        installation.close()


@pytest.fixture
def store(tmp_path: Path) -> HandMadeStore:
    """An image of two layers."""
    unique = Entry("srv/unique", data=os.urandom(16))  # no layer is there from another test
    return write_store(tmp_path / "storage", [[*LAYERS[0], unique], [*LAYERS[1], unique]])


def _import(dacha: Dacha, store: HandMadeStore, *more: str) -> subprocess.CompletedProcess[bytes]:
    return dacha.run("image", "import-podman", "--root", store.root, *(more or ("--all",)))


def test_what_the_tests_write_is_a_store(empty_dacha: Dacha, store: HandMadeStore) -> None:
    """Else the failures below would prove nothing."""
    done = _import(empty_dacha, store)
    assert (done.stdout.decode().strip(), done.returncode) == (f"sha256:{store.image}", 0), done.stderr


def test_the_store_is_only_read(empty_dacha: Dacha, store: HandMadeStore) -> None:
    def snapshot() -> list[tuple[str, int, int]]:
        found = ((path, path.lstat()) for path in sorted(store.root.rglob("*")))
        return [(str(path), facts.st_mtime_ns, facts.st_ctime_ns) for path, facts in found]

    before = snapshot()
    assert _import(empty_dacha, store).returncode == 0
    assert snapshot() == before


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _replace_by_symlink(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _tamper_with_tar_split(store: HandMadeStore, line: bytes) -> None:
    path = store.layers[1].tar_split
    path.write_bytes(gzip.compress(line + b"\n" + gzip.decompress(path.read_bytes())))


def _cycle(store: HandMadeStore) -> None:
    records = json.loads(store.layers_json.read_text())
    records[0]["parent"] = records[1]["id"]
    store.layers_json.write_text(json.dumps(records))


Damage = Callable[[HandMadeStore], object]

DAMAGES: dict[str, tuple[Damage, str]] = {
    "images.json is no JSON": (lambda s: s.images_json.write_text("[{"), "images.json is damaged"),
    "images.json is an object": (lambda s: s.images_json.write_text("{}"), "no list of objects"),
    "images.json is nested deeply": (
        lambda s: s.images_json.write_text("[" * 100_000),
        "images.json is damaged",
    ),
    "an id leads out": (lambda s: _edit(s.images_json, s.image, "../../../etc"), "'../../../etc' is no id"),
    "images.json is a FIFO": (lambda s: _replace_by_fifo(s.images_json), "no regular file"),
    "layers.json is no JSON": (lambda s: s.layers_json.write_text("\0"), "layers.json is damaged"),
    "a layer has no record": (lambda s: s.layers_json.write_text("[]"), "is missing"),
    "layers lie on each other": (_cycle, "lies on itself"),
    "a layer was not finished": (
        lambda s: _edit(s.layers_json, '"diff-size"', '"flags": {"incomplete": true}, "diff-size"'),
        "was never finished",
    ),
    "no configuration": (lambda s: s.configuration.unlink(), "has no configuration"),
    "another configuration": (lambda s: s.configuration.write_text("{}"), "is damaged: it is not sha256:"),
    "no tar-split": (lambda s: s.layers[1].tar_split.unlink(), "its tar-split is missing"),
    "tar-split is no gzip": (lambda s: s.layers[1].tar_split.write_bytes(b"\x1f\x8bx"), "tar-split is"),
    "tar-split is cut off": (
        lambda s: s.layers[1].tar_split.write_bytes(s.layers[1].tar_split.read_bytes()[:-20]),
        "tar-split is cut off",
    ),
    "tar-split is no JSON": (lambda s: _tamper_with_tar_split(s, b"nonsense"), "damaged in line 1"),
    "tar-split has other kinds": (lambda s: _tamper_with_tar_split(s, b'{"type": 3}'), "damaged in line 1"),
    "tar-split leads out": (
        lambda s: _tamper_with_tar_split(s, b'{"type": 1, "name": "../../../../etc/passwd", "size": 9}'),
        "cannot read '../../../../etc/passwd' of it: No such file",
    ),
    "tar-split wants more than there is": (
        lambda s: _tamper_with_tar_split(s, b'{"type": 1, "name": "srv/more", "size": 1152921504606846976}'),
        "'srv/more' of it is shorter",
    ),
    "a file is missing": (lambda s: (s.layers[1].diff / "srv/more").unlink(), "cannot read 'srv/more' of it"),
    "a file is a FIFO": (lambda s: _replace_by_fifo(s.layers[1].diff / "srv/more"), "no regular file"),
    "a file is shorter": (lambda s: os.truncate(s.layers[1].diff / "srv/more", 1), "is shorter than it was"),
    "a big file is shorter": (
        lambda s: os.truncate(s.layers[0].diff / "srv/big", 1),
        "is shorter than it was",
    ),
    "a file has changed": (
        lambda s: (s.layers[1].diff / "srv/more").write_bytes(b"MORE"),
        "as its image says",
    ),
    "files are missing": (lambda s: shutil.rmtree(s.layers[1].diff), "its files are not to be had"),
    "files are behind a symlink": (
        lambda s: _replace_by_symlink(s.layers[1].diff),
        "its files are not to be had",
    ),
    "records are behind a symlink": (lambda s: _replace_by_symlink(s.images_json.parent), "a symlink"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_told_and_the_image_does_not_come(
    installation: Dacha, store: HandMadeStore, what: str
) -> None:
    damage, message = DAMAGES[what]
    damage(store)
    done = _import(installation, store)
    errors = done.stderr.decode()
    assert done.returncode == 125, errors
    assert message in errors
    assert "Traceback" not in errors
    assert "a bug" not in errors
    assert installation.run("image", "list", "--quiet", check=True).stdout == b""


def test_a_bad_image_does_not_spare_the_others(empty_dacha: Dacha, tmp_path: Path) -> None:
    good = write_store(tmp_path / "good", LAYERS, ["localhost/good:latest"])
    bad = json.loads(good.images_json.read_text())
    bad.insert(0, {**bad[0], "id": "0" * 64, "names": ["localhost/bad:latest"]})
    good.images_json.write_text(json.dumps(bad))
    done = _import(empty_dacha, good, "--all", "--json")
    failed, taken = json.loads(done.stdout)
    assert done.returncode == 125
    assert failed["asked"] == "localhost/bad:latest"
    assert "no configuration" in failed["error"]
    assert taken["names"] == ["localhost/good"]


def test_names_here_are_not_taken_away(empty_dacha: Dacha, tmp_path: Path, store: HandMadeStore) -> None:
    _import(empty_dacha, store)
    other = write_store(tmp_path / "other", LAYERS[:1], ["localhost/made:latest", "localhost/other:latest"])
    done = _import(empty_dacha, other, "made", "--json")
    (outcome,) = json.loads(done.stdout)
    assert (outcome["names"], outcome["kept_names"]) == (["localhost/other"], ["localhost/made"])
    assert b"'localhost/made' stays the name of another image" in done.stderr


def test_the_policy_is_asked(empty_dacha: Dacha, store: HandMadeStore) -> None:
    path = empty_dacha.config / "containers" / "policy.json"
    path.parent.mkdir()
    accept, reject = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]
    scopes = {"": accept, f"[overlay@{store.root}]localhost": reject}
    path.write_text(json.dumps({"default": reject, "transports": {"containers-storage": scopes}}))
    done = _import(empty_dacha, store)
    assert done.returncode == 125
    assert b"the signature policy rejects 'containers-storage:[overlay@" in done.stderr


def test_what_podman_writes_is_waited_for(empty_dacha: Dacha, store: HandMadeStore) -> None:
    with (store.root / "overlay-images" / "images.lock").open("r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        child = empty_dacha.spawn("image", "import-podman", "--all", "--root", store.root)
        child.expect("waiting for podman")
    child.expect(f"sha256:{store.image}")
    child.expect_exact(child.delimiter)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name images, or say --all"),
        (("made", "--all"), "name images, or say --all"),
        (("nowhere",), "podman has no image 'nowhere'"),
    ],
)
def test_a_wrong_line_is_told(
    installation: Dacha, store: HandMadeStore, args: tuple[str, ...], message: str
) -> None:
    done = installation.run("image", "import-podman", *args, "--root", store.root)
    assert done.returncode == 125
    assert message in done.stderr.decode()


def test_places_without_a_store_are_told(installation: Dacha, tmp_path: Path) -> None:
    for name, message in (
        ("missing", "there is no store of podman's at"),
        ("empty", "it has no overlay-images"),
        ("btrfs", "a store of the driver btrfs"),
    ):
        root = tmp_path / name
        if name != "missing":
            root.mkdir()
        if name == "btrfs":
            (root / "btrfs-images").mkdir()
        done = installation.run("image", "import-podman", "--all", "--root", root)
        assert (done.returncode, message in done.stderr.decode()) == (125, True), done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(installation: Dacha, store: HandMadeStore) -> None:
    store.images_json.parent.chmod(0)
    try:
        done = _import(installation, store)
    finally:
        store.images_json.parent.chmod(0o700)
    assert done.returncode == 125
    assert "Permission denied" in done.stderr.decode()
    assert "podman save" in done.stderr.decode()
