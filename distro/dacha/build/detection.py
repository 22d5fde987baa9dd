"""For which platform a root file system is: told by its programs, since nothing else says it."""

from __future__ import annotations

import os
import stat

from dacha.engine.architectures import platform_of
from dacha.linux import elf, files
from dacha.registry.platform import Platform

# One of these is in every root file system that a box can be made of.
_PROGRAMS = ("bin/sh", "usr/bin/sh", "bin/busybox", "usr/bin/env", "usr/bin/bash", "bin/bash")


def platform_in(root: str) -> Platform | None:
    """The platform of the programs in a directory; None where none of them can be read.

    Its links are a stranger's: they are followed inside of it.
    """
    try:
        top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        headers = (elf.parse_header(_start_of(top, path)) for path in _PROGRAMS)
        return next((platform_of(header) for header in headers if header is not None), None)
    finally:
        os.close(top)


def _start_of(top: int, path: str) -> bytes:
    try:
        fd = files.openat2(top, path, os.O_RDONLY | os.O_NONBLOCK, files.RESOLVE_IN_ROOT)
    except OSError:
        return b""
    try:
        return os.read(fd, elf.HEADER_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
