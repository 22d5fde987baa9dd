"""For which platform a root file system is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.build import detection
from dacha.engine.architectures import ARCHITECTURES
from dacha.linux import elf
from dacha.registry.platform import parse

ARM64 = elf.start_of(ARCHITECTURES["arm64"].header)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("path", ["bin/sh", "usr/bin/env", "bin/busybox"])
def test_its_programs_tell(tmp_path: Path, path: str) -> None:
    _write(tmp_path / path, ARM64)
    assert detection.platform_in(str(tmp_path)) == parse("arm64")


def test_links_are_followed_inside(tmp_path: Path) -> None:
    """As in every distribution with a merged /usr, and in Alpine."""
    _write(tmp_path / "usr/bin/busybox", ARM64)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/bin/sh").symlink_to("/bin/busybox")
    assert detection.platform_in(str(tmp_path)) == parse("arm64")


def test_links_do_not_lead_to_the_host(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to("../../../../../../../../bin/sh")
    (tmp_path / "bin/bash").symlink_to("/bin/bash")
    assert detection.platform_in(str(tmp_path)) is None


def test_what_is_no_program_tells_nothing(tmp_path: Path) -> None:
    _write(tmp_path / "bin/sh", b"#!/bin/busybox sh\n")
    (tmp_path / "bin/bash").mkdir()
    os.mkfifo(tmp_path / "bin/busybox")
    assert detection.platform_in(str(tmp_path)) is None
    _write(tmp_path / "usr/bin/env", ARM64)
    assert detection.platform_in(str(tmp_path)) == parse("arm64")


def test_of_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert detection.platform_in(str(tmp_path / "nowhere")) is None
