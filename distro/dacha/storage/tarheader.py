"""Read and write single headers of tar archives, as bytes.

Read: v7, ustar, GNU, star and pax, as they come. Written: ustar where a header
holds the values exactly, else a pax record before it. Names are bytes all the
way. What an entry means for the tree is the business of `storage.tarnames`,
the flow of an archive that of `storage.tarstream`.

A `BadTarError` says what is wrong; where it stands is added by the caller.
"""

from __future__ import annotations

import struct
from binascii import Error as Base64Error
from binascii import a2b_base64
from functools import lru_cache
from zlib import adler32

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
PADDINGS = tuple(bytes(-size % BLOCK) for size in range(BLOCK))  # what follows `size` bytes of data

FILE, HARD_LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE = b"0", b"1", b"2", b"3", b"4"
DIRECTORY, FIFO = b"5", b"6"

# name, mode, uid, gid, size, mtime, checksum, type, link, magic, (uname, gname, devices), prefix, tail
_READ = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 8s 80x 155s 12s")
# name, mode to mtime, checksum, type, link, magic, (uname, gname), devices, prefix
_WRITE = struct.Struct("100s 48s 8s c 100s 8s 64x 16s 155s 12x")
_USTAR = b"ustar\x0000"
_DEVICE_0_0 = b"0000000\0" * 2
_BLANK_CHECKSUM = b" " * 8

_MAX_ID = 1 << 21
_MAX_SIZE = 1 << 33
_MAX_TIME = 1 << 33
_TIME_LIMIT = 1 << 62  # beyond it, tar's own arithmetic ends
_MAX_XATTR_NAME = 255
_MAX_XATTR_SIZE = 1 << 16


class BadTarError(ValueError):
    """What is wrong with an entry, without its place in the archive."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Entry:
    """One entry: as its header has it, then as `apply_records` and the rewriter change it."""

    __slots__ = (
        "gid", "kind", "link", "mode", "name", "nanoseconds", "seconds", "size", "sparse_records",
        "sparse_size", "uid", "xattrs",
    )  # fmt: skip

    def __init__(
        self, name: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, seconds: int, link: bytes
    ) -> None:
        self.name = name
        self.kind = kind  # one of tar's type codes
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.seconds = seconds
        self.nanoseconds = 0
        self.link = link
        self.xattrs: dict[bytes, bytes] | None = None
        self.sparse_records: dict[bytes, bytes] | None = None
        self.sparse_size: int | None = None  # how long a sparse file is with its holes


def parse_entry(block: bytes) -> Entry:
    """Read a header block of 512 bytes, after verifying its checksum."""
    name, mode, uid, gid, size, mtime, checksum, kind, link, magic, prefix, tail = _READ.unpack(block)
    stored = parse_number(checksum)
    # The checksum counts its own field as eight spaces.
    if stored != _sum_block(block) - sum(checksum) + 256 and stored != _sum_signed(block):
        raise BadTarError("its header's checksum is wrong")
    name = cut_text(name)
    if prefix[0] and magic.startswith(b"ustar\0"):
        is_star = tail.endswith(b"tar\0")  # it keeps times behind a shorter prefix
        name = cut_text(prefix[:131] if is_star else prefix) + b"/" + name
    return Entry(
        name,
        kind,
        parse_number(mode) & 0o7777,
        parse_number(uid),
        parse_number(gid),
        parse_number(size),
        parse_number(mtime),
        cut_text(link),
    )


def _sum_block(block: bytes) -> int:
    """Add up 512 bytes, in C: the low half of Adler-32 is 1 + the sum, modulo more than 256 bytes make."""
    return (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2


def _sum_signed(block: bytes) -> int:
    """Add up a header as some old tars did, with bytes from -128 to 127."""
    total: int = sum(struct.unpack("148b 8x 356b", block))
    return total + 256


def cut_text(field: bytes) -> bytes:
    """Cut a text field at its first NUL."""
    return field.partition(b"\0")[0]


@lru_cache(maxsize=4096)
def parse_number(field: bytes) -> int:
    """Read a number of a header: octal text, or base-256 where the first bit is set."""
    digits = field.strip(b" \0")
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:
            pass
    elif not digits:
        return 0
    elif field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    elif (digits := cut_text(digits).rstrip()).isdigit():
        return parse_number(digits)
    raise BadTarError(f"its header holds {field!r} where a number belongs")


# --- pax records


def parse_records(data: bytes) -> dict[bytes, bytes]:
    """Split a pax header into its records; of two with one key the last one holds.

    GNU's sparse format 0.0 repeats two keys; they come out as 0.1 has them,
    in one GNU.sparse.map.
    """
    records: dict[bytes, bytes] = {}
    sparse_map: list[bytes] = []
    start = 0
    while start < len(data):
        space = data.find(b" ", start, start + 20)
        digits = data[start : max(space, start)]
        end = start + int(digits) if digits.isdigit() else 0
        if not start < space < end <= len(data) or data[end - 1] != 0x0A:
            raise BadTarError("its extended header is damaged")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not key:
            raise BadTarError("its extended header has a record without a key")
        start = end
        if key == b"GNU.sparse.offset" or key == b"GNU.sparse.numbytes":
            if (len(sparse_map) % 2 == 0) != (key == b"GNU.sparse.offset"):
                raise BadTarError("its sparse map is out of order")
            sparse_map.append(value)
        else:
            records[key] = value
    if sparse_map:
        records[b"GNU.sparse.map"] = b",".join(sparse_map)
    return records


def apply_records(entry: Entry, records: dict[bytes, bytes]) -> None:
    """Let the records of a pax header overrule the header. Unknown ones say nothing about files."""
    sparse: dict[bytes, bytes] = {}
    xattrs: dict[bytes, bytes] = {}
    for key, value in records.items():
        if not value and b".xattr." not in key:
            pass  # an empty record takes back one of a global header
        elif key == b"mtime":
            entry.seconds, entry.nanoseconds = parse_time(value)
        elif key == b"path":
            entry.name = value
        elif key == b"linkpath":
            entry.link = value
        elif key == b"size":
            entry.size = parse_decimal(value)
        elif key == b"uid":
            entry.uid = parse_decimal(value)
        elif key == b"gid":
            entry.gid = parse_decimal(value)
        elif key.startswith(b"GNU.sparse."):
            sparse[key[11:]] = value
        elif key == b"SCHILY.realsize":
            raise BadTarError("it is a sparse file of star's, which is not read here")
        elif (xattr := parse_xattr(key, value)) is not None:
            xattrs[xattr[0]] = xattr[1]
    if sparse:
        entry.sparse_records = sparse
        entry.name = sparse.get(b"name", entry.name)
    entry.xattrs = xattrs or None
    if b"\0" in entry.name or b"\0" in entry.link:
        raise BadTarError("its name holds a NUL")


def parse_decimal(value: bytes) -> int:
    """Read a number of a pax record."""
    if not value.isdigit() or len(value) > 20:
        raise BadTarError(f"its extended header holds {value[:40]!r} where a number belongs")
    return int(value)


def parse_time(value: bytes) -> tuple[int, int]:
    """Read a time of a pax record: seconds, and nanoseconds counted up from there."""
    whole, _, fraction = value.partition(b".")
    is_negative = whole.startswith(b"-")
    seconds = parse_decimal(whole[is_negative:])
    if fraction and not fraction.isdigit():
        raise BadTarError(f"its extended header holds {value[:40]!r} where a time belongs")
    nanoseconds = int(fraction[:9].ljust(9, b"0"))
    if is_negative:
        total = -(seconds * 1_000_000_000 + nanoseconds)
        return divmod(total, 1_000_000_000)
    return seconds, nanoseconds


def check_time(seconds: int) -> int:
    if not -_TIME_LIMIT < seconds < _TIME_LIMIT:
        raise BadTarError(f"its time is out of range: {seconds}")
    return seconds


def parse_xattr(key: bytes, value: bytes) -> tuple[bytes, bytes] | None:
    """Find the extended attribute in a pax record, if it is one."""
    if key.startswith(b"SCHILY.xattr."):
        name = key[13:].replace(b"%3D", b"=").replace(b"%25", b"%")  # as GNU tar writes them
    elif key.startswith(b"LIBARCHIVE.xattr."):
        name = _unquote(key[17:])
        try:
            value = a2b_base64(value + b"=" * (-len(value) % 4), strict_mode=True)
        except Base64Error:
            raise BadTarError(f"the value of its attribute {name!r} is not base64") from None
    else:
        return None
    if not name or len(name) > _MAX_XATTR_NAME or b"\0" in name or len(value) > _MAX_XATTR_SIZE:
        raise BadTarError(f"no file can have its attribute {name[:300]!r} of {len(value)} bytes")
    return name, value


def _unquote(name: bytes) -> bytes:
    head, *rest = name.split(b"%")
    decoded = [head]
    for part in rest:
        try:
            decoded.append(bytes.fromhex(part[:2].decode("ascii")) + part[2:])
        except ValueError:
            raise BadTarError(f"its attribute's name is damaged: {name[:300]!r}") from None
    return b"".join(decoded)


# --- writing


def encode_entry(entry: Entry) -> bytes:
    """Write the header of an entry, with a pax header before it where ustar has no room.

    For a sparse file the caller has put its map before the data, and counted it in `size`.
    """
    name, link, size, seconds = entry.name, entry.link, entry.size, entry.seconds
    uid, gid = entry.uid, entry.gid
    prefix = b""
    records: list[bytes] = []
    if entry.sparse_size is not None:
        records = [
            _record(b"GNU.sparse.major", b"1"),
            _record(b"GNU.sparse.minor", b"0"),
            _record(b"GNU.sparse.name", name),
            _record(b"GNU.sparse.realsize", b"%d" % entry.sparse_size),
        ]
        name = name[:100]
    elif len(name) > 100:
        prefix, name = _split_name(name)
        if not prefix:
            records.append(_record(b"path", name))
            name = name[:100]
    if len(link) > 100:
        records.append(_record(b"linkpath", link))
        link = link[:100]
    if entry.nanoseconds or not 0 <= seconds < _MAX_TIME:
        records.append(_record(b"mtime", _encode_time(seconds, entry.nanoseconds)))
        seconds = 0
    if size >= _MAX_SIZE:
        records.append(_record(b"size", b"%d" % size))
        size = 0
    if uid >= _MAX_ID:
        records.append(_record(b"uid", b"%d" % uid))
        uid = 0
    if gid >= _MAX_ID:
        records.append(_record(b"gid", b"%d" % gid))
        gid = 0
    if entry.xattrs:
        records += [
            _record(b"SCHILY.xattr." + key.replace(b"%", b"%25").replace(b"=", b"%3D"), value)
            for key, value in entry.xattrs.items()
        ]
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (entry.mode, uid, gid, size, seconds)
    header = _seal(_WRITE.pack(name, numbers, _BLANK_CHECKSUM, entry.kind, link, _USTAR, _DEVICE_0_0, prefix))
    if not records:
        return header
    extended = b"".join(records)
    length = len(extended)
    return b"%b%b%b%b" % (_extended_header(length), extended, PADDINGS[length % BLOCK], header)


def _seal(header: bytes) -> bytes:
    """Put its checksum into a header that was made with a blank one."""
    return b"%b%06o\0 %b" % (header[:148], _sum_block(header), header[156:])


@lru_cache(maxsize=64)
def _extended_header(length: int) -> bytes:
    numbers = b"0000644\0%b%011o\0%011o\0" % (_DEVICE_0_0, length, 0)
    return _seal(
        _WRITE.pack(b"PaxHeaders/entry", numbers, _BLANK_CHECKSUM, b"x", b"", _USTAR, _DEVICE_0_0, b"")
    )


def _split_name(name: bytes) -> tuple[bytes, bytes]:
    """Split a name over 100 bytes into prefix and rest; no prefix where that cannot be done."""
    if len(name) <= 256:
        # The slash at the end of a directory's name does not divide anything.
        slash = name.rfind(b"/", 0, min(156, len(name) - 1))
        if slash > 0 and len(name) - slash - 1 <= 100:
            return name[:slash], name[slash + 1 :]
    return b"", name


def _record(key: bytes, value: bytes) -> bytes:
    """Write a pax record; its length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _encode_time(seconds: int, nanoseconds: int) -> bytes:
    if seconds >= 0:
        return (b"%d.%09d" % (seconds, nanoseconds)) if nanoseconds else (b"%d" % seconds)
    whole, fraction = divmod(-(seconds * 1_000_000_000 + nanoseconds), 1_000_000_000)
    return (b"-%d.%09d" % (whole, fraction)) if fraction else (b"-%d" % whole)
