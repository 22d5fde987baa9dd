"""The wheel, installed as pipx does it: an environment of its own and a link to its launcher."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def _run(*argv: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: the source tree may belong to somebody else."""
    base = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["tar", "-c", "--exclude=.git", "--exclude=.venv", "--exclude=*_cache", "."],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        check=True,
    )
    source = base / "source"
    source.mkdir()
    subprocess.run(["tar", "-x"], cwd=source, input=listed.stdout, check=True)
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", base, source)
    return next(base.glob("dacha-*.whl"))


def test_wheel_has_every_package_and_the_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = REPOSITORY / "distro"
    modules = {str(path.relative_to(source)) for path in source.rglob("*.py")}
    assert modules <= names
    assert {"dacha/data/images/debian.yaml", "dacha/data/hooks/sudo/sudo.sh"} <= names
    assert any(name.endswith("/share/bash-completion/completions/dacha") for name in names)


def test_installed_command_works_through_a_link(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    _run("/usr/bin/python3", "-m", "venv", environment)
    _run(environment / "bin/pip", "install", "-q", wheel)
    link = tmp_path / "bin" / "dacha"
    link.parent.mkdir()
    link.symlink_to(environment / "bin/dacha")
    assert _run(link, "version").startswith("dacha ")
    assert _run(link, "completion", "zsh").startswith("#compdef dacha\n")
    assert (environment / "share/man/man1/dacha-enter.1").exists()  # from where pipx links it
    assert "Open a shell in a box" in _run(link, "enter", "--help")
    stores = {"XDG_DATA_HOME": os.fspath(tmp_path), "XDG_RUNTIME_DIR": os.fspath(tmp_path / "run")}
    if os.geteuid() != 0:  # root's store has a fixed place
        done = subprocess.run(
            [link, "enter", "debain"], capture_output=True, text=True, env={**os.environ, **stores}
        )
        assert "did you mean 'debian'?" in done.stderr
