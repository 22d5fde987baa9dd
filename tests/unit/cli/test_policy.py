"""`dacha system install-policy`: whom it asks, and what it prints."""

from __future__ import annotations

import os

import pytest

from dacha.box.policy import apparmor, base, selinux
from dacha.box.policy.base import Plan
from dacha.cli.main import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Plan, tuple[str, ...]]]:
    """A host with neither, where nobody becomes root; what is applied is noted."""
    applied: list[tuple[Plan, tuple[str, ...]]] = []
    monkeypatch.setattr(apparmor, "is_on", lambda: False)
    monkeypatch.setattr(selinux, "is_on", lambda: False)
    monkeypatch.setattr(apparmor, "launcher", lambda: "/opt/dacha/bin/dacha")
    monkeypatch.setattr(apparmor, "check", lambda _path: None)
    monkeypatch.setattr(base, "way_to_root", lambda: None)
    monkeypatch.setattr(base, "apply", lambda plan, prefix: applied.append((plan, prefix)))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return applied


def test_a_host_with_neither_needs_nothing(capsys: Captured) -> None:
    assert main(["system", "install-policy"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing to do" in captured.err


def test_where_root_is_out_of_reach_the_commands_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(apparmor, "is_on", lambda: True)
    assert main(["system", "install-policy"]) == 125
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].startswith(
        "sudo apparmor_parser --replace /etc/apparmor.d/dacha.opt"
    )
    assert "hint: have root run the commands above" in captured.err


def test_a_dry_run_only_prints(host: list[object], capsys: Captured) -> None:
    assert main(["system", "install-policy", "--dry-run", "--module", "apparmor"]) == 0
    assert "  userns,\n" in capsys.readouterr().out
    assert host == []


def test_with_a_way_to_root_the_plan_is_applied(
    monkeypatch: pytest.MonkeyPatch, host: list[tuple[Plan, tuple[str, ...]]]
) -> None:
    monkeypatch.setattr(base, "way_to_root", lambda: ("sudo", "-n"))
    assert main(["system", "install-policy", "--module", "apparmor"]) == 0
    assert host == [(apparmor.install("/opt/dacha/bin/dacha"), ("sudo", "-n"))]


def test_what_is_not_there_is_removed_without_root(capsys: Captured) -> None:
    assert main(["system", "install-policy", "--remove", "--module", "apparmor"]) == 0
    assert "there is no profile" in capsys.readouterr().err


def test_another_module_is_refused(capsys: Captured) -> None:
    assert main(["system", "install-policy", "--module", "tomoyo"]) == 125
    assert "name one of apparmor, selinux" in capsys.readouterr().err
