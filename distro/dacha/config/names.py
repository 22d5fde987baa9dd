"""Full names of images, HOST[:PORT]/PATH[:TAG][@DIGEST], taken apart for lookups.

What a name is looked up by is always its expanded form: `busybox` is
docker.io/library/busybox (containers-registries.conf(5), "Normalization").
"""

from __future__ import annotations

import re
from typing import NamedTuple

_DOCKER = "docker.io"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")


class Name(NamedTuple):
    """The parts of a name; `tag` and `digest` may be empty."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.host}/{self.path}"

    def exact(self) -> Name:
        """The name by what counts of it: of a tag and a digest the digest, as podman has it."""
        return self._replace(tag="") if self.digest else self

    @property
    def version(self) -> str:
        """What follows the repository: ":TAG", "@DIGEST", both or nothing."""
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.repository + self.version


def has_host(text: str) -> bool:
    """Whether a name begins with that of a host: something with a dot, a port, or localhost."""
    head, slash, _ = text.partition("/")
    return bool(slash) and ("." in head or ":" in head or head == "localhost")


def is_host(text: str) -> bool:
    """Whether that is HOST or HOST:PORT."""
    return _HOST.fullmatch(text) is not None


def is_short_repository(text: str) -> bool:
    """Whether that is a short name without a tag or digest, as stands left of an alias."""
    return not has_host(text) and text != "localhost" and _PATH.fullmatch(text) is not None


def split_version(text: str) -> tuple[str, str]:
    """A name without its tag and digest, and those: ("a:5000/b", ":1@sha256:...")."""
    rest, at, digest = text.partition("@")
    head, colon, tag = rest.rpartition(":")
    if colon and "/" not in tag:
        return head, f":{tag}{at}{digest}"
    return rest, at + digest


def expand(text: str) -> Name:
    """The full name that `text` stands for at docker. Raises ValueError, which says what is wrong."""
    repository, version = split_version(text)
    if has_host(repository):
        host, _, path = repository.partition("/")
    else:
        host, path = _DOCKER, repository
    if host in (_DOCKER, f"index.{_DOCKER}"):
        host = _DOCKER
        path = path if "/" in path else f"library/{path}"
    before, at, digest = version.partition("@")
    tag = before[1:]
    if not is_host(host) or not _PATH.fullmatch(path):
        raise ValueError(f"'{text}' is no name of an image")
    if (before and not _TAG.fullmatch(tag)) or (at and not _DIGEST.fullmatch(digest)):
        raise ValueError(f"'{text}' has no proper tag or digest")
    return Name(host, path, tag, digest)


def enclosing(repository: str) -> list[str]:
    """A repository and all that it is in: a/b/c, a/b, a."""
    parts = repository.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def wildcards(host: str) -> list[str]:
    """The wildcards that stand for a host, the nearest first: *.b.c and *.c for a.b.c:5000."""
    labels = host.partition(":")[0].split(".")
    return ["*." + ".".join(labels[start:]) for start in range(1, len(labels))]
