"""Locate an image in registries: what a name means, and which registry or mirror has it."""

from __future__ import annotations

from dacha.build import catalog, pull, registries, short_names, trust
from dacha.build.pull import Found
from dacha.build.registries import Access
from dacha.build.short_names import Choose
from dacha.errors import DachaError, ImageNotFoundError
from dacha.registry import image_name
from dacha.registry.image_name import ImageName
from dacha.registry.remote.errors import (
    RemoteImageNotFoundError,
    TlsError,
    UnauthorizedError,
    UnreachableError,
)


def names_of(text: str, choose: Choose | None = None) -> list[ImageName]:
    """The images in registries that `text` may mean, in the order to try them; of a full name, one.

    Raises UsageError and ShortNameError.
    """
    bare = text.removeprefix("docker://")
    if image_name.has_host(bare) or bare != text:
        return [image_name.parse(bare)]
    entry = catalog.find(bare)
    if entry is not None and entry.image:
        return [image_name.parse(entry.image)]
    image_name.parse(bare)
    return short_names.candidates(bare, choose)


def find_remote(name: ImageName, access: Access) -> Found:
    """Find an image in its registry, or in the first mirror that has it; no layer is downloaded.

    Raises what the last of them says, and PolicyError.
    """
    trust.check_name(name)
    failure: DachaError | None = None
    for client, there in registries.endpoints(name, access):
        try:
            found = pull.look_at(client, there, access.platform)
        except (UnreachableError, RemoteImageNotFoundError, UnauthorizedError, TlsError) as error:
            if failure is not None:
                access.notice(str(failure))
            failure = error
            continue
        trust.check_remote(client, name, found.digests)
        return found._replace(name=name)
    raise failure or ImageNotFoundError(f"there is no registry to ask for {name}")
