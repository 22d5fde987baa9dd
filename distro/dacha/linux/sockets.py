"""Find out who listens on a socket, with a limit in time."""

from __future__ import annotations

import _socket
from typing import NamedTuple

Address = str | tuple[str, int]  # a path, an abstract name (it begins with NUL), or host and port


class Reply(NamedTuple):
    """What came of asking: an error, or the first bytes of the reply."""

    error: str
    data: bytes = b""


def ask(address: Address, data: bytes = b"", *, wants_reply: bool, timeout_s: float) -> Reply:
    """Connect, send `data`, and read the first reply where one is wanted.

    Connecting wakes a service that systemd keeps asleep, as any client would.
    """
    kind = _socket.AF_UNIX if isinstance(address, str) else _socket.AF_INET
    connection = _socket.socket(kind, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(timeout_s)
        connection.connect(address)
        if data:
            connection.sendall(data)
        if not wants_reply:
            return Reply("")
        received = connection.recv(4096)
    except (TimeoutError, BlockingIOError):  # the latter: its queue is full, and nobody takes from it
        return Reply("it does not answer")
    except OSError as error:
        return Reply(error.strerror or str(error))
    finally:
        connection.close()
    return Reply("", received) if received else Reply("it hangs up")
