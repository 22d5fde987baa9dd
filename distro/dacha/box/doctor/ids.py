"""Who you are, and the subordinate ids that the other owners in a box are made of.

Without them, or without the programs that map them, boxes work in single-id mode.
"""

from __future__ import annotations

from typing import NamedTuple

from dacha.box.doctor import trials
from dacha.box.doctor.base import Check, Verdict, failed, noted, passed, warned
from dacha.box.doctor.host import Host, Program

_WANTED = 65536
_FIRST = 100_000  # where distributions begin to hand them out: login.defs(5), SUB_UID_MIN
_CAP_SETGID, _CAP_SETUID = 1 << 6, 1 << 7  # capabilities(7)
_NOT_FOR_ROOT = "not needed by root"
_SINGLE = "new boxes are in single-id mode, with you and root as their only users; older ones do not start"


class Entry(NamedTuple):
    """A line of subuid(5)."""

    owner: str
    start: int
    size: int

    @property
    def end(self) -> int:
        """The first id after it."""
        return self.start + self.size

    def overlaps(self, other: Entry) -> bool:
        """Whether both have an id in common."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{self.start}-{self.end - 1}"


def entries(text: str) -> list[Entry]:
    """All the ranges of a file, whoever owns them."""
    found = []
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        start, _, count = rest.partition(":")
        if owner and start.isdecimal() and count.isdecimal() and int(count) > 0:
            found.append(Entry(owner, int(start), int(count)))
    return found


def _account(host: Host) -> Verdict:
    user = host.account
    if host.account_error:
        return failed(
            host.account_error, f"getent passwd {user.uid} must print one line: ask your administrator"
        )
    return passed(f"{user.name}, uid {user.uid}, gid {user.gid}")


def _uids(host: Host) -> Verdict:
    return _subordinate(host, "uid")


def _gids(host: Host) -> Verdict:
    return _subordinate(host, "gid")


def _subordinate(host: Host, kind: str) -> Verdict:
    if host.is_root:
        return passed(_NOT_FOR_ROOT)
    path = f"/etc/sub{kind}"
    every = entries(host.read(path) or "")
    names = (host.account.name, str(host.account.uid))
    own = [entry for entry in every if entry.owner in names]
    others = [entry for entry in every if entry.owner not in names]
    if not own:
        return warned(_none_because(host, path), add_command(host), cost=_SINGLE)
    detail = f"{sum(entry.size for entry in own)} in {path} ({', '.join(map(str, own))})"
    more = _fresh(host)
    replace = " ".join(f"--del-sub{kind}s {entry}" for entry in own)
    move = host.sudo(f"usermod {replace} --add-sub{kind}s {more} {host.account.name}")
    me = Entry(host.account.name, host.account.uid if kind == "uid" else host.account.gid, 1)
    for number, entry in enumerate(own):
        if any(entry.overlaps(other) for other in (me, *own[:number])):
            return failed(f"{detail}: {entry} is given twice, which the kernel refuses", move)
    for entry in own:
        for other in (*others, *_accounts(host, kind)):
            if entry.overlaps(other):
                return warned(
                    f"{detail}: {other} belong to {other.owner} as well",
                    move,
                    cost=f"{other.owner} can reach files and processes of your boxes, and you theirs. "
                    "Boxes and images made with the old ids must be made anew after the change",
                )
    if sum(entry.size for entry in own) < _WANTED:
        add = host.sudo(f"usermod --add-sub{kind}s {more} {host.account.name}")
        return warned(f"{detail}: fewer than {_WANTED}", add)
    return passed(detail)


def _none_because(host: Host, path: str) -> str:
    for line in (host.read("/etc/nsswitch.conf") or "").splitlines():
        key, _, sources = line.partition("#")[0].partition(":")
        if key.strip() == "subid" and sources.split() not in ([], ["files"]):
            return f"none in {path}; those from {sources.strip()} (nsswitch.conf) are not read by dacha"
    return f"{host.account.name} has none in {path}"


def _accounts(host: Host, kind: str) -> list[Entry]:
    """The ordinary accounts, or their groups, of this host."""
    found = []
    for line in (host.read("/etc/passwd" if kind == "uid" else "/etc/group") or "").splitlines():
        fields = line.split(":")
        if (
            len(fields) > 2
            and fields[2].isdecimal()
            and int(fields[2]) >= 1000
            and fields[0] != host.account.name
        ):
            found.append(Entry(fields[0], int(fields[2]), 1))
    return found


def _fresh(host: Host) -> str:
    """A range that nobody has, in neither file."""
    every = [entry for kind in "ug" for entry in entries(host.read(f"/etc/sub{kind}id") or "")]
    start = max([_FIRST, *(entry.end for entry in every)])
    return f"{start}-{start + _WANTED - 1}"


def add_command(host: Host) -> str:
    """The command that gives the user what is missing of both kinds."""
    names = (host.account.name, str(host.account.uid))
    lacking = [
        kind
        for kind in ("uid", "gid")
        if not any(entry.owner in names for entry in entries(host.read(f"/etc/sub{kind}") or ""))
    ]
    fresh = _fresh(host)
    if host.answers.program("usermod") is not None:
        return host.sudo(
            "usermod " + " ".join(f"--add-sub{kind}s {fresh}" for kind in lacking) + f" {host.account.name}"
        )
    line = f"{host.account.name}:{fresh.partition('-')[0]}:{_WANTED}"
    return f"echo {line} | {host.sudo('tee -a ' + ' '.join(f'/etc/sub{kind}' for kind in lacking))}"


def _newuidmap(host: Host) -> Verdict:
    return _helper(host, "newuidmap", _CAP_SETUID, "cap_setuid")


def _newgidmap(host: Host) -> Verdict:
    return _helper(host, "newgidmap", _CAP_SETGID, "cap_setgid")


def _helper(host: Host, name: str, capability: int, capability_name: str) -> Verdict:
    if host.is_root:
        return passed(_NOT_FOR_ROOT)
    program = host.answers.program(name)
    if program is None:
        return warned("is not in PATH", host.distribution.install("newuidmap"))
    return _rights(host, program, capability, capability_name)


def _rights(host: Host, program: Program, capability: int, capability_name: str) -> Verdict:
    if not program.is_setuid_root and not program.capabilities & capability:
        return warned(
            f"{program.path} is neither set-uid root nor has {capability_name}",
            host.sudo(f"chown root {program.path}") + " && " + host.sudo(f"chmod u+s {program.path}"),
        )
    if program.is_on_nosuid:
        mount = host.sudo(f'mount -o remount,suid "$(findmnt -no TARGET -T {program.path})"')
        return warned(f"{program.path} lies on a file system mounted with nosuid", mount)
    how = "set-uid root" if program.is_setuid_root else capability_name
    return passed(f"{program.path}, {how}")


def _maps(host: Host) -> Verdict:
    if host.is_root:
        return passed(_NOT_FOR_ROOT)
    trial = host.answers.trial("maps")
    is_in_sandbox = host.process_status("NoNewPrivs") == "1"
    if trial.works and trial.value != trials.SINGLE:
        return passed("a namespace with all your ids can be made")
    if trial.works and is_in_sandbox:
        detail = "one with your own id alone can be made (no_new_privs is set)"
        return warned(detail, "run dacha outside of the sandbox it is in", cost=_SINGLE)
    if trial.works:
        return passed("a namespace with your own id alone can be made, for single-id mode")
    if not trial.was_done:
        return noted("could not be tried: see above for what keeps it from that")
    if is_in_sandbox:
        return failed(f"{trial.error} (no_new_privs is set)", "run dacha outside of the sandbox it is in")
    return failed(trial.error, host.distribution.install("newuidmap"))


CHECKS = (
    Check(
        "ids",
        "account",
        "The host must know who has your user id.",
        "no box can be created",
        _account,
        stops=True,
    ),
    Check(
        "ids",
        "subordinate uids",
        "Your ranges in `/etc/subuid`: at least 65536 ids, of nobody else.",
        f"images with files of higher ids cannot be unpacked; without any id {_SINGLE}",
        _uids,
        stops=True,
    ),
    Check(
        "ids",
        "subordinate gids",
        "The same for groups, in `/etc/subgid`.",
        f"images with files of higher ids cannot be unpacked; without any id {_SINGLE}",
        _gids,
        stops=True,
    ),
    Check(
        "ids",
        "newuidmap",
        "It gives your subordinate ids to a namespace, for which it must be set-uid root or have the"
        " capability.",
        _SINGLE,
        _newuidmap,
        stops=True,
    ),
    Check(
        "ids",
        "newgidmap",
        "The same for groups.",
        _SINGLE,
        _newgidmap,
        stops=True,
    ),
    Check(
        "ids",
        "id maps",
        "A namespace with all your ids, or your own alone, is made, as the first box that starts makes one.",
        "no box can be created or started",
        _maps,
        stops=True,
    ),
)
