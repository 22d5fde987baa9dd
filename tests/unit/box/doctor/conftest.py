"""A host for each test to spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.hosts import HostMaker


@pytest.fixture
def host(tmp_path: Path) -> HostMaker:
    """A host in good order."""
    return HostMaker(tmp_path)
