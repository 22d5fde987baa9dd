"""What a registry has: manifests, blobs, tags, referrers.

Source: OCI distribution specification 1.1. Whatever comes by a digest is held to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from dacha.errors import BadImageError
from dacha.registry import manifest as manifests
from dacha.registry.digest import check_digest, is_digest, new_hash
from dacha.registry.manifest import MAX_JSON_BYTES, Descriptor, Document, Json, as_object, parse_json
from dacha.registry.remote.errors import RegistryError, RemoteImageNotFoundError
from dacha.registry.remote.session import Session

if TYPE_CHECKING:
    import urllib3

_ACCEPT = ", ".join((*manifests.INDEX_TYPES, *manifests.MANIFEST_TYPES))
_VAGUE_TYPES = ("", "application/json", "text/plain", "application/octet-stream")
_PAGE = 1000
_MAX_PAGES = 10_000


class Client:
    """One repository of a registry. May be used by several threads."""

    def __init__(self, session: Session, path: str) -> None:
        self.session = session
        self.path = path
        self.scopes = (f"repository:{path}:pull",)

    @property
    def name(self) -> str:
        """The repository, for messages."""
        return f"{self.session.site.host}/{self.path}"

    def document(self, version: str) -> Document:
        """The manifest or index of a tag or a digest.

        Raises RemoteImageNotFoundError, and BadImageError where it is none, or not what
        its digest says.
        """
        what = f"{self.path}@{version[:19]}…" if is_digest(version) else f"{self.path}:{version}"
        response = self.session.request(
            "GET",
            f"/v2/{self.path}/manifests/{version}",
            self.scopes,
            what=what,
            headers={"Accept": _ACCEPT},
        )
        body = self.session.read(response)
        wanted = version if is_digest(version) else response.headers.get("Docker-Content-Digest", "")
        if not is_digest(wanted):
            wanted = f"sha256:{hashlib.sha256(body).hexdigest()}"
        _check(body, wanted, what)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type in _VAGUE_TYPES:
            media_type = manifests.type_of(as_object(parse_json(body, what)))
        document = Document(Descriptor(media_type, wanted, len(body)), body)
        manifests.check_type(document.value, media_type)
        return document

    def digest_of(self, version: str) -> str:
        """The digest of a tag, without its manifest; empty if there is none of that name."""
        try:
            response = self.session.request(
                "HEAD",
                f"/v2/{self.path}/manifests/{version}",
                self.scopes,
                what=f"{self.path}:{version}",
                headers={"Accept": _ACCEPT},
            )
        except RemoteImageNotFoundError:
            return ""
        response.release_conn()
        digest = response.headers.get("Docker-Content-Digest", "")
        return digest if is_digest(digest) else self.document(version).descriptor.digest

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """The manifest behind an entry of an index."""
        document = self.document(check_digest(descriptor.digest))
        if len(document.body) != descriptor.size_bytes:
            raise BadImageError(f"{descriptor.digest[:19]}… has another size than its index says")
        return document.body

    def read_blob(self, descriptor: Descriptor) -> bytes:
        """A small blob, such as a configuration."""
        what = f"the blob {descriptor.digest[:19]}… of {self.path}"
        if descriptor.size_bytes > MAX_JSON_BYTES:
            raise BadImageError(f"{what} is larger than any configuration ({descriptor.size_bytes} bytes)")
        body = self.session.read(
            self.session.request("GET", self.blob_path(descriptor.digest), self.scopes, what=what)
        )
        if len(body) != descriptor.size_bytes:
            raise BadImageError(f"{what} has another size than its manifest says")
        _check(body, descriptor.digest, what)
        return body

    def blob_path(self, digest: str) -> str:
        """Where a blob is."""
        return f"/v2/{self.path}/blobs/{check_digest(digest)}"

    def open_blob(self, descriptor: Descriptor, offset: int, url: str = "") -> urllib3.BaseHTTPResponse:
        """A blob from `offset` on, or all of it with status 200; at `url`, if that is given. Asks once."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return self.session.request_once(
            "GET",
            url or self.blob_path(descriptor.digest),
            self.scopes,
            what=f"layer {descriptor.digest[:19]}… of {self.path}",
            headers=headers,
            accept=(200, 206, 416) if offset else (200,),
            is_own=not url,
        )

    def tags(self) -> Iterator[str]:
        """All tags of the repository."""
        yield from _pages(
            self.session, f"/v2/{self.path}/tags/list?n={_PAGE}", self.scopes, "tags", self.name
        )

    def referrers(self, digest: str) -> list[Json]:
        """What refers to a manifest: signatures, lists of parts; descriptors.

        A registry without that part of the API keeps them under a tag (specification,
        "Unavailable Referrers API").
        """
        try:
            response = self.session.request(
                "GET",
                f"/v2/{self.path}/referrers/{check_digest(digest)}",
                self.scopes,
                what=f"what refers to {self.path}@{digest[:19]}…",
            )
            value = as_object(parse_json(self.session.read(response), "referrers"))
        except RemoteImageNotFoundError:
            try:
                value = self.document(digest.replace(":", "-")).value
            except RemoteImageNotFoundError:
                return []
        return manifests.objects_of(value, "manifests", "referrers")


def catalog(session: Session) -> Iterator[str]:
    """All repositories of a registry, where it tells."""
    return _pages(
        session,
        f"/v2/_catalog?n={_PAGE}",
        ("registry:catalog:*",),
        "repositories",
        "the list of repositories",
    )


def _pages(session: Session, target: str, scopes: tuple[str, ...], key: str, what: str) -> Iterator[str]:
    """The texts of a list that comes in pages (specification, "Listing Tags")."""
    seen = set()
    for _ in range(_MAX_PAGES):
        if target in seen:
            return
        seen.add(target)
        response = session.request("GET", target, scopes, what=what)
        link = response.headers.get("Link", "")
        value = as_object(parse_json(session.read(response), what))
        names = value.get(key) or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RegistryError(f"{session.site.host} sent no list of {key}")
        yield from names
        following, _, rest = link.partition(">")
        if not following.startswith("<") or 'rel="next"' not in rest.replace("rel=next", 'rel="next"'):
            return
        following = urljoin(target, following[1:])
        if not following.startswith("/"):  # an absolute address: only its path is the registry's
            following = "/" + following.partition("://")[2].partition("/")[2]
        target = quote(following, safe="/?&=%:@+,;.~-_")


def _check(body: bytes, digest: str, what: str) -> None:
    found = new_hash(digest)
    found.update(body)
    if found.hexdigest() != digest.partition(":")[2]:
        raise BadImageError(
            f"{what} is damaged: it is not {digest[:19]}…",
            hint="the registry or something on the way has changed it",
        )
