"""Subordinate ids: which ranges /etc/subuid and /etc/subgid give to a user (subuid(5))."""

from __future__ import annotations

from dacha.errors import DachaError


class NoSubordinateIdsError(DachaError):
    """The user has no range of subordinate ids."""

    def __init__(self, user: str, file: str) -> None:
        super().__init__(
            f"the user {user} has no subordinate ids in {file}",
            hint=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
        )


def path_of(kind: str) -> str:
    """The file that gives ids of a kind, 'uid' or 'gid'."""
    return f"/etc/sub{kind}"


def parse(text: str, user: str, uid: int) -> list[tuple[int, int]]:
    """The (start, count) ranges of a user, named or by number, in the order of the file.

    Lines that are no entries, and ranges without any id, are passed over as shadow does.
    """
    ranges = []
    for line in text.splitlines():
        owner, _, rest = line.partition(":")
        start, _, count = rest.partition(":")
        if owner in (user, str(uid)) and start.isdecimal() and count.isdecimal() and int(count) > 0:
            ranges.append((int(start), int(count)))
    return ranges


def subordinate_ids(kind: str, user: str, uid: int) -> list[tuple[int, int]]:
    """The ranges of `user`; `kind` is 'uid' or 'gid'. Raises NoSubordinateIdsError."""
    path = path_of(kind)
    try:
        with open(path, errors="surrogateescape") as file:
            ranges = parse(file.read(), user, uid)
    except FileNotFoundError:
        ranges = []
    if not ranges:
        raise NoSubordinateIdsError(user, path)
    return ranges
