"""Which proxy the environment names for an address: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.

The rules are those of curl and of Go's net/http, which the field's other tools use: the
lower-case name wins, this machine itself is never asked for through a proxy, and an entry of
NO_PROXY is a domain with all below it, an address, a network, or `*`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping


def proxy_for(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> str:
    """The URL of the proxy for that address; empty if there is none."""
    if _is_exempt(host.strip("[]").lower(), port, _look_up(environment, "no_proxy")):
        return ""
    proxy = _look_up(environment, f"{scheme}_proxy") or _look_up(environment, "all_proxy")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _look_up(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def _is_exempt(host: str, port: int, exceptions: str) -> bool:
    address = _as_address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in exceptions.lower().replace(",", " ").split():
        name, colon, number = entry.rpartition(":")
        if colon and number.isdecimal() and (":" not in name or name.startswith("[")):
            if int(number) != port:
                continue
            entry = name
        entry = entry.strip("[]")
        if entry == "*" or _covers(entry, host, address):
            return True
    return False


def _covers(entry: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if address is None:
        domain = entry.removeprefix("*").removeprefix(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _as_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
