"""The claim of a running box on its layers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dacha.box import definition
from dacha.box.claim import claim
from dacha.box.definition import Box
from dacha.errors import DachaError


@pytest.fixture
def box(store: Path) -> Box:
    assert store
    return definition.new("work", "sha256:" + "0" * 64, "debian", "", ())


def test_claim_is_free_again_when_the_last_holder_lets_go(box: Box) -> None:
    os.close(claim(box))
    os.close(claim(box))


def test_claim_that_is_held_is_refused_where_the_holder_cannot_be_found(box: Box) -> None:
    fd = claim(box)
    held = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[fd])
    os.close(fd)
    try:
        with pytest.raises(DachaError, match="'work' runs already"):
            claim(box)
    finally:
        held.communicate(b"\n")
    os.close(claim(box))
