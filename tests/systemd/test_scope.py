"""Transient scopes of a real systemd, asked for in a login session and by root, in the testbed."""

from __future__ import annotations

import re
import signal
from typing import Any

import pytest

from tests.lib.booted import facts_of


@pytest.fixture(scope="module")
def session() -> Any:
    """What happened in a login session of an ordinary user."""
    return facts_of("in_session.py")


@pytest.fixture(scope="module")
def root() -> Any:
    """What happened to root."""
    return facts_of("in_session.py", "sudo")


def test_manager_of_the_user_answers(session: Any) -> None:
    assert session["has_manager"] is True
    assert session["has_manager_elsewhere"] is False


def test_process_moves_from_its_login_session_into_the_scope(session: Any) -> None:
    assert re.search(r"/session-\d+\.scope$", session["before"])
    assert re.search(r"/user@\d+\.service/.*/test-own\.scope$", session["after"])
    assert session["seconds"] < 2


def test_scope_is_delegated_and_forgotten_at_its_end(session: Any) -> None:
    assert session["in_child"] == session["after"] + "/child"
    assert session["properties"] == {
        "ActiveState": "active",
        "CollectMode": "inactive-or-failed",
        "Delegate": "yes",
        "Description": "a scöpe",
    }


def test_scope_can_be_stopped_and_stopped_again(session: Any) -> None:
    assert session["other"].endswith("/test-other.scope")
    assert session["other_ended_by"] == signal.SIGTERM


def test_caller_is_found_from_another_pid_namespace(session: Any) -> None:
    """Its own number there is 1: taken at its word, it would ask for another process to be moved."""
    assert session["inner_pid"] == "1"
    assert session["inner"].endswith("/test-inner.scope")


def test_second_scope_of_the_same_name_is_refused(session: Any) -> None:
    assert session["duplicate"] == {
        "message": "systemd cannot start test-own.scope: Unit test-own.scope was already loaded or has"
        " a fragment file. (org.freedesktop.systemd1.UnitExists)",
        "name": "org.freedesktop.systemd1.UnitExists",
        "hint": "look at it: systemctl --user status test-own.scope",
    }


def test_what_cannot_be_a_scope_is_refused(session: Any) -> None:
    assert session["no_scope"]["name"] == "org.freedesktop.DBus.Error.PropertyReadOnly"
    assert session["no_process"]["name"] == "org.freedesktop.DBus.Error.UnixProcessIdUnknown"
    assert session["no_process"]["message"].startswith("systemd cannot start test-gone.scope: ")


def test_missing_manager_is_said_to_be_missing(session: Any) -> None:
    message = "systemd cannot be asked to start test.scope: No such file or directory"
    assert session["nobody_there"] == {"message": message, "name": "", "hint": ""}


def test_root_asks_the_manager_of_the_machine(root: Any) -> None:
    assert root["has_manager"] is True
    assert root["after"] == "/system.slice/test-own.scope"
    assert root["in_child"] == "/system.slice/test-own.scope/child"
    assert root["other_ended_by"] == signal.SIGTERM
    assert root["duplicate"]["hint"] == "look at it: systemctl status test-own.scope"
