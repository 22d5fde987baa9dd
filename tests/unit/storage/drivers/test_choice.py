"""Which driver a store has: what is asked for, what is recorded, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.errors import DachaError
from dacha.storage import database, marks
from dacha.storage.drivers import choice, trial
from dacha.storage.drivers.choice import Choice, Wanted, WrongDriverError
from dacha.userns.outer import OuterMaps
from tests.lib.contexts import USER_MAPS


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that is still to be made, in which any driver works."""

    def works(_maps: OuterMaps, wanted: Wanted) -> Choice:
        return Choice(wanted.drivers[0], marks.KERNEL, "it works")

    root = tmp_path / "store"
    monkeypatch.setattr("dacha.paths.data_root", lambda: str(root))
    monkeypatch.setattr(trial, "first_that_works", works)
    for variable in ("DACHA_STORAGE_DRIVER", "STORAGE_DRIVER"):
        monkeypatch.delenv(variable, raising=False)
    return root


def test_nobody_asks(store: Path) -> None:
    assert choice.recorded() is None
    assert choice.choose(USER_MAPS).driver == "overlay"
    assert choice.recorded() == Choice("overlay", "kernel", "it works")


def test_dachas_own_variable_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"STORAGE_DRIVER": "btrfs", "DACHA_STORAGE_DRIVER": "vfs"}
    assert choice.wanted_driver(environment) == Wanted("vfs", "DACHA_STORAGE_DRIVER")
    assert choice.wanted_driver({"STORAGE_DRIVER": "btrfs"}).drivers == ("btrfs",)
    assert choice.wanted_driver({"DACHA_STORAGE_DRIVER": ""}).drivers == choice.ORDER


def test_overlay_means_either_of_the_two(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_DRIVER", "fuse-overlayfs")
    assert choice.choose(USER_MAPS).driver == "fuse-overlayfs"
    monkeypatch.setenv("STORAGE_DRIVER", "overlay2")
    assert choice.choose(USER_MAPS).driver == "fuse-overlayfs"


def test_unknown_driver_is_refused() -> None:
    with pytest.raises(DachaError, match="'aufs', which dacha does not have") as caught:
        choice.wanted_driver({"STORAGE_DRIVER": "aufs"})
    assert "fuse-overlayfs" in caught.value.hint


def test_an_empty_store_takes_another_and_one_with_layers_does_not(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice.choose(USER_MAPS)
    monkeypatch.setenv("STORAGE_DRIVER", "vfs")
    assert choice.choose(USER_MAPS).driver == "vfs"
    connection = database.open_database()
    connection.execute(
        "INSERT INTO layers (diff_id, directory, size, uids, gids) VALUES ('sha256:1', '1', 1, '[]', '[]')"
    )
    connection.close()
    monkeypatch.setenv("STORAGE_DRIVER", "btrfs")
    with pytest.raises(WrongDriverError, match="has images made with 'vfs'"):
        choice.choose(USER_MAPS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dacha storage driver 2\noverlay\nkernel\nwhy\n",
        "dacha storage driver 1\naufs\nkernel\nwhy\n",
        "dacha storage driver 1\noverlay\n",
        "dacha storage driver 1\noverlay\nother\nwhy\n",
    ],
)
def test_damaged_record_is_told(store: Path, text: str) -> None:
    store.mkdir()
    (store / "driver").write_text(text)
    with pytest.raises(DachaError, match="is damaged") as caught:
        choice.choose(USER_MAPS)
    assert caught.value.hint.endswith(f"rm {store}/driver")


def test_every_driver_can_be_had() -> None:
    for name in choice.ORDER:
        driver = choice.driver_of(Choice(name, marks.KERNEL, ""))
        assert driver.name == name
        assert choice.has_trees(Choice(name, marks.KERNEL, "")) == (driver.own == "root")
        assert name in choice.COSTS


def test_storage_conf_is_a_wish(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "storage.conf"
    conf.write_text('[storage]\ndriver = "btrfs"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(conf))
    assert choice.choose(USER_MAPS).driver == "btrfs"
    conf.write_text('[storage]\ndriver = "vfs"\n')
    assert choice.choose(USER_MAPS).driver == "btrfs", "the store has one already"


def test_a_wish_that_cannot_be_is_no_failure(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def works(_maps: OuterMaps, wanted: Wanted) -> Choice:
        if wanted.name == "btrfs":
            raise DachaError("no btrfs here")
        return Choice(wanted.drivers[0], marks.KERNEL, "it works")

    monkeypatch.setattr(trial, "first_that_works", works)
    conf = tmp_path / "storage.conf"
    conf.write_text('[storage]\ndriver = "btrfs"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(conf))
    assert choice.choose(USER_MAPS).driver == "overlay"
    monkeypatch.setenv("STORAGE_DRIVER", "btrfs")
    (store / choice.FILE).unlink()
    with pytest.raises(DachaError, match="no btrfs"):
        choice.choose(USER_MAPS)
