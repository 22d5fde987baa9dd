"""The arithmetic of id mappings."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from dacha.linux.account import Account
from dacha.userns import outer
from dacha.userns.mapping import (
    IdRange,
    as_map_lines,
    available,
    box_map,
    from_map_lines,
    outer_map,
    shifted_map,
    split,
    to_inside,
    to_outside,
)
from dacha.userns.outer import OuterMaps

# Small numbers, so that every id can be looked at and the borders are hit often.
OWN = st.integers(0, 300)
COUNT = st.integers(1, 300)


@st.composite
def disjoint_ranges(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Subordinate ranges as /etc/subuid may list them: in any order, none overlapping."""
    ranges = []
    start = 100_000
    for gap, count in draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40)), min_size=1, max_size=5)
    ):
        start += gap
        ranges.append((start, count))
        start += count
    return draw(st.permutations(ranges))


@given(OWN, COUNT)
@example(own=0, count=1)
@example(own=0, count=300)
@example(own=299, count=300)
@example(own=300, count=300)
@example(own=301, count=300)
def test_a_box_reaches_every_id_of_the_outer_namespace_once_but_the_users_shifted_place(
    own: int, count: int
) -> None:
    rows = box_map(own, count)
    reached = [outside for row in rows for outside in range(row.outside, row.outside + row.size)]
    assert sorted(reached) == [outside for outside in range(count + 1) if outside != own + 1]


@given(OWN, COUNT)
@example(own=300, count=300)
@example(own=300, count=10)
def test_a_box_has_every_number_of_an_image_once_and_the_users(own: int, count: int) -> None:
    rows = box_map(own, count)
    numbers = [inside for row in rows for inside in range(row.inside, row.inside + row.size)]
    assert sorted(numbers) == sorted({*range(count), own})


@given(OWN, COUNT)
def test_an_images_id_lies_in_the_box_where_the_shifted_view_put_it_unless_it_is_the_users(
    own: int, count: int
) -> None:
    box, shifted = box_map(own, count), shifted_map(count)
    for number in range(count):
        expected = 0 if number == own else to_outside(shifted, number)
        assert to_outside(box, number) == expected


@given(OWN, COUNT)
def test_to_outside_and_to_inside_undo_each_other_in_a_box(own: int, count: int) -> None:
    rows = box_map(own, count)
    for number in range(max(own, count) + 2):
        outside = to_outside(rows, number)
        assert outside is None or to_inside(rows, outside) == number
    for outside in range(count + 3):
        inside = to_inside(rows, outside)
        assert inside is None or to_outside(rows, inside) == outside


@given(disjoint_ranges())
def test_to_outside_and_to_inside_undo_each_other_outside_of_the_outer_namespace(
    ranges: list[tuple[int, int]],
) -> None:
    rows = outer_map(1000, ranges)
    size = available(rows) + 1
    on_the_host = [to_outside(rows, inside) for inside in range(size)]
    expected = [1000, *(start + offset for start, count in ranges for offset in range(count))]
    assert on_the_host == expected
    assert [to_inside(rows, outside) for outside in expected] == list(range(size))
    assert to_outside(rows, size) is None
    assert to_inside(rows, 999) is None


@given(disjoint_ranges())
def test_available_counts_the_subordinate_ids_of_all_ranges(ranges: list[tuple[int, int]]) -> None:
    assert available(outer_map(1000, ranges)) == sum(count for _, count in ranges)


def test_a_user_whose_number_is_beyond_the_subordinate_ids_is_mapped_behind_them() -> None:
    assert box_map(1_200_000, 65536) == (IdRange(0, 1, 65536), IdRange(1_200_000, 0, 1))


def test_a_user_of_number_zero_is_the_boxs_root() -> None:
    assert box_map(0, 10) == (IdRange(0, 0, 1), IdRange(1, 2, 9))


def test_no_row_is_empty_when_the_users_number_is_the_first_or_the_last() -> None:
    assert box_map(9, 10) == (IdRange(0, 1, 9), IdRange(9, 0, 1))
    assert box_map(0, 1) == (IdRange(0, 0, 1),)


def test_user_and_group_of_different_numbers_have_each_their_own_hole() -> None:
    uids, gids = outer_map(1000, [(100_000, 65536)]), outer_map(100, [(200_000, 70_000)])
    maps = OuterMaps(uids, gids, 65536, is_initial=False)
    assert to_outside(maps.box_uids(1000), 1000) == 0
    assert to_outside(maps.box_gids(100), 100) == 0
    assert to_inside(maps.box_uids(1000), 101) == 100
    assert to_inside(maps.box_uids(1000), 1001) is None
    assert to_inside(maps.box_gids(100), 101) is None
    assert to_inside(maps.box_gids(100), 1001) == 1000


def test_root_keeps_its_ids_in_boxes_and_on_disk() -> None:
    maps = outer.outer_maps(Account("root", 0, 0, "root", "", "/root", "/bin/sh"))
    assert (maps.is_initial, maps.view, maps.first) == (True, "identity", 0)
    assert to_outside(maps.box_uids(0), 4294967294) == 4294967294
    assert to_outside(maps.box_gids(0), 4294967295) is None


@given(OWN, disjoint_ranges())
def test_a_split_map_is_the_same_map_and_each_row_lies_in_one_of_the_parents(
    own: int, ranges: list[tuple[int, int]]
) -> None:
    parent = outer_map(1000, ranges)
    count = available(parent)
    for whole in (box_map(own, count), shifted_map(count)):
        rows = split(whole, parent)
        for number in range(max(own, count) + 2):
            assert to_outside(rows, number) == to_outside(whole, number)
        for row in rows:
            assert row.size > 0
            (first,) = [each for each in parent if each.inside <= row.outside < each.inside + each.size]
            assert row.outside + row.size <= first.inside + first.size


def test_a_map_that_fits_is_not_split() -> None:
    rows = box_map(1000, 65536)
    assert split(rows, outer_map(1000, [(100_000, 65536)])) == rows


def test_groups_are_split_where_their_own_ranges_end() -> None:
    maps = OuterMaps(outer_map(7, [(100, 9)]), outer_map(7, [(100, 4), (200, 5)]), 9, is_initial=False)
    assert maps.box_uids(20) == (IdRange(0, 1, 9), IdRange(20, 0, 1))
    assert maps.box_gids(20) == (IdRange(0, 1, 4), IdRange(4, 5, 5), IdRange(20, 0, 1))


def test_a_user_without_subordinate_ids_is_alone() -> None:
    account = Account("alex", 1000, 100, "users", "", "/home/alex", "/bin/sh")
    maps = outer.outer_maps(account, is_single=True)
    assert (maps.view, maps.first, maps.available) == ("single", 0, 0)
    assert (maps.uids, maps.gids) == ((IdRange(0, 1000, 1),), (IdRange(0, 100, 1),))
    assert (maps.box_uids(1000), maps.box_gids(100)) == ((IdRange(1000, 0, 1),), (IdRange(100, 0, 1),))


@given(OWN, COUNT)
def test_map_lines_are_read_back_as_they_were(own: int, count: int) -> None:
    rows = box_map(own, count)
    assert from_map_lines(as_map_lines(rows)) == rows


def test_map_lines_are_read_with_the_kernels_padding() -> None:
    text = "         0       1000          1\n         1     100000      65536\n"
    assert from_map_lines(text) == outer_map(1000, [(100_000, 65536)])
