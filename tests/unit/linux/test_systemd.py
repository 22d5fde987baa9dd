"""What is said to systemd, and how its answers are taken: with a server of our own in its place."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dacha.linux import systemd
from dacha.linux.dbus import marshal, message_size

UID = 1234
MANAGER = "org.freedesktop.systemd1.Manager"
# The call for ("a.scope", 7, description="ü"), made by jeepney, another implementation.
CALL = bytes.fromhex(
    "6c010001a0000000010000008e00000001016f00190000002f6f72672f667265656465736b746f702f73797374656d64"
    "310000000000000002017300200000006f72672e667265656465736b746f702e73797374656d64312e4d616e61676572"
    "0000000000000000030173001200000053746172745472616e7369656e74556e69740000000000000801670010737361"
    "2873762961287361287376292900000007000000612e73636f706500040000006661696c000000007b00000000000000"
    "0400000050494473000261750000000004000000070000000800000044656c6567617465000162000100000000000000"
    "0b000000436f6c6c6563744d6f6465000173000012000000696e6163746976652d6f722d6661696c6564000000000000"
    "0b0000004465736372697074696f6e000173000002000000c3bc000000000000"
)
# From a big-endian machine: the reply with the job's path, and the signal of its end. By jeepney.
BIG_ENDIAN_REPLY = bytes.fromhex(
    "420200010000000b000000050000000f050175000000000108016700016f0000000000062f6a6f622f3100"
)
BIG_ENDIAN_DONE = bytes.fromhex(
    "4204000100000025000000060000007a01016f00000000192f6f72672f667265656465736b746f702f73797374656d64"
    "310000000000000002017300000000206f72672e667265656465736b746f702e73797374656d64312e4d616e61676572"
    "0000000000000000030173000000000a4a6f6252656d6f7665640000000000000801670004756f737300000000000000"
    "00000001000000062f6a6f622f31000000000007612e73636f70650000000004646f6e6500"
)


def _message(kind: int, fields: list[tuple[int, tuple[str, Any]]], signature: str, *values: Any) -> bytes:
    body = bytearray()
    marshal(body, signature, values)
    message = bytearray()
    all_fields = [*fields, (8, ("g", signature))] if signature else fields
    marshal(message, "yyyyuua(yv)", (ord("l"), kind, 0, 1, len(body), 99, all_fields))
    return bytes(message) + bytes(-len(message) % 8) + bytes(body)


def _reply(signature: str, *values: Any) -> bytes:
    return _message(2, [(5, ("u", 1))], signature, *values)


def _error(name: str, signature: str = "", *values: Any) -> bytes:
    return _message(3, [(5, ("u", 1)), (4, ("s", name))], signature, *values)


def _signal(member: str, signature: str, *values: Any) -> bytes:
    fields = [(1, ("o", "/org/freedesktop/systemd1")), (2, ("s", MANAGER)), (3, ("s", member))]
    return _message(4, fields, signature, *values)


REPLY = _reply("o", "/job/1")
DONE = _signal("JobRemoved", "uoss", 1, "/job/1", "a.scope", "done")


class Server:
    """Listens where systemd would. To each connection it answers the same, after the first call."""

    def __init__(self, directory: Path) -> None:
        self.welcome = b"OK 0123456789abcdef\r\n"
        self.answer: Callable[[socket.socket], None] = lambda connection: None
        self.greeting = b""
        self.call = b""
        (directory / "systemd").mkdir()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(directory / "systemd" / "private"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def answers(self, *messages: bytes) -> None:
        self.answer = lambda connection: connection.sendall(b"".join(messages))

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._converse(connection)
                except OSError:  # the client has gone
                    continue

    def _converse(self, connection: socket.socket) -> None:
        data = b""
        while b"BEGIN\r\n" not in data:
            data += self._receive(connection)
        self.greeting, _, data = data.partition(b"BEGIN\r\n")
        connection.sendall(self.welcome)
        while len(data) < 16 or len(data) < message_size(data[:16]):
            data += self._receive(connection)
        self.call = data
        self.answer(connection)
        while self._receive(connection):
            pass

    def _receive(self, connection: socket.socket) -> bytes:
        data = connection.recv(4096)
        if not data:
            raise ConnectionError
        return data


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's runtime directory, also for root."""
    monkeypatch.setattr(os, "geteuid", lambda: UID)
    monkeypatch.setattr(systemd, "_TIMEOUT_S", 2.0)
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.fspath(tmp_path))
    return tmp_path


@pytest.fixture
def server(runtime: Path) -> Iterator[Server]:
    server = Server(runtime)
    yield server
    server.close()


def test_scope_is_asked_for_in_the_right_bytes(server: Server) -> None:
    server.answers(REPLY, DONE)
    systemd.start_scope("a.scope", 7, description="ü")
    assert server.greeting == b"\0AUTH EXTERNAL " + b"31323334" + b"\r\n"
    assert server.call == CALL


def test_caller_is_named_by_its_socket(server: Server) -> None:
    server.answers(REPLY, DONE)
    systemd.start_scope("a.scope", os.getpid())
    pids = bytearray()
    marshal(pids, "sv", ["PIDs", ("au", [0])])
    assert pids in server.call


@pytest.mark.parametrize(
    "messages",
    [
        [REPLY, DONE],
        [DONE, REPLY],
        [BIG_ENDIAN_REPLY, BIG_ENDIAN_DONE],
        [
            _signal("JobNew", "uos", 1, "/job/1", "a.scope"),
            REPLY,
            _signal("JobRemoved", "uoss", 2, "/job/2", "b.scope", "failed"),
            _signal("UnitNew", "so", "a.scope", "/unit/a"),
            DONE,
        ],
    ],
    ids=["in order", "the end first", "big-endian", "among others"],
)
def test_end_of_the_job_is_found(server: Server, messages: list[bytes]) -> None:
    server.answers(*messages)
    systemd.start_scope("a.scope", 7)


def test_messages_may_come_in_pieces(server: Server) -> None:
    def answer(connection: socket.socket) -> None:
        for byte in REPLY + DONE:
            connection.sendall(bytes([byte]))

    server.answer = answer
    systemd.start_scope("a.scope", 7)


def test_job_that_fails_is_an_error(server: Server) -> None:
    server.answers(REPLY, _signal("JobRemoved", "uoss", 1, "/job/1", "a.scope", "canceled"))
    with pytest.raises(systemd.SystemdError, match=r"cannot start a\.scope: the job ended with 'canceled'"):
        systemd.start_scope("a.scope", 7)


def test_error_of_systemd_is_passed_on(server: Server) -> None:
    server.answers(_error("org.freedesktop.systemd1.UnitExists", "s", "Unit a.scope was already loaded."))
    with pytest.raises(systemd.SystemdError) as caught:
        systemd.start_scope("a.scope", 7)
    assert str(caught.value) == (
        "systemd cannot start a.scope: Unit a.scope was already loaded. (org.freedesktop.systemd1.UnitExists)"
    )
    assert caught.value.name == "org.freedesktop.systemd1.UnitExists"
    assert caught.value.hint == "look at it: systemctl --user status a.scope"


def test_error_without_a_text_has_its_name(server: Server) -> None:
    server.answers(_error("org.example.Error"))
    with pytest.raises(systemd.SystemdError, match=r"cannot start a\.scope: org\.example\.Error$"):
        systemd.start_scope("a.scope", 7)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"", "the D-Bus connection was closed at its other end"),
        (REPLY[:-1], "the D-Bus connection was closed at its other end"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no D-Bus message"),
        (b"l\2\0\1" + b"\xff" * 12, "too long"),
        (_reply("s", "/job/1"), "says 's' where 'o' was to be expected"),
        (_reply(""), "says '' where 'o' was to be expected"),
        (REPLY + _signal("JobRemoved", "u", 1), "says 'u' where 'uoss' was to be expected"),
        (_reply("o", "/job/1")[:-8] + b"\xff" * 8, "ends too early"),
    ],
)
def test_bad_answers_are_errors(server: Server, answer: bytes, complaint: str) -> None:
    def send_and_close(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    server.answer = send_and_close
    with pytest.raises(systemd.SystemdError, match=complaint):
        systemd.start_scope("a.scope", 7)


@pytest.mark.parametrize(
    ("welcome", "complaint"),
    [
        (b"REJECTED EXTERNAL\r\n", "D-Bus authentication is refused: REJECTED EXTERNAL"),
        (b"x" * 5000, "no D-Bus authentication"),
    ],
)
def test_refused_authentication_is_an_error(server: Server, welcome: bytes, complaint: str) -> None:
    server.welcome = welcome
    assert systemd.has_manager() is False
    with pytest.raises(systemd.SystemdError, match=complaint):
        systemd.start_scope("a.scope", 7)


def test_silence_is_not_waited_for_without_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_TIMEOUT_S", 0.1)
    with pytest.raises(systemd.SystemdError, match=r"cannot be asked to start a\.scope: timed out"):
        systemd.start_scope("a.scope", 7)


def test_chatter_is_not_listened_to_without_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def chatter(connection: socket.socket) -> None:
        connection.sendall(REPLY)
        while True:
            connection.sendall(_signal("UnitNew", "so", "b.scope", "/unit/b"))
            time.sleep(0.01)

    server.answer = chatter
    monkeypatch.setattr(systemd, "_TIMEOUT_S", 0.1)
    with pytest.raises(systemd.SystemdError, match="timed out"):
        systemd.start_scope("a.scope", 7)


def test_manager_answers_or_not(runtime: Path) -> None:
    assert systemd.has_manager() is False
    server = Server(runtime)
    assert systemd.has_manager() is True
    server.close()
    assert systemd.has_manager() is False  # the socket is still there


def test_nobody_to_ask_is_an_error(runtime: Path) -> None:
    message = r"cannot be asked to start a\.scope: No such file or directory"
    with pytest.raises(systemd.SystemdError, match=message):
        systemd.start_scope("a.scope", 7)


def test_unit_is_stopped(server: Server) -> None:
    server.answers(_reply("o", "/job/3"))
    systemd.stop_unit("a.scope")
    arguments = bytearray()
    marshal(arguments, "ss", ["a.scope", "replace"])
    assert server.call.endswith(arguments)
    assert b"StopUnit\0" in server.call


def test_unit_that_is_gone_is_stopped_enough(server: Server) -> None:
    server.answers(_error("org.freedesktop.systemd1.NoSuchUnit", "s", "Unit a.scope not loaded."))
    systemd.stop_unit("a.scope")


def test_unit_that_cannot_be_stopped_is_an_error(server: Server) -> None:
    server.answers(_error("org.freedesktop.DBus.Error.AccessDenied", "s", "Access denied"))
    with pytest.raises(systemd.SystemdError, match=r"cannot stop a\.scope: Access denied"):
        systemd.stop_unit("a.scope")
