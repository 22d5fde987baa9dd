"""Host name, hosts and name servers."""

from __future__ import annotations

import os

import pytest

from dacha.box.integrations import names
from dacha.box.integrations.names import NamesIntegration, hosts_with_name
from tests.lib.contexts import ContextMaker, edits_of

HOSTS = b"127.0.0.1 localhost\n192.0.2.7\tdesk.example.org desk  # mine\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HOSTS, "desk"),
        (HOSTS, "desk.example.org"),
        (HOSTS, "localhost"),
        (b"::1 work", "work"),
        (b"  127.0.0.1\twork\n", "work"),
    ],
)
def test_hosts_that_have_the_name_stay_as_they_are(text: bytes, name: str) -> None:
    assert hosts_with_name(text, name) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HOSTS, "des"),
        (HOSTS, "example.org"),
        (HOSTS, "mine"),  # in a comment
        (b"# 127.0.0.1 work\n", "work"),
        (b"work 127.0.0.1\n", "work"),  # in place of an address
        (b"", "work"),
    ],
)
def test_hosts_without_the_name_get_it(text: bytes, name: str) -> None:
    assert hosts_with_name(text, name) == text + f"127.0.1.1 {name}\n".encode()


def test_the_new_line_stands_by_itself() -> None:
    assert hosts_with_name(b"127.0.0.1 localhost", "work") == b"127.0.0.1 localhost\n127.0.1.1 work\n"


def test_the_boxs_own_name_can_be_looked_up(
    make_context: ContextMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_read", lambda path: HOSTS if path == "/etc/hosts" else b"")
    edits = edits_of(NamesIntegration(), make_context()._replace(hostname="work"))
    assert edits["etc/hostname"].data == b"work\n"
    assert edits["etc/hosts"].data == HOSTS + b"127.0.1.1 work\n"


def test_without_hosts_on_the_host_localhost_is_still_one(
    make_context: ContextMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_read", lambda _path: b"")
    hosts = edits_of(NamesIntegration(), make_context())["etc/hosts"].data
    assert b"127.0.0.1 localhost\n" in hosts
    assert hosts.endswith(b"127.0.1.1 desk\n")


@pytest.mark.parametrize("real", ["/etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf"])
def test_name_servers_are_read_where_the_host_keeps_them(
    make_context: ContextMaker, monkeypatch: pytest.MonkeyPatch, real: str
) -> None:
    monkeypatch.setattr(os.path, "realpath", lambda _path: real)
    edits = edits_of(NamesIntegration(), make_context())
    assert edits["etc/resolv.conf"].link == f"/run/host{real}"
