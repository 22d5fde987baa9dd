"""How programs of another platform are run, on hosts that can and that cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.engine import emulation
from dacha.engine.architectures import ARCHITECTURES, platform_of, runs_natively
from dacha.engine.emulation import Emulation, ForeignPlatformError
from dacha.linux import binfmt
from dacha.registry.platform import Platform, parse

ARM64, AMD64 = parse("arm64"), parse("amd64")
QEMU = "/usr/bin/qemu-aarch64-static"


class Host:
    """An x86 host as the test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.qemu = QEMU
        self.is_mountable = True
        self.handlers: list[binfmt.Handler] = []
        monkeypatch.setattr(emulation, "host_platform", lambda: AMD64)
        monkeypatch.setattr(emulation, "find_qemu", lambda _name: self.qemu)
        monkeypatch.setattr(binfmt, "is_mountable", lambda: self.is_mountable)
        monkeypatch.setattr(binfmt, "read_handlers", lambda: self.handlers)

    def register(self, architecture: str, flags: str) -> None:
        header = ARCHITECTURES[architecture].header
        self.handlers.append(binfmt.elf_handler(architecture, header, "/opt/qemu", flags))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


@pytest.mark.parametrize("text", ["amd64", "amd64/v3", "386"])
@pytest.mark.usefixtures("host")
def test_what_the_machine_runs_itself_needs_nothing(text: str) -> None:
    assert emulation.plan(parse(text), is_root=False) is None


@pytest.mark.usefixtures("host")
def test_a_box_has_its_own_handler_where_the_kernel_gives_it() -> None:
    assert emulation.plan(ARM64, is_root=False) == Emulation(ARM64, QEMU, is_own=True)


@pytest.mark.parametrize("is_root", [True, False])
def test_else_the_machines_handler_serves(host: Host, is_root: bool) -> None:
    host.is_mountable = is_root  # root has no use for one of its own
    host.register("arm", "F")
    host.register("arm64", "POF")
    assert emulation.plan(ARM64, is_root=is_root) == Emulation(ARM64, "/opt/qemu", is_own=False)


def test_it_does_so_without_a_qemu_in_the_path(host: Host) -> None:
    host.qemu = ""
    host.register("arm64", "F")
    assert emulation.plan(ARM64, is_root=False) == Emulation(ARM64, "/opt/qemu", is_own=False)


def test_a_handler_whose_program_would_have_to_be_in_the_box_is_none(host: Host) -> None:
    host.is_mountable = False
    host.register("arm64", "OC")
    with pytest.raises(ForeignPlatformError, match=r"no handler for them, and Linux .* gives users none"):
        emulation.plan(ARM64, is_root=False)


def test_without_qemu_its_package_is_named(host: Host) -> None:
    host.qemu = ""
    with pytest.raises(ForeignPlatformError, match="qemu-aarch64-static is not installed") as caught:
        emulation.plan(ARM64, is_root=False)
    assert caught.value.hint == "sudo apt-get install qemu-user-static"
    assert caught.value.exit_code == 125


@pytest.mark.parametrize(
    ("has_systemd", "hint"),
    [(True, "sudo systemctl restart systemd-binfmt"), (False, "sudo apt-get install binfmt-support")],
)
def test_an_old_kernel_is_named_and_what_serves_instead(
    host: Host, monkeypatch: pytest.MonkeyPatch, has_systemd: bool, hint: str
) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda _path: has_systemd)
    host.is_mountable = False
    with pytest.raises(ForeignPlatformError, match=r"gives users none of their own \(6.7 does\)") as caught:
        emulation.plan(ARM64, is_root=False)
    assert caught.value.hint == hint


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("platform", [Platform("linux", "hexagon"), Platform("windows", "arm64")])
def test_nothing_is_known_for_the_rest(platform: Platform) -> None:
    with pytest.raises(ForeignPlatformError, match="no emulator") as caught:
        emulation.plan(platform, is_root=False)
    assert caught.value.hint == "take an image for linux/amd64"


def test_a_dynamic_qemu_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "qemu-aarch64").write_bytes(Path("/bin/sh").read_bytes())
    (tmp_path / "qemu-aarch64").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert emulation.find_qemu("aarch64") in ("", "/usr/sbin/qemu-aarch64")


def test_every_architecture_is_known_by_its_programs() -> None:
    for name, architecture in ARCHITECTURES.items():
        found = platform_of(architecture.header)
        assert found == parse(name)
        assert runs_natively(parse(name), parse(name))


def test_who_runs_what() -> None:
    assert runs_natively(parse("386"), AMD64)
    assert not runs_natively(AMD64, parse("386"))
    assert not runs_natively(parse("arm/v7"), ARM64)
