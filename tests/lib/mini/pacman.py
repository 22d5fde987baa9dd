"""A miniature distribution of pacman packages, written without makepkg (PKGBUILD(5), BUILDINFO(5))."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import zstandard

from tests.lib.mini import content, trees
from tests.lib.mini.content import MiniPackage
from tests.lib.mini.keys import SigningKey


def _build(directory: Path, package: MiniPackage, arch: str) -> Path:
    size = sum(len(file.data or b"") for file in package.files)
    lines = [
        *(
            f"pkgname = {package.name}",
            f"pkgbase = {package.name}",
            "pkgver = 1.0-1",
            "pkgdesc = A miniature",
        ),
        *("url = https://example.org", f"builddate = {trees.MTIME}", "packager = Nobody", f"size = {size}"),
        *(f"arch = {arch}", "license = CC0"),
        *([f"depend = {package.needs}"] if package.needs else []),
    ]
    entries = [trees.meta_file(".PKGINFO", "".join(f"{line}\n" for line in lines).encode())]
    if package.before or package.after:
        script = f"pre_install() {{\n{package.before}\n}}\npost_install() {{\n{package.after}\n}}\n"
        entries.append(trees.meta_file(".INSTALL", script.encode()))
    entries += [(trees.tar_entry(file), file.data or b"") for file in package.files]
    buffer = io.BytesIO()
    trees.write_tar(buffer, entries)
    path = directory / f"{package.name}-1.0-1-{arch}.pkg.tar.zst"
    path.write_bytes(zstandard.compress(buffer.getvalue(), 1))
    return path


def make_repository(directory: Path, key: SigningKey | None, arch: str, identity: str) -> Path:
    """Build the packages and the repository `mini` of them; without `key` nothing is signed."""
    repository = directory / "repository"
    repository.mkdir(parents=True)
    packages = [_build(repository, package, arch) for package in (content.base(identity), content.extra())]
    if key is not None:
        for package in packages:
            key.sign(package)
    subprocess.run(
        ["repo-add", "--quiet", repository / "mini.db.tar.gz", *packages],
        check=True,
        capture_output=True,
        timeout=60,
    )
    if key is not None:
        key.sign(repository / "mini.db.tar.gz")
        (repository / "mini.db.sig").symlink_to("mini.db.tar.gz.sig")
    return repository
