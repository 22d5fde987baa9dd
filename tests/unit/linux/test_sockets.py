"""Who listens on a socket."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dacha.linux.sockets import Reply, ask


@contextmanager
def listening(address: str | tuple[str, int], answer: bytes | None = None) -> Iterator[socket.socket]:
    """A server that answers each client once what it has heard, after `answer`; None: it never does."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as server:
        server.bind(address)
        server.listen(1)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(answer + client.recv(100) if answer else b"")

        if answer is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield server


@pytest.fixture
def path(tmp_path: Path) -> str:
    return os.fspath(tmp_path / "socket")


def test_a_server_that_only_listens_is_there(path: str) -> None:
    with listening(path):
        assert ask(path, wants_reply=False, timeout_s=1) == Reply("")


def test_an_answer_is_read(path: str) -> None:
    with listening(path, b"OK "):
        assert ask(path, b"hello", wants_reply=True, timeout_s=5) == Reply("", b"OK hello")


def test_a_server_that_says_nothing_is_not_waited_for(path: str) -> None:
    with listening(path):
        started = time.monotonic()
        assert ask(path, b"hello", wants_reply=True, timeout_s=0.1) == Reply("it does not answer")
        assert time.monotonic() - started < 2


def test_a_full_queue_is_no_wait_either(path: str) -> None:
    with listening(path):
        clients = []
        for _ in range(10):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            client.connect_ex(path)
            clients.append(client)
        assert ask(path, wants_reply=False, timeout_s=0.1) == Reply("it does not answer")
        for client in clients:
            client.close()


def test_a_server_that_hangs_up_is_told(path: str) -> None:
    with listening(path, b""):
        assert ask(path, b"hello", wants_reply=True, timeout_s=5).error != ""


def test_a_socket_that_somebody_left_is_dead(path: str) -> None:
    assert ask(path, wants_reply=False, timeout_s=1).error == "No such file or directory"
    with listening(path):
        pass
    assert ask(path, wants_reply=False, timeout_s=1).error == "Connection refused"


def test_abstract_names_and_ports_are_asked_too() -> None:
    name = f"\0dacha-test-{os.getpid()}"
    with listening(name):
        assert ask(name, wants_reply=False, timeout_s=1) == Reply("")
    with listening(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert ask(address, wants_reply=False, timeout_s=1) == Reply("")
    assert ask(address, wants_reply=False, timeout_s=1).error == "Connection refused"


def test_a_path_that_is_too_long_is_an_error_and_no_crash() -> None:
    assert "too long" in ask("/" + "x" * 200, wants_reply=False, timeout_s=1).error
