"""A user's name and password for a registry, and how auth.json writes them."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

from dacha.config.reading import ConfigError


class Credentials(NamedTuple):
    """What a registry is told. An identity token replaces name and password at its token server.

    `origin` says where they come from. Neither repr() nor str() shows the secrets.
    """

    username: str
    password: str
    identity_token: str = ""
    origin: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, origin={self.origin!r}, …)"


def decode_entry(file: str, key: str, entry: Any) -> Credentials | None:
    """The credentials of an entry of `auths`; None for the empty ones that credential helpers leave.

    Raises ConfigError, which never shows what stands in the entry.
    """
    if not isinstance(entry, dict):
        raise ConfigError(file, f"auths.{key}: must be an object")
    encoded, token = entry.get("auth", ""), entry.get("identitytoken", "")
    if not isinstance(encoded, str) or not isinstance(token, str):
        raise ConfigError(file, f"auths.{key}: 'auth' and 'identitytoken' must be strings")
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise ConfigError(
            file, f"auths.{key}: 'auth' is not base64 of NAME:PASSWORD", hint="log in again"
        ) from error
    if not colon:
        return Credentials("", "", token, file) if token else None
    return Credentials(username, password.strip("\0"), token, file)


def encode_entry(credentials: Credentials) -> dict[str, str]:
    """The entry of `auths` for credentials."""
    pair = f"{credentials.username}:{credentials.password}".encode()
    entry = {"auth": base64.b64encode(pair).decode()}
    if credentials.identity_token:
        entry["identitytoken"] = credentials.identity_token
    return entry
