"""Boxes of images from everywhere an image can lie, as other tools have written it there."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": lambda data: zstandard.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": lambda data: bz2.compress(data, 1),
}
REF = "docker.io/library/alpine:3.23"


class Sources:
    """The Alpine of the tests, in the forms that skopeo and tar give it."""

    def __init__(self, images: RealImages, directory: Path) -> None:
        self.directory = directory
        self.rootfs_tar = images.alpine_tar
        self.docker_archive = directory / "docker.tar"
        self.oci_archive = directory / "oci.tar"
        self.dir = directory / "dir"
        source = f"oci:{images.layout}:alpine-3.23"
        _skopeo(source, f"docker-archive:{self.docker_archive}:{REF}")
        _skopeo(source, f"oci-archive:{self.oci_archive}:alpine")
        _skopeo(source, f"dir:{self.dir}")
        self.docker_dir = directory / "docker-dir"
        _skopeo(source, f"dir:{self.docker_dir}", "--format=v2s2")
        # The layout that umoci wrote, with both of its images, in the order in which tar finds the files.
        self.umoci_archive = directory / "umoci.tar"
        _run("tar", "-C", images.layout, "-cf", self.umoci_archive, ".")
        self.unpacked = directory / "rootfs"
        self.unpacked.mkdir(mode=0o700)
        exclude = "--exclude=./dev"
        _run("tar", "-C", self.unpacked, exclude, "--no-same-owner", "-xf", images.alpine_tar)


def _run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _skopeo(source: str, target: str, *options: str) -> None:
    _run("skopeo", "--insecure-policy", "copy", "--quiet", *options, source, target)


@pytest.fixture(scope="module")
def sources(images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(images, tmp_path_factory.mktemp("sources"))


def _in_box(dacha: Dacha, name: str, command: str) -> str:
    return dacha.run("run", name, "--", "sh", "-c", command, check=True).stdout.decode()


def _is_alpine(dacha: Dacha, name: str) -> bool:
    return _in_box(dacha, name, "cat /etc/alpine-release").startswith("3.23")


def _staged(dacha: Dacha) -> list[str]:
    staging = dacha.data / "containers" / "dacha" / "staging"
    return [path.name for path in staging.iterdir()] if staging.exists() else []


@pytest.mark.parametrize(
    "form",
    [
        "docker-archive:{0.docker_archive}",
        f"docker-archive:{{0.docker_archive}}:{REF}",
        "docker-archive:{0.docker_archive}:alpine:3.23",
        "docker-archive:{0.docker_archive}:@0",
        "oci-archive:{0.oci_archive}",
        "oci-archive:{0.oci_archive}:alpine",
        "oci-archive:{0.umoci_archive}:alpine-3.23",
        "dir:{0.dir}",
        "dir:{0.docker_dir}",
        "rootfs:{0.unpacked}",
        "{0.docker_archive}",
        "{0.oci_archive}",
        "{0.rootfs_tar}",
        "{0.dir}",
        "{0.unpacked}",
    ],
)
def test_a_box_is_made_of_it(empty_dacha: Dacha, sources: Sources, form: str) -> None:
    empty_dacha.run("create", "box", "--image", form.format(sources), check=True)
    assert _is_alpine(empty_dacha, "box")
    assert not _staged(empty_dacha)


@pytest.mark.parametrize("transport", ["", "docker-archive:"])
@pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS.keys())
def test_a_docker_archive_may_be_compressed(
    empty_dacha: Dacha, sources: Sources, tmp_path: Path, compress: Callable[[bytes], bytes], transport: str
) -> None:
    path = tmp_path / "image.tar.compressed"
    path.write_bytes(compress(sources.docker_archive.read_bytes()))
    empty_dacha.run("create", "box", "--image", f"{transport}{path}", check=True)
    assert _is_alpine(empty_dacha, "box")
    assert not _staged(empty_dacha), "the copy is gone"


def test_an_oci_archive_may_be_compressed(empty_dacha: Dacha, sources: Sources, tmp_path: Path) -> None:
    path = tmp_path / "image.tgz"
    path.write_bytes(gzip.compress(sources.oci_archive.read_bytes(), 1))
    empty_dacha.run("create", "box", "--image", f"oci-archive:{path}", check=True)
    assert _is_alpine(empty_dacha, "box")


@pytest.mark.parametrize("reference", ["-", "tar:-"])
def test_a_root_file_system_comes_from_standard_input(
    empty_dacha: Dacha, sources: Sources, reference: str
) -> None:
    data = gzip.compress(sources.rootfs_tar.read_bytes(), 1)
    empty_dacha.run("image", "load", reference, "--name", "piped", stdin=data, check=True)
    empty_dacha.run("create", "box", "--image", "piped", check=True)
    assert _is_alpine(empty_dacha, "box")


@pytest.mark.parametrize("reference", ["-", "docker-archive:-", f"docker-archive:-:{REF}"])
def test_what_docker_save_says_comes_from_standard_input(
    empty_dacha: Dacha, sources: Sources, reference: str
) -> None:
    data = sources.docker_archive.read_bytes()
    empty_dacha.run("create", "box", "--image", reference, stdin=data, check=True)
    assert _is_alpine(empty_dacha, "box")
    assert not _staged(empty_dacha)


def test_boxes_are_named_after_the_image(empty_dacha: Dacha, sources: Sources) -> None:
    created = empty_dacha.run("create", "--image", sources.unpacked, check=True)
    assert created.stdout == b"rootfs\n"


def test_all_forms_of_an_image_are_one_image(empty_dacha: Dacha, sources: Sources) -> None:
    forms = [
        *(f"docker-archive:{sources.docker_archive}", f"oci-archive:{sources.oci_archive}"),
        *(f"dir:{sources.dir}", f"oci-archive:{sources.umoci_archive}:alpine-3.23"),
    ]
    assert len({empty_dacha.run("image", "load", form, check=True).stdout for form in forms}) == 1


def test_files_of_a_directory_belong_to_root_and_keep_their_links(
    empty_dacha: Dacha, sources: Sources, tmp_path: Path
) -> None:
    tree = tmp_path / "rootfs"
    shutil.copytree(sources.unpacked, tree, symlinks=True)
    (tree / "opt").mkdir(exist_ok=True)
    (tree / "opt" / "one").write_text("hello")
    (tree / "opt" / "two").hardlink_to(tree / "opt" / "one")
    (tree / "opt" / "tool").write_text("#!/bin/sh\n")
    (tree / "opt" / "tool").chmod(0o4755)
    os.mkfifo(tree / "opt" / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "opt" / "socket"))
    with (tree / "opt" / "sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b"middle")
    empty_dacha.run("create", "box", "--image", f"rootfs:{tree}", check=True)
    assert _in_box(empty_dacha, "box", "cd /opt; echo *").split() == ["fifo", "one", "sparse", "tool", "two"]
    command = (
        "cd /opt; stat -c '%u:%g %a' / one tool; stat -c %i one two | uniq | wc -l; tail -c +536870913 sparse"
    )
    assert _in_box(empty_dacha, "box", f"{command} | head -c 80 | tr -d '\\0'").splitlines() == [
        *("0:0 755", "0:0 644", "0:0 4755", "1", "middle"),
    ]
    assert int(_in_box(empty_dacha, "box", "du -k /opt/sparse").split()[0]) < 100


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_cannot_be_read_is_no_image(
    empty_dacha: Dacha, sources: Sources, tmp_path: Path
) -> None:
    tree = tmp_path / "rootfs"
    shutil.copytree(sources.unpacked, tree, symlinks=True)
    (tree / "etc" / "shadow").chmod(0)
    done = empty_dacha.run("image", "load", f"rootfs:{tree}")
    output = done.stderr.decode()
    assert done.returncode == 125, output
    assert f"cannot read {tree}/etc/shadow: Permission denied" in output
    assert "sudo tar -C" in output
    assert not _staged(empty_dacha)


def _cut(sources: Sources, path: Path) -> str:
    path.write_bytes(sources.docker_archive.read_bytes()[:-100_000])
    return str(path)


def _compressed_and_cut(sources: Sources, path: Path) -> str:
    path.write_bytes(gzip.compress(sources.docker_archive.read_bytes(), 1)[:-1000])
    return str(path)


def _with_damaged_layer(sources: Sources, path: Path) -> str:
    data = sources.docker_archive.read_bytes()
    assert data.count(b"busybox") > 1
    path.write_bytes(data.replace(b"ash: ", b"bad: "))
    return f"docker-archive:{path}"


def _with_damaged_blob(sources: Sources, path: Path) -> str:
    shutil.copytree(sources.dir, path)
    layer = max(path.iterdir(), key=lambda file: file.stat().st_size)
    layer.chmod(0o600)
    data = bytearray(layer.read_bytes())
    data[len(data) // 2] ^= 1
    layer.write_bytes(data)
    return f"dir:{path}"


def _with_other_manifest(sources: Sources, path: Path) -> str:
    shutil.copytree(sources.dir, path)
    manifest = json.loads((path / "manifest.json").read_bytes())
    manifest["layers"][0]["digest"] = "sha256:../../etc/passwd"
    (path / "manifest.json").write_text(json.dumps(manifest))
    return f"dir:{path}"


def _text(_: Sources, path: Path) -> str:
    path.write_text("no archive at all\n" * 1000)
    return str(path)


def _empty(_: Sources, path: Path) -> str:
    path.touch()
    return f"tar:{path}"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_cut, "given: the archive is cut off"),
        (_compressed_and_cut, "given is cut off"),
        (_with_damaged_layer, "as its image says"),
        (_with_damaged_blob, "damaged"),
        (_with_other_manifest, "is no digest"),
        (_text, "is no tar archive"),
        (_empty, "is no tar archive"),
        (lambda sources, _: f"oci-archive:{sources.docker_archive}", "say docker-archive:/"),
        (lambda sources, _: f"docker-archive:{sources.oci_archive}", "say oci-archive:/"),
        (lambda sources, _: f"tar:{sources.docker_archive}", "say docker-archive:/"),
        (lambda sources, _: f"docker-archive:{sources.rootfs_tar}", "say tar:/"),
        (lambda sources, _: f"oci:{sources.oci_archive}", "say oci-archive:/"),
        (lambda sources, _: f"oci:{sources.dir}", "say dir:/"),
        (lambda sources, _: f"dir:{sources.unpacked}", "say rootfs:/"),
        (lambda sources, _: f"tar:{sources.unpacked}", "is a directory"),
        (lambda sources, _: f"rootfs:{sources.rootfs_tar}", "say tar:/"),
        (lambda sources, _: f"docker-archive:{sources.docker_archive}:debian", "its names: alpine:3.23"),
        (lambda sources, _: f"oci-archive:{sources.umoci_archive}", "its tags: alpine-3.23, debian-bookworm"),
        (lambda _, path: f"docker-archive:{path}", "No such file or directory"),
        (lambda _, path: str(path), "No such file or directory"),
    ],
)
def test_what_cannot_be_loaded_is_named_and_leaves_nothing(
    empty_dacha: Dacha,
    sources: Sources,
    tmp_path: Path,
    make: Callable[[Sources, Path], str],
    expected: str,
) -> None:
    done = empty_dacha.run("image", "load", make(sources, tmp_path / "given"))
    output = done.stderr.decode()
    assert done.returncode == 125, output
    assert expected in output
    assert "Traceback" not in output
    assert empty_dacha.run("image", "list", "--quiet", check=True).stdout == b""
    assert not _staged(empty_dacha)
