"""A miniature relative of Debian, for mmdebstrap."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lib.mini import content, trees
from tests.lib.mini.content import MiniPackage
from tests.lib.mini.keys import SigningKey


def _build(directory: Path, package: MiniPackage, arch: str) -> None:
    tree = directory.parent / "trees" / package.name
    trees.write_tree(tree, package.files)
    control = tree / "DEBIAN"
    control.mkdir()
    fields = [
        *(f"Package: {package.name}", "Version: 1.0-1", f"Architecture: {arch}"),
        *("Maintainer: Nobody <nobody@example.org>", "Description: A miniature"),
        *("Essential: yes", "Priority: required", "Section: misc"),
        *([f"Pre-Depends: {package.needs}"] if package.needs else []),
    ]
    (control / "control").write_text("".join(f"{field}\n" for field in fields))
    for name, script in (("preinst", package.before), ("postinst", package.after)):
        if script:
            (control / name).write_text(f"#!/bin/sh\n{script}")
            (control / name).chmod(0o755)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, directory],
        check=True,
        capture_output=True,
        timeout=60,
    )


def make_repository(directory: Path, key: SigningKey | None, arch: str, identity: str) -> Path:
    """Build the packages and an archive of them with the suite `mini`; without `key` nothing is signed."""
    archive = directory / "archive"
    pool, suite = archive / "pool", archive / "dists" / "mini"
    binary = suite / "main" / f"binary-{arch}"
    for place in (pool, binary):
        place.mkdir(parents=True)
    for package in (content.base(identity), content.extra()):
        _build(pool, package, arch)
    packages = _ftparchive(archive, "packages", "pool")
    (binary / "Packages").write_bytes(packages)
    options = {"Suite": "mini", "Codename": "mini", "Components": "main", "Architectures": arch}
    words = [
        part
        for name, value in options.items()
        for part in ("-o", f"APT::FTPArchive::Release::{name}={value}")
    ]
    release = _ftparchive(archive, *words, "release", "dists/mini")
    (suite / "Release").write_bytes(release)
    if key is not None:
        key.sign(suite / "Release", clear=True)
    return archive


def _ftparchive(archive: Path, *words: str) -> bytes:
    return subprocess.run(
        ["apt-ftparchive", *words], cwd=archive, check=True, capture_output=True, timeout=60
    ).stdout
