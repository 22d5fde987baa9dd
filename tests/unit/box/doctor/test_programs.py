"""The programs that dacha ties together."""

from __future__ import annotations

import pytest

from dacha.box.doctor import programs
from dacha.box.doctor.host import Program
from dacha.box.doctor.programs import version_in
from tests.lib.hosts import HostMaker


@pytest.mark.parametrize(
    ("output", "name", "version"),
    [
        ("crun version 1.8.1\ncommit: f8a096be060b\nspec: 1.0.0\n", "crun", "1.8.1"),
        ("tini version 0.1.7_catatonit\n", "catatonit", "0.1.7"),
        ("tar (GNU tar) 1.34\n", "tar", "1.34"),
        ("fusermount3 version: 3.14.0\nfuse-overlayfs: version 1.10\n", "fuse-overlayfs", "1.10"),
        ("pasta 0.0~git20230309.7c7625d-1\n", "pasta", "0.0~git20230309.7c7625d-1"),
        ("pasta unknown version\nCopyright Red Hat\n", "pasta", ""),
        ("", "tar", ""),
    ],
)
def test_versions_are_found_in_what_programs_say(output: str, name: str, version: str) -> None:
    assert version_in(output, name) == version


@pytest.mark.parametrize("name", ["crun", "catatonit", "tar"])
def test_what_boxes_need_fails_when_it_is_missing(host: HostMaker, name: str) -> None:
    assert host.find(programs.CHECKS, name).status == "pass"
    del host.answers.programs[name]
    found = host.find(programs.CHECKS, name)
    assert (found.status, found.fix) == ("fail", f"sudo apt-get install {name}")


@pytest.mark.parametrize(
    ("name", "package"), [("pasta", "passt"), ("mmdebstrap", "mmdebstrap"), ("fuse-overlayfs",) * 2]
)
def test_the_others_are_a_warning(host: HostMaker, name: str, package: str) -> None:
    del host.answers.programs[name]
    found = host.find(programs.CHECKS, name)
    assert (found.status, found.fix) == ("warn", f"sudo apt-get install {package}")
    assert found.cost


def test_what_has_no_package_has_no_command(host: HostMaker) -> None:
    host.write("/etc/os-release", "ID=alpine")
    del host.answers.programs["mmdebstrap"]
    assert host.find(programs.CHECKS, "mmdebstrap").fix == ""


def test_slirp4netns_is_missed_only_without_pasta(host: HostMaker) -> None:
    del host.answers.programs["slirp4netns"]
    assert host.find(programs.CHECKS, "slirp4netns").status == "pass"
    del host.answers.programs["pasta"]
    assert host.find(programs.CHECKS, "slirp4netns").status == "warn"


def test_tar_must_be_gnus(host: HostMaker) -> None:
    host.write("/etc/os-release", "ID=alpine")
    host.answers.programs["tar"] = Program("/bin/tar", "tar (busybox) 1.36.1\n")
    found = host.find(programs.CHECKS, "tar")
    assert (found.status, found.fix) == ("fail", "sudo apk add tar")
    assert found.detail == "/bin/tar is not GNU tar"


def test_a_program_that_does_not_run_fails_with_its_words(host: HostMaker) -> None:
    words = "crun: error while loading shared libraries: libyajl.so.2: cannot open shared object file\n"
    host.answers.programs["crun"] = Program("/usr/bin/crun", words, exit_code=127)
    found = host.find(programs.CHECKS, "crun")
    assert found.status == "fail"
    assert "libyajl.so.2" in found.detail


def test_a_program_that_hangs_is_a_warning(host: HostMaker) -> None:
    host.answers.programs["crun"] = Program("/usr/bin/crun", "", exit_code=None)
    assert host.find(programs.CHECKS, "crun").status == "warn"
