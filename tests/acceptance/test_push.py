"""`dacha image push` and `copy`: what registries and other tools find afterwards."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.lib.dacha import Dacha
from tests.lib.faulty import Fault, FaultyRegistry
from tests.lib.images import RealImages
from tests.lib.oci import DIR, FIFO, HARDLINK, SYMLINK, Entry, opaque, whiteout, write_layout, write_tar
from tests.lib.registry import PASSWORD, USER, Registry, skopeo

INSECURE = ("--tls-verify=false",)
LONG = "/".join(["directory-with-a-long-name"] * 12)
LAYERS = [
    [
        Entry("etc", DIR),
        Entry("etc/motd", data=b"hello\n" * 1000),
        Entry("etc/link", SYMLINK, linkname="motd"),
        Entry("etc/hard", HARDLINK, linkname="etc/motd"),
        Entry("etc/secret", mode=0o000, uid=1234, gid=5678, data=b"x"),
        Entry("su", mode=0o4755, data=b"elf", xattrs={"user.note": b"\x00\xff"}),
        Entry(f"{LONG}/file", data=b"deep"),
        Entry("caf\udce9", data=b"no UTF-8"),
        Entry("pipe", FIFO),
        Entry("./dotted/./name", data=b"odd"),
        Entry("empty"),
    ],
    [whiteout("etc/motd"), opaque("etc"), Entry("etc/new", data=bytes(70_000))],
    [],
]


@pytest.fixture(autouse=True)
def _no_images(pulling: Dacha) -> Iterator[None]:
    yield
    pulling.run("image", "rm", "--all", "--force", check=True)


def _load(dacha: Dacha, layout: Path, tag: str = "x") -> list[str]:
    """Load an image under the name `mine`; its diffIDs."""
    dacha.run("image", "load", f"oci:{layout}:{tag}", "--name", "mine", check=True)
    value = json.loads(dacha.run("image", "inspect", "mine", check=True).stdout)
    diff_ids: list[str] = value[0]["layers"]
    return diff_ids


def _inspect(name: str, *options: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        skopeo("inspect", "--tls-verify=false", *options, "--config", f"docker://{name}")
    )
    return value


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return write_layout(tmp_path / "in", LAYERS, tags=["x"])


def test_a_pushed_image_has_its_layers_again_bit_by_bit(
    pulling: Dacha, registry: Registry, layout: Path, tmp_path: Path
) -> None:
    diff_ids = _load(pulling, layout)
    name = f"{registry.host}/pushed/odd:1"
    pulling.run("image", "push", *INSECURE, "mine", name, check=True)
    assert _inspect(name)["rootfs"]["diff_ids"] == diff_ids
    # skopeo verifies diffIDs on its way into an archive of uncompressed layers.
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"docker-archive:{tmp_path}/out.tar")
    with tarfile.open(tmp_path / "out.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        digests = []
        for layer in manifest[0]["Layers"]:
            file = archive.extractfile(layer)
            assert file is not None
            digests.append(f"sha256:{hashlib.sha256(file.read()).hexdigest()}")
    assert digests == diff_ids


@pytest.mark.parametrize("image", ["debian-bookworm", "alpine-3.23"])
def test_real_images_come_out_as_they_went_in(
    pulling: Dacha, images: RealImages, tmp_path: Path, image: str
) -> None:
    """Among them layers of umoci, which end without padding; umoci unpacks what we write."""
    layout = images.layout
    diff_ids = _load(pulling, layout, image)
    pulling.run("image", "push", "-q", "mine", f"oci:{tmp_path}/out:x", check=True)
    index = json.loads((tmp_path / "out/index.json").read_text())
    blobs = tmp_path / "out/blobs/sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text())
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert config["rootfs"]["diff_ids"] == diff_ids
    skopeo("copy", "-q", f"oci:{tmp_path}/out:x", f"docker-archive:{tmp_path}/verified.tar")
    done = subprocess.run(
        ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/out:x", str(tmp_path / "bundle")],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-500:]
    assert (tmp_path / "bundle/rootfs/etc/os-release").exists()


def test_sparse_files_come_out_as_they_went_in(pulling: Dacha, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tree / "holes").open("wb") as file:
        for offset in (0, 1 << 20, 5 << 20):
            file.seek(offset)
            file.write(b"data" * 1024)
        file.truncate(8 << 20)
    for form in ("gnu", "pax"):
        tar = subprocess.run(
            ["tar", "--create", "--sparse", f"--format={form}", "-C", str(tree), "."],
            capture_output=True, check=True,
        ).stdout  # fmt: skip
        layout = write_layout(tmp_path / form, [tar], tags=["x"])
        _load(pulling, layout)
        pulling.run("image", "push", "-q", "mine", f"oci:{tmp_path}/out-{form}:x", check=True)


def test_what_is_there_is_not_sent_again(pulling: Dacha, registry: Registry, layout: Path) -> None:
    with FaultyRegistry(registry.url) as proxy:
        _load(pulling, layout)
        name = f"{proxy.host}/pushed/twice:1"
        first = pulling.run("image", "push", *INSECURE, "mine", name, check=True)
        assert proxy.requests("/uploads/", "PATCH")
        proxy.forget()
        second = pulling.run("image", "push", *INSECURE, "mine", name, check=True)
        assert not proxy.requests("/uploads/", "PATCH")
        assert first.stdout == second.stdout


def test_blobs_are_mounted_from_a_repository_beside(pulling: Dacha, registry: Registry, layout: Path) -> None:
    with FaultyRegistry(registry.url) as proxy:
        proxy_name = f"{proxy.host}/pushed/first:1"
        _load(pulling, layout)
        pulling.run("image", "push", *INSECURE, "mine", proxy_name, check=True)
        proxy.forget()
        done = pulling.run("image", "push", *INSECURE, "mine", f"{proxy.host}/other/second:1", check=True)
        assert proxy.requests("mount=sha256.*from=pushed%2Ffirst", "POST")
        assert done.stderr.count(b": mounted") == 3


def test_a_broken_upload_is_gone_on_with(pulling: Dacha, registry: Registry, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(20 << 20)  # noqa: S311  (no secret)
    layout = write_layout(tmp_path / "big", [[Entry("noise", data=noise)]], tags=["x"])
    with FaultyRegistry(registry.url) as proxy:
        diff_ids = _load(pulling, layout)
        proxy.inject(Fault("PATCH", "/uploads/", status=503), Fault("PATCH", "/uploads/", status=500))
        name = f"{proxy.host}/pushed/broken:1"
        pulling.run("image", "push", *INSECURE, "--retry-delay", "10ms", "mine", name, check=True)
        assert len(proxy.requests("/uploads/", "PATCH")) == 6  # three chunks, two of them failures, a config
    assert _inspect(f"{registry.host}/pushed/broken:1")["rootfs"]["diff_ids"] == diff_ids


def test_a_private_registry_is_pushed_to_with_a_login(
    pulling: Dacha, private_registry: Registry, layout: Path, tmp_path: Path
) -> None:
    _load(pulling, layout)
    assert private_registry.authority is not None
    (tmp_path / "certs").mkdir()
    shutil.copy(private_registry.authority, tmp_path / "certs/ca.crt")
    options = ("--cert-dir", str(tmp_path / "certs"))
    name = f"{private_registry.host}/pushed/private:1"
    done = pulling.run("image", "push", *options, "mine", name)
    assert done.returncode == 125
    assert b"dacha login" in done.stderr
    pulling.run("image", "push", *options, "--creds", f"{USER}:{PASSWORD}", "mine", name, check=True)
    assert _inspect(name, "--creds", f"{USER}:{PASSWORD}")["os"] == "linux"


def test_a_layer_that_was_changed_on_disk_is_not_pushed(
    pulling: Dacha, registry: Registry, tmp_path: Path
) -> None:
    layout = write_layout(tmp_path / "in", [[Entry("file", data=b"good")]], tags=["x"])
    _load(pulling, layout)
    (path,) = (pulling.data / "containers/dacha/layers").glob("*/*/file")
    command = f"printf evil >{path}"
    subprocess.run(["unshare", "--map-root-user", "--map-auto", "sh", "-c", command], check=True)
    done = pulling.run("image", "push", *INSECURE, "mine", f"{registry.host}/pushed/damaged:1")
    assert done.returncode == 125
    assert b"on disk is damaged" in done.stderr
    assert b"hint: " in done.stderr


def test_a_file_that_is_twice_in_a_layer_keeps_it_from_being_pushed(pulling: Dacha, tmp_path: Path) -> None:
    layer = write_tar([Entry("a", data=b"old"), Entry("a", data=b"new")])
    _load(pulling, write_layout(tmp_path / "in", [layer], tags=["x"]))
    done = pulling.run("image", "push", "mine", f"oci:{tmp_path}/out:x")
    assert done.returncode == 125
    assert b"no journal" in done.stderr


@pytest.mark.parametrize(
    ("form", "reading"),
    [
        ("oci:{}/out:x", "oci:{}/out:x"),
        ("oci-archive:{}/out.tar:x", "oci-archive:{}/out.tar:x"),
        ("docker-archive:{}/out.tar:mine:x", "docker-archive:{}/out.tar:docker.io/library/mine:x"),
        ("dir:{}/out", "dir:{}/out"),
    ],
)
def test_other_tools_read_what_is_pushed_into_files(
    pulling: Dacha, layout: Path, tmp_path: Path, form: str, reading: str
) -> None:
    diff_ids = _load(pulling, layout)
    pulling.run("image", "push", "mine", form.format(tmp_path), check=True)
    config = json.loads(skopeo("inspect", "--config", reading.format(tmp_path)))
    assert config["rootfs"]["diff_ids"] == diff_ids
    skopeo("copy", "-q", reading.format(tmp_path), f"docker-archive:{tmp_path}/verified.tar")
    pulling.run("image", "load", form.format(tmp_path), check=True)


def test_copies_keep_the_digest_on_all_ways(
    pulling: Dacha, registry: Registry, layout: Path, tmp_path: Path
) -> None:
    index = json.loads((layout / "index.json").read_text())
    digest = index["manifests"][0]["digest"]
    there = f"docker://{registry.host}/copied/odd:1"
    ways = [
        f"oci:{layout}:x", f"dir:{tmp_path}/d", f"oci-archive:{tmp_path}/a.tar:x", there,
        f"{there}2", f"oci:{tmp_path}/end:x",
    ]  # fmt: skip
    for source, target in pairwise(ways):
        done = pulling.run("image", "copy", *INSECURE, source, target, check=True)
        assert done.stdout.decode().strip() == digest, (source, target)
    assert not json.loads(pulling.run("image", "list", "--json", check=True).stdout)


def test_a_docker_archive_is_copied_to_a_registry(
    pulling: Dacha, registry: Registry, layout: Path, tmp_path: Path
) -> None:
    skopeo("copy", "-q", f"oci:{layout}:x", f"docker-archive:{tmp_path}/d.tar:mine:x")
    name = f"{registry.host}/copied/docker:1"
    pulling.run(
        "image", "copy", *INSECURE, f"docker-archive:{tmp_path}/d.tar", f"docker://{name}", check=True
    )
    assert _inspect(name)["os"] == "linux"


def test_what_a_registry_has_is_shown_without_a_download(
    pulling: Dacha, registry: Registry, layout: Path
) -> None:
    with FaultyRegistry(registry.url) as proxy:
        registry.copy_layout(layout, "x", "shown/odd:1")
        done = pulling.run("image", "inspect", "--remote", *INSECURE, f"{proxy.host}/shown/odd:1", check=True)
        (value,) = json.loads(done.stdout)
        assert value["download_bytes"] == sum(layer["size_bytes"] for layer in value["layers"])
        assert len(proxy.requests("/blobs/")) == 1  # the configuration


def test_tags_and_repositories_are_found(pulling: Dacha, registry: Registry, layout: Path) -> None:
    for tag in ("b", "a", "c"):
        registry.copy_layout(layout, "x", f"found/odd:{tag}")
    done = pulling.run("image", "tags", *INSECURE, f"{registry.host}/found/odd", check=True)
    assert done.stdout.split() == [b"a", b"b", b"c"]
    done = pulling.run("image", "search", "--registry", registry.host, *INSECURE, "FOUND", check=True)
    assert f"{registry.host}/found/odd".encode() in done.stdout
    pulling.run("image", "pull", "--all-tags", *INSECURE, f"{registry.host}/found/odd", check=True)
    (image,) = json.loads(pulling.run("image", "list", "--json", check=True).stdout)
    assert image["names"] == [f"{registry.host}/found/odd:{tag}" for tag in ("a", "b", "c")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push", "mine"), "names no registry"),
        (("push", "missing", "host.example/x"), "no image 'missing'"),
        (("push", "mine", "tar:x.tar"), "cannot be written to"),
        (("push", "mine", "oci:/etc"), "something else in it"),
        (("copy", "rootfs:/", "oci:x"), "cannot be copied from"),
        (("copy", "oci:/nowhere", "oci:x"), "no image layout"),
    ],
)
def test_what_cannot_be_pushed_is_said(
    pulling: Dacha, layout: Path, words: tuple[str, ...], said: str
) -> None:
    _load(pulling, layout)
    done = pulling.run("image", *words)
    assert done.returncode == 125
    assert said in done.stderr.decode()
