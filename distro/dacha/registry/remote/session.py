"""Requests to one registry: logged in, redirected, repeated, and their failures told.

Secrets go to the registry's own origin (scheme, host and port) and to its token server, and
never along with a redirect: what it points at is somebody else's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urljoin, urlsplit

from dacha.registry.manifest import MAX_JSON_BYTES
from dacha.registry.remote.auth import Answer, Authenticator, Scopes
from dacha.registry.remote.errors import (
    LocationError,
    RegistryError,
    RemoteImageNotFoundError,
    TlsError,
    TransientError,
    UnauthorizedError,
    UnreachableError,
    messages_of,
)
from dacha.registry.remote.retry import Retry, parse_retry_after, repeated
from dacha.registry.remote.site import Site
from dacha.registry.remote.transport import Body, Origin, Patience, Transport, origin_of

if TYPE_CHECKING:
    import urllib3

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_MAX_ERROR_BYTES = 1 << 16


class Session:
    """A conversation with a registry. May be used by several threads."""

    def __init__(
        self,
        site: Site,
        *,
        retry: Retry = Retry(),  # noqa: B008  (immutable)
        patience: Patience = Patience(),  # noqa: B008  (immutable)
        notice: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.site = site
        self.retry = retry
        self.notice = notice  # told of what is tried again
        self.sleep = sleep
        self._transport = Transport(site, patience)
        self._auth = Authenticator(site, self._fetch)
        self._lock = threading.Lock()
        self._own: Origin | None = None

    def request(
        self,
        method: str,
        target: str,
        scopes: Scopes = (),
        *,
        what: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, again if need be, until its status is one to `accept`; its body is still unread.

        `target` is a path of the API or a URL; `what` is asked for, in words for errors.
        """
        return repeated(
            lambda: self.request_once(
                method, target, scopes, what=what, headers=headers, body=body, accept=accept
            ),
            self.retry,
            self.sleep,
            self.notice,
        )

    def request_once(
        self,
        method: str,
        target: str,
        scopes: Scopes = (),
        *,
        what: str,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        accept: tuple[int, ...] = (200,),
        is_own: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        """Like `request`, but only once, and with any body.

        What is not `is_own` is a URL outside of the API: nobody logs in there.
        """
        url = urljoin(self._base() + "/", target) if is_own else target
        is_new_login = True
        for _ in range(_MAX_REDIRECTS + 2):
            origin = origin_of(url)
            login = self._auth.header(scopes) if is_own and origin == self._own else ""
            sent = {**(headers or {}), **({"Authorization": login} if login else {})}
            response = self._transport.request(method, url, sent, body)
            if response.status in accept:
                return response
            if response.status in _REDIRECTS and method in ("GET", "HEAD"):
                url = self._follow(url, response)
                continue
            if (
                response.status == 401
                and is_own
                and origin == self._own
                and is_new_login
                and not hasattr(body, "read")
            ):
                is_new_login = False
                header = ", ".join(response.headers.getlist("WWW-Authenticate"))
                self._drop(response)
                if self._auth.learn(header, scopes, login):
                    continue
            self._fail(response, origin, what)
        raise LocationError(f"{self.site.host} sends us from one address to the next without end")

    def read(self, response: urllib3.BaseHTTPResponse, limit: int = MAX_JSON_BYTES) -> bytes:
        """The whole body of a response. Raises RegistryError if it is longer than `limit`."""
        import urllib3

        try:
            data = response.read(limit + 1)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.as_error(error) from error
        finally:
            response.release_conn()
        if len(data) > limit:
            response.close()
            raise RegistryError(
                f"{self.site.host} sent more than {limit} bytes where no manifest has as many"
            )
        return data

    def as_error(self, error: Exception) -> RegistryError:
        """What a failure in the middle of a body means."""
        return self._transport.as_error(error, origin_of(self._base()))

    def _base(self) -> str:
        """The address of the registry; where anything will do, what answers there."""
        with self._lock:
            if self._own is None:
                scheme = "https"
                if self.site.is_insecure and not self._speaks_tls():
                    scheme = "http"
                self._own = origin_of(f"{scheme}://{self.site.api_host}")
            return f"{self._own.scheme}://{self.site.api_host}"

    def _speaks_tls(self) -> bool:
        try:
            self._drop(self._transport.request("GET", f"https://{self.site.api_host}/v2/", {}))
        except (TlsError, TransientError):
            return False
        return True

    def _follow(self, url: str, response: urllib3.BaseHTTPResponse) -> str:
        location = response.headers.get("Location", "")
        self._drop(response)
        found = urljoin(url, location)
        if not location or (
            urlsplit(url).scheme == "https"
            and urlsplit(found).scheme != "https"
            and not self.site.is_insecure
        ):
            raise LocationError(f"{self.site.host} sends us to '{found:.200}', which is not safe to follow")
        return found

    def _fetch(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        response = self._transport.request(method, url, headers, body)
        if response.status == 429 or response.status >= 500:
            self._fail(response, origin_of(url), "a token")
        return Answer(response.status, self.read(response))

    def _drop(self, response: urllib3.BaseHTTPResponse) -> None:
        """Make the connection free for the next request; a body worth waiting for is none of ours."""
        if int(response.headers.get("Content-Length") or 0) > _MAX_ERROR_BYTES:
            response.close()
        else:
            response.drain_conn()
            response.release_conn()

    def _fail(self, response: urllib3.BaseHTTPResponse, origin: Origin, what: str) -> NoReturn:
        """Raise what the status of a response means."""
        status, host = response.status, self.site.host
        try:
            said = messages_of(self.read(response, _MAX_ERROR_BYTES))
        except RegistryError:
            said = ""
        said = f": {said}" if said else ""
        login_hint = f"log in first: dacha login {host}"
        if status == 401:
            if self.site.login is None:
                raise UnauthorizedError(
                    f"{host} gives {what} to nobody who is not logged in, or does not have it{said}",
                    hint=login_hint,
                )
            raise UnauthorizedError(
                f"{host} does not let '{self.site.login.username}' have {what}{said}",
                hint=f"is the name right? is the password? log in again: dacha login {host}",
            )
        if status == 403:
            raise UnauthorizedError(
                f"{host} forbids {what}{said}", hint="" if self.site.login else login_hint
            )
        if status == 404:
            raise RemoteImageNotFoundError(
                f"{host} does not have {what}{said}",
                hint="" if self.site.login else f"private ones need: dacha login {host}",
            )
        if status == 429:
            wait_s = parse_retry_after(response.headers.get("Retry-After"), time.time())
            when = f"wait {_duration(wait_s)}" if wait_s else "wait a while"
            raise TransientError(
                f"{host} has been asked too often from here{said}",
                hint=when
                if self.site.login
                else f"{when}, or log in, which may raise the limit: dacha login {host}",
                wait_s=wait_s,
            )
        name = host if origin == self._own else origin.host
        if status >= 500 or status == 408:
            wait_s = parse_retry_after(response.headers.get("Retry-After"), time.time())
            kind = UnreachableError if status in (502, 503, 504) else TransientError
            raise kind(f"{name} failed with {status} at {what}{said}", wait_s=wait_s)
        raise RegistryError(f"{name} answers {status} to the wish for {what}{said}")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
