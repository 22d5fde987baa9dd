"""The user namespace modes of containers, with podman's exact rows.

A mode says how the ids of a container lie in H, where 0 is the user and 1 and up are the
subordinate ids. Source: podman-run(1), `--userns`. A box has a map of its own
(`mapping.box_map`), which needs no copy of any file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dacha.errors import DachaError, UsageError
from dacha.userns import mapping
from dacha.userns.custom import merge
from dacha.userns.idset import IdSet
from dacha.userns.mapping import IdMap, IdRange

KINDS = ("host", "keep-id", "nomap", "auto", "private", "ns", "container")
AUTO_LEAST = 1024  # containers.conf(5), as containers-storage.conf(5) has it: auto-userns-min-size
AUTO_MOST = 65536


class Mode(NamedTuple):
    """A `--userns` value."""

    kind: str  # of KINDS
    target: str = ""  # the path of `ns:`, the name of `container:`
    uid: int | None = None  # keep-id: what the user is inside, unless what they are outside
    gid: int | None = None
    size: int = 0  # keep-id, auto: how many ids; 0 says nothing
    uid_rows: IdMap = ()  # auto: rows of one's own
    gid_rows: IdMap = ()


class IdMaps(NamedTuple):
    """The maps of a user namespace; their outside is H."""

    uids: IdMap
    gids: IdMap


class IdsExhaustedError(DachaError):
    """The user has not enough subordinate ids left."""

    def __init__(self, wanted: int, free: int) -> None:
        super().__init__(
            f"the container wants {wanted} ids of its own, and {free} are free",
            hint="remove containers with --userns=auto, ask for fewer (--userns=auto:size=…), "
            "or get more subordinate ids (/etc/subuid, /etc/subgid)",
        )


def parse(text: str) -> Mode:
    """Read a `--userns` value. Raises UsageError."""
    kind, _, rest = (text or "host").partition(":")
    if kind in ("ns", "container"):
        if not rest:
            raise UsageError(f"'--userns {text}' names no {'path' if kind == 'ns' else 'container'}")
        return Mode(kind, target=rest)
    if kind not in KINDS:
        raise UsageError(f"'{text}' is no user namespace mode", hint="there are " + ", ".join(KINDS))
    if rest and kind not in ("keep-id", "auto"):
        raise UsageError(f"'--userns {kind}' has no options")
    return _with_options(Mode(kind), text, rest.split(",") if rest else [])


def _with_options(mode: Mode, text: str, options: list[str]) -> Mode:
    numbers: dict[str, int] = {}
    uid_rows, gid_rows = [], []
    known = ("size",) if mode.kind == "auto" else ("uid", "gid", "size")
    for option in options:
        key, _, value = option.partition("=")
        if mode.kind == "auto" and key == "uidmapping":
            uid_rows.append(_row(text, value))
        elif mode.kind == "auto" and key == "gidmapping":
            gid_rows.append(_row(text, value))
        elif key not in known:
            raise UsageError(f"'{key}' in '--userns {text}' is unknown", hint=f"there are {', '.join(known)}")
        elif not (value.isascii() and value.isdigit()):
            raise UsageError(f"'{key}' in '--userns {text}' wants a number")
        else:
            numbers[key] = int(value)
    return Mode(
        mode.kind,
        uid=numbers.get("uid"),
        gid=numbers.get("gid"),
        size=numbers.get("size", 0),
        uid_rows=tuple(uid_rows),
        gid_rows=tuple(gid_rows),
    )


def _row(text: str, value: str) -> IdRange:
    fields = value.split(":")
    fields = [*fields, "1"] if len(fields) == 2 else fields
    if len(fields) != 3 or not all(field.isascii() and field.isdigit() for field in fields):
        raise UsageError(f"'{value}' in '--userns {text}' is no id map", hint="such as 1001:0:1")
    return IdRange(*(int(field) for field in fields))


def host(outer: IdMap) -> IdMap:
    """All of H as it is: the container's root is the user."""
    return (IdRange(0, 0, mapping.available(outer) + 1),)


def keep_id(own: int, outer: IdMap, size: int = 0) -> IdMap:
    """The user keeps a number, `own`; all others are subordinate ids, in their order without a gap."""
    count = mapping.available(outer)
    if size:
        count = min(count, size - 1)
    rows = [IdRange(0, 1, min(own, count)), IdRange(own, 0, 1)]
    if count > own:
        rows.append(IdRange(own + 1, own + 1, count - own))
    return tuple(row for row in rows if row.size > 0)


def nomap(outer: IdMap) -> IdMap:
    """All subordinate ids, and not the user."""
    return (IdRange(0, 1, mapping.available(outer)),)


def automatic(outer: IdMap, size: int, used: Sequence[IdRange], rows: IdMap = ()) -> IdMap:
    """`size` ids that nobody has: the first that are free; `rows` stand beside them as they are.

    `used` are the maps of others. Raises IdsExhaustedError.
    """
    pool = IdSet([(1, mapping.available(outer) + 1)]) - IdSet.outside(used) - IdSet.outside(rows)
    inside = IdSet([(0, size)]) - IdSet.inside(rows)
    outside = pool.first(len(inside))
    if outside is None:
        raise IdsExhaustedError(len(inside), len(pool))
    return merge([*(inside.onto(outside) if inside.spans else ()), *rows])


def automatic_size(largest: int, least: int = AUTO_LEAST, most: int = AUTO_MOST) -> int:
    """How many ids a container gets whose image has `largest` as the largest id. Raises DachaError."""
    size = max(least, largest + 1)
    if size > most:
        raise DachaError(
            f"the image has the id {largest}, and --userns=auto gives at most {most}",
            hint=f"say how many: --userns=auto:size={size}",
        )
    return size
