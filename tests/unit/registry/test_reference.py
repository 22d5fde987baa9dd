"""What `--image` takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dacha.errors import UsageError
from dacha.registry.reference import Reference, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debian", Reference("", "debian", "")),
        ("debian:trixie", Reference("", "debian:trixie", "")),
        ("oci", Reference("", "oci", "")),
        ("bootstrap", Reference("", "bootstrap", "")),
        ("bootstrap:fedora:43", Reference("bootstrap", "fedora:43", "")),
        ("bootstrap:fedora:latest", Reference("bootstrap", "fedora", "")),
        ("quay.io/team/image:1.2", Reference("", "quay.io/team/image:1.2", "")),
        ("oci:images", Reference("oci", "images", "")),
        ("oci:/srv/images:v1", Reference("oci", "/srv/images", "v1")),
        ("oci:/srv/a:b:v1", Reference("oci", "/srv/a:b", "v1")),
        ("oci:/srv/a:b/c", Reference("oci", "/srv/a:b/c", "")),  # a tag has no '/'
        ("oci:images:", Reference("oci", "images:", "")),
        ("tar:rootfs.tar.gz", Reference("tar", "rootfs.tar.gz", "")),
        ("tar:/srv/a:b.tar", Reference("tar", "/srv/a:b.tar", "")),
        ("tar:/srv/with space.tar", Reference("tar", "/srv/with space.tar", "")),
        ("tar:-", Reference("tar", "-", "")),
        ("-", Reference("path", "-", "")),
        ("docker-archive:a.tar", Reference("docker-archive", "a.tar", "")),
        ("docker-archive:-:alpine", Reference("docker-archive", "-", "alpine")),
        ("docker-archive:a.tar:@1", Reference("docker-archive", "a.tar", "@1")),
        (
            "docker-archive:/srv/a.tar:docker.io/library/alpine:3",
            Reference("docker-archive", "/srv/a.tar", "docker.io/library/alpine:3"),
        ),
        ("oci-archive:/srv/a.tar:quay.io/a:v1", Reference("oci-archive", "/srv/a.tar", "quay.io/a:v1")),
        ("dir:/srv/a:b", Reference("dir", "/srv/a:b", "")),  # dir: and rootfs: have no tags
        ("rootfs:/srv/a:b", Reference("rootfs", "/srv/a:b", "")),
        ("/srv/images", Reference("path", "/srv/images", "")),
        ("./oci:a", Reference("path", "./oci:a", "")),
        ("..", Reference("path", "..", "")),
        ("image.tar", Reference("path", "image.tar", "")),
        ("a b.tar.zst", Reference("path", "a b.tar.zst", "")),
        ("backups/image.tgz", Reference("path", "backups/image.tgz", "")),
    ],
)
def test_reference_is_read(text: str, expected: Reference) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-debian",
        ":debian",
        "a b",
        "a\nb",
        "caf\xe9",
        "oci:",
        "tar:",
        "oci::v1",
        "bootstrap:",
        "bootstrap:./a",
    ],
)
def test_what_names_nothing_is_refused_with_the_forms_that_do(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "tar:" in caught.value.hint or "oci:" in caught.value.hint


def test_a_path_that_is_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("team/image") == Reference("", "team/image", "")
    (tmp_path / "team" / "image").mkdir(parents=True)
    assert parse("team/image") == Reference("path", "team/image", "")
    assert parse("team") == Reference("", "team", "")


@pytest.mark.parametrize("text", ["quay.io/image", "localhost/image", "host:5000/image"])
def test_a_path_like_a_hosts_name_is_the_name_of_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / text).mkdir(parents=True)
    assert parse(text) == Reference("", text, "")


@pytest.mark.parametrize(
    "text", ["tar:a\0b", "oci:a\nb", "oci:a:b\nc", "./a\nb", "a\0.tar", "docker-archive::a"]
)
def test_a_path_of_more_than_one_line_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no path"):
        parse(text)


@pytest.mark.parametrize("text", ["tar:caf\udce9.tar", "oci:dir:v\udcff"])
def test_a_name_that_is_not_utf8_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not UTF-8"):
        parse(text)


def test_a_transport_that_is_not_there_yet_is_named() -> None:
    with pytest.raises(UsageError, match="cannot come from docker-daemon: yet"):
        parse("docker-daemon:image:tag")


TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="ab:/.-@ \0\n\udcff"),
    st.builds(
        "{}:{}".format,
        st.sampled_from(["oci", "tar", "docker", "docker-archive", "dir"]),
        st.text(alphabet="ab:/.\0\n"),
    ),
)


@given(TEXTS)
@example("oci:a::")
@example("oci:::")
@example("oci:a:b:")
def test_any_text_is_a_usage_error_or_a_reference_that_prints_as_it_is_read(text: str) -> None:
    try:
        reference = parse(text)
    except UsageError:
        return
    assert parse(str(reference)) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("debian", "debian"),
        ("debian:trixie", "debian-trixie"),
        ("quay.io/toolbx/ubuntu-toolbox:24.04", "ubuntu-toolbox-24-04"),
        ("quay.io/team/image@sha256", "image-sha256"),
        ("oci:/srv/images/", "images"),
        ("oci:/srv/images:v1.2", "images-v1-2"),
        ("tar:/srv/my.rootfs.tar.gz", "my-rootfs"),
        ("tar:plain", "plain"),
        ("/srv/my.rootfs.tgz", "my-rootfs"),
        ("./rootfs", "rootfs"),
        ("rootfs:/srv/rootfs/", "rootfs"),
        ("dir:/srv/alpine", "alpine"),
        ("docker-archive:/srv/saved.tar", "saved"),
        ("docker-archive:/srv/saved.tar:@0", "saved"),
        ("docker-archive:/srv/saved.tar:docker.io/library/alpine:3.23", "alpine-3-23"),
        ("oci-archive:/srv/saved.tar.gz:v1", "saved-v1"),
        ("-", "stdin"),
        ("docker-archive:-", "stdin"),
    ],
)
def test_a_box_is_named_after_its_image(text: str, name: str) -> None:
    assert parse(text).box_name == name
