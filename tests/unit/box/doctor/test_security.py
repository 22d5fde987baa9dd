"""AppArmor, SELinux, and what sandboxes set."""

from __future__ import annotations

import os

import pytest

from dacha.box.doctor import security
from tests.lib.hosts import HostMaker, refused


def apparmor(host: HostMaker, restrict: str) -> None:
    host.write("/sys/module/apparmor/parameters/enabled", "Y\n")
    host.write("/proc/self/attr/current", "unconfined\n")
    host.write("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", restrict)


def test_a_host_without_any_passes(host: HostMaker) -> None:
    assert {check.find(host.make()).status for check in security.CHECKS} == {"pass"}


def test_apparmor_without_the_restriction_passes(host: HostMaker) -> None:
    apparmor(host, "0")
    found = host.find(security.CHECKS, "AppArmor")
    assert (found.status, found.detail) == (
        "pass",
        "on, profile unconfined; user namespaces are not restricted",
    )


def test_the_restriction_counts_only_where_it_hits(host: HostMaker) -> None:
    apparmor(host, "1")
    assert host.find(security.CHECKS, "AppArmor").status == "pass"
    host.answers.trials["mount"] = refused("Permission denied")
    found = host.find(security.CHECKS, "AppArmor")
    assert found.status == "fail"
    assert found.fix == "dacha system install-policy"


@pytest.mark.parametrize(("mode", "status"), [("1", "warn"), ("0", "info")])
def test_selinux_is_only_detected(host: HostMaker, mode: str, status: str) -> None:
    host.write("/sys/fs/selinux/enforce", mode)
    host.write("/proc/self/attr/current", "unconfined_u:unconfined_r:unconfined_t:s0\0")
    found = host.find(security.CHECKS, "SELinux")
    assert found.status == status
    if mode == "1":
        assert found.detail == "enforcing, context unconfined_u:unconfined_r:unconfined_t:s0"
        assert "not tested" in found.cost


def test_selinux_with_a_labelled_store_is_as_it_should_be(host: HostMaker) -> None:
    host.write("/sys/fs/selinux/enforce", "1")
    assert host.find(security.CHECKS, "SELinux").fix == "dacha system install-policy"
    store = os.path.realpath(host.make().store)
    subs = "/etc/selinux/targeted/contexts/files/file_contexts.subs"
    host.write(subs, f"{store}/layers {store}/../storage/overlay\n")
    assert host.find(security.CHECKS, "SELinux").status == "info"


def test_sandboxes_are_noticed(host: HostMaker) -> None:
    host.write("/proc/self/status", "NoNewPrivs:\t1\nSeccomp:\t2\n")
    assert host.find(security.CHECKS, "no_new_privs").status == "warn"
    assert host.find(security.CHECKS, "seccomp").status == "info"
