"""Who is calling: the user as the host knows them."""

from __future__ import annotations

import grp
import os
import pwd
from typing import NamedTuple

from dacha.errors import DachaError


class Account(NamedTuple):
    """The calling user; `home` is $HOME where that is set, as every shell has it."""

    name: str
    uid: int
    gid: int
    group: str
    gecos: str
    home: str
    shell: str


def calling_account() -> Account:
    """The account of the real user id, from whatever source NSS has (also LDAP).

    Raises DachaError where no source knows the id.
    """
    uid = os.getuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise DachaError(
            f"no account has the user id {uid}", hint="`getent passwd $(id -u)` must print one line"
        ) from error
    gid = os.getgid()
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = entry.pw_name
    home = os.environ.get("HOME", "")
    return Account(
        name=entry.pw_name,
        uid=uid,
        gid=gid,
        group=group,
        gecos=entry.pw_gecos.replace(":", " "),
        home=os.path.normpath(home if home.startswith("/") else entry.pw_dir),
        shell=entry.pw_shell or "/bin/sh",
    )
