"""A box for the tests of a module."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.lib.dacha import Dacha
from tests.lib.registry import Registry, running_registry

# catatonit, which the testbeds run tests below, hands on a mask that blocks ^Z and its like.
signal.pthread_sigmask(signal.SIG_SETMASK, ())


@pytest.fixture(scope="module")
def box(shared_dacha: Dacha) -> Iterator[str]:
    """The name of a running box of the real Debian, in the shared installation."""
    name = "shared-box"
    shared_dacha.run("create", name, "--image", "debian-test", check=True)
    shared_dacha.run("start", name, check=True)
    yield name
    shared_dacha.run("rm", "--force", name, check=True)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry on loopback, without TLS and logins."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry on loopback with a certificate of its own authority, and a login."""
    directory = tmp_path_factory.mktemp("private-registry")
    with running_registry(directory, has_tls=True, has_logins=True) as running:
        yield running


@pytest.fixture(scope="module")
def pulling() -> Iterator[Dacha]:
    """An installation without images, for tests that remove what they pull."""
    installation = Dacha()
    try:
        yield installation
    finally:
        installation.close()
