"""Makes the man pages while a wheel is built; pipx and pip put them into share/man."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualHook(BuildHookInterface[Any]):
    """Adds what `python -m manual` writes."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Write the pages into a directory that lasts as long as the build, and name them."""
        sys.path[:0] = [self.root, f"{self.root}/distro"]
        from manual.pages import write

        self._directory = tempfile.TemporaryDirectory(prefix="dacha-manual-")
        for page in write(Path(self._directory.name)):
            build_data["shared_data"][str(page)] = f"share/man/{page.parent.name}/{page.name}"

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Remove them again."""
        self._directory.cleanup()
