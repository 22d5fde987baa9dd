"""A miniature Alpine: packages and an index as apk reads them (format of version 2), signed by openssl.

A package is three gzip members one after the other: the signature of the second, the description,
which names the digest of the third, and the files. The first two are cut before tar's end.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.lib.mini import content, trees
from tests.lib.mini.content import MiniPackage

_BLOCK = 512


class ApkKey(NamedTuple):
    """A key of RSA: apk knows it by the file name of its public part."""

    private: Path
    public: Path


def make_key(directory: Path, name: str) -> ApkKey:
    """Make a key."""
    private, public = directory / f"{name}.rsa", directory / f"{name}.rsa.pub"
    for words in (("genrsa", "-out", private, "2048"), ("rsa", "-in", private, "-pubout", "-out", public)):
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)
    return ApkKey(private, public)


def _member(entries: Iterable[tuple[tarfile.TarInfo, bytes]], *, last: bool = False) -> bytes:
    """A gzip member with a tar in it, which goes on in the next member unless it is the last."""
    buffer = io.BytesIO()
    trees.write_tar(buffer, entries)
    data = buffer.getvalue()
    if not last:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.getmembers()
            data = data[: tar.offset - _BLOCK] if not any(data[tar.offset - _BLOCK :]) else data[: tar.offset]
    return gzip.compress(data, 1, mtime=0)


def _signed(member: bytes, key: ApkKey | None) -> bytes:
    if key is None:
        return member
    signature = subprocess.run(
        ["openssl", "dgst", "-sha1", "-sign", key.private],
        input=member,
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    return _member([trees.meta_file(f".SIGN.RSA.{key.public.name}", signature)]) + member


def _entry(file: content.MiniFile) -> tuple[tarfile.TarInfo, bytes]:
    info, data = trees.tar_entry(file), file.data or b""
    if file.data is not None:
        info.pax_headers = {**info.pax_headers, "APK-TOOLS.checksum.SHA1": hashlib.sha1(data).hexdigest()}  # noqa: S324  (what apk wants)
    return info, data


def _build(directory: Path, package: MiniPackage, key: ApkKey | None, arch: str) -> str:
    """Write a package and return its paragraph of the index."""
    files = _member([_entry(file) for file in package.files], last=True)
    size = sum(len(file.data or b"") for file in package.files)
    lines = [
        *(f"pkgname = {package.name}", "pkgver = 1.0-r1", "pkgdesc = A miniature"),
        *("url = https://example.org", f"size = {size}", f"arch = {arch}", "license = CC0"),
        *([f"depend = {package.needs}"] if package.needs else []),
        f"datahash = {hashlib.sha256(files).hexdigest()}",
    ]
    scripts = [
        trees.meta_file(f".{name}-install", f"#!/bin/sh\n{script}".encode(), 0o755)
        for name, script in (("pre", package.before), ("post", package.after))
        if script
    ]
    control = _member(
        [trees.meta_file(".PKGINFO", "".join(f"{line}\n" for line in lines).encode()), *scripts]
    )
    data = _signed(control, key) + files
    (directory / f"{package.name}-1.0-r1.apk").write_bytes(data)
    checksum = base64.b64encode(hashlib.sha1(control).digest()).decode()  # noqa: S324  (what apk wants)
    fields = [
        *(f"C:Q1{checksum}", f"P:{package.name}", "V:1.0-r1", f"A:{arch}", f"S:{len(data)}", f"I:{size}"),
        *("T:A miniature", "U:https://example.org", "L:CC0"),
        *([f"D:{package.needs}"] if package.needs else []),
    ]
    return "".join(f"{field}\n" for field in fields)


def make_repository(directory: Path, key: ApkKey | None, arch: str, identity: str) -> Path:
    """Build the packages and a repository of them; without `key` nothing is signed."""
    place = directory / "repository" / arch
    place.mkdir(parents=True)
    paragraphs = [_build(place, package, key, arch) for package in (content.base(identity), content.extra())]
    text = "".join(f"{paragraph}\n" for paragraph in paragraphs).encode()
    index = _member([trees.meta_file("DESCRIPTION", b"mini"), trees.meta_file("APKINDEX", text)], last=True)
    (place / "APKINDEX.tar.gz").write_bytes(_signed(index, key))
    return place.parent


_LAUNCHER = """\
#!/bin/sh
# Alpine's apk with its C library, in one file that runs on any host.
set -e
there=$(mktemp -d)
sed '1,/^__DATA__$/d' "$0" | base64 -d | tar -xzf - -C "$there"
exec "$there/lib/ld-musl-{arch}.so.1" --library-path "$there/usr/lib:$there/lib" "$there/sbin/apk" "$@"
__DATA__
"""


def make_program(alpine_tar: Path, target: Path, arch: str) -> None:
    """Take apk and what it is linked with out of a root file system of Alpine."""
    wanted = (
        f"lib/ld-musl-{arch}.so.1",
        "sbin/apk",
        "usr/lib/libapk",
        "usr/lib/libcrypto.",
        "usr/lib/libssl.",
    )
    elsewhere = ("usr/lib/libz.", "usr/lib/libzstd.", "lib/libz.", "lib/libcrypto.", "lib/libapk")
    buffer = io.BytesIO()
    with (
        tarfile.open(alpine_tar) as source,
        tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as packed,
    ):
        for member in source:
            if member.name.removeprefix("./").startswith(wanted + elsewhere):
                packed.addfile(member, source.extractfile(member) if member.isreg() else None)
    data = base64.encodebytes(buffer.getvalue()).decode()
    target.write_text(_LAUNCHER.format(arch=arch) + data)
    target.chmod(0o755)
