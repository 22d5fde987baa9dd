"""Search in a registry.

The API of version 1 (docker's registry, Quay and others still have it) searches in names and
descriptions. Where it is not there, the list of all repositories is looked through, if the
registry gives that out.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from dacha.registry.image_name import DOCKER
from dacha.registry.manifest import Json, as_object, objects_of, parse_json
from dacha.registry.remote import client
from dacha.registry.remote.errors import RegistryError, RemoteImageNotFoundError, UnauthorizedError
from dacha.registry.remote.session import Session

_LIMIT = 100
_DOCKER_SEARCH = "https://index.docker.io"  # docker.io is searched at another host than it is pulled from


class Hit(NamedTuple):
    """A repository. `name` is without the host."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False


def search(session: Session, term: str) -> list[Hit]:
    """The repositories that a registry finds. Raises RegistryError where it lets nobody search."""
    query = urlencode({"q": term, "n": _LIMIT})
    what = f"a search for '{term}'"
    try:
        base = _DOCKER_SEARCH if session.site.host == DOCKER else ""
        response = session.request("GET", f"{base}/v1/search?{query}", ("registry:catalog:*",), what=what)
    except (RemoteImageNotFoundError, UnauthorizedError):
        return _search_catalog(session, term)
    value = as_object(parse_json(session.read(response), what))
    return [_hit(each) for each in objects_of(value, "results", what)]


def _hit(value: Json) -> Hit:
    stars = value.get("star_count")
    description = str(value.get("description") or "")
    return Hit(
        str(value.get("name", "")),
        " ".join(description.split()),
        stars if isinstance(stars, int) else 0,
        value.get("is_official") is True,
    )


def _search_catalog(session: Session, term: str) -> list[Hit]:
    try:
        return [Hit(name) for name in client.catalog(session) if term.lower() in name.lower()]
    except (RemoteImageNotFoundError, UnauthorizedError) as error:
        raise RegistryError(
            f"{session.site.host} lets nobody search: {error}", hint="look at its page in a browser"
        ) from error
