"""The extended headers of pax: records that overrule the header after them.

They are read into an entry, and written before one where ustar has no room for
what it says. GNU's and libarchive's records for extended attributes are among
them, and GNU's for sparse files, which `storage.archive.sparse` explains.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from functools import lru_cache

from dacha.storage.archive.header import BLOCK, PADDINGS, BadTarError, Entry, encode_header

# What ustar has room for.
_MAX_ID = 1 << 21
_MAX_SIZE = 1 << 33
_MAX_TIME = 1 << 33
_MAX_NAME = 100

_TIME_LIMIT = 1 << 62  # beyond it, tar's own arithmetic ends
_MAX_XATTR_NAME = 255
_MAX_XATTR_SIZE = 1 << 16


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
        name = name[:_MAX_NAME]
    elif len(name) > _MAX_NAME:
        prefix, name = _split_name(name)
        if not prefix:
            records.append(_record(b"path", name))
            name = name[:_MAX_NAME]
    if len(link) > _MAX_NAME:
        records.append(_record(b"linkpath", link))
        link = link[:_MAX_NAME]
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
    header = encode_header(name, entry.kind, entry.mode, uid, gid, size, seconds, link, prefix)
    if not records:
        return header
    extended = b"".join(records)
    length = len(extended)
    return b"%b%b%b%b" % (_extended_header(length), extended, PADDINGS[length % BLOCK], header)


@lru_cache(maxsize=64)
def _extended_header(length: int) -> bytes:
    return encode_header(b"PaxHeaders/entry", b"x", 0o644, 0, 0, length, 0, b"", b"")


def _split_name(name: bytes) -> tuple[bytes, bytes]:
    """Split a name over 100 bytes into prefix and rest; no prefix where that cannot be done."""
    if len(name) <= 256:
        # The slash at the end of a directory's name does not divide anything.
        slash = name.rfind(b"/", 0, min(156, len(name) - 1))
        if slash > 0 and len(name) - slash - 1 <= _MAX_NAME:
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
