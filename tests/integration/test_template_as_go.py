"""Our templates beside Go's own engine, which Debian's podman brings along."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from dacha.template import Struct, TemplateError, parse, render
from tests.lib.templates import ALIKE, REFUSED


def _podman(template: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["podman", "version", "--format", template], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def version() -> Struct:
    """What podman's templates see."""
    if shutil.which("podman") is None:
        pytest.skip("needs podman")
    client: dict[str, Any] = json.loads(_podman("json").stdout)["Client"]
    return Struct(Client=Struct(client), Server=None)


def test_both_render_alike(version: Struct) -> None:
    differing = []
    for template in ALIKE:
        expected = _podman(template)
        ours = render(parse(template), version)
        # podman ends its output with one line break, and takes `json` and nothing for other things.
        if expected.returncode == 0 and template and expected.stdout.rstrip("\n") != ours.rstrip("\n"):
            differing.append((template, expected.stdout, ours))
        if expected.returncode != 0:
            differing.append((template, expected.stderr, ours))
    assert differing == []


def test_both_refuse_alike(version: Struct) -> None:
    for template in REFUSED:
        assert _podman(template).returncode != 0, template
        with pytest.raises(TemplateError):
            render(parse(template), version)
