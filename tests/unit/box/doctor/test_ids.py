"""Who you are, and your subordinate ids."""

from __future__ import annotations

import pytest

from dacha.box.doctor import ids
from dacha.box.doctor.host import Program, Trial
from tests.lib.hosts import NOT_REACHED, ROOT, HostMaker, refused


def test_good_ranges_are_shown(host: HostMaker) -> None:
    found = host.find(ids.CHECKS, "subordinate uids")
    assert (found.status, found.detail) == ("pass", "65536 in /etc/subuid (100000-165535)")


@pytest.mark.parametrize(
    ("files", "fix"),
    [
        (("subuid", "subgid"), "--add-subuids 100000-165535 --add-subgids 100000-165535 alex"),
        (("subuid",), "--add-subuids 165536-231071 alex"),
        (("subgid",), "--add-subgids 165536-231071 alex"),
    ],
)
def test_missing_ranges_come_by_one_command(host: HostMaker, files: tuple[str, ...], fix: str) -> None:
    for file in files:
        host.remove(f"/etc/{file}")
    for file in files:
        found = host.find(ids.CHECKS, "subordinate uids" if file == "subuid" else "subordinate gids")
        assert (found.status, found.detail) == ("warn", f"alex has none in /etc/{file}")
        assert "single-id mode" in found.cost
        assert found.fix == f"sudo usermod {fix}"


def test_new_ranges_are_nobodys_in_either_file(host: HostMaker) -> None:
    host.write("/etc/subuid", "bob:100000:65536\n")
    host.write("/etc/subgid", "bob:100000:65536\ncarol:900000:65536\n")
    assert "--add-subuids 965536-1031071" in host.find(ids.CHECKS, "subordinate uids").fix


def test_without_usermod_the_line_is_written(host: HostMaker) -> None:
    """As on Alpine."""
    host.write("/etc/subuid", "")
    host.write("/etc/subgid", "")
    del host.answers.programs["usermod"]
    found = host.find(ids.CHECKS, "subordinate uids")
    assert found.fix == "echo alex:100000:65536 | sudo tee -a /etc/subuid /etc/subgid"


def test_ranges_from_a_directory_service_are_said_to_be_out_of_reach(host: HostMaker) -> None:
    host.write("/etc/subuid", "")
    host.write("/etc/nsswitch.conf", "passwd: files sss\nsubid: sss  # from the domain\n")
    assert "those from sss (nsswitch.conf) are not read" in host.find(ids.CHECKS, "subordinate uids").detail


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("1000:100000:65536\n", "pass", "65536 in"),  # by number
        ("alex:100000:30000\nalex:200000:40000\n", "pass", "70000 in"),
        ("alex:100000:1000\n", "warn", "fewer than 65536"),
        ("alex:100000:65536\nbob:165535:10\n", "warn", "165535-165544 belong to bob as well"),
        ("alex:100000:65536\nalex:165000:65536\n", "fail", "165000-230535 is given twice"),
        ("alex:500:65536\n", "fail", "500-66035 is given twice"),  # the own id is in it
        ("alex:100000:65536\nnonsense\nbob:x:y\n:\n", "pass", "65536 in"),
    ],
)
def test_every_defect_of_a_range_is_told(host: HostMaker, text: str, status: str, detail: str) -> None:
    host.write("/etc/subuid", text)
    found = host.find(ids.CHECKS, "subordinate uids")
    assert found.status == status
    assert detail in found.detail
    assert bool(found.fix) == (status != "pass")


def test_overlapping_ranges_are_moved_away(host: HostMaker) -> None:
    host.write("/etc/subgid", "alex:100000:65536\nbob:100000:65536\n")
    found = host.find(ids.CHECKS, "subordinate gids")
    assert "bob can reach files and processes of your boxes" in found.cost
    assert found.fix == "sudo usermod --del-subgids 100000-165535 --add-subgids 165536-231071 alex"


@pytest.mark.parametrize(("file", "kind"), [("passwd", "uids"), ("group", "gids")])
def test_ranges_that_hold_another_account_are_told(host: HostMaker, file: str, kind: str) -> None:
    host.write(f"/etc/{file}", "root:x:0:\nalex:x:1000:\ndomain:x:120000:\nnobody:x:65534:\n")
    found = host.find(ids.CHECKS, f"subordinate {kind}")
    assert found.status == "warn"
    assert "belong to domain as well" in found.detail


@pytest.mark.parametrize("name", ["newuidmap", "newgidmap"])
@pytest.mark.parametrize(
    ("distribution", "fix"),
    [
        ("ID=debian", "sudo apt-get install uidmap"),
        ("ID=neon\nID_LIKE='ubuntu debian'", "sudo apt-get install uidmap"),
        ("ID=fedora", "sudo dnf install shadow-utils"),
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"', "sudo dnf install shadow-utils"),
        ("ID=arch", "sudo pacman -S shadow"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"', "sudo zypper install shadow"),
        ("ID=alpine", "sudo apk add shadow-subids"),
        ("ID=plan9", "install 'newuidmap' with your package manager"),
    ],
)
def test_missing_helpers_come_by_the_hosts_own_package(
    host: HostMaker, name: str, distribution: str, fix: str
) -> None:
    host.write("/etc/os-release", distribution)
    del host.answers.programs[name]
    found = host.find(ids.CHECKS, name)
    assert (found.status, found.detail, found.fix) == ("warn", "is not in PATH", fix)


def test_an_image_based_fedora_layers_packages(host: HostMaker) -> None:
    host.write("/etc/os-release", "ID=fedora")
    host.write("/run/ostree-booted")
    del host.answers.programs["newuidmap"]
    assert host.find(ids.CHECKS, "newuidmap").fix == "rpm-ostree install shadow-utils"


@pytest.mark.parametrize(
    ("name", "program", "status", "text"),
    [
        ("newuidmap", Program("/bin/n", "", capabilities=1 << 7), "pass", "cap_setuid"),
        ("newgidmap", Program("/bin/n", "", capabilities=1 << 6), "pass", "cap_setgid"),
        ("newgidmap", Program("/bin/n", "", capabilities=1 << 7), "warn", "chmod u+s /bin/n"),
        ("newuidmap", Program("/bin/n", ""), "warn", "chmod u+s /bin/n"),
        ("newuidmap", Program("/bin/n", "", is_setuid_root=True, is_on_nosuid=True), "warn", "remount,suid"),
    ],
)
def test_helpers_need_their_rights(
    host: HostMaker, name: str, program: Program, status: str, text: str
) -> None:
    host.answers.programs[name] = program
    found = host.find(ids.CHECKS, name)
    assert found.status == status
    assert text in (found.fix or found.detail)


def test_maps_that_are_refused_fail_in_newuidmaps_words(host: HostMaker) -> None:
    host.answers.trials["maps"] = refused("newuidmap: write to uid_map failed: Operation not permitted")
    assert "uid_map failed" in host.find(ids.CHECKS, "id maps").detail
    host.write("/proc/self/status", "NoNewPrivs:\t1\n")
    assert "sandbox" in host.find(ids.CHECKS, "id maps").fix
    host.answers.trials["maps"] = NOT_REACHED
    assert host.find(ids.CHECKS, "id maps").status == "info"


def test_a_map_of_the_own_id_alone_is_enough_for_single_id_mode(host: HostMaker) -> None:
    host.answers.trials["maps"] = Trial(True, value="single")
    found = host.find(ids.CHECKS, "id maps")
    assert (found.status, "single-id mode" in found.detail) == ("pass", True)
    host.write("/proc/self/status", "NoNewPrivs:\t1\n")
    found = host.find(ids.CHECKS, "id maps")
    assert (found.status, "sandbox" in found.fix) == ("warn", True)


def test_an_unknown_account_fails(host: HostMaker) -> None:
    host.account_error = "no account has the user id 1000"
    found = host.find(ids.CHECKS, "account")
    assert (found.status, found.detail) == ("fail", "no account has the user id 1000")


def test_root_needs_none_of_it(host: HostMaker) -> None:
    host.account = ROOT
    host.remove("/etc/subuid")
    host.remove("/etc/subgid")
    host.answers.programs.clear()
    assert {check.find(host.make()).status for check in ids.CHECKS} == {"pass"}
