"""A proxy in front of a registry that does what bad lines, overloaded servers and villains do.

    with FaultyRegistry(registry.url) as faulty:
        faulty.inject(Fault("GET", "/blobs/", times=2, cut_after=1000))
        dacha.run("image", "pull", f"{faulty.host}/alpine:3.23")
        assert faulty.ranges("/blobs/")

It also asks for tokens, if `token_login` is given: a login, or "" for anybody.
"""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_TOKEN = "a-token"


@dataclass
class Fault:
    """What to do with the next `times` requests whose method and path fit. 0 times: with all."""

    method: str
    path: str  # a regular expression, searched for
    times: int = 1
    status: int = 0  # answer so, and do not ask the registry
    headers: Mapping[str, str] = field(default_factory=dict)  # beside what the registry sends
    redirect_to: str = ""  # answer with the same path below that URL
    body: bytes | None = None  # instead of the registry's
    cut_after: int = -1  # close the connection after so many bytes of the body
    stall_after: int = -1  # say nothing more after so many bytes
    stall_s: float = 0
    change: Callable[[bytes], bytes] | None = None  # of the body
    ignores_ranges: bool = False
    drop: tuple[str, ...] = ()  # headers of the registry's answer


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case


class FaultyRegistry:
    """The proxy; `host` is where it listens."""

    def __init__(self, upstream: str, *, token_login: str | None = None) -> None:
        self._upstream = urlsplit(upstream)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.token_login = token_login
        self.token_life_s: float | None = None
        self.seen: list[Seen] = []
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._is_closing = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def inject(self, *faults: Fault) -> None:
        """Do this from now on."""
        with self._lock:
            self._faults += faults

    def forget(self) -> None:
        """Be good again, and know nothing of what was."""
        with self._lock:
            self._faults.clear()
            self.seen.clear()

    def requests(self, path: str, method: str = "GET") -> list[Seen]:
        """The requests that came for paths in which `path` is found."""
        with self._lock:
            return [each for each in self.seen if each.method == method and re.search(path, each.path)]

    def ranges(self, path: str) -> list[str]:
        """The ranges that were asked for."""
        return [each.headers["range"] for each in self.requests(path) if "range" in each.headers]

    def take(self, seen: Seen) -> Fault | None:
        """The fault for a request, which is used up by it."""
        with self._lock:
            self.seen.append(seen)
            for fault in self._faults:
                if fault.method == seen.method and re.search(fault.path, seen.path):
                    if fault.times == 1:
                        self._faults.remove(fault)
                    elif fault.times:
                        fault.times -= 1
                    return fault
        return None

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the registry."""
        return http.client.HTTPConnection(self._upstream.netloc, timeout=60)

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than the proxy lives."""
        self._is_closing.wait(seconds)


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: FaultyRegistry
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        seen = Seen(self.command, self.path, {key.lower(): value for key, value in self.headers.items()})
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length) if "Transfer-Encoding" not in self.headers else self._read_chunks()
        fault = self.owner.take(seen) or Fault("", "")
        if self.path.startswith("/token"):
            self._give_token()
        elif self.owner.token_login is not None and seen.headers.get("authorization") != f"Bearer {_TOKEN}":
            realm = f'Bearer realm="http://{self.owner.host}/token",service="test"'
            scope = "repository:x:pull"
            self._answer(401, {"WWW-Authenticate": f'{realm},scope="{scope}"'}, b"{}", fault)
        elif fault.redirect_to:
            self._answer(307, {"Location": fault.redirect_to + self.path}, b"", fault)
        elif fault.status:
            self._answer(fault.status, dict(fault.headers), fault.body or b"", fault)
        else:
            self._forward(sent, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  (http.server's names)

    def _read_chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _forward(self, sent: bytes, fault: Fault) -> None:
        connection = self.owner.connect()
        headers = {
            key: value
            for key, value in self.headers.items()
            if key.lower() not in ("host", "transfer-encoding", "content-length", "connection")
        }
        if self.owner.token_login is not None:
            headers.pop("Authorization", None)
        if fault.ignores_ranges:
            headers.pop("Range", None)
        headers["Host"] = self.owner.host
        if sent or self.command in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(sent))
        connection.request(self.command, self.path, body=sent or None, headers=headers)
        response = connection.getresponse()
        body = response.read()
        kept = {
            key: value
            for key, value in response.getheaders()
            if key.lower() not in ("transfer-encoding", "connection", "date", "content-length", *fault.drop)
        }
        if self.command == "HEAD":
            kept["Content-Length"] = response.headers.get("Content-Length", "0")
        connection.close()
        if fault.change is not None:
            body = fault.change(body)
        if fault.body is not None:
            body = fault.body
        self._answer(response.status, {**kept, **fault.headers}, body, fault)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        if self.command != "HEAD" and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(body))
        try:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            limits = [each for each in (fault.cut_after, fault.stall_after) if each >= 0]
            self.wfile.write(body[: min(limits)] if limits else body)
            self.wfile.flush()
            if fault.stall_after >= 0:
                self.owner.wait(fault.stall_s)
            if limits:
                self._hang_up()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            time.sleep(0)

    def _give_token(self) -> None:
        login = self.owner.token_login
        given = self.headers.get("Authorization", "")
        wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        if login and given != wanted:
            details = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
            self._answer(401, {}, json.dumps(details).encode(), Fault("", ""))
            return
        assert "scope" in parse_qs(urlsplit(self.path).query), self.path
        value: dict[str, object] = {"token": _TOKEN}
        if self.owner.token_life_s is not None:
            value["expires_in"] = self.owner.token_life_s
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode(), Fault("", ""))
