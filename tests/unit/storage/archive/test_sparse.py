"""Maps of sparse files, as GNU tar reads them."""

from __future__ import annotations

from dacha.storage.archive.sparse import Sparse, encode_map


def test_a_hole_at_the_end_is_told() -> None:
    """GNU tar makes a file no longer than its last piece."""
    text = encode_map(Sparse(8192, 512, [(1024, 512)]))
    assert text.rstrip(b"\0") == b"2\n1024\n512\n8192\n0\n"
    assert len(text) == 512


def test_a_file_that_ends_with_data_has_no_piece_more() -> None:
    assert encode_map(Sparse(1536, 512, [(1024, 512)])).rstrip(b"\0") == b"1\n1024\n512\n"


def test_nothing_but_a_hole_is_one_empty_piece() -> None:
    assert encode_map(Sparse(8192, 0, [])).rstrip(b"\0") == b"1\n8192\n0\n"
