"""Boxes on a machine with a real systemd, from a login session and from a scope of the user's manager."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest

from tests.lib.booted import facts_of
from tests.lib.images import RealImages


@pytest.fixture(scope="module")
def facts(images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o755)
    shutil.copy(images.alpine_tar, home / "alpine.tar")
    return facts_of("box_in_session.py", home=home)


def test_box_starts_from_a_login_session_without_a_word(facts: Any) -> None:
    assert facts["start"] == [0, ""]


def test_box_lives_in_a_scope_of_its_own(facts: Any) -> None:
    assert re.match(r"dacha-box-\d+\.scope +loaded active running dacha box box", facts["scopes"])
    assert re.search(r"/user@\d+\.service/.*/dacha-box-\d+\.scope/dacha-box$", facts["init_cgroup"])


def test_exit_codes_are_exact(facts: Any) -> None:
    assert facts["codes"] == [0, 42]


def test_session_is_born_in_a_cgroup_beside_the_init_where_that_may_be(facts: Any) -> None:
    assert re.search(r"^0::/\.\./s-\d+$", facts["scope_cgroup"], re.M)


def test_session_of_a_login_session_stays_in_it(facts: Any) -> None:
    assert re.search(r"^0::/.*/session-\d+\.scope$", facts["login_cgroup"], re.M)


def test_both_buses_are_there(facts: Any) -> None:
    assert facts["buses"] == 0


@pytest.mark.parametrize("place", ["hang_up_in_login_session", "hang_up_in_scope"])
def test_closing_the_terminal_ends_what_ignores_it(facts: Any, place: str) -> None:
    before, after = facts[place]
    assert before >= 2
    assert after == 0


def test_scope_is_gone_after_stop(facts: Any) -> None:
    assert facts["stop"] == 0
    assert facts["scopes_after_stop"] == ""


def test_stopped_box_starts_by_itself(facts: Any) -> None:
    assert [facts["again"], facts["remove"]] == [0, 0]
