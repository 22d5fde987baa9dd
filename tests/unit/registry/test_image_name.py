"""Names of images in registries."""

from __future__ import annotations

import pytest

from dacha.errors import UsageError
from dacha.registry.image_name import ImageName, parse

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alpine", ImageName("docker.io", "library/alpine", "latest")),
        ("ada/tools:1", ImageName("docker.io", "ada/tools", "1")),
        ("index.docker.io/alpine", ImageName("docker.io", "library/alpine", "latest")),
        ("localhost/x", ImageName("localhost", "x", "latest")),
        ("h.example:5000/a/b__c-d:V_1.0-x", ImageName("h.example:5000", "a/b__c-d", "V_1.0-x")),
        (f"h.example/a@{DIGEST}", ImageName("h.example", "a", "", DIGEST)),
        (f"h.example/a:1@{DIGEST}", ImageName("h.example", "a", "1", DIGEST)),
    ],
)
def test_names_are_read_and_written_again(text: str, name: ImageName) -> None:
    assert parse(text) == name
    assert parse(str(name)) == name


@pytest.mark.parametrize(
    "text",
    ["", "/", "h.example/", "h.example/A", "h.example/a:", "h.example/a:-", "h.example/a@sha256:1", "a b",
     "h.example/a//b", "h.example/../a", "h.example/a:" + "x" * 129, "h.example/" + "x" * 250,
     f"h.example/a@sha384:{'a' * 96}", "h_.example/a"],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_the_digest_counts_before_the_tag() -> None:
    assert parse(f"h.example/a:1@{DIGEST}").version == DIGEST
