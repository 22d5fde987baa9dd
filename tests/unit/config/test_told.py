"""What is said once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.config import places
from dacha.config.told import take_untold
from tests.unit.config.conftest import Host


def test_a_note_is_new_once(host: Host) -> None:
    assert take_untold(("a: x", "a: y", "a: x")) == ("a: x", "a: y")
    assert take_untold(("a: y", "a: z")) == ("a: z",)
    assert take_untold(()) == ()


def test_odd_notes_are_remembered_too(host: Host) -> None:
    notes = ("a\nb: x", "\udcff: y")
    assert take_untold(notes) == notes
    assert take_untold(notes) == ()


def test_where_nothing_can_be_kept_it_is_said_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "told", lambda: "/proc/nothing/told")
    assert take_untold(("x",)) == take_untold(("x",)) == ("x",)


def test_the_memory_does_not_grow_for_ever(host: Host) -> None:
    take_untold(tuple(f"note {number}" for number in range(3000)))
    assert len(Path(places.told()).read_text().splitlines()) <= 1000
