"""Logging in: what a registry's challenge is answered with.

Basic takes the name and the password themselves, Bearer a token that a token server gives
for them, or to anybody for public images; one per scope, kept until shortly before it runs out.

Source: "Token Authentication Specification" and "OAuth 2 token server" of docker's registry.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

from dacha.registry.remote import challenge
from dacha.registry.remote.challenge import Challenge
from dacha.registry.remote.errors import LocationError, RegistryError, UnauthorizedError, messages_of
from dacha.registry.remote.site import Site

_DEFAULT_LIFE_S = 60.0  # of a token that does not say; so the specification has it
_MARGIN_S = 10.0
_CLIENT_ID = "dacha"

Scopes = tuple[str, ...]  # such as repository:library/debian:pull


class Answer(NamedTuple):
    """What a token server says."""

    status: int
    body: bytes


class Fetch(Protocol):
    """Sends one request, and reads all of its answer; follows no redirect."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer: ...


class _Token(NamedTuple):
    text: str
    good_until: float  # on the monotonic clock


class Authenticator:
    """Who we are at one registry. May be used by several threads."""

    def __init__(self, site: Site, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._site = site
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None  # the one we answer from now on
        self._tokens: dict[Scopes, _Token] = {}

    def header(self, scopes: Scopes) -> str:
        """The Authorization header for a request, as far as is known; empty for none."""
        with self._lock:
            if self._challenge is None:
                return ""
            if self._challenge.scheme == "basic":
                return self._basic()
            token = self._tokens.get(scopes)
            if token is None or token.good_until < self._clock():
                token = self._tokens[scopes] = self._new_token(self._challenge, scopes)
            return f"Bearer {token.text}"

    def learn(self, header: str, scopes: Scopes, refused: str) -> bool:
        """Take in a challenge, after a request with the Authorization `refused`; whether to try again.

        Raises RegistryError for a challenge that nobody here can answer.
        """
        known = {each.scheme: each for each in challenge.parse(header)}
        chosen = known.get("bearer") or known.get("basic")
        if chosen is None:
            kinds = ", ".join(known) or "nothing"
            raise RegistryError(
                f"{self._site.host} asks for a login of a kind that is not known here: {kinds}"
            )
        with self._lock:
            self._challenge = chosen
            token = self._tokens.get(scopes)
            if token is not None and refused == f"Bearer {token.text}":
                del self._tokens[scopes]  # it ran out before its time, or was taken back
        if chosen.scheme == "basic":
            return self._site.login is not None and not refused.startswith("Basic ")
        return True

    def _basic(self) -> str:
        login = self._site.login
        if login is None or not login.username:
            return ""
        return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()

    def _new_token(self, chosen: Challenge, scopes: Scopes) -> _Token:
        realm = chosen.parameters.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme != "https" and not (parts.scheme == "http" and self._site.is_insecure):
            raise LocationError(
                f"{self._site.host} sends its users to log in at '{realm:.200}', where passwords are not safe"
            )
        service = chosen.parameters.get("service", "")
        login = self._site.login
        if login is not None and login.identity_token:
            fields = {
                "grant_type": "refresh_token",
                "refresh_token": login.identity_token,
                "service": service,
                "client_id": _CLIENT_ID,
                "scope": " ".join(scopes),
            }
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._fetch("POST", realm, form, urlencode(fields).encode())
        else:
            query = [("service", service)] if service else []
            query += [("scope", scope) for scope in scopes]
            if login is not None:
                query.append(("account", login.username))
            joined = "&".join(filter(None, (parts.query, urlencode(query))))
            basic = self._basic()
            headers = {"Authorization": basic} if basic else {}
            answer = self._fetch("GET", urlunsplit(parts._replace(query=joined, fragment="")), headers, None)
        return self._read_token(answer)

    def _read_token(self, answer: Answer) -> _Token:
        host = self._site.host
        if answer.status in (400, 401, 403):
            said = messages_of(answer.body)
            raise UnauthorizedError(
                f"{host} does not accept the login" + (f": {said}" if said else ""),
                hint=f"log in again: dacha login {host}" if self._site.login else f"dacha login {host}",
            )
        if answer.status != 200:
            raise RegistryError(f"the token server of {host} failed with {answer.status}")
        try:
            value = json.loads(answer.body)
            text = value.get("token") or value.get("access_token")
            life = float(value.get("expires_in") or _DEFAULT_LIFE_S)
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise RegistryError(f"the token server of {host} sent no token") from error
        if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
            raise RegistryError(f"the token server of {host} sent no token")
        # A short-lived one is good for the request at hand in any case.
        return _Token(text, self._clock() + max(life - _MARGIN_S, life / 2))
