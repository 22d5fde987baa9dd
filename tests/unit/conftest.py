"""What all unit tests stand on: a store of the test's own, and hypothesis without a clock or a database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dacha import paths

# No deadline: a loaded machine is no failure. No database: the checkout may belong to somebody else.
settings.register_profile(
    "dacha", deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("dacha")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store and runtime directory, also for root, whose own have fixed places. The store's path."""
    root, runtime = tmp_path / "store", tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setattr(paths, "data_root", lambda: os.fspath(root))
    monkeypatch.setattr(paths, "runtime_root", lambda: os.fspath(runtime))
    return root
