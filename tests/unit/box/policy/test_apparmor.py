"""The AppArmor profile and what is done with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dacha.box.policy import apparmor
from dacha.errors import DachaError
from tests.lib.golden import assert_golden_text

PIPX = "/home/ada/.local/share/pipx/venvs/dacha/bin/dacha"
ODD = '/home/a b/{x}[y]*?@"z\\w^/ä/bin/dacha'


def test_profile() -> None:
    assert_golden_text(Path(__file__).parent / "golden/apparmor-profile", apparmor.profile(PIPX))


def test_each_installation_has_a_profile_of_its_own() -> None:
    assert apparmor.name_of(PIPX) == "dacha.home.ada..local.share.pipx.venvs.dacha.bin.dacha"
    assert apparmor.name_of("/opt/dacha/bin/dacha") != apparmor.name_of(PIPX)


def test_what_a_path_has_of_patterns_is_escaped() -> None:
    assert r'"/home/a b/\{x\}\[y\]\*\?\@\"z\\w\^/ä/bin/dacha"' in apparmor.profile(ODD)


@pytest.mark.parametrize("path", [PIPX, ODD])
def test_a_real_parser_reads_it(path: str) -> None:
    """Debian 12's knows neither abi 4.0 nor `userns,`: all else must pass there."""
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin")
    if parser is None:
        pytest.skip("needs apparmor_parser")
    text = apparmor.profile(path)
    version = subprocess.run([parser, "--version"], capture_output=True, text=True, check=True).stdout
    if "version 3." in version:
        text = text.replace("abi <abi/4.0>,\n", "").replace("  userns,\n", "")
    command = [parser, "--skip-kernel-load", "--skip-cache", "--names"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [apparmor.name_of(path)]


def test_a_profile_that_does_not_load_is_taken_away_again() -> None:
    plan = apparmor.install(PIPX)
    file = f"/etc/apparmor.d/{apparmor.name_of(PIPX)}"
    assert [step.argv for step in plan.steps] == [
        ("install", "-m", "0644", "/dev/stdin", file),
        ("apparmor_parser", "--replace", file),
    ]
    assert [step.argv for step in plan.undo] == [("rm", "-f", file)]


def test_what_is_not_there_is_not_removed() -> None:
    assert apparmor.remove("/no/such/dacha").steps == ()


def test_the_launcher_is_named_as_the_kernel_sees_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    launcher = tmp_path / "venv/bin/dacha"
    launcher.touch()
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    (tmp_path / "link").symlink_to("venv")
    monkeypatch.setattr(sys, "executable", f"{tmp_path}/link/bin/python")
    assert apparmor.launcher() == str(launcher)
    launcher.unlink()
    with pytest.raises(DachaError, match="no launcher"):
        apparmor.launcher()


def test_a_path_that_no_profile_can_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = tmp_path / "new\nline"
    directory.mkdir()
    (directory / "dacha").touch()
    monkeypatch.setattr(sys, "executable", f"{directory}/python")
    with pytest.raises(DachaError, match="no profile can name"):
        apparmor.launcher()
