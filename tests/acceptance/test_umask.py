"""A box is the same whatever umask its creator has."""

from __future__ import annotations

import os

from tests.lib.dacha import Dacha


def test_box_that_was_made_and_started_under_a_tight_umask_works(dacha: Dacha) -> None:
    before = os.umask(0o077)
    try:
        dacha.run("create", "tight", "--image", "alpine-test", check=True)
        done = dacha.run("run", "tight", "--", "sh", "-c", "sudo id -u && umask", check=True)
    finally:
        os.umask(before)
    assert done.stdout == b"0\n0077\n"
