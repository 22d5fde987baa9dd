"""The architectures that are known: how their programs begin, and who else can run them.

Sources: elf.h (EM_…), scripts/qemu-binfmt-conf.sh of qemu for the names of its programs,
Go's GOARCH for the words on the left.
"""

from __future__ import annotations

from typing import NamedTuple

from dacha.linux.elf import Header
from dacha.registry.platform import Platform, of_fields


class Architecture(NamedTuple):
    """What tells the programs of an architecture, and the name that qemu's for it goes by."""

    header: Header
    qemu: str


ARCHITECTURES = {
    "386": Architecture(Header(32, is_little=True, machine=3), "i386"),
    "amd64": Architecture(Header(64, is_little=True, machine=62), "x86_64"),
    "arm": Architecture(Header(32, is_little=True, machine=40), "arm"),
    "arm64": Architecture(Header(64, is_little=True, machine=183), "aarch64"),
    "loong64": Architecture(Header(64, is_little=True, machine=258), "loongarch64"),
    "mips64": Architecture(Header(64, is_little=False, machine=8), "mips64"),
    "mips64le": Architecture(Header(64, is_little=True, machine=8), "mips64el"),
    "ppc64": Architecture(Header(64, is_little=False, machine=21), "ppc64"),
    "ppc64le": Architecture(Header(64, is_little=True, machine=21), "ppc64le"),
    "riscv64": Architecture(Header(64, is_little=True, machine=243), "riscv64"),
    "s390x": Architecture(Header(64, is_little=False, machine=22), "s390x"),
}
# What else the processors of an architecture run by themselves. Of 64-bit Arm not all run
# 32-bit programs, and none of them says so to an ordinary user: qemu does it.
_ALSO_NATIVE = {"amd64": ("386",)}


def platform_of(header: Header) -> Platform | None:
    """For which platform a program is; None for one that is not known here."""
    for name, architecture in ARCHITECTURES.items():
        if architecture.header == header:
            return of_fields("linux", name)
    return None


def runs_natively(platform: Platform, host: Platform) -> bool:
    """Whether the host runs such programs without help."""
    return platform.architecture in (host.architecture, *_ALSO_NATIVE.get(host.architecture, ()))
