"""The AppArmor profile and the parser that knows all of it: Debian 13's, which Debian 12 does not have.

Nothing is loaded into a kernel: it is read, and compiled.
"""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from dacha.box.policy import apparmor


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """apparmor_parser 4, with the libraries and the files of its package."""
    root = tmp_path_factory.mktemp("trixie")
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=extract", "--include=apparmor", "trixie", "-"],
        stdout=subprocess.PIPE,
        check=True,
    )
    parts = ["./usr/sbin/apparmor_parser", "./etc/apparmor.d", "./usr/lib"]
    subprocess.run(["tar", "-x", "-C", root, *parts], input=made.stdout, check=True)
    libraries = root / f"usr/lib/{platform.machine()}-linux-gnu"
    (loader,) = (path for path in libraries.glob("ld-linux-*.so.*"))
    program = root / "usr/sbin/apparmor_parser"
    return [str(loader), "--library-path", str(libraries), str(program), "--base", f"{root}/etc/apparmor.d"]


@pytest.mark.parametrize("path", ["/opt/dacha/bin/dacha", '/home/a b/{x}[y]*?@"z\\w^/ä/bin/dacha'])
def test_the_whole_profile_compiles(parser: list[str], path: str, tmp_path: Path) -> None:
    file = tmp_path / "profile"
    file.write_text(apparmor.profile(path))
    command = [*parser, "--skip-kernel-load", "--skip-cache", "--stdout", str(file)]
    compiled = subprocess.run(command, capture_output=True, check=True).stdout
    assert apparmor.name_of(path).encode() in compiled
