"""Mappings that a user writes down: `--uidmap` and `--gidmap`, as podman reads them.

    [FLAGS]INSIDE:OUTSIDE[:COUNT]

OUTSIDE is an id of H, so 0 is the user and 1 the first subordinate id; with an `@` it is an
id of the host. The flag `+` puts the row over those before it, and fills what is left
free with all other ids of H; `u` and `g` confine it to users or groups. Source: podman-run(1),
`--uidmap`.
"""

from __future__ import annotations

from typing import NamedTuple

from dacha.errors import UsageError
from dacha.userns import mapping
from dacha.userns.idset import IdSet
from dacha.userns.mapping import ALL_IDS, IdMap, IdRange

_FORM = "it is written [FLAGS]INSIDE:OUTSIDE[:COUNT], such as 0:1:1000 or +g100000:@2000"


class _Row(NamedTuple):
    text: str
    flags: str
    inside: int
    outside: int
    size: int
    is_host: bool  # `outside` is an id of the host


def id_maps(uid_texts: list[str], gid_texts: list[str], uids: IdMap, gids: IdMap) -> tuple[IdMap, IdMap]:
    """The maps of user and group ids that the options say; `uids` and `gids` are H's own.

    Where only one of both options is given it is meant for the other, too. Raises UsageError.
    """
    return (
        _id_map(uid_texts or gid_texts, "u", uids),
        _id_map(gid_texts or uid_texts, "g", gids),
    )


def _id_map(texts: list[str], kind: str, outer: IdMap) -> IdMap:
    rows: list[IdRange] = []
    fills = False
    for text in texts:
        row = _parse(text)
        if ("u" in row.flags or "g" in row.flags) and kind not in row.flags:
            continue
        new = _as_seen_from_h(row, outer)
        if "+" in row.flags:
            fills = True
            rows = _cut(rows, new)
        elif _overlaps(rows, new):
            raise UsageError(
                f"'{text}' overlaps an id map before it", hint="with + in front it goes before them"
            )
        rows += new
    if fills:
        rows += _rest(rows, outer)
    return merge(rows)


def _parse(text: str) -> _Row:
    body = text.lstrip("+ug")
    flags = text[: len(text) - len(body)]
    inside, _, rest = body.partition(":")
    outside, _, size = rest.partition(":")
    is_host = outside.startswith("@")
    numbers = (inside, outside.removeprefix("@"), size or "1")
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise UsageError(f"'{text}' is no id map", hint=_FORM)
    row = _Row(text, flags, int(inside), int(numbers[1]), int(numbers[2]), is_host)
    if row.size < 1 or max(row.inside, row.outside) + row.size > ALL_IDS:
        raise UsageError(f"'{text}' has ids that do not exist", hint="ids go from 0 to 4294967294")
    return row


def _as_seen_from_h(row: _Row, outer: IdMap) -> list[IdRange]:
    """A row with ids of H outside. Ids of the host may lie in several of its ranges."""
    if not row.is_host:
        known = IdSet.inside(outer)
        wanted = IdSet([(row.outside, row.outside + row.size)])
        missing = wanted - known
        if missing.spans:
            raise UsageError(
                f"'{row.text}' wants id {missing.spans[0].start}; there are {len(known)} ids",
                hint="more subordinate ids in /etc/subuid and /etc/subgid make room for it",
            )
        return [IdRange(row.inside, row.outside, row.size)]
    found: list[IdRange] = []
    done = 0
    while done < row.size:
        wanted_id = row.outside + done
        for each in outer:
            if each.outside <= wanted_id < each.outside + each.size:
                size = min(row.size - done, each.outside + each.size - wanted_id)
                found.append(IdRange(row.inside + done, each.inside + wanted_id - each.outside, size))
                done += size
                break
        else:
            raise UsageError(
                f"'{row.text}' wants id {wanted_id} of the host, which is not yours to give",
                hint="yours are your own and those of /etc/subuid and /etc/subgid",
            )
    return found


def _overlaps(rows: list[IdRange], new: list[IdRange]) -> bool:
    return any(
        (a.inside < b.inside + b.size and b.inside < a.inside + a.size)
        or (a.outside < b.outside + b.size and b.outside < a.outside + a.size)
        for a in rows
        for b in new
    )


def _cut(rows: list[IdRange], new: list[IdRange]) -> list[IdRange]:
    """What of `rows` neither uses an inside nor an outside of `new`."""
    for cut in new:
        kept: list[IdRange] = []
        for row in rows:
            spans = IdSet([(0, row.size)])
            spans -= IdSet([(cut.inside - row.inside, cut.inside - row.inside + cut.size)])
            spans -= IdSet([(cut.outside - row.outside, cut.outside - row.outside + cut.size)])
            kept += [
                IdRange(row.inside + span.start, row.outside + span.start, span.end - span.start)
                for span in spans.spans
            ]
        rows = kept
    return rows


def _rest(rows: list[IdRange], outer: IdMap) -> IdMap:
    """All ids of H that no row has, for the insides that are free, from 0."""
    free = IdSet.inside(outer) - IdSet.outside(rows)
    inside = IdSet([(0, ALL_IDS)]) - IdSet.inside(rows)
    first = inside.first(len(free))
    return first.onto(free) if first is not None and free.spans else ()


def merge(rows: list[IdRange] | IdMap) -> IdMap:
    """Sort the rows, and join those that go on where another ends."""
    merged: list[IdRange] = []
    for row in sorted(rows):
        last = merged[-1] if merged else None
        if last and last.inside + last.size == row.inside and last.outside + last.size == row.outside:
            merged[-1] = IdRange(last.inside, last.outside, last.size + row.size)
        else:
            merged.append(row)
    return tuple(merged)


def check(rows: IdMap) -> None:
    """Raise UsageError for a mapping with no id 0: nothing can be set up in such a namespace."""
    if mapping.to_outside(rows, 0) is None:
        raise UsageError("the id map has no id 0, and no container can be set up without it")
