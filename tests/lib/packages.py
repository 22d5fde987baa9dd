"""Build packages of distributions, and the least of a repository, without their tools.

Each package has a file of root:shadow and a script that gives it to others still: what package
managers do all day, and what needs more ids than one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

NAME, VERSION = "dacha-sample", "1.0"
FILE = "opt/dacha-sample/secret"  # in the package
CONFIGURED = "opt/dacha-sample/configured"  # made by its script, after the change of owner
_SCRIPT = f"#!/bin/sh\nset -e\nchown games:shadow /{FILE}\nchgrp shadow /opt\ntouch /{CONFIGURED}\n".encode()


def write_repository(directory: Path) -> str:
    """A Debian package in a repository of its own; the line for sources.list(5)."""
    directory.mkdir()
    control = (
        f"Package: {NAME}\nVersion: {VERSION}\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n"
        "Description: a sample\n"
    )
    scripts = _tar([("./control", control.encode(), 0o644), ("./postinst", _SCRIPT, 0o755)])
    members = [("debian-binary", b"2.0\n"), ("control.tar.gz", scripts), ("data.tar.gz", _tar(_FILES))]
    data = b"!<arch>\n" + b"".join(_ar_member(name, content) for name, content in members)
    (directory / "sample.deb").write_bytes(data)
    (directory / "Packages").write_text(
        f"{control}Filename: ./sample.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    )
    return f"deb [trusted=yes] file:{directory} ./\n"


def write_apk(path: Path) -> None:
    """An Alpine package, unsigned (apk-package(5), version 2): two tars, the first without an end."""
    data = _tar(_FILES, has_checksums=True)
    info = (
        f"pkgname = {NAME}\npkgver = {VERSION}-r0\npkgdesc = a sample\narch = noarch\nsize = 3\n"
        f"datahash = {hashlib.sha256(data).hexdigest()}\n"
    )
    control: _Files = [(".PKGINFO", info.encode(), 0o644), (".post-install", _SCRIPT, 0o755)]
    path.write_bytes(_tar(control, has_end=False) + data)


_Files = list[tuple[str, bytes | None, int]]  # name, contents (None: a directory), mode
_FILES: _Files = [("opt", None, 0o755), ("opt/dacha-sample", None, 0o755), (FILE, b"hi\n", 0o4750)]


def _tar(files: _Files, *, has_end: bool = True, has_checksums: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data, mode in files:
            info = tarfile.TarInfo(name)
            info.mode, info.uid, info.gid, info.uname, info.gname = mode, 0, 42, "root", "shadow"
            if data is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(data)
                if has_checksums:  # apk wants them; dpkg reads no pax headers
                    info.pax_headers = {"APK-TOOLS.checksum.SHA1": hashlib.sha1(data).hexdigest()}  # noqa: S324
            tar.addfile(info, io.BytesIO(data or b""))
        end = buffer.tell()
    return gzip.compress(buffer.getvalue()[: None if has_end else end], mtime=0)


def _ar_member(name: str, data: bytes) -> bytes:
    """An entry of ar(5)."""
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n"
    return header.encode() + data + b"\n" * (len(data) % 2)
