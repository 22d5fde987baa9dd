"""Credential helpers: programs docker-credential-NAME that keep passwords in a key ring.

Protocol (github.com/docker/docker-credential-helpers): one argument says what to do, standard
input says for which server, the answer is JSON on standard output. Nothing secret is ever an
argument.
"""

from __future__ import annotations

import json
import re

from dacha.config.credentials import Credentials
from dacha.config.reading import ConfigError, parse_json
from dacha.errors import DachaError
from dacha.linux.process import consult

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_FOUND = b"credentials not found"
_TOKEN = "<token>"  # noqa: S105  (the user name that says: the secret is an identity token)
_MAX_LINE = 300


class CredentialHelperError(DachaError):
    """A credential helper failed."""

    def __init__(self, program: str, verb: str, said: bytes) -> None:
        lines = said.decode(errors="replace").strip().splitlines()
        super().__init__(
            f"{program} {verb}: {lines[0][:_MAX_LINE] if lines else 'failed without a word'}",
            hint=f"try it: echo HOST | {program} get",
        )
        self.program = program


def _ask(helper: str, verb: str, question: bytes) -> bytes | None:
    """What the helper answers; None if it knows nothing of that server. Raises DachaError."""
    if not _NAME.fullmatch(helper):
        raise DachaError(
            f"'{helper}' is no name of a credential helper", hint="it is what follows docker-credential-"
        )
    program = f"docker-credential-{helper}"
    code, output, errors = consult([program, verb], question)
    if code == 0:
        return output
    if _NOT_FOUND in output.lower() or _NOT_FOUND in errors.lower():
        return None
    # A failing `store` may repeat what it was given.
    said = b"" if verb == "store" else output.strip() or errors
    raise CredentialHelperError(program, verb, said)


def ask_helper(helper: str, server: str) -> Credentials | None:
    """What a helper knows of a server. Raises DachaError."""
    output = _ask(helper, "get", server.encode())
    if output is None:
        return None
    program = f"docker-credential-{helper}"
    answer = parse_json(program, output)
    username, secret = answer.get("Username", ""), answer.get("Secret", "")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise ConfigError(program, "answers with something else than two strings", hint="mend the helper")
    if not username and not secret:
        return None
    if username == _TOKEN:
        return Credentials("", "", secret, program)
    return Credentials(username, secret, "", program)


def tell_helper(helper: str, server: str, credentials: Credentials) -> None:
    """Give a helper credentials to keep. Raises DachaError."""
    has_token = bool(credentials.identity_token)
    question = {
        "ServerURL": server,
        "Username": _TOKEN if has_token else credentials.username,
        "Secret": credentials.identity_token if has_token else credentials.password,
    }
    _ask(helper, "store", json.dumps(question).encode())


def erase_from_helper(helper: str, server: str) -> bool:
    """Let a helper forget a server; whether it knew it. Raises DachaError."""
    return _ask(helper, "erase", server.encode()) is not None


def servers_of_helper(helper: str) -> tuple[str, ...]:
    """The servers that a helper knows. Raises DachaError."""
    output = _ask(helper, "list", b"")
    return tuple(parse_json(f"docker-credential-{helper}", output)) if output else ()
