"""Names: the host's name, its hosts file and its name servers."""

from __future__ import annotations

import os

from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration

_LOCAL = b"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def hosts_with_name(text: bytes, hostname: str) -> bytes:
    """`text` with a line for the box's own name, unless it has one: sudo and X look it up (hosts(5))."""
    name = hostname.encode()
    for line in text.splitlines():
        if name in line.partition(b"#")[0].split()[1:]:
            return text
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text + b"127.0.1.1 " + name + b"\n"


class NamesIntegration(Integration):
    """What the host resolves, the box resolves."""

    def edits(self, context: Context) -> list[Edit]:
        """resolv.conf is a link, so that the host's changes arrive, and dpkg finds nothing in its way."""
        # The host's own link may be absolute; in the box it must stay below /run/host.
        real = os.path.realpath("/etc/resolv.conf")
        return [
            Edit("etc/hostname", context.hostname.encode() + b"\n"),
            Edit("etc/hosts", hosts_with_name(_read("/etc/hosts") or _LOCAL, context.hostname)),
            Edit("etc/resolv.conf", link=f"/run/host{real}"),
        ]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
