"""You, in the box's passwd, group, shadow and gshadow."""

from __future__ import annotations

import os

import pytest

from dacha.box.integrations.account import AccountIntegration, choose_shell, with_entry
from dacha.errors import DachaError
from tests.lib.contexts import ROOT, ContextMaker, edits_of
from tests.lib.trees import FIFO, Link, Program, Tree

SYSTEM = b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n"
GROUPS = b"root:x:0:\ndialout:x:20:\nusers:x:100:alex\n"
ENTRY = b"alex:x:1000:1000::/home/alex:/bin/sh"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"", b""),
        (SYSTEM, SYSTEM),
        (SYSTEM.rstrip(b"\n"), SYSTEM),  # no end of line
        (SYSTEM + ENTRY + b"\n", SYSTEM),
        (b"alex:x:1000:1000:Old:/old:/bin/zsh\n" + SYSTEM, SYSTEM),
        (b"alex:x:7:7::/:/bin/sh\n", b""),  # same name, other number
        (b"ubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n", b""),  # other name, same number
        (b"alex:x:7:7::/:\nubuntu:x:1000:5::/:\n" + SYSTEM, SYSTEM),
        (b"alexa:x:1001:1001::/:\nale:x:10000:1::/:\n", b"alexa:x:1001:1001::/:\nale:x:10000:1::/:\n"),
        (b"group:x:5:1000::/:\n", b"group:x:5:1000::/:\n"),  # the number of its group is not its own
        (b"# alex\n#alex:x:1000:1000::/:\n\n", b"# alex\n#alex:x:1000:1000::/:\n\n"),
        (b"+alex::::::\n-1000:x:1000:\n+::::::\n", b"+alex::::::\n-1000:x:1000:\n+::::::\n"),  # NIS
        (b"alex\nno entry at all\n", b"alex\nno entry at all\n"),
        (b"caf\xe9:x:5:5::/:\n", b"caf\xe9:x:5:5::/:\n"),
    ],
)
def test_an_entry_takes_the_place_of_its_name_and_its_number(text: bytes, kept: bytes) -> None:
    assert with_entry(text, ENTRY, number_field=2) == kept + ENTRY + b"\n"


def test_without_a_number_only_the_name_counts() -> None:
    shadow = b"alex:!:1::::::\nother:*:19000::::::\n"
    assert with_entry(shadow, b"alex:*:19000::::::") == b"other:*:19000::::::\nalex:*:19000::::::\n"


def test_an_entry_put_in_twice_is_there_once() -> None:
    once = with_entry(SYSTEM, ENTRY, number_field=2)
    assert with_entry(once, ENTRY, number_field=2) == once


@pytest.mark.parametrize(
    ("image", "wanted", "shell"),
    [
        ({"bin/zsh": Program(), "bin/bash": Program(), "bin/sh": Program()}, "/bin/zsh", "/bin/zsh"),
        ({"bin/bash": Program(), "bin/sh": Program()}, "/bin/zsh", "/bin/bash"),
        ({"bin/sh": Program()}, "/bin/zsh", "/bin/sh"),
        ({"bin/zsh": b"no program", "bin/sh": Program()}, "/bin/zsh", "/bin/sh"),
        ({"bin": Link("usr/bin"), "usr/bin/zsh": Program()}, "/bin/zsh", "/bin/zsh"),
        ({}, "/bin/zsh", "/bin/sh"),
    ],
)
def test_the_users_shell_is_taken_where_the_box_has_it(
    make_context: ContextMaker, image: Tree, wanted: str, shell: str
) -> None:
    account = make_context.alex._replace(shell=wanted)
    assert choose_shell(make_context(image, account=account)) == shell


def test_a_shell_that_was_installed_in_the_box_counts(make_context: ContextMaker) -> None:
    context = make_context({"bin/sh": Program()}, {"bin/bash": Program()})
    assert choose_shell(context) == "/bin/bash"


def test_the_user_is_added_to_all_four_files(make_context: ContextMaker) -> None:
    image: Tree = {
        "bin/bash": Program(),
        "etc/passwd": SYSTEM,
        "etc/group": GROUPS,
        "etc/shadow": b"root:*:19000:0:99999:7:::\n",
        "etc/gshadow": b"root:*::\n",
    }
    edits = edits_of(AccountIntegration(), make_context(image))
    home = make_context.alex.home
    assert {path: edit.data for path, edit in edits.items()} == {
        "etc/passwd": SYSTEM + f"alex:x:1000:1000:Alex A.:{home}:/bin/bash\n".encode(),
        "etc/group": GROUPS + b"alex:x:1000:\n",
        "etc/shadow": b"root:*:19000:0:99999:7:::\nalex:*:19000:0:99999:7:::\n",
        "etc/gshadow": b"root:*::\nalex:!::\n",
    }
    assert all(edit.into_upper and not edit.restores for edit in edits.values())


def test_files_that_the_image_has_not_are_not_made_but_for_passwd_and_group(
    make_context: ContextMaker,
) -> None:
    edits = edits_of(AccountIntegration(), make_context())
    assert sorted(edits) == ["etc/group", "etc/passwd"]
    assert [edit.mode for edit in edits.values()] == [0o644, 0o644]


def test_what_the_box_has_made_of_a_file_is_what_is_changed(make_context: ContextMaker) -> None:
    context = make_context({"etc/passwd": SYSTEM}, {"etc/passwd": b"bob:x:1001:1001::/:/bin/sh\n"})
    assert edits_of(AccountIntegration(), context)["etc/passwd"].data.startswith(b"bob:x:1001:")


def test_a_file_keeps_its_mode_and_group(make_context: ContextMaker) -> None:
    context = make_context({"etc/passwd": SYSTEM, "etc/shadow": b""})
    (make_context.base / "image" / "etc" / "shadow").chmod(0o640)
    shadow = edits_of(AccountIntegration(), context)["etc/shadow"]
    assert shadow.mode == 0o640
    mapped = os.getgid() <= 65536 and os.getgid() != 1001
    assert shadow.group == (os.getgid() if mapped else -1)


def test_the_images_own_user_of_that_number_makes_way(make_context: ContextMaker) -> None:
    image: Tree = {
        "etc/passwd": SYSTEM + b"ubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n",
        "etc/group": GROUPS + b"ubuntu:x:1000:\n",
    }
    edits = edits_of(AccountIntegration(), make_context(image))
    assert b"ubuntu" not in edits["etc/passwd"].data
    assert b"ubuntu" not in edits["etc/group"].data


@pytest.mark.parametrize(
    ("gid", "group", "groups", "is_added"),
    [
        (1000, "alex", GROUPS, True),
        (1000, "alex", GROUPS + b"alex:x:1000:\n", True),
        (1000, "alex", GROUPS + b"alex:x:1005:\n", True),  # some user's group of that name makes way
        (100, "users", GROUPS, False),  # the distribution's own
        (20, "staff", GROUPS, False),  # its 'dialout' stays what it is
        (513, "domain users", GROUPS, True),
        (1000, "dialout", GROUPS, False),  # the distribution's name for another number
        (1000, "alex", b"alex:x:nonsense:\n", False),
        (1000, "alex", b"alex:x::\n", False),
        (1000, "alex", b"alex:x:" + b"9" * 5000 + b":\n", True),
        (1000, "alex", b"alex\n", True),
    ],
)
def test_a_group_of_the_distribution_is_left_alone(
    make_context: ContextMaker, gid: int, group: str, groups: bytes, is_added: bool
) -> None:
    account = make_context.alex._replace(gid=gid, group=group)
    edits = edits_of(AccountIntegration(), make_context({"etc/group": groups}, account=account))
    assert ("etc/group" in edits) is is_added
    if is_added:
        assert edits["etc/group"].data.endswith(f"{group}:x:{gid}:\n".encode())


def test_root_is_in_every_image_already(make_context: ContextMaker) -> None:
    assert AccountIntegration().edits(make_context({"etc/passwd": SYSTEM}, account=ROOT)) == []


def test_names_that_are_no_utf8_reach_the_file_as_they_are(make_context: ContextMaker) -> None:
    account = make_context.alex._replace(gecos="J\udcf6rg")
    passwd = edits_of(AccountIntegration(), make_context(account=account))["etc/passwd"]
    assert b":J\xf6rg:" in passwd.data


def test_a_fifo_in_place_of_passwd_is_not_read(make_context: ContextMaker) -> None:
    passwd = edits_of(AccountIntegration(), make_context({"etc/passwd": FIFO}))["etc/passwd"]
    assert passwd.data.count(b"\n") == 1


def test_a_huge_passwd_is_refused(make_context: ContextMaker) -> None:
    context = make_context({"etc/passwd": b""})
    os.truncate(make_context.base / "image" / "etc" / "passwd", 1 << 40)
    with pytest.raises(DachaError, match="etc/passwd is larger than"):
        AccountIntegration().edits(context)
