"""A registry in a few lines: it knows one login or asks for none, and has one image or nothing.

For what is asked of a registry, and with which password. What a real one does, Debian's does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

CONFIG = b"{}"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": "sha256:" + hashlib.sha256(CONFIG).hexdigest(),
            "size": len(CONFIG),
        },
        "layers": [],
    }
).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


class Registry(ThreadingHTTPServer):
    """One on a port of the loopback; `host` is its name."""

    daemon_threads = True

    def __init__(self, *, password: str = "", has_image: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.expected = "Basic " + base64.b64encode(f"ada:{password}".encode()).decode() if password else ""
        self.has_image = has_image
        self.asked: list[str] = []  # repository:version of each manifest, in order
        self.host = f"localhost:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        if self.server.expected and self.headers["Authorization"] != self.server.expected:
            return self._answer(401, b"{}", "application/json")
        if self.path == "/v2/":
            return self._answer(200, b"{}", "application/json")
        repository, _, version = self.path.removeprefix("/v2/").partition("/manifests/")
        if not version:
            return self._answer(404, b"{}", "application/json")
        self.server.asked.append(f"{repository}:{version}")
        if self.server.has_image:
            return self._answer(200, MANIFEST, "application/vnd.oci.image.manifest.v1+json")
        return self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "application/json")

    do_HEAD = do_GET  # noqa: N815  (http.server's name)

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Start(Protocol):
    """Starts a registry: with a `password` of the user ada, or open to all."""

    def __call__(self, *, password: str = "", has_image: bool = False) -> Registry: ...


@contextmanager
def small_registries() -> Iterator[Start]:
    """Registries that end with the block."""
    with ExitStack() as stack:

        def start(*, password: str = "", has_image: bool = False) -> Registry:
            registry = Registry(password=password, has_image=has_image)
            stack.callback(registry.server_close)
            thread = threading.Thread(target=registry.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join)
            stack.callback(registry.shutdown)
            return registry

        yield start
