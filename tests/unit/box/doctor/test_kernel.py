"""What the kernel lets an ordinary user do."""

from __future__ import annotations

import pytest

from dacha.box.doctor import kernel
from dacha.linux import features
from tests.lib.hosts import MOUNTINFO, NOT_REACHED, ROOT, HostMaker, refused

SYSCTL = {
    "user.max_user_namespaces": ("0", 15000),
    "kernel.unprivileged_userns_clone": ("0", 1),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", 0),
}


@pytest.mark.parametrize(
    ("release", "status"),
    [
        ("6.1.0-25-amd64", "pass"),
        ("5.13", "pass"),
        ("5.12.19-arch1", "warn"),
        ("5.11-rc3", "warn"),
        ("5.10.0", "fail"),
        ("4.19.0", "fail"),
        ("10.0-rc1", "pass"),
        ("weird", "fail"),
    ],
)
def test_old_kernels_are_named(host: HostMaker, release: str, status: str) -> None:
    host.kernel = release
    found = host.find(kernel.CHECKS, "version")
    assert (found.status, found.detail) == (status, release)
    assert ("5.13" in found.fix) == (status != "pass")


@pytest.mark.parametrize("name", SYSCTL)
def test_the_setting_that_forbids_namespaces_is_named(host: HostMaker, name: str) -> None:
    bad, good = SYSCTL[name]
    host.write(f"/proc/sys/{name.replace('.', '/')}", bad)
    host.answers.trials["user namespace"] = refused("Operation not permitted")
    found = host.find(kernel.CHECKS, "user namespaces")
    assert found.status == "fail"
    assert found.cost == "no box can start"
    assert found.fix == (
        f"echo {name}={good} | sudo tee -a /etc/sysctl.d/60-dacha.conf && sudo sysctl -w {name}={good}"
    )


def test_namespaces_without_power_are_none(host: HostMaker) -> None:
    """As on Ubuntu, whose AppArmor lets them be made."""
    host.write("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")
    host.answers.trials["mount"] = refused("Permission denied")
    found = host.find(kernel.CHECKS, "user namespaces")
    assert (found.status, found.detail) == ("fail", "can be made, but are powerless: Permission denied")
    assert "apparmor_restrict_unprivileged_userns=0" in found.fix


def test_a_filter_is_named_where_no_setting_forbids(host: HostMaker) -> None:
    host.write("/proc/self/status", "Seccomp:\t2\n")
    host.answers.trials["user namespace"] = refused("Operation not permitted")
    assert "container or sandbox" in host.find(kernel.CHECKS, "user namespaces").fix


def test_used_up_namespaces_are_more_to_be_had(host: HostMaker) -> None:
    host.answers.trials["user namespace"] = refused("No space left on device")
    assert "max_user_namespaces=15000" in host.find(kernel.CHECKS, "user namespaces").fix


def test_what_could_not_be_tried_is_no_failure(host: HostMaker) -> None:
    host.answers.trials["user namespace"] = NOT_REACHED
    host.answers.trials["proc"] = NOT_REACHED
    for name in ("user namespaces", "proc in boxes"):
        assert host.find(kernel.CHECKS, name).status == "info"


def test_root_needs_no_namespaces(host: HostMaker) -> None:
    host.account = ROOT
    host.answers.trials["user namespace"] = host.answers.trials["proc"] = refused("Operation not permitted")
    host.write("/proc/sys/user/max_user_namespaces", "0")
    host.write("/proc/sys/kernel/unprivileged_userns_clone", "0")
    for name in ("user namespaces", "proc in boxes", "max_user_namespaces", "userns_clone"):
        assert host.find(kernel.CHECKS, name).status == "pass"


def test_what_hides_proc_is_named(host: HostMaker) -> None:
    host.write("/proc/self/mountinfo", f"{MOUNTINFO}30 21 0:40 / /proc/kcore rw - tmpfs tmpfs rw\n")
    host.answers.trials["proc"] = refused("Operation not permitted")
    found = host.find(kernel.CHECKS, "proc in boxes")
    assert found.status == "fail"
    assert "something is mounted over /proc/kcore" in found.detail
    assert "unmask=ALL" in found.fix


@pytest.mark.parametrize(
    ("value", "status"), [("0", "fail"), ("10", "warn"), ("63000", "pass"), (None, "warn")]
)
def test_few_namespaces_are_a_warning(host: HostMaker, value: str | None, status: str) -> None:
    if value is None:
        host.remove("/proc/sys/user/max_user_namespaces")
    else:
        host.write("/proc/sys/user/max_user_namespaces", value)
    assert host.find(kernel.CHECKS, "max_user_namespaces").status == status


@pytest.mark.parametrize(("value", "status"), [("0", "fail"), ("1", "pass"), (None, "pass")])
def test_userns_clone_need_not_exist(host: HostMaker, value: str | None, status: str) -> None:
    if value is not None:
        host.write("/proc/sys/kernel/unprivileged_userns_clone", value)
    assert host.find(kernel.CHECKS, "userns_clone").status == status


@pytest.mark.parametrize(("name", "value"), [("max_user_watches", "8192"), ("max_user_instances", "64")])
def test_low_inotify_limits_are_raised(host: HostMaker, name: str, value: str) -> None:
    assert host.find(kernel.CHECKS, "inotify").status == "pass"
    host.write(f"/proc/sys/fs/inotify/{name}", value)
    found = host.find(kernel.CHECKS, "inotify")
    assert found.status == "warn"
    assert f"fs.inotify.{name}=" in found.fix


@pytest.mark.parametrize(("path", "module"), [("/dev/fuse", "fuse"), ("/dev/net/tun", "tun")])
def test_devices_are_made_or_opened(host: HostMaker, path: str, module: str) -> None:
    assert host.find(kernel.CHECKS, path).status == "pass"
    host.answers.trials[path] = refused("No such file or directory")
    assert host.find(kernel.CHECKS, path).fix == f"sudo modprobe {module}"
    host.write(path)
    host.answers.trials[path] = refused("Permission denied")
    assert host.find(kernel.CHECKS, path).fix == f"sudo chmod 666 {path}"


def test_missing_system_calls_are_named(host: HostMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.find(kernel.CHECKS, "system calls").status == "pass"
    monkeypatch.setattr(features, "missing_system_calls", lambda: ["clone3"])
    found = host.find(kernel.CHECKS, "system calls")
    assert (found.status, found.detail) == ("fail", "refused: clone3")
