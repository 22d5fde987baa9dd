"""How layers are stacked. That overlayfs agrees is for the integration tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.errors import DachaError
from dacha.storage import overlay


def test_the_top_layer_is_the_first_lower_directory() -> None:
    options = overlay.options(["box/integration", "layers/b", "layers/a"], "box/upper", "box/work")
    assert options == (
        "lowerdir=box/integration:layers/b:layers/a,upperdir=box/upper,workdir=box/work,userxattr"
    )


def test_more_layers_than_overlayfs_takes_are_refused_before_anything_happens(tmp_path: Path) -> None:
    here = Path.cwd()
    lowers = [f"layers/{number:024}/shifted" for number in range(501)]
    with pytest.raises(DachaError, match="501 layers; the kernel's overlayfs stacks 500"):
        overlay.mount(os.fspath(tmp_path), "/nowhere", lowers, "box/upper", "box/work")
    assert Path.cwd() == here


@pytest.mark.skipif(os.geteuid() == 0, reason="root may mount")
def test_a_mount_that_is_refused_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DachaError, match="overlayfs refuses the layers in") as caught:
        overlay.mount(os.fspath(tmp_path), os.fspath(tmp_path), ["a"], "upper", "work")
    assert "user xattrs" in caught.value.hint
