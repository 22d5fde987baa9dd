"""Locales."""

from __future__ import annotations

import os

import pytest

from dacha.box.integrations.language import LanguageIntegration
from tests.lib.contexts import ContextMaker, edits_of
from tests.lib.trees import Directory, Link, Tree

GLIBC: Tree = {"usr/lib/locale": Directory()}


@pytest.fixture(autouse=True)
def host_archives(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the host has; a test may take it away."""
    archives = {"/usr/lib/locale/locale-archive"}
    monkeypatch.setattr(os.path, "isfile", lambda path: path in archives)
    return archives


def test_the_hosts_archive_serves_an_image_that_has_none(make_context: ContextMaker) -> None:
    edits = edits_of(LanguageIntegration(), make_context(GLIBC))
    link = edits["usr/lib/locale/locale-archive"].link
    assert link == "/run/host/usr/lib/locale/locale-archive"


@pytest.mark.parametrize(
    "image",
    [
        {},  # musl
        {"usr/lib/locale/locale-archive": b"its own"},
        {"usr/lib": Link("lib64")},
    ],
    ids=["no place", "has one", "linked"],
)
def test_an_image_that_needs_none_gets_none(make_context: ContextMaker, image: Tree) -> None:
    assert LanguageIntegration().edits(make_context(image)) == []


def test_a_host_without_an_archive_gives_none(make_context: ContextMaker, host_archives: set[str]) -> None:
    host_archives.clear()
    assert LanguageIntegration().edits(make_context(GLIBC)) == []
