"""What a supplementary group allows on the host it allows in the box, though it has no name there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.images import RealImages
from tests.lib.ordinary_user import OrdinaryUser

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="is for root: scripts/test runs it so")

_GROUP = 7654  # nobody has it: not even subordinate


@pytest.fixture
def member(images: RealImages) -> Iterator[OrdinaryUser]:
    """A user in a group beside their own, with a running box."""
    user = OrdinaryUser(groups=[_GROUP])
    try:
        user.run("create", "work", "--image", f"tar:{images.alpine_tar}", check=True)
        yield user
    finally:
        user.close()


@pytest.mark.parametrize("verb", ["run", "enter"])
def test_file_that_the_group_may_read_and_write_is_so_in_the_box(member: OrdinaryUser, verb: str) -> None:
    secret = member.home / "of-the-group"
    secret.write_text("for members\n")
    os.chown(secret, 0, _GROUP)
    secret.chmod(0o660)
    done = member.run(verb, "work", "--", "sh", "-c", f"cat {secret} && echo mine > {secret}", check=True)
    assert done.stdout == b"for members\n"
    assert secret.read_text() == "mine\n"
    assert secret.stat().st_gid == _GROUP


def test_directory_of_the_host_that_the_group_may_enter_is_reached(
    member: OrdinaryUser, tmp_path: Path
) -> None:
    shared = member.base / "shared"
    shared.mkdir(mode=0o770)
    os.chown(shared, 0, _GROUP)
    (shared / "note").write_text("hello\n")
    done = member.run("run", "work", "--", "cat", f"/run/host{shared}/note", check=True)
    assert done.stdout == b"hello\n"


def test_boxs_root_does_not_get_more_of_it_than_the_user(member: OrdinaryUser) -> None:
    """Root of the box is a subordinate id outside: it is not even in the group."""
    secret = member.home / "of-the-group"
    secret.write_text("for members\n")
    os.chown(secret, 0, _GROUP)
    secret.chmod(0o640)
    done = member.run("run", "work", "--", "sudo", "sh", "-c", f"chgrp 0 {secret} || chmod 666 {secret}")
    assert done.returncode != 0
    assert (secret.stat().st_gid, secret.stat().st_mode & 0o777) == (_GROUP, 0o640)
