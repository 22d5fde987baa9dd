"""Fixtures for all tests, and the rule that nothing is skipped in CI for want of something."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages, real_images

IS_CI = "true" in (os.environ.get("CI"), os.environ.get("DACHA_CI"))


def _forbid_needy_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip that says "needs ..." into a failure: CI has what the tests need."""
    if not (IS_CI and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if reason.startswith("needs"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid_needy_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_needy_skip(report)
    return report


@pytest.fixture(scope="session")
def images() -> RealImages:
    """The real Debian and Alpine."""
    return real_images()


@pytest.fixture(scope="session")
def shared_dacha(images: RealImages) -> Iterator[Dacha]:
    """One installation for the whole run, with the images `debian-test` and `alpine-test`.

    For fixtures that share a box among the tests of a module. They remove it
    themselves; other tests take `dacha`.
    """
    installation = Dacha()
    try:
        installation.run("image", "load", f"tar:{images.debian_tar}", "--name", "debian-test", check=True)
        installation.run("image", "load", f"tar:{images.alpine_tar}", "--name", "alpine-test", check=True)
        yield installation
    finally:
        installation.close()


@pytest.fixture
def dacha(shared_dacha: Dacha) -> Iterator[Dacha]:
    """The shared installation, whose boxes are all removed after the test."""
    yield shared_dacha
    shared_dacha.remove_boxes()


@pytest.fixture
def empty_dacha() -> Iterator[Dacha]:
    """An installation of the test's own, without images."""
    installation = Dacha()
    try:
        yield installation
    finally:
        installation.close()
