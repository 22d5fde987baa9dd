"""Put blobs and manifests into a registry.

Source: OCI distribution specification 1.1, "Pushing a blob in chunks", "Mounting a blob from
another repository", "Pushing manifests".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dacha.registry.digest import check_digest
from dacha.registry.manifest import Descriptor, Document
from dacha.registry.remote.client import Client
from dacha.registry.remote.errors import (
    RegistryError,
    RemoteImageNotFoundError,
    TransientError,
    UnauthorizedError,
)
from dacha.registry.remote.retry import wait_before

if TYPE_CHECKING:
    import urllib3

_CHUNK = 8 << 20  # what is held at a time, and sent again after a failure


class Uploader:
    """Writes to one repository. May be used by several threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._session = client.session
        self._scopes = (f"repository:{client.path}:pull,push",)

    @property
    def name(self) -> str:
        """The repository, for messages."""
        return self._client.name

    def has_blob(self, digest: str) -> bool:
        """Whether the repository has it."""
        try:
            response = self._session.request(
                "HEAD", self._client.blob_path(digest), self._scopes, what=f"blob {digest[:19]}…"
            )
        except RemoteImageNotFoundError:
            return False
        response.release_conn()
        return True

    def mount(self, digest: str, source: str) -> bool:
        """Take over a blob from the repository with the path `source`; whether the registry did that."""
        query = urlencode({"mount": check_digest(digest), "from": source})
        try:
            response = self._session.request(
                "POST",
                f"/v2/{self._client.path}/blobs/uploads/?{query}",
                (*self._scopes, f"repository:{source}:pull"),
                what=f"to mount blob {digest[:19]}…",
                accept=(201, 202),
            )
        except (RemoteImageNotFoundError, UnauthorizedError):
            return False
        response.drain_conn()
        response.release_conn()
        if response.status == 202:  # it has begun an upload instead, which we do not want
            self._give_up(response.headers.get("Location", ""))
        return response.status == 201

    def put_small(self, descriptor: Descriptor, data: bytes) -> None:
        """Upload a blob that is in memory, such as a configuration."""
        upload = self._start()
        self._complete(self._send(upload, 0, data), descriptor.digest)

    def put_file(self, descriptor: Descriptor, fd: int, reached: Callable[[int], None]) -> None:
        """Upload a blob from a file, chunk by chunk; a chunk that breaks off is sent again."""
        location, offset, failures = self._start(), 0, 0
        while offset < descriptor.size_bytes:
            try:
                location = self._send(location, offset, os.pread(fd, _CHUNK, offset))
            except TransientError as error:
                failures += 1
                wait_s = wait_before(failures, self._session.retry, error)
                if wait_s is None:
                    raise
                self._session.notice(f"{error}; going on in {wait_s:.2g} s")
                self._session.sleep(wait_s)
                location, offset = self._where(location, offset)
                continue
            failures = 0
            offset = min(offset + _CHUNK, descriptor.size_bytes)
            reached(offset)
        self._complete(location, descriptor.digest)

    def put_manifest(self, document: Document, version: str) -> None:
        """Upload a manifest or an index under a tag, or under its digest."""
        self._end(
            self._session.request(
                "PUT",
                f"/v2/{self._client.path}/manifests/{version}",
                self._scopes,
                what=f"a manifest in {self._client.path}",
                headers={"Content-Type": document.descriptor.media_type},
                body=document.body,
                accept=(200, 201, 202),
            )
        )

    def _start(self) -> str:
        response = self._session.request(
            "POST",
            f"/v2/{self._client.path}/blobs/uploads/",
            self._scopes,
            what=f"an upload to {self._client.path}",
            headers={"Content-Length": "0"},
            accept=(202,),
        )
        return self._location(response)

    def _send(self, location: str, offset: int, data: bytes) -> str:
        response = self._session.request_once(
            "PATCH",
            location,
            self._scopes,
            what=f"an upload to {self._client.path}",
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{offset}-{offset + len(data) - 1}",
            },
            body=data,
            accept=(202,),
        )
        return self._location(response)

    def _where(self, location: str, offset: int) -> tuple[str, int]:
        """How far an upload has come, as the registry sees it; a new one if it has forgotten it."""
        try:
            response = self._session.request(
                "GET", location, self._scopes, what="the state of an upload", accept=(204, 202, 200)
            )
        except (RemoteImageNotFoundError, RegistryError):
            return self._start(), 0
        end = response.headers.get("Range", "").rpartition("-")[2]
        found = self._location(response)
        done = int(end) + 1 if end.isdecimal() and end != "0" else 0
        return found, min(done, offset + _CHUNK)

    def _complete(self, location: str, digest: str) -> None:
        joiner = "&" if "?" in location else "?"
        self._end(
            self._session.request(
                "PUT",
                f"{location}{joiner}{urlencode({'digest': digest})}",
                self._scopes,
                what=f"an upload to {self._client.path}",
                headers={"Content-Length": "0"},
                accept=(201, 204),
            )
        )

    def _give_up(self, location: str) -> None:
        try:
            self._end(
                self._session.request_once(
                    "DELETE",
                    location,
                    self._scopes,
                    what="to end an upload",
                    accept=(200, 202, 204, 404, 405),
                )
            )
        except RegistryError:
            return  # the registry ends it by itself some day

    def _location(self, response: urllib3.BaseHTTPResponse) -> str:
        location = response.headers.get("Location", "")
        self._end(response)
        if not location:
            raise RegistryError(f"{self._session.site.host} began an upload without saying where")
        return location

    def _end(self, response: urllib3.BaseHTTPResponse) -> None:
        response.drain_conn()
        response.release_conn()
