"""What an archive turns out to be, and how little of it is read to know."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
import zstandard

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.digest import Readable
from dacha.registry.docker_archive import DockerArchive
from dacha.registry.incoming import Incoming, open_incoming
from dacha.registry.layout import Layout
from tests.lib.archives import configuration, json_entry, layout_entries, read_all
from tests.lib.oci import DIR, Entry, write_layout, write_tar

LAYER = write_tar([Entry("etc/motd", data=b"hello")])
ROOT = write_tar([Entry("./", DIR), Entry("./bin/sh", data=b"elf"), Entry("manifest.json", data=b"[]")])
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
every_compression = pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS.keys())


def docker_entries() -> list[Entry]:
    return [
        Entry("config.json", data=configuration([LAYER])),
        Entry("layer.tar", data=LAYER),
        json_entry("manifest.json", [{"Config": "config.json", "Layers": ["layer.tar"]}]),
    ]


@pytest.fixture(scope="module")
def oci_entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    return layout_entries(write_layout(tmp_path_factory.mktemp("oci"), [LAYER], tags=["v1"]))


class Spool:
    """Counts how often a copy was needed."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def __call__(self, source: Readable) -> Iterator[int]:
        self.count += 1
        fd = os.memfd_create("spool")
        try:
            os.write(fd, read_all(source))
            yield fd
        finally:
            os.close(fd)


@contextmanager
def incoming(path: Path | str, spool: Spool | None = None) -> Iterator[Incoming]:
    with open_incoming(str(path), spool or Spool()) as opened:
        yield opened


@contextmanager
def pipe(directory: Path, data: bytes) -> Iterator[Path]:
    """A FIFO that somebody writes to."""
    path = directory / "fifo"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as file, suppress(BrokenPipeError):
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    yield path
    writer.join()


@every_compression
@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_docker_archive_is_known_and_read(
    tmp_path: Path, compress: Callable[[bytes], bytes], *, is_pipe: bool
) -> None:
    data = compress(write_tar(docker_entries()))
    path = tmp_path / "image.tar"
    path.write_bytes(data)
    spool = Spool()
    with pipe(tmp_path, data) if is_pipe else nullcontext(path) as place, incoming(place, spool) as given:
        assert given.kind() == "docker-archive"
        source = DockerArchive(str(place), given.archive("docker-archive"))
        with closing(source.open_layer(source.image().layers[0])) as stream:
            assert read_all(stream) == LAYER
    assert spool.count == (1 if is_pipe or compress is not bytes else 0)


@contextmanager
def closing_path(path: Path) -> Iterator[Path]:
    yield path


@every_compression
def test_an_oci_archive_is_known_and_read(
    tmp_path: Path, oci_entries: list[Entry], compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(compress(write_tar([Entry("./", DIR), *oci_entries])))
    with incoming(path) as given:
        assert given.kind() == "oci-archive"
        layout = Layout(str(path), given.archive("oci-archive"))
        image = layout.image("v1")
        assert layout.image("@0") == image
        with closing(layout.open_layer(image.layers[0])) as stream:
            assert gzip.decompress(read_all(stream)) == LAYER
        with pytest.raises(ImageNotFoundError, match="no tag 'v2'") as caught:
            layout.image("v2")
        assert caught.value.hint == "its tags: v1"


def test_of_several_images_one_must_be_named(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "oci", [LAYER], tags=["v1", "v2"])
    path = tmp_path / "image.tar"
    path.write_bytes(write_tar(layout_entries(layout)))
    with incoming(path) as given, pytest.raises(ImageNotFoundError, match="has 2 images") as caught:
        Layout(str(path), given.archive("oci-archive")).image()
    assert f"oci-archive:{path}:TAG; its tags: v1, v2" in caught.value.hint


def test_a_damaged_blob_in_an_archive_is_refused(tmp_path: Path, oci_entries: list[Entry]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(write_tar(oci_entries).replace(b'"schemaVersion":2', b'"schemaVersion":3'))
    with incoming(path) as given, pytest.raises(BadImageError, match="is damaged"):
        Layout(str(path), given.archive("oci-archive")).image()


@every_compression
@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_root_file_system_is_streamed_without_a_copy(
    tmp_path: Path, compress: Callable[[bytes], bytes], *, is_pipe: bool
) -> None:
    data = compress(ROOT)
    path = tmp_path / "root.tar"
    path.write_bytes(data)
    spool = Spool()
    with pipe(tmp_path, data) if is_pipe else nullcontext(path) as place, incoming(place, spool) as given:
        assert given.kind() == "tar"
        assert read_all(given.root_file_system()) == ROOT
    assert spool.count == 0


@every_compression
def test_a_root_file_system_with_names_of_images_is_one_all_the_same(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    data = write_tar([Entry("blobs/x"), Entry("bin/sh", data=b"elf")])
    path = tmp_path / "root.tar"
    path.write_bytes(compress(data))
    with incoming(path) as given:
        assert given.kind() == "tar"
        assert read_all(given.root_file_system()) == data


def test_what_is_both_is_taken_for_dockers(tmp_path: Path, oci_entries: list[Entry]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(write_tar([*oci_entries, *docker_entries()]))
    with incoming(path) as given:
        assert given.kind() == "docker-archive"
        assert given.archive("oci-archive") is given.archive("docker-archive")


def test_an_archive_of_old_is_dockers(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(write_tar([Entry(f"{'a' * 64}/", DIR), json_entry("repositories", {})]))
    with incoming(path) as given:
        assert given.kind() == "docker-archive"


@every_compression
def test_the_wrong_kind_is_named(
    tmp_path: Path, oci_entries: list[Entry], compress: Callable[[bytes], bytes]
) -> None:
    docker, oci, root = tmp_path / "docker.tar", tmp_path / "oci.tar", tmp_path / "root.tar"
    docker.write_bytes(compress(write_tar(docker_entries())))
    oci.write_bytes(compress(write_tar(oci_entries)))
    root.write_bytes(compress(write_tar([Entry("bin/sh")])))
    with incoming(docker) as given:
        with pytest.raises(BadImageError, match="is a docker archive, not an OCI archive") as caught:
            given.archive("oci-archive")
        assert caught.value.hint == f"say docker-archive:{docker}"
        with pytest.raises(BadImageError, match="is a docker archive, not a root file system"):
            given.root_file_system()
    with (
        incoming(oci) as given,
        pytest.raises(BadImageError, match="is an OCI archive, not a docker") as caught,
    ):
        given.archive("docker-archive")
    assert caught.value.hint == f"say oci-archive:{oci}"
    with incoming(root) as given, pytest.raises(BadImageError, match=r"has no manifest\.json") as caught:
        given.archive("docker-archive")
    assert f"say tar:{root}" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"text", b"text" * 1000, gzip.compress(b"text" * 1000)], ids=len)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "given"
    path.write_bytes(data)
    with incoming(path) as given:
        with pytest.raises(BadImageError, match="given is no tar archive"):
            given.root_file_system()
        with pytest.raises(BadImageError, match="given: it is no tar archive"):
            given.archive("docker-archive")


def test_an_archive_without_anything_is_an_empty_root_file_system(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(write_tar([]))
    with incoming(path) as given:
        assert read_all(given.root_file_system()) == write_tar([])


@every_compression
def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "image.tar"
    whole = compress(write_tar([Entry("blobs/a", data=os.urandom(100_000)), *docker_entries()]))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadImageError, match=r"image\.tar.* is cut off"), incoming(path) as given:
        given.kind()


def test_a_missing_file_is_no_image(tmp_path: Path) -> None:
    with (
        pytest.raises(ImageNotFoundError, match=r"cannot read .*nowhere: No such file"),
        incoming(tmp_path / "nowhere"),
    ):
        pass


def test_a_directory_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="is a directory") as caught, incoming(tmp_path):
        pass
    assert f"rootfs:{tmp_path}" in caught.value.hint
