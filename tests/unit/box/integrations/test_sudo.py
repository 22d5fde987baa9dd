"""Root rights in the box."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha import paths
from dacha.box.integrations.sudo import SudoIntegration
from tests.lib.contexts import ROOT, ContextMaker, edits_of
from tests.lib.trees import WHITEOUT, Link, Program, Tree

REAL: Tree = {"usr/bin/sudo": Program(), "etc/sudoers": b"@includedir /etc/sudoers.d\n"}


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program for this machine type."""
    shim = tmp_path / "hooks" / "sudo" / f"sudo-{os.uname().machine}"
    shim.parent.mkdir(parents=True)
    shim.write_bytes(b"\x7fELF our own")
    monkeypatch.setattr(paths, "shipped", lambda kind: f"{tmp_path}/{kind}")
    return shim


def test_an_image_without_sudo_gets_one_for_its_users_group_alone(make_context: ContextMaker) -> None:
    edits = edits_of(SudoIntegration(), make_context())
    sudo = edits["usr/bin/sudo"]
    assert sudo.data == b"\x7fELF our own"
    assert (sudo.mode, sudo.owner, sudo.group) == (0o4750, -1, 0)
    assert sudo.restores
    assert not sudo.into_upper


@pytest.mark.parametrize(
    "image",
    [
        REAL,
        {**REAL, "etc/sudoers": b"root ALL=(ALL) ALL\n#includedir /etc/sudoers.d\n"},
        {"usr/bin": Link("../bin"), "bin/sudo": Program(), "etc/sudoers": REAL["etc/sudoers"]},
    ],
    ids=["new", "old", "linked"],
)
def test_an_image_with_sudo_keeps_its_own(make_context: ContextMaker, image: Tree) -> None:
    assert list(edits_of(SudoIntegration(), make_context(image))) == ["etc/sudoers.d/dacha"]


@pytest.mark.parametrize(
    "image",
    [
        {**REAL, "usr/bin/sudo": b"no program"},
        {**REAL, "usr/bin/sudo": Link("/nowhere")},
        {"usr/bin/sudo": Program()},  # it would not read our rule
        {**REAL, "etc/sudoers": b"root ALL=(ALL) ALL\n"},
    ],
    ids=["data", "dangling", "no sudoers", "no includedir"],
)
def test_a_sudo_that_would_not_work_is_none(make_context: ContextMaker, image: Tree) -> None:
    assert "usr/bin/sudo" in edits_of(SudoIntegration(), make_context(image))


def test_what_the_box_did_with_sudo_does_not_matter(make_context: ContextMaker) -> None:
    edits = edits_of(SudoIntegration(), make_context(REAL, {"usr/bin/sudo": WHITEOUT}))
    assert "usr/bin/sudo" not in edits


def test_a_real_sudo_asks_its_user_for_nothing(make_context: ContextMaker) -> None:
    rule = edits_of(SudoIntegration(), make_context(REAL))["etc/sudoers.d/dacha"]
    assert rule.data == b"alex ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert rule.mode == 0o440


def test_a_machine_type_without_a_program_gets_the_rule_alone(
    make_context: ContextMaker, hooks: Path
) -> None:
    hooks.unlink()
    assert list(edits_of(SudoIntegration(), make_context())) == ["etc/sudoers.d/dacha"]


def test_root_gets_it_for_its_own_group(make_context: ContextMaker) -> None:
    edits = edits_of(SudoIntegration(), make_context(account=ROOT))
    assert edits["usr/bin/sudo"].group == 0
    assert edits["etc/sudoers.d/dacha"].data.startswith(b"root ")


@pytest.mark.parametrize("image", [{}, REAL], ids=["none", "real"])
def test_in_single_id_mode_ours_is_the_one_that_is_found(make_context: ContextMaker, image: Tree) -> None:
    """A real one must be set-uid, which nothing can be there."""
    edits = edits_of(SudoIntegration(), make_context(image, is_single=True))
    assert list(edits) == ["usr/bin/sudo", "usr/local/bin/sudo"]
    assert {(edit.data, edit.mode, edit.restores) for edit in edits.values()} == {
        (b"\x7fELF our own", 0o755, True)
    }
