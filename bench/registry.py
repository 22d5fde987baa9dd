"""A registry of the bench's own: Debian's docker-registry on loopback, filled over its API.

Sources: OCI Distribution Specification 1.1, "Pushing"; OCI Image Specification 1.1.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import platform
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from bench.made import Layer
from bench.programs import ProgramError, find
from bench.site import Site

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_START_S = 30
_ANSWER_S = 120


class Registry:
    """Runs until `close`. Everything it has is below its site."""

    def __init__(self, site: Site) -> None:
        """Raises ProgramError where it is not installed, or does not answer."""
        self._directory = site.files
        self.host = f"127.0.0.1:{_free_port()}"
        self._known: dict[str, str] = {}
        settings = site.files / "registry.yml"
        settings.write_text(json.dumps(self._settings()))  # JSON is YAML
        command = site.command("docker-registry", "serve", settings)
        with (site.files / "registry.log").open("wb") as log:
            self._process = subprocess.Popen(
                [find(command), *command.argv[1:]],
                env=command.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._connection = http.client.HTTPConnection(self.host, timeout=_ANSWER_S)
        try:
            self._await_answer()
        except ProgramError:
            self.close()
            raise

    def provide(self, name: str, make: Callable[[Path], Sequence[Layer]]) -> str:
        """The full name of an image, which the first call pushes. `make` gets a directory of its own."""
        if name not in self._known:
            directory = self._directory / "made" / name
            directory.mkdir(parents=True)
            layers = make(directory)
            self.push_layers(name, layers)
            self._known[name] = self.push_image(name, "latest", layers)
        return self._known[name]

    def push_layers(self, repository: str, layers: Sequence[Layer]) -> None:
        """Upload layers."""
        for layer in layers:
            with layer.path.open("rb") as file:
                self._push_blob(repository, layer.digest, layer.size, file)

    def push_image(self, repository: str, tag: str, layers: Sequence[Layer]) -> str:
        """Make an image of layers that are there, unlike those with other tags; its full name."""
        config = _as_json(
            {
                "created": "2023-11-14T22:13:20Z",
                "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": {"Cmd": ["/bin/sh"], "Labels": {"tag": tag}},
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": [{"created_by": "bench"} for _ in layers],
            }
        )
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self._push_blob(repository, digest, len(config), config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest, "size": len(config)},
            "layers": [{"mediaType": _LAYER, "digest": layer.digest, "size": layer.size} for layer in layers],
        }
        headers = {"Content-Type": _MANIFEST}
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", _as_json(manifest), headers, 201)
        return f"{self.host}/{repository}:{tag}"

    def close(self) -> None:
        """End it, at once: its files are thrown away with the site."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _settings(self) -> dict[str, Any]:
        return {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._directory / "registry")}},
            "http": {"addr": self.host, "secret": "bench"},
        }

    def _push_blob(self, repository: str, digest: str, size: int, body: bytes | IO[bytes]) -> None:
        location = self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"", {}, 202)
        parts = urllib.parse.urlsplit(location)
        query = f"{parts.query}&digest={digest}" if parts.query else f"digest={digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._ask("PUT", f"{parts.path}?{query}", body, headers, 201)

    def _ask(
        self, method: str, path: str, body: bytes | IO[bytes], headers: dict[str, str], expected: int
    ) -> str:
        """The answer's Location."""
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            words = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise ProgramError(f"the registry fails at {method} {path}: {error}") from error
        if answer.status != expected:
            raise ProgramError(f"the registry answers {method} {path} with {answer.status}: {words}")
        return answer.headers.get("Location", "")

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self._ask("GET", "/v2/", b"", {}, 200)
            except ProgramError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                self._connection.close()  # the next request opens it anew
                time.sleep(0.05)
            else:
                return


def _free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
