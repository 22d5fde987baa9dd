"""Golden files: what a pure function returned when somebody last looked at it.

DACHA_UPDATE_GOLDEN=1 rewrites them; look at the diff before you commit it.
"""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

import pytest


def assert_golden(path: Path, value: object) -> None:
    """Compare a JSON value with the file at `path`; a failure shows the difference."""
    assert_golden_text(path, json.dumps(value, indent=2) + "\n")


def assert_golden_text(path: Path, found: str) -> None:
    """Compare a text with the file at `path`."""
    if os.environ.get("DACHA_UPDATE_GOLDEN") == "1":
        path.write_text(found)
    golden = path.read_text() if path.exists() else ""
    if found != golden:
        lines = difflib.unified_diff(
            golden.splitlines(), found.splitlines(), f"{path.name} (golden)", "now", lineterm=""
        )
        pytest.fail("\n".join([*lines, "right? DACHA_UPDATE_GOLDEN=1 pytest rewrites it"]), pytrace=False)
