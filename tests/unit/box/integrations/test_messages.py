"""The system bus."""

from __future__ import annotations

import os

import pytest

from dacha.box.integrations.messages import MessagesIntegration
from dacha.engine.spec import Mount
from tests.lib.contexts import ContextMaker


@pytest.mark.parametrize("has_bus", [True, False])
def test_the_hosts_system_bus_is_there_if_the_host_has_one(
    make_context: ContextMaker, monkeypatch: pytest.MonkeyPatch, has_bus: bool
) -> None:
    context = make_context()
    monkeypatch.setattr(os.path, "isdir", lambda path: has_bus and path == "/run/dbus")
    bind = Mount("/run/dbus", f"{context.host}/run/dbus", "bind", ("rbind", "rslave"))
    assert MessagesIntegration().mounts(context) == ([bind] if has_bus else [])
