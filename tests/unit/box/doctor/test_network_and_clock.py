"""What boxes have from the host as it is."""

from __future__ import annotations

import time

import pytest

from dacha.box.doctor import clock, network
from tests.lib.hosts import HostMaker

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
"""
ROUTE_6 = f"{'0' * 32} 00 {'0' * 32} 00 fe80{'0' * 28} 00000400 00000001 00000000 00450003 eth0\n"


def test_default_routes_are_shown(host: HostMaker) -> None:
    assert host.find(network.CHECKS, "default route").detail == "none"
    host.write("/proc/net/route", ROUTES)
    host.write("/proc/net/ipv6_route", ROUTE_6)
    found = host.find(network.CHECKS, "default route")
    assert found.detail == "wlan0 via 192.168.1.1, tun0, eth0 (IPv6)"


def test_name_servers_are_shown(host: HostMaker) -> None:
    assert host.find(network.CHECKS, "name servers").status == "info"
    host.write("/etc/resolv.conf", "# by hand\nnameserver 10.0.0.1\nsearch x\nnameserver ::1\nnameserver\n")
    assert host.find(network.CHECKS, "name servers").detail == "10.0.0.1, ::1"


def zone(host: HostMaker, target: str) -> None:
    link = host.base / "etc/localtime"
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def test_the_zone_is_read_from_the_link(host: HostMaker) -> None:
    zone(host, "../usr/share/zoneinfo/Asia/Tokyo")
    assert "no data of" in host.find(clock.CHECKS, "time zone").detail
    host.write("/usr/share/zoneinfo/Asia/Tokyo")
    found = host.find(clock.CHECKS, "time zone")
    assert (found.status, found.detail) == ("pass", "Asia/Tokyo")


def test_a_copied_zone_has_no_name(host: HostMaker) -> None:
    assert host.find(clock.CHECKS, "time zone").status == "info"
    host.write("/etc/localtime", "TZif2")
    found = host.find(clock.CHECKS, "time zone")
    assert found.status == "warn"
    assert found.fix.startswith("sudo ln -sf /usr/share/zoneinfo/")
    host.write("/usr/share/zoneinfo/Europe/Rome")
    host.write("/etc/timezone", "Europe/Rome\n")
    assert host.find(clock.CHECKS, "time zone").status == "pass"


def test_a_clock_that_was_never_set_is_told(host: HostMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.find(clock.CHECKS, "time").status == "pass"
    monkeypatch.setattr(time, "time", lambda: 86400.0)
    assert host.find(clock.CHECKS, "time").fix == "sudo timedatectl set-ntp true"
