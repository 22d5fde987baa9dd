"""References: what `--image` takes.

`docker://NAME` is an image in a registry (`registry.image_name`). `TRANSPORT:PATH` is
containers-transports(5)'s where that has the transport; `tar:`, `rootfs:` and `bootstrap:NAME`,
which makes an image from packages, are ours. A path alone is looked at when it is read, so is
standard input, `-`. Anything else is the name of an image: in the store, in the catalog, or, with
a host, in a registry.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha.errors import UsageError
from dacha.registry import image_name

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@")
_TRANSPORTS = ("oci", "oci-archive", "docker-archive", "dir", "tar", "rootfs", "containers-storage")
_WITH_TAG = ("oci", "oci-archive", "docker-archive")
_LATER = ("docker-daemon",)
_ENDINGS = (".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".tgz", ".txz", ".tzst", ".tbz", ".tbz2")
_FORMS = "a catalog name, HOST/PATH[:TAG], a path as ./FILE, oci:DIR[:TAG], tar:FILE or another transport"

BOOTSTRAP = "bootstrap"  # a catalog name, whose recipe shall be taken even where a registry has an image
CONTAINERS_STORAGE = "containers-storage"  # podman's own store; the path is a name or an id in it
PATH = "path"  # the transport of a path without one
DOCKER = "docker"  # that of registries
STDIN = "-"


class Reference(NamedTuple):
    """`transport` is one of ours, `PATH` or, for a name, empty; `tag` is empty where none is given."""

    transport: str
    path: str
    tag: str

    def __str__(self) -> str:
        prefix = f"{self.transport}:" if self.transport not in ("", PATH) else ""
        prefix += "//" if self.transport == DOCKER else ""
        return prefix + self.path + (f":{self.tag}" if self.tag else "")

    @property
    def box_name(self) -> str:
        """How a box of this image is called if nobody says otherwise: distrobox's rule."""
        if self.path == STDIN:
            return "stdin"
        path = os.path.abspath(self.path) if self.path in (".", "..") else self.path
        path = path.partition("@")[0] if self.transport == DOCKER else path
        last = path.rstrip("/").rpartition("/")[2]
        if self.transport not in ("", DOCKER, BOOTSTRAP, CONTAINERS_STORAGE, "oci", "dir", "rootfs"):
            last = _without_ending(last)
        tag = "" if self.tag.startswith("@") else self.tag.rpartition("/")[2]
        base = last
        if self.transport and tag:
            base = tag if self.transport == "docker-archive" else f"{last}-{tag}"
        return base.replace(":", "-").replace(".", "-").replace("@", "-")


def parse(text: str) -> Reference:
    """Read a reference. Raises UsageError with what is wrong."""
    transport, colon, rest = text.partition(":")
    if colon and transport in _TRANSPORTS:
        return _parse_path(text, transport, rest)
    if colon and transport == DOCKER:
        return _parse_name(text, rest)
    if colon and transport == BOOTSTRAP:
        _check_name(text, rest)
        return Reference(BOOTSTRAP, rest.removesuffix(":latest"), "")
    if colon and transport in _LATER:
        raise UsageError(f"'{text}': images cannot come from {transport}: yet", hint=f"give {_FORMS}")
    if _is_path(text):
        return _parse_path(text, PATH, text)
    _check_name(text, text)
    return Reference("", text, "")


def _parse_name(text: str, rest: str) -> Reference:
    name = rest.removeprefix("//")
    if name == rest or not name:
        raise UsageError(f"'{text}' names no image of a registry", hint="write docker://HOST/PATH[:TAG]")
    image_name.parse(name)
    return Reference(DOCKER, name, "")


def is_name(text: str) -> bool:
    """Whether an image can be called that."""
    return bool(text) and not set(text) - _NAME_CHARACTERS and text[0].isalnum()


def _check_name(text: str, name: str) -> None:
    if not is_name(name):
        raise UsageError(f"'{text}' is no image reference", hint=f"give {_FORMS}")


def _is_path(text: str) -> bool:
    """Whether that is plainly a path, or can be one and is there.

    What begins with the name of a host is the name of an image, even if such a path exists.
    """
    if text in (STDIN, ".", "..") or text.startswith(("/", "./", "../")) or text.endswith(_ENDINGS):
        return True
    head, slash, _ = text.partition("/")
    if not slash or "." in head or ":" in head or head == "localhost" or "\0" in text:
        return False
    return os.path.exists(text)


def _parse_path(text: str, transport: str, rest: str) -> Reference:
    path, tag = rest, ""
    if transport in _WITH_TAG:
        # containers-transports(5): names of images in archives have slashes. A directory may have a colon.
        is_layout = transport == "oci"
        head, colon, last = rest.rpartition(":") if is_layout else rest.partition(":")
        if colon and last and not (is_layout and "/" in last):
            path, tag = head, last
    if not path or "\0" in text or "\n" in text:
        raise UsageError(
            f"'{text}' names no path", hint="" if transport == PATH else f"write {transport}:PATH"
        )
    if text.encode(errors="replace").decode() != text:  # the database keeps it as UTF-8
        raise UsageError(f"'{text}' is not UTF-8", hint="rename it")
    return Reference(transport, path, tag)


def _without_ending(name: str) -> str:
    """The name of an archive without what says that it is one: .tar, and all that follows it, or .tgz."""
    for ending in _ENDINGS:
        if ".tar" not in ending:
            name = name.removesuffix(ending)
    return name.partition(".tar")[0]
