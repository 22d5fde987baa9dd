"""What doctor finds on a machine with a real systemd, in a login session and as root."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lib.booted import facts_of


def _findings(*wrapper: str) -> dict[str, dict[str, str]]:
    report: Any = facts_of("doctor_in_session.py", *wrapper)
    return {f"{each['subject']}: {each['name']}": each for each in report["findings"]}


@pytest.fixture(scope="module")
def session() -> dict[str, dict[str, str]]:
    """The findings of an ordinary user."""
    return _findings()


def test_nothing_fails(session: dict[str, dict[str, str]]) -> None:
    assert [each for each in session.values() if each["status"] == "fail"] == []


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("cgroups: layout", "pure version 2"),
        ("cgroups: systemd", "your manager answers"),
        ("cgroups: delegation", "systemd gives each box a scope of its own"),
        ("cgroups: lingering", "your boxes live on when you log out"),
        ("desktop: session bus", "/run/user/1001/bus"),
        ("desktop: system bus", "/run/dbus/system_bus_socket"),
        ("places: runtime directory", "/run/user/1001/dacha, tmpfs"),
    ],
)
def test_what_systemd_gives_is_found(session: dict[str, dict[str, str]], name: str, detail: str) -> None:
    assert (session[name]["status"], session[name]["detail"]) == ("pass", detail)


def test_root_is_examined_as_root() -> None:
    """Its store would lie on the testbed's root, which is an overlay: another driver stands in there."""
    findings = _findings("sudo")
    failures = [name for name, each in findings.items() if each["status"] == "fail"]
    assert failures == []
    assert findings["store: overlayfs"]["status"] == "warn"
    assert findings["store: file system"]["detail"] == "overlay at /"
    assert findings["cgroups: systemd"]["detail"] == "the machine's manager answers"
    assert findings["ids: newuidmap"]["detail"] == "not needed by root"
