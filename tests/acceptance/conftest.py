"""A box for the tests of a module."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.lib.dacha import Dacha

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
