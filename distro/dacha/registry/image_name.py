"""Names of images in registries: HOST[:PORT]/PATH[:TAG][@DIGEST].

The grammar is `config.names`'s; here names become what a registry is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from dacha.config import names
from dacha.errors import UsageError
from dacha.registry.digest import is_digest

DOCKER = names.expand("x").host  # the registry of names without a host

has_host = names.has_host

_MAX_NAME = 255  # host and path


class ImageName(NamedTuple):
    """An image in a registry. `host` may have a port; at least one of `tag` and `digest` is there."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        version = (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")
        return self.repository + version

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.host}/{self.path}"

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest where there is one, since the tag may have moved."""
        return self.digest or self.tag


def parse(text: str, *, default_tag: str = "latest") -> ImageName:
    """Read a name; one without a host is docker's. Raises UsageError, which says what is wrong."""
    try:
        name = names.expand(text)
    except ValueError as error:
        raise UsageError(str(error), hint=_hint(text)) from error
    if name.digest and not is_digest(name.digest):
        raise UsageError(f"'{text}' has no proper digest", hint="one is sha256: and 64 hexadecimal digits")
    if len(name.repository) > _MAX_NAME:
        raise UsageError(f"the name '{text[:40]}…' is longer than {_MAX_NAME} characters")
    return ImageName(name.host, name.path, name.tag or ("" if name.digest else default_tag), name.digest)


def _hint(text: str) -> str:
    """The same in lower case, where that is all that is wrong."""
    repository, version = names.split_version(text)
    mended = repository.lower() + version
    try:
        names.expand(mended)
    except ValueError:
        return "give HOST/PATH[:TAG]"
    return f"did you mean '{mended}'?"
