"""Names of images, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.config.names import Name, enclosing, expand, is_short_repository, split_version, wildcards

SHA = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("busybox", Name("docker.io", "library/busybox")),
        ("docker.io/busybox:1", Name("docker.io", "library/busybox", "1")),
        ("index.docker.io/busybox", Name("docker.io", "library/busybox")),
        ("user/app", Name("docker.io", "user/app")),
        ("localhost/app", Name("localhost", "app")),
        ("localhost:5000/a/b:c", Name("localhost:5000", "a/b", "c")),
        (f"q.io/a:1@{SHA}", Name("q.io", "a", "1", SHA)),
        ("[::1]:5000/a", Name("[::1]:5000", "a")),
    ],
)
def test_names_are_expanded_as_docker_does(text: str, expected: Name) -> None:
    assert expand(text) == expected
    assert expand(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "A", "q.io/", "q.io/a:", "q.io/a@", "q.io/a@sha256:1", "-.io/a", "q.io/a//b", "q.io/../b"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        expand(text)


def test_a_port_is_no_tag() -> None:
    assert split_version("h:5000/a") == ("h:5000/a", "")
    assert split_version("h:5000/a:t") == ("h:5000/a", ":t")
    assert split_version(f"a:t@{SHA}") == ("a", f":t@{SHA}")


def test_short_names() -> None:
    assert is_short_repository("fedora")
    assert is_short_repository("library/fedora")
    for text in ("fedora:1", "q.io/a", "localhost", "localhost/a", f"a@{SHA}", "", "A"):
        assert not is_short_repository(text)


def test_what_a_name_is_in() -> None:
    assert enclosing("h:1/a/b") == ["h:1/a/b", "h:1/a", "h:1"]
    assert wildcards("a.b.example.com:80") == ["*.b.example.com", "*.example.com", "*.com"]
    assert wildcards("localhost") == []


@given(st.text(max_size=30))
def test_any_text_splits_and_joins(text: str) -> None:
    assert "".join(split_version(text)) == text
