"""The bytes of D-Bus messages, good and bad. The golden ones were made by jeepney, another implementation."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.linux.dbus import DBusError, Message, Reader, marshal, message_size

# signature, values to write, values read, little-endian bytes, big-endian bytes
GOLDEN: list[tuple[str, list[Any], list[Any], str, str]] = [
    (
        "ybqutsog",
        [1, True, 2, 3, 4, "ab", "/a", "s"],
        [1, True, 2, 3, 4, "ab", "/a", "s"],
        "0100000001000000020000000300000004000000000000000200000061620000020000002f6100017300",
        "0100000000000001000200000000000300000000000000040000000261620000000000022f6100017300",
    ),
    ("at", [[1]], [[1]], "08000000000000000100000000000000", "00000008000000000000000000000001"),
    ("at", [[]], [[]], "0000000000000000", "0000000000000000"),
    (
        "ya(ys)",
        [5, [(1, "x"), (2, "")]],
        [5, [(1, "x"), (2, "")]],
        "050000001900000001000000010000007800000000000000020000000000000000",
        "050000000000001901000000000000017800000000000000020000000000000000",
    ),
    (
        "vv",
        [("au", [1]), ("v", ("s", "deep"))],
        [[1], "deep"],
        "0261750004000000010000000176000173000000040000006465657000",
        "0261750000000004000000010176000173000000000000046465657000",
    ),
]
# The signal JobRemoved of systemd, from a big-endian machine.
SIGNAL = bytes.fromhex(
    "4204000100000025000000060000007a01016f00000000192f6f72672f667265656465736b746f702f73797374656d64"
    "310000000000000002017300000000206f72672e667265656465736b746f702e73797374656d64312e4d616e61676572"
    "0000000000000000030173000000000a4a6f6252656d6f7665640000000000000801670004756f737300000000000000"
    "00000001000000062f6a6f622f31000000000007612e73636f70650000000004646f6e6500"
)


@pytest.mark.parametrize(("signature", "values", "_read", "little", "_big"), GOLDEN)
def test_values_become_the_bytes_of_another_implementation(
    signature: str, values: list[Any], _read: object, little: str, _big: object
) -> None:
    out = bytearray()
    marshal(out, signature, values)
    assert out.hex() == little


@pytest.mark.parametrize(("signature", "_values", "read", "little", "big"), GOLDEN)
def test_bytes_of_either_order_become_values(
    signature: str, _values: object, read: list[Any], little: str, big: str
) -> None:
    assert Reader(bytes.fromhex(little), "little").read(signature) == read
    assert Reader(bytes.fromhex(big), "big").read(signature) == read


def test_message_of_a_big_endian_machine_is_read() -> None:
    assert message_size(SIGNAL[:16]) == len(SIGNAL)
    message = Message(SIGNAL)
    assert message.is_signal("org.freedesktop.systemd1.Manager", "JobRemoved")
    assert not message.is_reply_to(6)
    assert message.error() is None
    assert message.values("uoss") == [1, "/job/1", "a.scope", "done"]
    with pytest.raises(DBusError, match="says 'uoss' where 'o' was to be expected"):
        message.values("o")


def test_string_with_a_nul_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="not a D-Bus string"):
        marshal(bytearray(), "s", ["a\0b"])


@pytest.mark.parametrize(
    "kind", ["", "yy", "a", "a{sv}", "()", "(", "(y", "d", ")", "(" * 100 + "y" + ")" * 100]
)
def test_bad_variants_are_refused(kind: str) -> None:
    data = bytes([len(kind)]) + kind.encode() + bytes(1000)
    with pytest.raises(DBusError):
        Reader(data, "little").read("v")


@pytest.mark.parametrize(
    ("signature", "data", "complaint"),
    [
        ("u", "010000", "ends too early"),
        ("s", "05000000616200", "ends too early"),
        ("s", "ffffffff616200", "ends too early"),
        ("s", "02000000616263", "does not end at its end"),
        ("s", "0300000061006200", "does not end at its end"),
        ("s", "02000000fffe00", "not UTF-8"),
        ("g", "ff7300", "ends too early"),
        ("b", "02000000", "not a boolean"),
        ("au", "080000000100000000", "does not fit"),
        ("au", "ffffffff", "does not fit"),
        ("au", "06000000010000000200000000", "middle of an element"),
    ],
)
def test_malformed_values_are_refused(signature: str, data: str, complaint: str) -> None:
    with pytest.raises(DBusError, match=complaint):
        Reader(bytes.fromhex(data), "little").read(signature)


def test_nesting_has_an_end() -> None:
    with pytest.raises(DBusError, match="nested too deeply"):
        Reader(b"\1v\0" * 100_000, "little").read("v")


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        (b"HTTP/1.1 400 Bad", "no D-Bus message"),
        (b"l\1\0\2" + bytes(12), "no D-Bus message"),
        (b"l\1\0\1" + struct.pack("<III", 0, 1, (1 << 26) + 1), "too long"),
        (b"l\1\0\1" + struct.pack("<III", 1 << 27, 1, 0), "too long"),
        (b"B\1\0\1" + struct.pack(">III", 1 << 27, 1, 0), "too long"),
    ],
)
def test_head_of_no_message_is_refused(head: bytes, complaint: str) -> None:
    with pytest.raises(DBusError, match=complaint):
        message_size(head)


@given(st.binary(max_size=200), st.sampled_from(["v", "yyyyuua(yv)", "uoss", "a(sa(sv))"]))
def test_any_bytes_are_read_or_refused(data: bytes, signature: str) -> None:
    with contextlib.suppress(DBusError):
        Reader(data, "little").read(signature)


@given(st.integers(0, len(SIGNAL) - 1), st.integers(0, 255))
def test_damaged_message_is_read_or_refused(at: int, byte: int) -> None:
    damaged = bytearray(SIGNAL)
    damaged[at] = byte
    with contextlib.suppress(DBusError):
        message_size(bytes(damaged[:16]))
        message = Message(bytes(damaged))
        message.error()
        message.values("uoss")
