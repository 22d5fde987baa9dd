"""Platforms: for which operating system and machine an image is, as images write it.

`linux/arm64` or `linux/arm/v7`: an operating system, an architecture in Go's words, and for
some architectures a variant. People write more than that (`arm64`, `aarch64`, `x86_64`,
Debian's `armhf`); all of it is read into one form, so that values can be compared.

Sources: OCI image specification, image-index.md ("platform") and config.md; Go's list of
GOARCH; the spellings that containerd/platforms (database.go) takes for the same thing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dacha.errors import ImageNotFoundError, UsageError

_LINUX = "linux"

# What machines are called elsewhere: by uname(2), Debian, GNU. In Go's words, and the variant they imply.
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v7"),  # a 32-bit system on a 64-bit processor
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "ppc64el": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
    "mips64el": ("mips64le", ""),
}
_ARCHITECTURES = frozenset(
    ("386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x")
)
# The variant that is meant where none is written, and the only one that is not written down.
_DEFAULT_VARIANTS = {"amd64": "v1", "arm": "v7", "arm64": "v8"}
# What uname(2) calls a machine of that architecture, where that is another word.
_MACHINES = {
    "386": "i686",
    "amd64": "x86_64",
    "arm": "armv7l",
    "arm64": "aarch64",
    "loong64": "loongarch64",
    "mips64le": "mips64",
}
_VARIANT_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.")


class Platform(NamedTuple):
    """For what an image is. Made by `parse`, `of_fields` or `host_platform`, which agree on one spelling."""

    os: str
    architecture: str  # in Go's words: amd64, arm64, 386
    variant: str = ""  # v7; empty for what is meant without one (v8 of arm64, v1 of amd64)

    def __str__(self) -> str:
        return f"{self.os}/{self.short}"

    @property
    def short(self) -> str:
        """Without the operating system: arm64, arm/v7."""
        return f"{self.architecture}/{self.variant}" if self.variant else self.architecture

    @property
    def machine(self) -> str:
        """What uname(2) calls such a machine: aarch64."""
        return _MACHINES.get(self.architecture, self.architecture)

    def serves(self, wanted: Platform) -> bool:
        """Whether a machine that is `wanted` runs what is for this: the same, or an older variant of it."""
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return False
        return self._rank() <= wanted._rank()

    def _rank(self) -> tuple[int, ...]:
        """Variants in the order of their age; what has no number counts as the oldest."""
        text = (self.variant or _DEFAULT_VARIANTS.get(self.architecture, "")).removeprefix("v")
        return tuple(int(part) for part in text.split(".") if part.isdecimal())


class PlatformNotFoundError(ImageNotFoundError):
    """The image is there, but not for the platform that is wanted."""

    def __init__(self, wanted: Platform, offered: Sequence[Platform | None]) -> None:
        super().__init__(f"the image has nothing for {wanted}", hint=f"it is for {listing(offered)}")
        self.wanted = wanted


def parse(text: str) -> Platform:
    """Read what a user writes: `linux/arm64/v8`, `arm64`, `arm/v7`, `aarch64`. Raises UsageError.

    Anything but Linux is refused here: no machine that runs us could run it.
    """
    parts = text.lower().split("/")
    if len(parts) > 1 and parts[0] == _LINUX:
        parts = parts[1:]
    platform = of_fields(_LINUX, *parts) if len(parts) in (1, 2) else None
    if platform is None or platform.architecture not in _ARCHITECTURES or _has_odd_variant(parts):
        known = ", ".join(sorted(_ARCHITECTURES, key=lambda each: (each[0].isdigit(), each)))
        raise UsageError(
            f"'{text}' is no platform", hint=f"write linux/arm64, arm64 or arm/v7; we know {known}"
        )
    return platform


def known() -> list[Platform]:
    """One for each architecture that `parse` takes."""
    return [parse(architecture) for architecture in sorted(_ARCHITECTURES)]


def _has_odd_variant(parts: Sequence[str]) -> bool:
    return len(parts) > 1 and (not parts[1] or bool(set(parts[1]) - _VARIANT_CHARACTERS))


def of_fields(system: object, architecture: object, variant: object = "") -> Platform | None:
    """The platform that fields of an index or a configuration name; None where they name none.

    They are a stranger's: only their spelling is mended, nothing is refused.
    """
    system, architecture = _word(system) or _LINUX, _word(architecture)
    if not architecture:
        return None
    architecture, implied = _ALIASES.get(architecture, (architecture, ""))
    named = _word(variant) or implied
    if named.isdecimal():
        named = f"v{named}"  # "7" and "8" are seen as well
    if architecture == "arm":
        named = named or _DEFAULT_VARIANTS["arm"]  # the one architecture whose variants all are written down
    elif named == _DEFAULT_VARIANTS.get(architecture):
        named = ""
    return Platform(system, architecture, named)


def _word(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def host_platform() -> Platform:
    """The platform of this machine. Python's own is not asked: a kernel may run programs of another."""
    machine = os.uname().machine
    return of_fields(_LINUX, machine) or Platform(_LINUX, machine)


def choose(offered: Sequence[Platform | None], wanted: Platform | None = None) -> int:
    """The place of the offer that suits a machine best: one that is `wanted`, or this one.

    The newest variant that it runs wins, and the first of equals. An offer that says
    nothing (None) may be for every machine, and is taken where no other fits. Raises
    PlatformNotFoundError, which lists what there is.
    """
    wanted = wanted or host_platform()
    fitting = [(offer._rank(), -at) for at, offer in enumerate(offered) if offer and offer.serves(wanted)]
    if fitting:
        return -max(fitting)[1]
    if None in offered:
        return offered.index(None)
    raise PlatformNotFoundError(wanted, offered)


def listing(offered: Iterable[Platform | None]) -> str:
    """Platforms for people, each once: "linux/amd64, linux/arm64". What is for no system at all is left out.

    Indexes carry attestations as `unknown/unknown` (docker buildx).
    """
    named = dict.fromkeys(str(each) for each in offered if each and each.architecture != "unknown")
    return ", ".join(named) or "none that is named"
