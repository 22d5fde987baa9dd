"""When boxes have no id but their user's."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from dacha.errors import UsageError
from dacha.linux import process
from dacha.linux.account import Account
from dacha.userns import mapping, single, subid
from dacha.userns.mapping import IdMap
from dacha.userns.single import MoreIdsNeededError
from dacha.userns.subid import NoSubordinateIdsError

ALEX = Account("alex", 1000, 1000, "alex", "", "/home/alex", "/bin/sh")
ROOT = Account("root", 0, 0, "root", "", "/root", "/bin/sh")
RANGES = [(100_000, 65536)]


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with all that subordinate ids need."""
    monkeypatch.delenv(single.VARIABLE, raising=False)
    _has_ids(monkeypatch, RANGES)
    _has_map(monkeypatch, mapping.IDENTITY)
    monkeypatch.setattr(process, "find_program", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(process, "has_no_new_privileges", lambda: False)
    _has_status(monkeypatch, mode=0o104755, uid=0)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((0,) * 10))


def _has_ids(monkeypatch: pytest.MonkeyPatch, ranges: list[tuple[int, int]]) -> None:
    def subordinate_ids(kind: str, user: str, _uid: int) -> list[tuple[int, int]]:
        if not ranges:
            raise NoSubordinateIdsError(user, f"/etc/sub{kind}")
        return ranges

    monkeypatch.setattr(subid, "subordinate_ids", subordinate_ids)


def _has_map(monkeypatch: pytest.MonkeyPatch, rows: IdMap) -> None:
    monkeypatch.setattr(mapping, "from_map_lines", lambda _text: rows)


def _has_status(monkeypatch: pytest.MonkeyPatch, *, mode: int, uid: int) -> None:
    monkeypatch.setattr(os, "stat", lambda _path: os.stat_result((mode, 1, 1, 1, uid, 0, 1, 0, 0, 0)))


def test_a_host_with_everything_gives_all_ids() -> None:
    assert single.obstacle(ALEX) == ""
    chosen = single.choose(ALEX)
    assert (chosen.maps.view, chosen.reason) == ("shifted", "")


def _without_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_ids(monkeypatch, [])


def _in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_map(monkeypatch, (mapping.IdRange(0, 100_000, 65536),))


def _in_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "has_no_new_privileges", lambda: True)


def _without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_status(monkeypatch, mode=0o100755, uid=0)


def _set_uid_for_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_status(monkeypatch, mode=0o104755, uid=1000)


def _on_nosuid(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = (0,) * 8 + (os.ST_NOSUID, 255)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(flags))


def _without_newuidmap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    _has_ids(monkeypatch, RANGES)
    _has_map(monkeypatch, mapping.IDENTITY)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without_ids, "alex has no subordinate ids in /etc/subuid"),
        (_in_a_container, "the container this runs in lacks the subordinate ids of /etc/subuid"),
        (_without_newuidmap, "'newuidmap' is not installed"),
        (_without_rights, "/usr/bin/newuidmap is neither set-uid root nor has a capability"),
        (_set_uid_for_somebody_else, "/usr/bin/newuidmap is neither set-uid root"),
        (_on_nosuid, "/usr/bin/newuidmap lies on a file system mounted with nosuid"),
        (_in_a_sandbox, "no_new_privs is set"),
    ],
)
def test_each_obstacle_leads_to_single_id_mode_and_is_named(
    spoil: Callable[[pytest.MonkeyPatch], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch)
    chosen = single.choose(ALEX)
    assert (chosen.maps.is_single, chosen.maps.view) == (True, "single")
    assert reason in chosen.reason
    with pytest.raises(MoreIdsNeededError, match="making it takes more ids than your own") as caught:
        single.full_maps("making it", chosen.maps, ALEX)
    assert "usermod --add-subuids" in caught.value.hint


def test_a_wish_is_granted_and_the_broom_reaches_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(single.VARIABLE, "single")
    assert single.choose(ALEX).reason == "DACHA_USERNS=single is set"
    maps = single.choose(ALEX).maps
    assert maps.is_single
    assert single.widest_maps(ALEX) == single.full_maps("making it", maps, ALEX)
    assert not single.widest_maps(ALEX).is_single
    _has_ids(monkeypatch, [])
    assert single.widest_maps(ALEX).is_single


def test_who_wants_all_ids_gets_them_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(single.VARIABLE, "full")
    _without_rights(monkeypatch)
    assert not single.choose(ALEX).maps.is_single
    _has_ids(monkeypatch, [])
    with pytest.raises(NoSubordinateIdsError):
        single.choose(ALEX)


@pytest.mark.parametrize("wish", ["Single", "1", "keep-id"])
def test_a_wish_that_means_nothing_is_refused(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(single.VARIABLE, wish)
    with pytest.raises(UsageError, match=f"DACHA_USERNS={wish}"):
        single.choose(ALEX)


def test_root_has_all_ids_whatever_it_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_ids(monkeypatch, [])
    for wish in ("auto", "single", "full"):
        monkeypatch.setenv(single.VARIABLE, wish)
        chosen = single.choose(ROOT)
        assert (chosen.maps.is_initial, chosen.reason) == (True, "")


def test_a_file_capability_is_as_good_as_set_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_rights(monkeypatch)
    monkeypatch.setattr(os, "getxattr", lambda _path, name: name.encode())
    assert single.obstacle(ALEX) == ""
