"""Single-id mode: boxes of users who have no id but their own.

Subordinate ids are an administrator's to give, and newuidmap(1) is a set-uid program: on
company machines, in sandboxes and in other containers one or the other is often missing. The
mode is chosen where that is so, or by DACHA_USERNS. What it means for layers, for a box
and for sudo is told in docs/adr/0011.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from dacha.errors import DachaError, MissingProgramError, UsageError
from dacha.linux import process
from dacha.linux.account import Account
from dacha.userns import mapping, outer, subid
from dacha.userns.outer import OuterMaps
from dacha.userns.subid import NoSubordinateIdsError

VARIABLE = "DACHA_USERNS"
_AUTO, _SINGLE, _FULL = _WISHES = ("auto", "single", "full")


class MoreIdsNeededError(DachaError):
    """Something cannot be done with the user's own id alone."""

    def __init__(self, what: str, reason: str, user: str) -> None:
        hint = NoSubordinateIdsError(user, "").hint
        super().__init__(f"{what} takes more ids than your own: {reason}", hint=hint)


class Choice(NamedTuple):
    """The maps for what is made now, and why they hold a single id; empty where they do not."""

    maps: OuterMaps
    reason: str


def choose(account: Account) -> Choice:
    """What the user wishes by DACHA_USERNS, or else what this host allows.

    Raises UsageError for a wish that means nothing, and NoSubordinateIdsError where "full" cannot be had.
    """
    wish = os.environ.get(VARIABLE) or _AUTO
    if wish not in _WISHES:
        raise UsageError(f"{VARIABLE}={wish} means nothing", hint=f"it may be {', '.join(_WISHES)}")
    reason = ""
    if account.uid != 0 and wish != _FULL:
        reason = f"{VARIABLE}={_SINGLE} is set" if wish == _SINGLE else obstacle(account)
    return Choice(outer.outer_maps(account, is_single=bool(reason)), reason)


def widest_maps(account: Account) -> OuterMaps:
    """All the ids that can be had, whatever the wish: what cleans up must reach every file."""
    return outer.outer_maps(account, is_single=bool(obstacle(account)))


def full_maps(what: str, maps: OuterMaps, account: Account) -> OuterMaps:
    """`maps`, or what the host would give where they hold the user's id by wish alone.

    Raises MoreIdsNeededError, with the line that gets ids, where `what` needs them and there are none.
    """
    if not maps.is_single:
        return maps
    reason = obstacle(account)
    if reason:
        raise MoreIdsNeededError(what, reason, account.name)
    return outer.outer_maps(account)


def all_maps(account: Account) -> tuple[OuterMaps, ...]:
    """Those of all boxes that can be started here: with all ids, where they are to be had, and with one."""
    maps = (widest_maps(account), outer.outer_maps(account, is_single=True))
    return maps[:1] if maps[0] == maps[1] else maps


def obstacle(account: Account) -> str:
    """What keeps this user from having subordinate ids; empty where nothing does. Root needs none."""
    if account.uid == 0:
        return ""
    try:
        maps = outer.outer_maps(account)
    except NoSubordinateIdsError as error:
        return str(error)
    for kind, rows in (("uid", maps.uids), ("gid", maps.gids)):
        program = f"new{kind}map"
        with open(f"/proc/self/{kind}_map") as file:
            ours = mapping.from_map_lines(file.read())
        if any(not _covers(ours, row) for row in rows):
            return f"the container this runs in lacks the subordinate ids of {subid.path_of(kind)}"
        try:
            path = process.find_program(program)
        except MissingProgramError as error:
            return str(error)
        if not _has_rights(path):
            return f"{path} is neither set-uid root nor has a capability"
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            return f"{path} lies on a file system mounted with nosuid"
    if process.has_no_new_privileges():
        return "no_new_privs is set, with which newuidmap cannot work"
    return ""


def _covers(ours: mapping.IdMap, wanted: mapping.IdRange) -> bool:
    """Whether our own namespace has all these ids, in one row as whoever gives them out has them."""
    last = wanted.outside + wanted.size
    return any(row.inside <= wanted.outside and last <= row.inside + row.size for row in ours)


def _has_rights(path: str) -> bool:
    status = os.stat(path)
    if status.st_mode & stat.S_ISUID and status.st_uid == 0:
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False
