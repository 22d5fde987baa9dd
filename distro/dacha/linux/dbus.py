"""Enough of D-Bus to call the process at the other end of a socket.

It speaks to one process, without a bus in between: no names, no subscriptions, no file
descriptors, and of the types those that such calls need. It stands on `_socket`, since
`socket` would cost 6 ms to import, on the way of `dacha start`.

What comes in is another process's word: every length is checked against the bytes that
are there, and nesting has an end.

Source: the D-Bus specification, https://dbus.freedesktop.org/doc/dbus-specification.html
"""

from __future__ import annotations

import _socket
import os
import time

from dacha.errors import DachaError

TYPE_CHECKING = False
if TYPE_CHECKING:  # both cost 2 ms and more to import
    from collections.abc import Sequence
    from typing import Any, Literal, Self

# "Marshaling", table of alignments. A type that is not here is not known here.
_ALIGNMENT = {"y": 1, "b": 4, "q": 2, "u": 4, "t": 8, "s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8}
_INTEGER_SIZE = {"y": 1, "b": 4, "q": 2, "u": 4, "t": 8}
_MAX_DEPTH = 64  # "Valid Signatures" and "Marshaling (Wire Format)", variants
_MAX_ARRAY_SIZE = 1 << 26
_MAX_MESSAGE_SIZE = 1 << 27
_MAX_LINE_SIZE = 1 << 10  # of the authentication; ours

_FIXED_HEADER_SIZE = 16
_HEADER = "yyyyuua(yv)"  # "Message Format"
_METHOD_CALL, _METHOD_RETURN, _ERROR, _SIGNAL = 1, 2, 3, 4
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 4, 5, 6, 8


class DBusError(DachaError):
    """The other end does not speak D-Bus as we know it."""


class CallError(DBusError):
    """The other end refuses a call: its error's name, and what it says to people."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{text} ({name})" if text else name)
        self.name = name
        self.text = text


def _end_of_type(signature: str, start: int) -> int:
    """Where the complete type ends that begins at `start`."""
    code = signature[start : start + 1]
    if code == "a":
        return _end_of_type(signature, start + 1)
    if code == "(":
        end = _end_of_type(signature, start + 1)
        while signature[end : end + 1] != ")":
            end = _end_of_type(signature, end)
        return end + 1
    if code not in _ALIGNMENT:
        raise DBusError(f"not a D-Bus type that dacha knows: '{signature[start:]}' in '{signature}'")
    return start + 1


def _split(signature: str) -> list[str]:
    """The complete types of a signature."""
    types = []
    start = 0
    while start < len(signature):
        end = _end_of_type(signature, start)
        types.append(signature[start:end])
        start = end
    return types


def marshal(out: bytearray, signature: str, values: Sequence[Any]) -> None:
    """Append values, little-endian. A variant is a pair of its type and its value."""
    for kind, value in zip(_split(signature), values, strict=True):
        _put(out, kind, value)


def _put(out: bytearray, kind: str, value: Any) -> None:
    code = kind[0]
    out += bytes(-len(out) % _ALIGNMENT[code])
    if code in _INTEGER_SIZE:
        out += int(value).to_bytes(_INTEGER_SIZE[code], "little")
    elif code in "sog":
        data = value.encode()
        if b"\0" in data:
            raise ValueError(f"not a D-Bus string: {value!r}")
        _put(out, "y" if code == "g" else "u", len(data))
        out += data + b"\0"
    elif code == "v":
        inner, content = value
        _put(out, "g", inner)
        _put(out, inner, content)
    elif code == "(":
        marshal(out, kind[1:-1], value)
    else:
        size_at = len(out)
        out += bytes(4)
        out += bytes(-len(out) % _ALIGNMENT[kind[1]])
        start = len(out)  # the padding before the first element does not count
        for item in value:
            _put(out, kind[1:], item)
        out[size_at : size_at + 4] = (len(out) - start).to_bytes(4, "little")


class Reader:
    """Takes values from bytes. Raises DBusError where there is nothing of that type."""

    def __init__(self, data: bytes, order: Literal["little", "big"]) -> None:
        self._data = data
        self._order = order
        self._at = 0

    def read(self, signature: str) -> list[Any]:
        """The values of a signature; a variant's without its type."""
        return [self._get(kind, 0) for kind in _split(signature)]

    def rest(self) -> bytes:
        """What is left, from the next multiple of 8 on: a message's body, behind its header."""
        self._align(8)
        return self._data[self._at :]

    def _align(self, alignment: int) -> None:
        self._take(-self._at % alignment)

    def _take(self, count: int) -> bytes:
        start, end = self._at, self._at + count
        if end > len(self._data):
            raise DBusError("a D-Bus message ends too early")
        self._at = end
        return self._data[start:end]

    def _get(self, kind: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise DBusError("a D-Bus message is nested too deeply")
        code = kind[0]
        self._align(_ALIGNMENT[code])
        if code in _INTEGER_SIZE:
            number = int.from_bytes(self._take(_INTEGER_SIZE[code]), self._order)
            if code == "b" and number > 1:
                raise DBusError(f"not a boolean in a D-Bus message: {number}")
            return bool(number) if code == "b" else number
        if code in "sog":
            return self._get_string("y" if code == "g" else "u")
        if code == "v":
            inner = self._get_string("y")
            if len(_split(inner)) != 1:
                raise DBusError(f"not one type for a D-Bus variant: '{inner}'")
            return self._get(inner, depth + 1)
        if code == "(":
            return tuple([self._get(item, depth + 1) for item in _split(kind[1:-1])])
        return self._get_array(kind[1:], depth + 1)

    def _get_string(self, size_type: str) -> str:
        data = self._take(self._get(size_type, 0) + 1)
        if data.find(b"\0") != len(data) - 1:
            raise DBusError("a string in a D-Bus message does not end at its end")
        try:
            return data[:-1].decode()
        except UnicodeDecodeError as error:
            raise DBusError("a string in a D-Bus message is not UTF-8") from error

    def _get_array(self, kind: str, depth: int) -> list[Any]:
        size = self._get("u", 0)
        self._align(_ALIGNMENT[kind[0]])
        end = self._at + size
        if size > _MAX_ARRAY_SIZE or end > len(self._data):
            raise DBusError(f"an array of {size} bytes does not fit into its D-Bus message")
        items = []
        while self._at < end:
            items.append(self._get(kind, depth))
        if self._at != end:
            raise DBusError("an array in a D-Bus message ends in the middle of an element")
        return items


def _order_of(head: bytes) -> Literal["little", "big"]:
    if head[:1] not in (b"l", b"B") or head[3] != 1:
        raise DBusError("what comes from the socket is no D-Bus message")
    return "little" if head[:1] == b"l" else "big"


def message_size(head: bytes) -> int:
    """The size of a message, from its first 16 bytes."""
    order = _order_of(head)
    body_size = int.from_bytes(head[4:8], order)
    fields_size = int.from_bytes(head[12:16], order)
    size = _FIXED_HEADER_SIZE + fields_size + -fields_size % 8 + body_size
    if fields_size > _MAX_ARRAY_SIZE or size > _MAX_MESSAGE_SIZE:
        raise DBusError(f"a D-Bus message of {size} bytes is too long")
    return size


class Message:
    """A message that came in. Its body stays unread until it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._order = _order_of(data)
        reader = Reader(data, self._order)
        _, self._kind, _, _, _, _, fields = reader.read(_HEADER)
        self._fields: dict[int, Any] = dict(fields)
        self._body = reader.rest()

    def is_signal(self, interface: str, member: str) -> bool:
        return (
            self._kind == _SIGNAL
            and self._fields.get(_INTERFACE) == interface
            and self._fields.get(_MEMBER) == member
        )

    def is_reply_to(self, serial: int) -> bool:
        return self._kind in (_METHOD_RETURN, _ERROR) and self._fields.get(_REPLY_SERIAL) == serial

    def error(self) -> CallError | None:
        """The error, if that is what the message is."""
        if self._kind != _ERROR:
            return None
        # Only by convention is the first value a text.
        text = self.values("s")[0] if self._fields.get(_SIGNATURE) == "s" else ""
        return CallError(str(self._fields.get(_ERROR_NAME, "an error without a name")), text)

    def values(self, signature: str) -> list[Any]:
        """What the message says, if it is of these types."""
        found = self._fields.get(_SIGNATURE, "")
        if found != signature:
            raise DBusError(f"a D-Bus message says '{found}' where '{signature}' was to be expected")
        return Reader(self._body, self._order).read(signature)


class Connection:
    """A connection to one process, authenticated as the calling user."""

    def __init__(self, path: str, *, timeout_s: float) -> None:
        """Connect to a socket. After `timeout_s` nothing more is waited for, and TimeoutError raised."""
        self._deadline = time.monotonic() + timeout_s
        self._serial = 0
        self._received = bytearray()
        self._unread: list[Message] = []  # what came while a reply was waited for
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(path)
            self._authenticate()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def call(self, path: str, interface: str, member: str, signature: str, *values: Any) -> Message:
        """Call a method and wait for its reply. Raises CallError if that is an error."""
        self._serial += 1
        body = bytearray()
        marshal(body, signature, values)
        fields = [(_PATH, ("o", path)), (_INTERFACE, ("s", interface)), (_MEMBER, ("s", member))]
        if signature:
            fields.append((_SIGNATURE, ("g", signature)))
        message = bytearray()
        marshal(message, _HEADER, (ord("l"), _METHOD_CALL, 0, 1, len(body), self._serial, fields))
        message += bytes(-len(message) % 8)
        self._send(message + body)
        while True:
            answer = self._receive()
            if not answer.is_reply_to(self._serial):
                self._unread.append(answer)
                continue
            error = answer.error()
            if error is not None:
                raise error
            return answer

    def next_message(self) -> Message:
        """The next of the messages that are no replies; waits for it."""
        return self._unread.pop(0) if self._unread else self._receive()

    def _authenticate(self) -> None:
        """ "Authentication Protocol": the kernel tells the other end who we are, it need only agree.

        BEGIN goes along with AUTH, as systemd's own client sends it. Sent after the answer it
        may be read together with a first, short call, which systemd then leaves lying.
        """
        uid = str(os.geteuid()).encode().hex()
        self._send(b"\0AUTH EXTERNAL " + uid.encode() + b"\r\nBEGIN\r\n")
        while b"\r\n" not in self._received:
            if len(self._received) > _MAX_LINE_SIZE:
                raise DBusError("what comes from the socket is no D-Bus authentication")
            self._receive_more()
        answer, _, self._received = self._received.partition(b"\r\n")
        if not answer.startswith(b"OK "):
            raise DBusError(f"D-Bus authentication is refused: {answer.decode(errors='replace')}")

    def _receive(self) -> Message:
        size = _FIXED_HEADER_SIZE
        while len(self._received) < size:
            self._receive_more()
        size = message_size(bytes(self._received[:size]))
        while len(self._received) < size:
            self._receive_more()
        data = bytes(self._received[:size])
        del self._received[:size]
        return Message(data)

    def _receive_more(self) -> None:
        self._limit_time()
        data = self._socket.recv(1 << 16)
        if not data:
            raise DBusError("the D-Bus connection was closed at its other end")
        self._received += data

    def _send(self, data: bytes | bytearray) -> None:
        self._limit_time()
        self._socket.sendall(data)

    def _limit_time(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
