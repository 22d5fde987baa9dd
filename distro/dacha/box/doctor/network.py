"""The network, which boxes have from the host."""

from __future__ import annotations

from dacha.box.doctor.base import Check, Verdict, noted, passed
from dacha.box.doctor.host import Host

_UP = 0x1  # RTF_UP of route(8)


def _route(host: Host) -> Verdict:
    found = [*_routes_v4(host), *_routes_v6(host)]
    return (
        passed(", ".join(dict.fromkeys(found)))
        if found
        else noted("none", cost="boxes are offline, as this host is")
    )


def _routes_v4(host: Host) -> list[str]:
    found = []
    for line in (host.read("/proc/net/route") or "").splitlines()[1:]:
        fields = line.split()
        if (
            len(fields) > 7
            and fields[1] == "00000000"
            and fields[7] == "00000000"
            and int(fields[3], 16) & _UP
        ):
            address = ".".join(str(byte) for byte in reversed(bytes.fromhex(fields[2])))
            found.append(f"{fields[0]} via {address}" if address != "0.0.0.0" else fields[0])  # noqa: S104  (no address)
    return found


def _routes_v6(host: Host) -> list[str]:
    found = []
    for line in (host.read("/proc/net/ipv6_route") or "").splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo":
            found.append(f"{fields[9]} (IPv6)")
    return found


def _name_servers(host: Host) -> Verdict:
    text = host.read("/etc/resolv.conf")
    if text is None:
        return noted("there is no /etc/resolv.conf", cost="names are not resolved, neither here nor in boxes")
    lines = [line.split() for line in text.splitlines()]
    servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return passed(", ".join(servers)) if servers else passed("this machine (resolv.conf names none)")


CHECKS = (
    Check("network", "default route", "The way out. Boxes have the host's network.", "", _route),
    Check(
        "network",
        "name servers",
        "What `/etc/resolv.conf` says; boxes read the same file.",
        "",
        _name_servers,
    ),
)
