"""What boxes share of a session."""

from __future__ import annotations

import pytest

from dacha.box.doctor import desktop
from dacha.linux.sockets import Reply
from tests.lib.hosts import HostMaker

RUNTIME = "/run/user/1000"
DEAD, HUNG, ALIVE = Reply("Connection refused"), Reply("it does not answer"), Reply("", b"OK")


def test_a_server_has_nothing_to_share(host: HostMaker) -> None:
    assert {check.find(host.make()).status for check in desktop.CHECKS} == {"info", "pass"}


@pytest.mark.parametrize(
    ("variable", "value", "socket", "name"),
    [
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/b,guid=1f", "/tmp/b", "session bus"),
        ("DBUS_SESSION_BUS_ADDRESS", "tcp:host=x;unix:abstract=/tmp/d", "@/tmp/d", "session bus"),
        ("DISPLAY", ":0", "/tmp/.X11-unix/X0", "X11"),
        ("DISPLAY", "unix:12.1", "/tmp/.X11-unix/X12", "X11"),
        ("DISPLAY", "localhost:10.0", "tcp:6010", "X11"),
        ("WAYLAND_DISPLAY", "wayland-0", f"{RUNTIME}/wayland-0", "Wayland"),
        ("WAYLAND_DISPLAY", "/tmp/w", "/tmp/w", "Wayland"),
        ("SSH_AUTH_SOCK", "/tmp/agent", "/tmp/agent", "ssh agent"),
    ],
)
def test_what_a_variable_promises_is_asked(
    host: HostMaker, variable: str, value: str, socket: str, name: str
) -> None:
    host.environment[variable] = value
    host.answers.replies[socket] = ALIVE
    assert host.find(desktop.CHECKS, name).status == "pass"
    for reply in (DEAD, HUNG):
        host.answers.replies[socket] = reply
        found = host.find(desktop.CHECKS, name)
        assert found.status == "warn"
        assert reply.error in found.detail
        assert found.fix
        assert found.cost


@pytest.mark.parametrize(
    ("socket", "name"),
    [
        (f"{RUNTIME}/bus", "session bus"),
        ("/run/dbus/system_bus_socket", "system bus"),
        (f"{RUNTIME}/pulse/native", "sound"),
        (f"{RUNTIME}/pipewire-0", "sound"),
        (f"{RUNTIME}/gnupg/S.gpg-agent", "gpg agent"),
        ("/home/alex/.gnupg/S.gpg-agent", "gpg agent"),
    ],
)
def test_a_socket_that_is_there_is_asked(host: HostMaker, socket: str, name: str) -> None:
    host.write(socket)
    host.answers.replies[socket] = ALIVE
    assert host.find(desktop.CHECKS, name).status == "pass"
    host.answers.replies[socket] = DEAD
    assert host.find(desktop.CHECKS, name).status == "warn"


def test_an_x_server_may_listen_at_its_abstract_socket_alone(host: HostMaker) -> None:
    host.environment["DISPLAY"] = ":0"
    host.answers.replies["@/tmp/.X11-unix/X0"] = ALIVE
    assert host.find(desktop.CHECKS, "X11").status == "pass"


def test_displays_that_are_none_or_far_away(host: HostMaker) -> None:
    host.environment["DISPLAY"] = "nonsense"
    assert host.find(desktop.CHECKS, "X11").status == "warn"
    host.environment["DISPLAY"] = "far.example:0"
    assert host.find(desktop.CHECKS, "X11").status == "info"


def test_an_authority_that_is_gone_is_told(host: HostMaker) -> None:
    host.environment.update(DISPLAY=":0", XAUTHORITY="/run/user/1000/xauth")
    host.answers.replies["/tmp/.X11-unix/X0"] = ALIVE
    assert "XAUTHORITY" in host.find(desktop.CHECKS, "X11").detail
    host.write("/run/user/1000/xauth")
    assert host.find(desktop.CHECKS, "X11").status == "pass"


def test_the_keys_of_an_agent_are_counted(host: HostMaker) -> None:
    host.environment["SSH_AUTH_SOCK"] = "/tmp/agent"
    host.answers.replies["/tmp/agent"] = Reply("", b"\0\0\0\x99\x0c\0\0\0\x02rest")
    assert host.find(desktop.CHECKS, "ssh agent").detail == "/tmp/agent, 2 keys"


def test_render_nodes_must_be_open(host: HostMaker) -> None:
    host.write("/dev/dri/renderD128")
    found = host.find(desktop.CHECKS, "graphics")
    assert (found.status, found.detail) == ("pass", "/dev/dri/renderD128")


def test_a_closed_render_node_needs_a_group(host: HostMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write("/dev/dri/renderD128")
    monkeypatch.setattr("os.access", lambda *_args: False)
    found = host.find(desktop.CHECKS, "graphics")
    assert found.status == "warn"
    assert found.fix.startswith("sudo usermod --append --groups ")
    assert found.fix.endswith(" alex, and log in anew")


def test_nvidias_driver_is_told_by_version(host: HostMaker) -> None:
    host.write("/sys/module/nvidia/version", "550.90.07\n")
    assert host.find(desktop.CHECKS, "NVIDIA").status == "warn"  # there are no devices
    host.write("/dev/nvidia0")
    host.write("/dev/nvidia-caps/nvidia-cap1")
    found = host.find(desktop.CHECKS, "NVIDIA")
    assert (found.status, found.detail) == ("info", "driver 550.90.07, devices: 1")
