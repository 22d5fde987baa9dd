"""Whether images for other kinds of machines can be used."""

from __future__ import annotations

import pytest

from dacha.box.doctor import platforms
from dacha.box.doctor.base import Finding
from tests.lib.hosts import NOT_REACHED, ROOT, HostMaker, refused

_ENTRY = "enabled\ninterpreter /usr/bin/qemu-x\nflags: {}\noffset 0\nmagic 7f45\nmask ffff\n"


def _find(host: HostMaker) -> Finding:
    return host.find(platforms.CHECKS, "foreign platforms")


def _register(host: HostMaker, flags: str) -> None:
    host.write("/proc/sys/fs/binfmt_misc/status", "enabled\n")
    host.write("/proc/sys/fs/binfmt_misc/qemu-x", _ENTRY.format(flags))


def _take_qemu_away(host: HostMaker) -> None:
    for name in ("qemu-aarch64-static", "qemu-x86_64-static"):
        del host.answers.programs[name]


def test_qemu_and_a_new_kernel_suffice(host: HostMaker) -> None:
    found = _find(host)
    assert (found.status, found.cost, found.fix) == ("pass", "", "")
    assert "in boxes alone" in found.detail


@pytest.mark.parametrize(
    ("release", "fix"),
    [
        ("ID=debian", "sudo apt-get install qemu-user-static"),
        ("ID=arch", "sudo pacman -S qemu-user-static"),
        ("ID=opensuse-leap", "sudo zypper install qemu-linux-user"),
    ],
)
def test_without_qemu_its_package_is_named(host: HostMaker, release: str, fix: str) -> None:
    host.write("/etc/os-release", release)
    _take_qemu_away(host)
    found = _find(host)
    assert (found.status, found.fix) == ("warn", fix)
    assert "--platform" in found.cost


@pytest.mark.parametrize(
    ("has_systemd", "fix"),
    [
        (True, "sudo systemctl restart systemd-binfmt"),
        (False, "sudo apt-get install qemu-user-static binfmt-support"),
    ],
)
def test_on_an_old_kernel_it_must_be_registered(host: HostMaker, has_systemd: bool, fix: str) -> None:
    host.answers.trials["binfmt_misc"] = refused("Operation not permitted")
    if has_systemd:
        host.write("/run/systemd/system/x")
    found = _find(host)
    assert (found.status, found.fix) == ("warn", fix)
    assert host.kernel in found.detail


@pytest.mark.parametrize(("flags", "status"), [("POF", "pass"), ("PO", "warn")])
def test_what_the_machine_has_serves_if_boxes_can_use_it(host: HostMaker, flags: str, status: str) -> None:
    host.answers.trials["binfmt_misc"] = refused("Operation not permitted")
    _register(host, flags)
    assert _find(host).status == status


def test_root_depends_on_the_machine(host: HostMaker) -> None:
    host.account = ROOT
    assert _find(host).status == "warn"
    _register(host, "POCF")
    assert _find(host).status == "pass"


def test_what_could_not_be_tried_is_no_warning(host: HostMaker) -> None:
    host.answers.trials["binfmt_misc"] = NOT_REACHED
    assert _find(host).status == "info"
