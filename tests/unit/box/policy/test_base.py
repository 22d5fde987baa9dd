"""Steps for root, taken and printed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dacha.box.policy.base import Plan, Step, apply
from dacha.errors import DachaError


def test_steps_are_taken_in_order(tmp_path: Path) -> None:
    file = str(tmp_path / "file")
    steps = (Step(("install", "-m", "0644", "/dev/stdin", file), "text\n"), Step(("cp", file, f"{file}2")))
    apply(Plan("x", steps), ("env", "A=b"))
    assert (tmp_path / "file2").read_text() == "text\n"


def test_a_failure_undoes_what_was_done(tmp_path: Path) -> None:
    file = str(tmp_path / "file")
    plan = Plan("x", (Step(("touch", file)), Step(("false",))), undo=(Step(("rm", file)),))
    with pytest.raises(DachaError, match="false"):
        apply(plan, ())
    assert not (tmp_path / "file").exists()


def test_two_failures_are_both_told() -> None:
    plan = Plan("x", (Step(("false",)),), undo=(Step(("rm", "/no/such/file")),))
    with pytest.raises(DachaError, match="undoing it failed: rm") as caught:
        apply(plan, ())
    assert caught.value.hint == "sudo rm /no/such/file"


def test_what_is_printed_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    file = str(tmp_path / "a file")
    text = "$HOME `x` \\ 'y'\n"
    step = Step(("install", "-m", "0644", "/dev/stdin", file), text)
    subprocess.run(["sh"], input=step.as_shell() + "\n", text=True, check=True)
    assert (tmp_path / "a file").read_text() == text
    assert step.as_shell("sudo ").startswith("sudo install ")
