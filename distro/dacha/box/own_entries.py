"""Take the user out of the account files of a box: who makes an image of it does not want to be in it.

A start puts the user's entry into passwd(5) and its kin (`integrations.account`), and takes an
image's own user of the same name or number out. Both are undone here.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha.box.tree import LayerStack
from dacha.linux import files
from dacha.linux.account import Account


class _Kind(NamedTuple):
    name: str
    number: str  # empty: entries have none


def without_user(text: bytes, image: bytes, name: bytes, number: bytes) -> bytes:
    """`text` with the entries of that name or number as `image` has them."""

    def is_own(line: bytes) -> bool:
        fields = line.split(b":")
        if line.startswith((b"#", b"+", b"-")) or len(fields) < 2:
            return False
        return fields[0] == name or (bool(number) and len(fields) > 2 and fields[2] == number)

    lines = text.splitlines()
    restored = [line for line in image.splitlines() if is_own(line)]
    kept: list[bytes] = []
    for line in lines:
        if not is_own(line):
            kept.append(line)
        else:
            kept += restored
            restored = []
    return b"".join(line + b"\n" for line in [*kept, *restored])


def restored_files(upper: int, image: LayerStack, account: Account) -> dict[str, bytes]:
    """The account files that an open upper has, by path, without the user."""
    if account.uid == 0:
        return {}
    found = {}
    kinds = {
        "etc/passwd": _Kind(account.name, str(account.uid)),
        "etc/group": _Kind(account.group, str(account.gid)),
        "etc/shadow": _Kind(account.name, ""),
        "etc/gshadow": _Kind(account.group, ""),
    }
    for path, (name, number) in kinds.items():
        below = image.read(path) or b""
        for each in (path, f"{path}-"):  # and the backup that shadow's tools keep
            text = files.read_regular(upper, each)
            if text is not None:
                own = os.fsencode(name)
                found[each] = without_user(text, below, own, number.encode())
    return found
