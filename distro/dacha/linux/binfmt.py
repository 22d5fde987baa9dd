"""binfmt_misc: which interpreter the kernel starts for programs that it cannot run itself.

Since Linux 6.7 every user namespace may mount an instance of its own. Programs are looked
up in the instance of the *caller's* user namespace or, where none was ever mounted there, of
the nearest ancestor that has one; the machine's own is the last. Handlers live as long as a
mount of their instance. Source: Documentation/admin-guide/binfmt-misc.rst and
fs/binfmt_misc.c (load_binfmt_misc, bm_fill_super) of Linux 6.7.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha.linux import elf, files, mounts, namespaces, process
from dacha.linux.elf import Header

FILE_SYSTEM = "binfmt_misc"
HOST_DIRECTORY = "/proc/sys/fs/binfmt_misc"  # where systemd and Debian mount the machine's own

# Flags of a handler.
FIXED = "F"  # the interpreter is opened at registration: it need not be where the program is run
CREDENTIALS = "C"  # set-uid bits of the program count; implies O, by which it need not be readable
PRESERVE_ARGV0 = "P"  # the interpreter is told the program's own argv[0]

_ELF_TYPES = 0xFE  # the mask of e_type's low byte: ET_EXEC (2) and ET_DYN (3)


class Handler(NamedTuple):
    """Programs that begin with `magic`, where `mask` has bits, are started through `interpreter`."""

    name: str
    magic: bytes
    mask: bytes
    interpreter: str
    flags: str

    def as_line(self) -> bytes:
        """As the file `register` wants it; all bytes escaped, since a mask has zeros."""
        magic, mask = ("".join(f"\\x{byte:02x}" for byte in text) for text in (self.magic, self.mask))
        return os.fsencode(f":{self.name}:M::{magic}:{mask}:{self.interpreter}:{self.flags}")

    @property
    def serves_boxes(self) -> bool:
        """Whether its interpreter need not be in the box."""
        return FIXED in self.flags

    def takes(self, start: bytes) -> bool:
        """Whether it is for a program that begins like that."""
        if len(start) < len(self.magic):
            return False
        pairs = zip(start, self.magic, self.mask, strict=False)
        return all((byte ^ wanted) & bits == 0 for byte, wanted, bits in pairs)


def elf_handler(name: str, header: Header, interpreter: str, flags: str) -> Handler:
    """The handler for all programs of a machine.

    As qemu's own (scripts/qemu-binfmt-conf.sh), but for the bytes of e_ident that name a
    variant of the ABI and pad: none of them decides who can run it, and AppImages write there.
    """
    mask = bytearray(b"\xff" * 7 + bytes(9) + b"\xff" * 4)
    mask[16 if header.is_little else 17] = _ELF_TYPES
    return Handler(name, elf.start_of(header), bytes(mask), interpreter, flags)


def register(root: int, directory: str, handler: Handler) -> None:
    """Register a handler in the instance that is mounted at `directory` (relative) in the tree `root`, open.

    The interpreter is found, and with `FIXED` opened, as this process sees it. Raises OSError.
    """
    fd = files.openat2(root, f"{directory}/register", os.O_WRONLY, files.RESOLVE_IN_ROOT)
    try:
        os.write(fd, handler.as_line())
    finally:
        os.close(fd)


def read_handlers(directory: str = HOST_DIRECTORY) -> list[Handler]:
    """The handlers that are switched on in the instance mounted there; none where none is mounted."""
    try:
        with open(f"{directory}/status") as file:
            if file.read().strip() != "enabled":
                return []
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    found = []
    for name in names:
        if name in ("register", "status"):
            continue
        try:
            with open(f"{directory}/{name}") as file:
                handler = parse_entry(name, file.read())
        except (OSError, ValueError):  # it has just been taken away, or is of a kind to come
            continue
        if handler is not None:
            found.append(handler)
    return found


def parse_entry(name: str, text: str) -> Handler | None:
    """A handler as its file shows it; None if it is off, or goes by a file's ending. Raises ValueError."""
    lines = text.splitlines()
    facts = {key: value for key, _, value in (line.partition(" ") for line in lines)}
    if lines[:1] != ["enabled"] or "magic" not in facts:
        return None
    offset = int(facts.get("offset", "0"))
    magic = bytes.fromhex(facts["magic"])
    mask = bytes.fromhex(facts["mask"]) if "mask" in facts else b"\xff" * len(magic)
    return Handler(
        name,
        bytes(offset) + magic,
        bytes(offset) + mask,
        facts.get("interpreter", ""),
        facts.get("flags:", ""),
    )


def mount(target: str) -> None:
    """Mount the instance of this user namespace on a directory, which is made. Raises OSError."""
    os.makedirs(target, mode=0o700, exist_ok=True)
    mounts.mount(FILE_SYSTEM, target, FILE_SYSTEM, mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC)


def is_mountable() -> bool:
    """Whether this user may mount an instance in a user namespace of theirs: tried in a child."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            namespaces.unshare(namespaces.NEWUSER | namespaces.NEWNS)
            mounts.mount(FILE_SYSTEM, "/", FILE_SYSTEM)
            code = 0
        except OSError:
            code = 1
        finally:
            os._exit(code)
    return process.wait(pid) == 0
