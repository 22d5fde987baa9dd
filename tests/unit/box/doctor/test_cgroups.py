"""Which kind of cgroups there is, and which part of them is the user's."""

from __future__ import annotations

import pytest

from dacha.box.doctor import cgroups
from dacha.box.doctor.host import Trial
from dacha.linux.sockets import Reply
from tests.lib.hosts import ROOT, HostMaker, refused

PRIVATE = "/run/user/1000/systemd/private"
SERVICE = "/user.slice/user-1000.slice/user@1000.service"


def pure(host: HostMaker, controllers: str = "cpuset cpu io memory pids") -> None:
    host.write("/sys/fs/cgroup/cgroup.controllers", controllers)


def hybrid(host: HostMaker) -> None:
    for controller in ("memory", "cpu", "pids"):
        host.write(f"/sys/fs/cgroup/{controller}/cgroup.procs")
    host.write("/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n")


def v1(host: HostMaker) -> None:
    host.write("/sys/fs/cgroup/memory/cgroup.procs")


def systemd(host: HostMaker, *, answers: bool = True) -> None:
    host.write("/run/systemd/system/mark")
    if answers:
        host.write(PRIVATE)
        host.answers.replies[PRIVATE] = Reply("", b"OK 1234\r\n")


def test_a_machine_of_today_passes(host: HostMaker) -> None:
    pure(host)
    systemd(host)
    host.write(f"/sys/fs/cgroup{SERVICE}/cgroup.controllers", "cpu memory pids")
    host.write("/proc/self/cgroup", "0::/a\n")
    host.write("/sys/fs/cgroup/a/cgroup.kill")
    host.write("/var/lib/systemd/linger/alex")
    assert {check.find(host.make()).status for check in cgroups.CHECKS} == {"pass"}


@pytest.mark.parametrize(
    ("distribution", "fix"),
    [
        ("ID=debian", "sudo update-grub, and reboot"),
        (
            "ID=fedora",
            "sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1, and reboot",
        ),
        ("ID=arch", "sudo grub-mkconfig -o /boot/grub/grub.cfg, and reboot"),
    ],
)
@pytest.mark.parametrize("tree", [hybrid, v1])
def test_systemd_is_told_to_make_a_pure_tree(
    host: HostMaker, tree: object, distribution: str, fix: str
) -> None:
    assert callable(tree)
    tree(host)
    systemd(host)
    host.write("/etc/os-release", distribution)
    found = host.find(cgroups.CHECKS, "layout")
    assert found.status == "warn"
    assert found.fix.endswith(fix)


def test_other_inits_are_told_in_their_way(host: HostMaker) -> None:
    hybrid(host)
    assert "have your init mount cgroup2" in host.find(cgroups.CHECKS, "layout").fix
    host.write("/etc/rc.conf")
    assert 'rc_cgroup_mode="unified"' in host.find(cgroups.CHECKS, "layout").fix
    host.write("/run/.containerenv")
    assert "machine that runs this container" in host.find(cgroups.CHECKS, "layout").fix


def test_each_kind_of_tree_is_named(host: HostMaker) -> None:
    assert host.find(cgroups.CHECKS, "layout").detail == "nothing is mounted at /sys/fs/cgroup"
    v1(host)
    assert host.find(cgroups.CHECKS, "layout").detail == "version 1 only"
    assert host.find(cgroups.CHECKS, "delegation").status == "warn"
    assert host.find(cgroups.CHECKS, "cgroup.kill").status == "warn"
    hybrid(host)
    assert host.find(cgroups.CHECKS, "layout").detail.startswith("hybrid: version 2 at")
    pure(host)
    assert host.find(cgroups.CHECKS, "layout").detail == "pure version 2"


def test_a_machine_without_systemd_is_fine(host: HostMaker) -> None:
    assert host.find(cgroups.CHECKS, "systemd").status == "info"
    assert host.find(cgroups.CHECKS, "lingering").status == "pass"


def test_a_manager_that_does_not_answer_is_started(host: HostMaker) -> None:
    systemd(host, answers=False)
    assert host.find(cgroups.CHECKS, "systemd").fix == "sudo systemctl start user@1000.service"
    host.write(PRIVATE)
    host.answers.replies[PRIVATE] = Reply("it does not answer")
    assert host.find(cgroups.CHECKS, "systemd").status == "warn"


def test_a_wrong_runtime_directory_is_told_from_a_missing_manager(host: HostMaker) -> None:
    """As after su."""
    systemd(host)
    host.environment["XDG_RUNTIME_DIR"] = "/run/user/0"
    assert host.find(cgroups.CHECKS, "systemd").fix == "export XDG_RUNTIME_DIR=/run/user/1000"


def test_delegation_without_systemd_is_tried(host: HostMaker) -> None:
    pure(host)
    host.answers.trials["cgroup"] = Trial(True, value="/mine")
    assert host.find(cgroups.CHECKS, "delegation").detail == "/mine is yours"
    host.answers.trials["cgroup"] = refused("no cgroup may be written")
    found = host.find(cgroups.CHECKS, "delegation")
    assert found.status == "warn"
    assert "chown -R alex /sys/fs/cgroup/dacha-alex" in found.fix
    systemd(host, answers=False)
    assert host.find(cgroups.CHECKS, "delegation").fix == "sudo loginctl enable-linger alex"


def test_missing_controllers_are_delegated_by_systemd(host: HostMaker) -> None:
    pure(host)
    systemd(host)
    host.write(f"/sys/fs/cgroup{SERVICE}/cgroup.controllers", "memory pids")
    found = host.find(cgroups.CHECKS, "controllers")
    assert (found.status, found.detail) == ("warn", "memory pids; not cpu")
    assert "Delegate=cpu cpuset io memory pids" in found.fix
    assert found.fix.endswith("sudo systemctl daemon-reload")


def test_controllers_that_version_1_holds_need_a_reboot(host: HostMaker) -> None:
    pure(host, "hugetlb")
    host.write(
        "/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t2\t1\ncpu\t0\t1\t1\n"
    )
    host.answers.trials["cgroup"] = Trial(True, value="")
    assert "init" in host.find(cgroups.CHECKS, "controllers").fix
    host.write("/proc/cgroups", "memory\t0\t2\t1\n")
    assert "cgroup.subtree_control" in host.find(cgroups.CHECKS, "controllers").fix


@pytest.mark.parametrize(("release", "status"), [("5.14.0", "pass"), ("5.13.0", "warn")])
def test_cgroup_kill_comes_with_the_kernel(host: HostMaker, release: str, status: str) -> None:
    pure(host)
    host.write("/proc/self/cgroup", "1:memory:/x\n0::/\n")
    host.kernel = release
    assert host.find(cgroups.CHECKS, "cgroup.kill").status == status


def test_lingering_is_optional(host: HostMaker) -> None:
    systemd(host)
    found = host.find(cgroups.CHECKS, "lingering")
    assert (found.status, found.fix) == ("info", "sudo loginctl enable-linger alex")
    assert found.cost == "your boxes stop when you log out"
    host.account = ROOT
    assert host.find(cgroups.CHECKS, "lingering").status == "pass"
