"""`dacha login` and `logout`, as a user meets them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha
from tests.lib.small_registry import Start, small_registries

PASSWORD = "s3cret:with colon"
PIPED = ("login", "--tls-verify", "false", "-u", "ada", "--password-stdin")


@pytest.fixture
def serve() -> Iterator[Start]:
    """Start registries; they end with the test."""
    with small_registries() as start:
        yield start


def output(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stdout + done.stderr).decode()


def test_a_login_is_checked_kept_said_and_forgotten(empty_dacha: Dacha, serve: Start) -> None:
    host = serve(password=PASSWORD).host
    done = empty_dacha.run(*PIPED, host, stdin=f"{PASSWORD}\n".encode(), check=True)
    assert f"logged in to {host} as ada" in output(done)
    assert PASSWORD not in output(done)
    kept = empty_dacha.runtime / "containers" / "auth.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert empty_dacha.run("login", "--get-login", host, check=True).stdout == b"ada\n"
    empty_dacha.run("logout", host, check=True)
    assert json.loads(kept.read_text())["auths"] == {}
    done = empty_dacha.run("login", "--get-login", host)
    assert done.returncode == 125
    assert f"not logged in to '{host}'" in output(done)
    assert f"hint: dacha login {host}" in output(done)
    assert empty_dacha.run("logout", host).returncode == 125


def test_a_wrong_password_is_not_kept(empty_dacha: Dacha, serve: Start) -> None:
    host = serve(password=PASSWORD).host
    done = empty_dacha.run(*PIPED, host, stdin=b"wrong")
    assert done.returncode == 125
    assert f"{host} does not accept the login of 'ada'" in output(done)
    assert "wrong" not in output(done)
    assert not (empty_dacha.runtime / "containers" / "auth.json").exists()


def test_skopeo_sees_the_login(empty_dacha: Dacha, serve: Start) -> None:
    host = serve(password=PASSWORD).host
    file = empty_dacha.base / "auth.json"
    empty_dacha.run(*PIPED, "--authfile", file, f"{host}/team", stdin=PASSWORD.encode(), check=True)
    argv = ["skopeo", "login", "--authfile", str(file), "--get-login", f"{host}/team"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"ada\n"


def test_on_a_terminal_it_asks(empty_dacha: Dacha, serve: Start) -> None:
    host = serve(password=PASSWORD).host
    terminal = empty_dacha.spawn("login", "--tls-verify=false", host)
    terminal.expect_exact("Username: ")
    terminal.sendline("ada")
    terminal.expect_exact("Password: ")
    terminal.sendline(PASSWORD)
    terminal.expect_exact(f"logged in to {host} as ada")
    assert PASSWORD not in str(terminal.before)
    terminal.wait()
    terminal.close()


def test_logout_of_all(empty_dacha: Dacha, serve: Start) -> None:
    hosts = [serve(password=PASSWORD).host, serve().host]
    for host in hosts:
        empty_dacha.run(*PIPED, host, stdin=PASSWORD.encode(), check=True)
    empty_dacha.run("logout", "--all", check=True)
    assert all(empty_dacha.run("login", "--get-login", host).returncode == 125 for host in hosts)


@pytest.mark.parametrize(
    ("args", "stdin", "message"),
    [
        (("login",), b"", "which registry?"),
        (("login", "q.test"), b"", "who logs in?"),
        (("login", "-u", "ada", "q.test"), b"", "nobody is there to type a password"),
        (("login", "-u", "ada", "--password-stdin", "q.test"), b"\n", "the password is empty"),
        (("login", "-u", "ada", "--password-stdin", "q.test"), b"a\nb", "more than one line"),
        (("login", "-u", "ada", "--password-stdin", "q.test"), b"\xff", "is not UTF-8"),
        (("login", "-u", "a:b", "--password-stdin", "q.test"), b"x", "nor has a ':'"),
        (("login", "--tls-verify", "maybe", "q.test"), b"", "takes true or false, not 'maybe'"),
        (("login", "https://q.test"), b"", "without https://"),
        (("logout", "--all", "q.test"), b"", "--all leaves no registry to name"),
    ],
)
def test_lines_that_make_no_sense(
    empty_dacha: Dacha, args: tuple[str, ...], stdin: bytes, message: str
) -> None:
    done = empty_dacha.run(*args, stdin=stdin)
    assert done.returncode == 125
    assert message in output(done)


def test_a_key_that_is_not_used_is_told_once(empty_dacha: Dacha) -> None:
    file = empty_dacha.config / "containers" / "registries.conf"
    file.parent.mkdir()
    file.write_text("unqualified-search = ['q.test']\n")
    first, second = (output(empty_dacha.run("logout", "q.test")) for _ in range(2))
    assert f"{file}: unqualified-search: dacha does not use this" in first
    assert "does not use" not in second


def test_a_damaged_file_is_named(empty_dacha: Dacha) -> None:
    file = Path(empty_dacha.runtime) / "containers" / "auth.json"
    file.parent.mkdir()
    file.write_text('{"auths": {"q.test": {"auth": "%%%"}}}')
    done = empty_dacha.run("login", "--get-login", "q.test")
    assert done.returncode == 125
    assert f"{file}: auths.q.test: 'auth' is not base64" in output(done)
    assert "%%%" not in output(done)
