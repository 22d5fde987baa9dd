"""HTTP: connections kept open, proxies, certificates; and failures told by what to do about them.

urllib3 speaks the protocol. It is told to follow nothing and to repeat nothing: whom we may
follow with which secrets, and what may be asked again, is decided in `remote.client`.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from dacha import __version__, paths
from dacha.registry.remote.errors import (
    LocationError,
    NoHostError,
    RegistryError,
    TlsError,
    TransientError,
    UnreachableError,
)
from dacha.registry.remote.site import Site

if TYPE_CHECKING:
    import urllib3

Body = bytes | IO[bytes] | None
_USER_AGENT = f"dacha/{__version__}"
_SCHEMES = {"http": 80, "https": 443}


class Patience(NamedTuple):
    """How long to wait for a connection, and for the next byte once there is one; seconds."""

    connect_s: float = 15
    stall_s: float = 45


class Origin(NamedTuple):
    """Who is spoken to; secrets of one are not shown to another."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """The origin of a URL. Raises LocationError if it is none of HTTP, or carries a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LocationError(f"'{url:.200}' is no address: {error}") from error
    if parts.scheme not in _SCHEMES or not parts.hostname or "@" in parts.netloc:
        raise LocationError(f"the registry points at '{url:.200}', which is no address of a registry")
    return Origin(parts.scheme, parts.hostname, port or _SCHEMES[parts.scheme])


class Transport:
    """Connections to a registry and to where it sends us. May be used by several threads."""

    def __init__(self, site: Site, patience: Patience = Patience()) -> None:  # noqa: B008  (immutable)
        paths.find_packages()
        import urllib3

        self._site = site
        self._own_host = urlsplit(f"//{site.api_host}").hostname
        self._timeout = urllib3.Timeout(connect=patience.connect_s, read=patience.stall_s)
        self._stall_s = patience.stall_s
        self._pools: dict[tuple[str, bool], urllib3.PoolManager] = {}

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; the body of the answer is still to be read, and then released.

        Raises TransientError, UnreachableError and TlsError.
        """
        import urllib3

        origin = origin_of(url)
        try:
            return self._pool(origin).request(
                method,
                url,
                body=body,
                headers={"User-Agent": _USER_AGENT, **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=self._timeout,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.as_error(error, origin) from error

    def as_error(self, error: Exception, origin: Origin) -> RegistryError:
        """What a failure of urllib3 means to a user."""
        from urllib3 import exceptions

        name = origin.host if origin.port in _SCHEMES.values() else f"{origin.host}:{origin.port}"
        if isinstance(error, exceptions.ProxyError):
            return UnreachableError(
                f"the proxy for {name} does not answer: {_reason(error.original_error)}",
                hint="HTTPS_PROXY and HTTP_PROXY name it; NO_PROXY lists what goes without",
            )
        if isinstance(error, (exceptions.SSLError, ssl.SSLError)):
            return _tls_error(name, error)
        if isinstance(error, exceptions.NameResolutionError):
            return NoHostError(f"there is no host '{origin.host}', or no network to ask for it")
        if isinstance(error, exceptions.NewConnectionError):
            return UnreachableError(f"cannot connect to {name}: {_reason(error.__cause__ or error)}")
        if isinstance(error, exceptions.ConnectTimeoutError):
            return UnreachableError(f"{name} does not answer")
        if isinstance(error, (exceptions.ReadTimeoutError, TimeoutError)):
            return TransientError(f"{name} has sent nothing for {self._stall_s:g} seconds")
        return TransientError(f"the connection to {name} was cut: {_reason(error)}")

    def _pool(self, origin: Origin) -> urllib3.PoolManager:
        """The connections through one proxy, with our own certificate or without."""
        import urllib3

        from dacha.registry.remote.proxies import proxy_for

        proxy = proxy_for(*origin, os.environ)
        is_own = origin.host == self._own_host
        pool = self._pools.get((proxy, is_own))
        if pool is None:
            context = self._tls_context(shows_own=is_own)
            if proxy:
                pool = urllib3.ProxyManager(
                    proxy, ssl_context=context, maxsize=8, proxy_headers=_proxy_headers(proxy)
                )
            else:
                pool = urllib3.PoolManager(ssl_context=context, maxsize=8)
            pool = self._pools.setdefault((proxy, is_own), pool)
        return pool

    def _tls_context(self, *, shows_own: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._site.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        path = ""
        try:
            for path in self._site.certificates.ca_files:
                context.load_verify_locations(path)
            if shows_own and self._site.certificates.client_cert:
                path = self._site.certificates.client_cert
                context.load_cert_chain(path, self._site.certificates.client_key)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"cannot use the certificate {path}: {error.strerror or error}") from error
        return context


def _proxy_headers(proxy: str) -> Mapping[str, str]:
    import urllib3

    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    from urllib.parse import unquote

    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return urllib3.make_headers(proxy_basic_auth=login)


def _tls_error(name: str, error: Exception) -> RegistryError:
    reason = str(error)
    if "WRONG_VERSION_NUMBER" in reason or "wrong version number" in reason or "HTTP_REQUEST" in reason:
        return TlsError(
            f"{name} speaks plain HTTP, which anybody on the way can change",
            hint=f"if you trust the way to it: --tls-verify=false, or insecure = true for '{name}'"
            " in registries.conf",
        )
    if "CERTIFICATE_VERIFY_FAILED" in reason or "certificate" in reason.lower():
        detail = reason.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or _reason(error)
        return TlsError(
            f"the certificate of {name} is not to be trusted: {detail}",
            hint=f"put its authority's certificate into ~/.config/containers/certs.d/{name}/ca.crt",
        )
    if "EOF" in reason or "reset" in reason.lower():
        return TransientError(f"the connection to {name} was cut while it was set up")
    return TlsError(f"no safe connection to {name}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    """The words of the innermost failure: urllib3 wraps them, with addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
