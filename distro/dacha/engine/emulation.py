"""Run programs of another platform: qemu's user mode, started by the kernel (binfmt_misc).

A box of a foreign image gets an instance of binfmt_misc of its own, mounted in its user
namespace, with one handler for its own platform: nobody else sees it, it ends with the box,
and no right of root's is needed. That takes Linux 6.7. Before it, and for boxes of root,
which have no user namespace, what the machine's own instance has must do. Why it is done
like this is in docs/adr/0009-foreign-platforms.md.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from dacha.engine.architectures import ARCHITECTURES, runs_natively
from dacha.errors import DachaError, MissingProgramError
from dacha.linux import binfmt, elf, process
from dacha.registry.platform import Platform, host_platform, of_fields
from dacha.storage.images import Image

PLACE = "/run/dacha/binfmt_misc"  # in the box: not where systemd-binfmt and binfmt-support would clear it
OUTER_PLACE = "binfmt_misc"  # in a box's runtime directory, where the instance is its outer namespace's
PACKAGE = "qemu-user-static"  # of Debian
# With C sudo works, with P programs know their own name, with F the box needs no file of qemu's.
_FLAGS = binfmt.FIXED + binfmt.CREDENTIALS + binfmt.PRESERVE_ARGV0


class ForeignPlatformError(DachaError):
    """This host cannot run programs of that platform; the hint says what is missing."""

    def __init__(self, platform: Platform, why: str, hint: str) -> None:
        super().__init__(f"this host cannot run {platform} programs: {why}", hint=hint)
        self.platform = platform


class Emulation(NamedTuple):
    """How a box's programs are run that the processor cannot run."""

    platform: Platform
    interpreter: str  # qemu's program
    is_own: bool  # whether the box has its own instance of binfmt_misc; else the machine's serves

    @property
    def has_host_byte_order(self) -> bool:
        """Whether binary files of the host make sense to the box's programs."""
        box = ARCHITECTURES[self.platform.architecture]
        return box.header.is_little == (sys.byteorder == "little")


def plan(platform: Platform, *, is_root: bool) -> Emulation | None:
    """How to run programs of a platform on this host; None where it runs them itself.

    Raises ForeignPlatformError. `is_root`: the box will have no user namespace of its own.
    """
    if runs_natively(platform, host_platform()):
        return None
    architecture = ARCHITECTURES.get(platform.architecture)
    if architecture is None or platform.os != "linux":
        hint = f"take an image for {host_platform()}"
        raise ForeignPlatformError(platform, "dacha knows no emulator for them", hint)
    qemu = find_qemu(architecture.qemu)
    if qemu and not is_root and binfmt.is_mountable():
        return Emulation(platform, qemu, is_own=True)
    start = elf.start_of(architecture.header)
    for handler in binfmt.read_handlers():
        if handler.takes(start) and handler.serves_boxes:
            return Emulation(platform, handler.interpreter, is_own=False)
    if not qemu:
        why, hint = f"qemu-{architecture.qemu}-static is not installed", f"apt-get install {PACKAGE}"
    else:
        # The package is there, but nothing has registered it with the machine.
        has_systemd = os.path.isdir("/run/systemd/system")  # sd_booted(3)
        hint = "systemctl restart systemd-binfmt" if has_systemd else "apt-get install binfmt-support"
        why = "the machine's binfmt_misc has no handler for them"
        if not is_root:
            why += f", and Linux {os.uname().release} gives users none of their own (6.7 does)"
    raise ForeignPlatformError(platform, why, f"sudo {hint}")


def find_qemu(name: str) -> str:
    """The program of qemu that runs a foreign platform, or an empty string.

    It must be static, whatever it is called: a box does not have its loader.
    """
    for program in (f"qemu-{name}-static", f"qemu-{name}"):
        try:
            path = process.find_program(program)
            if elf.is_static(path):
                return os.path.realpath(path)
        except (MissingProgramError, OSError):
            continue
    return ""


def register(emulation: Emulation, pid: int) -> None:
    """Register the handler in a box whose init is `pid`, and which has PLACE mounted.

    Call it in H, where qemu is found and the box's root may be written for.
    Raises ForeignPlatformError.
    """
    architecture = ARCHITECTURES[emulation.platform.architecture]
    name = f"qemu-{architecture.qemu}"
    handler = binfmt.elf_handler(name, architecture.header, emulation.interpreter, _FLAGS)
    try:
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            binfmt.register(root, PLACE.lstrip("/"), handler)
        finally:
            os.close(root)
    except OSError as error:
        reason = f"the kernel takes no handler ({error.strerror})"
        raise ForeignPlatformError(
            emulation.platform, reason, f"is {emulation.interpreter} whole?"
        ) from error


def platform_of(image: Image) -> Platform:
    """For what an image is; one that does not say is taken to be for this machine."""
    return of_fields(image.os, image.architecture, image.variant) or host_platform()
