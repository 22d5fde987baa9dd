"""Where files live."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from dacha import paths
from dacha.errors import DachaError


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user without any of the variables, also where root runs the tests."""
    monkeypatch.setattr(paths, "_UID", os.getuid() or 4_000_000_000)
    monkeypatch.setattr(paths, "_is_strangers", {})
    for name in ("XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/alex")


def test_the_store_is_in_the_home_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.data_root() == "/home/alex/.local/share/containers/dacha"
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert paths.data_root() == "/srv/data/containers/dacha"


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_a_variable_that_is_no_absolute_path_is_not_set(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", value)
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert paths.data_root() == "/home/alex/.local/share/containers/dacha"
    assert paths.runtime_root().startswith(("/run/user/", "/tmp/dacha-"))


def test_without_a_home_the_accounts_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "relative")
    monkeypatch.setattr(paths, "_UID", os.getuid())
    home = pwd.getpwuid(os.getuid()).pw_dir
    monkeypatch.setattr(paths, "is_rootful", lambda: False)
    assert paths.data_root() == f"{home}/.local/share/containers/dacha"


def test_without_an_account_either_it_is_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(paths, "_UID", 4_000_000_000)
    assert paths.data_root() == "/.local/share/containers/dacha"


def test_the_runtime_directory_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert paths.runtime_root() == "/run/user/7/dacha"
    assert paths.box_runtime("work") == "/run/user/7/dacha/boxes/work"


def test_without_one_it_is_where_logind_makes_it_or_in_tmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_UID", 1234)
    monkeypatch.setattr(os.path, "isdir", lambda path: path == "/run/user/1234")
    assert paths.runtime_root() == "/run/user/1234/dacha"
    monkeypatch.setattr(os.path, "isdir", lambda _path: False)
    assert paths.runtime_root() == "/tmp/dacha-1234"


def test_the_directory_of_another_user_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As `su` hands it on."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(paths, "_UID", os.getuid() + 1)
    monkeypatch.setattr(os.path, "isdir", lambda _path: False)
    assert paths.session_directory() == ""
    assert paths.runtime_root() == f"/tmp/dacha-{os.getuid() + 1}"


def test_whose_directory_it_is_stays_known_where_owners_look_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "_UID", os.getuid())
    monkeypatch.setattr(paths, "is_rootful", lambda: False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = paths.runtime_root()
    monkeypatch.setattr(paths, "_UID", os.getuid() + 1)
    assert paths.runtime_root() == before == f"{tmp_path}/dacha"


def test_roots_places_are_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_UID", 0)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert paths.is_rootful()
    assert (paths.data_root(), paths.runtime_root()) == ("/var/lib/containers/dacha", "/run/dacha")


def test_the_runtime_directory_is_made_for_its_user_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "_UID", os.getuid())
    monkeypatch.setattr(paths, "runtime_root", lambda: f"{tmp_path}/run/dacha")
    assert paths.make_runtime_root() == f"{tmp_path}/run/dacha"
    assert (tmp_path / "run" / "dacha").stat().st_mode & 0o777 == 0o700
    assert paths.make_runtime_root() == f"{tmp_path}/run/dacha"


@pytest.mark.parametrize("trap", ["open to others", "a link", "somebody else's"])
def test_a_runtime_directory_that_anybody_could_have_made_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trap: str
) -> None:
    runtime = tmp_path / "dacha"
    monkeypatch.setattr(paths, "_UID", os.getuid() + (trap == "somebody else's"))
    monkeypatch.setattr(paths, "runtime_root", lambda: str(runtime))
    if trap == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        runtime.symlink_to(tmp_path / "elsewhere")
    else:
        runtime.mkdir(mode=0o700)
        runtime.chmod(0o777 if trap == "open to others" else 0o700)
    with pytest.raises(DachaError, match="belongs to somebody else or is open to others") as caught:
        paths.make_runtime_root()
    assert "XDG_RUNTIME_DIR" in caught.value.hint


def test_a_runtime_directory_that_cannot_be_made_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "runtime_root", lambda: f"{tmp_path}/file/dacha")
    with pytest.raises(DachaError, match="cannot make the runtime directory"):
        paths.make_runtime_root()


def test_what_is_shipped_is_there() -> None:
    assert (Path(paths.shipped("images")) / "debian.yaml").is_file()
    assert (Path(paths.shipped("hooks")) / "sudo" / "sudo.sh").is_file()
