"""What the tests of boxes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lib.contexts import ContextMaker


@pytest.fixture
def make_context(tmp_path: Path) -> Iterator[ContextMaker]:
    """Makes boxes that are about to start."""
    with ExitStack() as exits:
        yield ContextMaker(tmp_path, exits)
