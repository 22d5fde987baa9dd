"""Who is calling."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from dacha.errors import DachaError
from dacha.linux.account import calling_account


def entry(*, gecos: str = "Alex", shell: str = "/bin/zsh") -> pwd.struct_passwd:
    return pwd.struct_passwd(("alex", "x", 1000, 1000, gecos, "/home/alex", shell))


def test_the_account_is_the_real_users() -> None:
    account = calling_account()
    assert (account.uid, account.gid) == (os.getuid(), os.getgid())
    assert account.name == pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize(
    ("value", "home"),
    [
        ("/srv/alex", "/srv/alex"),
        ("/srv/alex/", "/srv/alex"),
        ("/srv//alex/.", "/srv/alex"),
        ("/", "/"),
        ("", "/home/alex"),
        ("relative", "/home/alex"),
    ],
)
def test_the_home_is_what_the_shell_takes_for_it(
    monkeypatch: pytest.MonkeyPatch, value: str, home: str
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: entry())
    monkeypatch.setenv("HOME", value)
    assert calling_account().home == home


def test_fields_are_fit_for_a_line_of_passwd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: entry(gecos="Alex:admin", shell=""))
    account = calling_account()
    assert (account.gecos, account.shell) == ("Alex admin", "/bin/sh")


def test_a_group_without_a_name_is_called_as_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_gid: int) -> grp.struct_group:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: entry())
    monkeypatch.setattr(grp, "getgrgid", unknown)
    assert calling_account().group == "alex"


def test_a_number_without_an_account_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(DachaError, match=f"no account has the user id {os.getuid()}"):
        calling_account()
