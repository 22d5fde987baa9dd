"""References: what `--image` takes.

`oci:DIR[:TAG]` is an image layout on disk (containers-transports(5)), `tar:FILE` a root
file system; anything else is the name of an image in the store or in the catalog.
"""

from __future__ import annotations

from typing import NamedTuple

from dacha.errors import UsageError

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@")
_LATER = ("docker", "docker-archive", "oci-archive", "docker-daemon", "dir", "containers-storage")


class Reference(NamedTuple):
    """`transport` is 'oci', 'tar' or, for a name, empty; `tag` is empty where none is given."""

    transport: str
    path: str
    tag: str

    def __str__(self) -> str:
        prefix = f"{self.transport}:" if self.transport else ""
        return prefix + self.path + (f":{self.tag}" if self.tag else "")

    @property
    def box_name(self) -> str:
        """How a box of this image is called if nobody says otherwise: distrobox's rule."""
        last = self.path.rstrip("/").rsplit("/", 1)[-1]
        if self.transport == "tar":
            last = last.partition(".tar")[0]
        base = f"{last}-{self.tag}" if self.transport and self.tag else last
        return base.replace(":", "-").replace(".", "-").replace("@", "-")


def parse(text: str) -> Reference:
    """Read a reference. Raises UsageError with what is wrong."""
    transport, colon, rest = text.partition(":")
    if colon and transport in ("oci", "tar"):
        return _parse_path(text, transport, rest)
    if colon and transport in _LATER:
        raise UsageError(
            f"'{text}': images cannot come from {transport}: yet",
            hint="give oci:DIR[:TAG], tar:FILE or a name from the catalog",
        )
    if not text or set(text) - _NAME_CHARACTERS or not text[0].isalnum():
        raise UsageError(
            f"'{text}' is no image reference", hint="give a catalog name, oci:DIR[:TAG] or tar:FILE"
        )
    return Reference("", text, "")


def _parse_path(text: str, transport: str, rest: str) -> Reference:
    path, colon, tag = rest.rpartition(":") if transport == "oci" else (rest, "", "")
    if not colon or not tag or "/" in tag:
        path, tag = rest, ""
    if not path or "\0" in text or "\n" in text:
        raise UsageError(f"'{text}' names no path", hint=f"write {transport}:PATH")
    if text.encode(errors="replace").decode() != text:  # the database keeps it as UTF-8
        raise UsageError(f"'{text}' is not UTF-8", hint="rename it")
    return Reference(transport, path, tag)
