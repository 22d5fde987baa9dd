"""A host of its own for each test: nothing of the real configuration is read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from dacha.config import places

_VARIABLES = (
    "CONTAINERS_CONF",
    "CONTAINERS_CONF_OVERRIDE",
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_STORAGE_CONF",
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "STORAGE_DRIVER",
    "STORAGE_OPTS",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
)


class Host(NamedTuple):
    """The directories that stand for the real ones."""

    home: Path
    user: Path  # ~/.config/containers
    system: Path  # /etc/containers
    shipped: Path  # /usr/share/containers
    runtime: Path  # $XDG_RUNTIME_DIR

    def write(self, path: Path, text: str) -> Path:
        """Make a file, and the directories it is in."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """An ordinary user's host without any configuration."""
    found = Host(
        tmp_path / "home",
        tmp_path / "home/.config/containers",
        tmp_path / "etc/containers",
        tmp_path / "usr/share/containers",
        tmp_path / "run",
    )
    for directory in (found.home, found.runtime):
        directory.mkdir()
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(found.home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(found.runtime))
    monkeypatch.setattr(places, "SYSTEM", str(found.system))
    monkeypatch.setattr(places, "SHIPPED", str(found.shipped))
    monkeypatch.setattr(places, "DOCKER_CERTIFICATES", str(tmp_path / "etc/docker/certs.d"))
    monkeypatch.setattr(places, "UID", 1000)
    for module in ("dacha.config.places", "dacha.config.storage"):
        monkeypatch.setattr(f"{module}.is_rootful", lambda: False)
    return found
