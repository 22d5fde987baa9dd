"""Devices and the kernel's file systems."""

from __future__ import annotations

from dacha.box.integrations.devices import DevicesIntegration
from tests.lib.contexts import ContextMaker


def test_terminals_are_the_boxs_own_and_come_after_the_hosts_devices(make_context: ContextMaker) -> None:
    context = make_context()
    mounts = DevicesIntegration().mounts(context)
    targets = [mount.target for mount in mounts]
    assert targets.index("/dev") < targets.index("/dev/pts")
    pts = mounts[targets.index("/dev/pts")]
    assert (pts.kind, "newinstance" in pts.options, "gid=5" in pts.options) == ("devpts", True, True)
    assert mounts[targets.index("/dev")].source == f"{context.host}/dev"


def test_processes_are_the_boxs_own_and_sys_is_the_hosts(make_context: ContextMaker) -> None:
    context = make_context()
    mounts = {mount.target: mount for mount in DevicesIntegration().mounts(context)}
    assert mounts["/proc"].kind == "proc"
    assert (mounts["/sys"].kind, mounts["/sys"].source) == ("bind", f"{context.host}/sys")
    assert DevicesIntegration().shared_paths(context) == ["/dev", "/sys"]


def test_terminals_have_no_group_that_the_box_has_not(make_context: ContextMaker) -> None:
    mounts = DevicesIntegration().mounts(make_context(is_single=True))
    [pts] = [mount for mount in mounts if mount.target == "/dev/pts"]
    assert not [option for option in pts.options if option.startswith("gid=")]
