"""Which ranges /etc/subuid and /etc/subgid give to a user."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import pytest

from dacha.userns import subid
from dacha.userns.subid import NoSubordinateIdsError, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alex:100000:65536\n", [(100_000, 65536)]),
        ("1000:100000:65536\n", [(100_000, 65536)]),  # by number
        ("alex:100000:65536", [(100_000, 65536)]),  # no end of line
        ("alex:300000:10\nbob:1:1\n1000:200000:20\n", [(300_000, 10), (200_000, 20)]),  # in their order
        ("alexa:100000:65536\nale:100000:65536\n", []),
        ("# alex:100000:65536\n", []),
        ("alex:100000:0\n", []),
        ("alex:100000\nalex::5\nalex:5:\nalex:-5:5\nalex:1:2:3\nalex:0x10:5\n\n:\n", []),
    ],
)
def test_only_whole_entries_of_the_user_count(text: str, expected: list[tuple[int, int]]) -> None:
    assert parse(text, "alex", 1000) == expected


def test_a_user_without_ranges_is_told_how_to_get_some() -> None:
    with pytest.raises(NoSubordinateIdsError, match="no subordinate ids in /etc/subgid") as caught:
        subid.subordinate_ids("gid", "no such user", 4_000_000_000)
    assert "usermod --add-subuids" in caught.value.hint
    assert caught.value.hint.endswith("no such user")


def test_names_in_another_encoding_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "subuid"
    file.write_bytes(b"j\xf6rg:100000:65536\nalex:200000:65536\n")

    def open_ours(path: str, errors: str | None = None) -> IO[str]:
        assert path == "/etc/subuid"
        return file.open(encoding="utf-8", errors=errors)

    monkeypatch.setattr(subid, "open", open_ours, raising=False)
    assert subid.subordinate_ids("uid", "alex", 1000) == [(200_000, 65536)]
