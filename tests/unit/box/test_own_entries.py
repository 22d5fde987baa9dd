"""Account files without the user."""

from __future__ import annotations

import os
from pathlib import Path

from dacha.box.own_entries import restored_files, without_user
from dacha.linux.account import Account
from tests.lib.trees import make_tree, open_stack

IMAGE = b"root:x:0:0::/root:/bin/sh\nubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n"
MINE = b"me:x:1000:1000::/home/me:/bin/zsh\n"


def test_the_user_goes_and_who_made_way_comes_back() -> None:
    text = b"root:x:0:0::/root:/bin/sh\n" + MINE + b"bob:x:1001:1001::/home/bob:/bin/sh\n"
    assert without_user(text, IMAGE, b"me", b"1000") == IMAGE + b"bob:x:1001:1001::/home/bob:/bin/sh\n"


def test_other_users_and_comments_stay() -> None:
    text = b"# me:x:1000\n+::::::\nyou:x:1001:1001:::\n"
    assert without_user(text, b"", b"me", b"1000") == text


def test_files_without_numbers_go_by_the_name() -> None:
    assert without_user(b"root:*::\nme:*:19000:\n", b"root:*::\n", b"me", b"") == b"root:*::\n"


def test_only_files_that_the_box_has_are_given(tmp_path: Path) -> None:
    account = Account("me", 1000, 1000, "me", "", "/home/me", "/bin/zsh")
    upper = make_tree(tmp_path / "upper", {"etc/passwd": MINE, "etc/passwd-": MINE})
    image = make_tree(tmp_path / "image", {"etc/passwd": IMAGE, "etc/group": b"me:x:1000:\n"})
    fd = os.open(upper, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with open_stack(image) as stack:
            found = restored_files(fd, stack, account)
            assert found == dict.fromkeys(found, b"ubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n")
            assert set(found) == {"etc/passwd", "etc/passwd-"}
            assert restored_files(fd, stack, account._replace(uid=0)) == {}
    finally:
        os.close(fd)
