"""`dacha login` and `dacha logout`: names and passwords for registries.

Who we are is asked on the terminal, or said by options; the password comes from the terminal
or from standard input, never from the command line, where every user of the host could read it.
"""

from __future__ import annotations

import sys

from dacha.cli.told import tell_unknown
from dacha.config import auth
from dacha.config.credentials import Credentials
from dacha.config.registries import Registries, load_registries
from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line

_SWITCH = {"": None, "true": True, "false": False}
_MAX_PASSWORD = 1 << 16  # bytes; tokens of registries are a few thousand


def login(line: Line) -> int:
    """Log in to a registry, or say who is logged in."""
    settings = load_registries()
    tell_unknown(settings.unknown)
    key = _registry(line, settings)
    authfile = line.text("authfile")
    known = auth.find_credentials(key, authfile=authfile, helpers=settings.credential_helpers)
    if line.flag("get_login"):
        if known is None:
            raise auth.NotLoggedInError(f"not logged in to '{key}'", hint=f"dacha login {key}")
        print(known.username or "<token>")
        return 0
    if line.text("tls_verify") not in _SWITCH:
        raise UsageError(f"--tls-verify takes true or false, not '{line.text('tls_verify')}'")
    credentials = _ask(line, known)

    from dacha.build.login import check_login  # the registry's client costs time

    host = key.partition("/")[0]
    check_login(
        host, credentials, verifies_tls=_SWITCH[line.text("tls_verify")], cert_dir=line.text("cert_dir")
    )
    place = auth.store_credentials(key, credentials, authfile=authfile, helpers=settings.credential_helpers)
    print(f"logged in to {key} as {credentials.username} ({place})")
    return 0


def logout(line: Line) -> int:
    """Forget the login to a registry, or all logins."""
    settings = load_registries()
    tell_unknown(settings.unknown)
    authfile, helpers = line.text("authfile"), settings.credential_helpers
    if line.flag("all"):
        if line.operands:
            raise UsageError("--all leaves no registry to name")
        auth.remove_all_credentials(authfile=authfile, helpers=helpers)
        print("logged out of all registries")
        return 0
    key = _registry(line, settings)
    auth.remove_credentials(key, authfile=authfile, helpers=helpers)
    print(f"logged out of {key}")
    rest = auth.find_credentials(key, authfile=authfile, helpers=helpers)
    if rest is not None:
        print(f"still logged in as {rest.username or '<token>'}, by {rest.origin}", file=sys.stderr)
    return 0


def _registry(line: Line, settings: Registries) -> str:
    """The registry, or the repository of one, that is named; without a name the first to be searched."""
    if line.operands:
        return line.operands[0].rstrip("/")
    if not settings.search:
        raise UsageError("which registry?", hint="dacha login HOST[:PORT], such as docker.io")
    return settings.search[0]


def _ask(line: Line, known: Credentials | None) -> Credentials:
    """Who we are, from the options or the terminal."""
    username = line.text("username")
    is_piped = line.flag("password_stdin")
    if not username and (is_piped or not sys.stdin.isatty()):
        raise UsageError("who logs in?", hint="give --username NAME, and the password with --password-stdin")
    if not username:
        default = known.username if known is not None else ""
        sys.stderr.write(f"Username ({default}): " if default else "Username: ")
        sys.stderr.flush()
        username = sys.stdin.readline().strip() or default
    password = _read_password() if is_piped else _ask_password()
    if not username or ":" in username:
        raise UsageError("a username is neither empty nor has a ':' in it")
    if not password:
        raise UsageError("the password is empty")
    return Credentials(username, password)


def _read_password() -> str:
    """The password on standard input, without the line break that `echo` puts behind it."""
    data = sys.stdin.buffer.read(_MAX_PASSWORD + 1)
    if len(data) > _MAX_PASSWORD:
        raise UsageError(f"a password of more than {_MAX_PASSWORD} bytes is none")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError("the password on standard input is not UTF-8") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if "\n" in text or "\0" in text:
        raise UsageError("the password on standard input has more than one line")
    return text


def _ask_password() -> str:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to type a password", hint="give it with --password-stdin")
    import getpass

    try:
        return getpass.getpass("Password: ", stream=sys.stderr)
    except EOFError as error:
        raise DachaError("no password was given") from error
