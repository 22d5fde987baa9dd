"""The outer namespace H: all the ids of a user, and every privilege over them.

What needs privilege (mounts, unpacking, crun) happens in H. Nothing keeps H alive but the
boxes nested in it: a launch joins it through a live one, or makes a new one. For root, H is
the initial namespace. Who makes H, finds it or uses it first holds one lock meanwhile: two
namespaces with equal maps are strangers to each other.

Without subordinate ids H holds nothing but the user, as its root (`userns.single` decides). Such a
namespace is made without help and without a lock, by each launch anew: boxes are stopped and
entered from outside, so they need not share one.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha.errors import CommandError, DachaError
from dacha.linux import mounts, namespaces, process
from dacha.linux.account import Account
from dacha.userns import mapping, subid
from dacha.userns.mapping import IdMap

SHIFTED, SINGLE = "shifted", "single"
VIEWS = frozenset(("identity", SHIFTED, SINGLE))  # the names of all id mappings that layers lie in


class OuterMaps(NamedTuple):
    """The maps of H, and how many ids beside the user's own it holds of both kinds."""

    uids: IdMap
    gids: IdMap
    available: int
    is_initial: bool
    is_single: bool = False

    def box_uids(self, own: int) -> IdMap:
        """A box's map of user ids; its outside is H."""
        return self._box_map(own, self.uids)

    def box_gids(self, own: int) -> IdMap:
        """A box's map of group ids; its outside is H."""
        return self._box_map(own, self.gids)

    def _box_map(self, own: int, outer: IdMap) -> IdMap:
        if self.is_initial:
            return mapping.IDENTITY
        return mapping.split(mapping.box_map(own, self.available), outer)

    @property
    def alone(self) -> OuterMaps:
        """The maps of the same user in single-id mode."""
        return OuterMaps(self.uids[:1], self.gids[:1], 0, is_initial=False, is_single=True)

    @property
    def view(self) -> str:
        """The name of the id mapping in which layers lie on disk."""
        if self.is_single:
            return SINGLE
        return "identity" if self.is_initial else SHIFTED

    @property
    def first(self) -> int:
        """What the id 0 of an image is in H, in this view."""
        return 0 if self.is_initial or self.is_single else 1

    @property
    def needs_deltas(self) -> bool:
        """Whether a box's user takes the place of an id that layers may have files of."""
        return not (self.is_initial or self.is_single)


def outer_maps(account: Account, *, is_single: bool = False) -> OuterMaps:
    """The maps that H has or will have. Raises NoSubordinateIdsError."""
    if account.uid == 0:
        return OuterMaps(mapping.IDENTITY, mapping.IDENTITY, mapping.ALL_IDS, is_initial=True)
    if is_single:
        uids, gids = mapping.outer_map(account.uid, ()), mapping.outer_map(account.gid, ())
        return OuterMaps(uids, gids, 0, is_initial=False, is_single=True)
    uids = mapping.outer_map(account.uid, subid.subordinate_ids("uid", account.name, account.uid))
    gids = mapping.outer_map(account.gid, subid.subordinate_ids("gid", account.name, account.uid))
    count = min(mapping.available(uids), mapping.available(gids))
    return OuterMaps(uids, gids, count, is_initial=False)


def enter(maps: OuterMaps, existing: int | None) -> None:
    """Move this process into H, and into a mount namespace of its own there.

    `existing` is an open descriptor of H; without one, H is made. Call it in a child:
    there is no way back. Raises DachaError where the kernel or newuidmap refuse.
    """
    if maps.is_initial:
        namespaces.unshare(namespaces.NEWNS)
    elif maps.is_single:
        _make_single(maps)
    elif existing is not None:
        _join(maps, existing)
    else:
        _make(maps)
    # What is made here is the box's, and not secret where the caller's files are.
    os.umask(0o022)
    # Slaves, so that host mounts made later still arrive and ours never leave.
    mounts.set_propagation("/", mounts.MS_SLAVE)


def _join(maps: OuterMaps, existing: int) -> None:
    namespaces.setns(existing, namespaces.NEWUSER)
    os.close(existing)
    with open("/proc/self/uid_map") as file:
        found = mapping.from_map_lines(file.read())
    if found != maps.uids:
        raise DachaError(
            "running boxes use other subordinate ids than /etc/subuid now gives",
            hint="stop them first: dacha stop --all",
        )
    namespaces.unshare(namespaces.NEWNS)


def _make(maps: OuterMaps) -> None:
    """unshare(2), while a child left outside has newuidmap(1) and newgidmap(1) write the maps."""
    me = str(os.getpid())
    commands = [
        [process.find_program(name), me, *(str(field) for row in rows for field in row)]
        for name, rows in (("newuidmap", maps.uids), ("newgidmap", maps.gids))
    ]
    reader, writer = os.pipe2(os.O_CLOEXEC)
    error_reader, error_writer = os.pipe2(os.O_CLOEXEC)
    helper = os.fork()
    if helper == 0:
        _write_maps(commands, reader, writer, error_writer)
    os.close(reader)
    os.close(error_writer)
    try:
        _unshare()
        os.write(writer, b"x")
    finally:
        os.close(writer)
    with os.fdopen(error_reader, "rb") as file:
        errors = file.read().decode(errors="replace")
    code = process.wait(helper)
    if code != 0:
        raise CommandError("newuidmap", code, errors)


def _unshare() -> None:
    try:
        namespaces.unshare(namespaces.NEWUSER | namespaces.NEWNS)
    except OSError as error:
        raise DachaError(
            f"this host lets you make no user namespace ({error.strerror})",
            hint="sudo sysctl user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1"
            " (on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0)",
        ) from error


def _make_single(maps: OuterMaps) -> None:
    """unshare(2), and map ourselves, which takes no privilege (user_namespaces(7)).

    The kernel wants setgroups(2) to be given up for it. Nobody calls it here, so the rights
    of the user's supplementary groups stay.
    """
    _unshare()
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", mapping.as_map_lines(maps.uids)),
        ("gid_map", mapping.as_map_lines(maps.gids)),
    ):
        with open(f"/proc/self/{file}", "w") as opened:
            opened.write(text)


def _write_maps(commands: list[list[str]], reader: int, writer: int, errors: int) -> None:
    """The helper's life, outside of the new namespace; it never returns."""
    code = 1
    try:
        os.close(writer)
        if not os.read(reader, 1):
            return  # there is no namespace to map
        pids = [process.spawn(command, stderr=errors) for command in commands]
        code = max([process.wait(pid) for pid in pids])
    finally:
        os._exit(code)


def enter_shifted(maps: OuterMaps) -> None:
    """Move on from H into a child of it, in which ids are those of an image.

    For root there is none: its layers keep their ids. In single-id mode there is none either: layers
    have lost theirs. Call it in a child of its own.
    """
    rows = mapping.shifted_map(maps.available)
    enter_nested(maps, rows, rows)


def enter_nested(maps: OuterMaps, uids: IdMap, gids: IdMap) -> None:
    """Move on from H into a child of it with these maps, as its root; for root there is none.

    Call it in a child of its own.
    """
    if not maps.needs_deltas:
        return
    rows = [
        (kind, mapping.as_map_lines(mapping.split(inner, outer)))
        for kind, inner, outer in (("gid", gids, maps.gids), ("uid", uids, maps.uids))
    ]
    parent_reader, parent_writer = os.pipe2(os.O_CLOEXEC)
    me = os.getpid()
    helper = os.fork()
    if helper == 0:
        code = 1
        try:
            os.close(parent_writer)
            os.read(parent_reader, 1)
            for kind, lines in rows:
                with open(f"/proc/{me}/{kind}_map", "w") as file:
                    file.write(lines)
            code = 0
        finally:
            os._exit(code)
    os.close(parent_reader)
    namespaces.unshare(namespaces.NEWUSER)
    os.close(parent_writer)
    if process.wait(helper) != 0:
        raise DachaError("the ids of the image could not be mapped")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
