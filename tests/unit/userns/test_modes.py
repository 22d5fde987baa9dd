"""User namespace modes, row by row as podman documents them, and what must hold of any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.errors import DachaError, UsageError
from dacha.userns import custom, mapping, modes
from dacha.userns.idset import IdSet
from dacha.userns.mapping import IdMap, IdRange
from dacha.userns.modes import IdsExhaustedError, Mode

ALICE: IdMap = mapping.outer_map(1001, [(100000, 65536)])


def rows(text: str) -> IdMap:
    return tuple(IdRange(*(int(number) for number in row.split(":"))) for row in text.split())


def test_the_rows_of_every_mode() -> None:
    assert modes.host(ALICE) == rows("0:0:65537")
    assert modes.keep_id(1001, ALICE) == rows("0:1:1001 1001:0:1 1002:1002:64535")
    assert modes.keep_id(200, ALICE) == rows("0:1:200 200:0:1 201:201:65336")
    assert modes.keep_id(0, ALICE) == rows("0:0:1 1:1:65536")
    assert modes.keep_id(1001, ALICE, 10000) == rows("0:1:1001 1001:0:1 1002:1002:8998")
    assert modes.keep_id(70000, ALICE) == rows("0:1:65536 70000:0:1")
    assert modes.nomap(ALICE) == rows("0:1:65536")
    first = modes.automatic(ALICE, 1024, [])
    assert first == rows("0:1:1024")
    assert modes.automatic(ALICE, 1024, first) == rows("0:1025:1024")
    assert modes.automatic(ALICE, 2048, [], rows("1001:0:1")) == rows("0:1:1001 1001:0:1 1002:1002:1046")


def test_what_was_given_back_is_given_again_in_pieces() -> None:
    used = rows("0:11:10 0:31:10")
    assert modes.automatic(ALICE, 25, used) == rows("0:1:10 10:21:10 20:41:5")


def test_ids_that_are_used_up_are_said_to_be() -> None:
    with pytest.raises(IdsExhaustedError, match="wants 1024 ids of its own, and 536 are free"):
        modes.automatic(ALICE, 1024, rows("0:1:65000"))


def test_the_size_of_an_automatic_map() -> None:
    assert modes.automatic_size(0) == 1024
    assert modes.automatic_size(5000) == 5001
    with pytest.raises(DachaError, match="at most 65536") as caught:
        modes.automatic_size(65536)
    assert "auto:size=65537" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", Mode("host")),
        ("keep-id:uid=200,gid=100", Mode("keep-id", uid=200, gid=100)),
        ("auto:size=2048,uidmapping=1001:0:1", Mode("auto", size=2048, uid_rows=rows("1001:0:1"))),
        ("auto:gidmapping=5:6", Mode("auto", gid_rows=rows("5:6:1"))),
        ("ns:/proc/1/ns/user", Mode("ns", target="/proc/1/ns/user")),
        ("container:web", Mode("container", target="web")),
    ],
)
def test_modes_are_read(text: str, mode: Mode) -> None:
    assert modes.parse(text) == mode


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "host:size=3",
        "keep-id:foo=1",
        "keep-id:uid=x",
        "ns",
        "container:",
        "auto:uid=3",
        "auto:size=-1",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        modes.parse(text)


def both(uids: list[str], gids: list[str]) -> tuple[IdMap, IdMap]:
    return custom.id_maps(uids, gids, ALICE, ALICE)


def test_maps_that_a_user_writes() -> None:
    assert both(["0:1:1000", "1000:0"], []) == (rows("0:1:1000 1000:0:1"),) * 2
    assert both(["0:@1001:1"], ["0:1:10"]) == (rows("0:0:1"), rows("0:1:10"))
    assert both(["0:@100005:3"], [])[0] == rows("0:6:3")


def test_plus_goes_over_what_is_there_and_fills_the_rest() -> None:
    uids, gids = both(["+0:0:1", "+g7:100:1"], [])
    assert uids == rows("0:0:65537")
    assert gids == rows("0:0:7 7:100:1 8:7:93 101:101:65436")


def test_host_ids_may_lie_in_several_ranges() -> None:
    outer = mapping.outer_map(1000, [(200000, 10), (100000, 10)])
    assert custom.id_maps(["0:@200005:5"], [], outer, outer)[0] == rows("0:6:5")
    with pytest.raises(UsageError, match="id 200010 of the host, which is not yours"):
        custom.id_maps(["0:@200005:6"], [], outer, outer)


@pytest.mark.parametrize(
    "text", ["", "0", "0:x", "a:0:1", "0:0:0", "0:4294967295:1", "0:0:1:1", "-1:0:1", "0:70000:1", "0:@5:1"]
)
def test_bad_maps_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        both([text], [])


def test_overlaps_are_refused() -> None:
    with pytest.raises(UsageError, match="overlaps"):
        both(["0:1:10", "5:100:1"], [])
    with pytest.raises(UsageError, match="overlaps"):
        both(["0:1:10", "50:10:1"], [])


spans = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=8)


@given(spans, spans)
def test_sets_of_ids_behave_as_sets(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    a, b = IdSet(first), IdSet(second)
    plain_a = {number for start, end in first for number in range(start, end)}
    plain_b = {number for start, end in second for number in range(start, end)}
    assert set(a) == plain_a
    assert len(a) == len(plain_a)
    assert set(a - b) == plain_a - plain_b
    count = len(plain_a) // 2
    taken = a.first(count)
    assert taken is not None
    assert list(taken) == sorted(plain_a)[:count]
    assert a.first(len(plain_a) + 1) is None


pieces = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 500)), max_size=6)


@given(pieces, st.integers(1, 3000))
def test_an_automatic_map_has_exactly_its_ids_and_shares_none(
    taken: list[tuple[int, int]], size: int
) -> None:
    used = [IdRange(0, start, count) for start, count in taken]
    found = modes.automatic(ALICE, size, used)
    assert IdSet.inside(found) == IdSet([(0, size)])
    outside = IdSet.outside(found)
    assert len(outside) == size
    assert not set(outside) & set(IdSet.outside(used))
    assert 0 not in outside


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 300)), max_size=5))
def test_plus_rows_win_and_every_id_of_h_has_one_place(wanted: list[tuple[int, int, int]]) -> None:
    texts = [f"+{inside}:{outside}:{count}" for inside, outside, count in wanted]
    if not texts:
        return
    found, _ = both(texts, [])
    inside, outside, count = wanted[-1]
    assert all(mapping.to_outside(found, inside + step) == outside + step for step in range(count))
    assert IdSet.outside(found) == IdSet([(0, 65537)])
    assert sum(row.size for row in found) == 65537
    assert len(IdSet.inside(found)) == 65537
