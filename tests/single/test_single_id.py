"""Boxes on a host that gives its user no subordinate ids, with the real Debian and Alpine.

scripts/test runs these, and the acceptance tests that hold in this mode too, where
tests/testbed/enter-a hides /etc/subuid and /etc/subgid (TESTBED_SETUP).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib import packages
from tests.lib.dacha import Dacha
from tests.lib.images import RealImages

USER, UID, GID = os.environ.get("USER", ""), os.getuid(), os.getgid()
IDS = "usermod --add-subuids"


@pytest.fixture(scope="module")
def alpine(shared_dacha: Dacha) -> Iterator[str]:
    """A running box of the real Alpine."""
    shared_dacha.run("create", "alpine-box", "--image", "alpine-test", check=True)
    shared_dacha.run("start", "alpine-box", check=True)
    yield "alpine-box"
    shared_dacha.run("rm", "--force", "alpine-box", check=True)


@pytest.fixture(scope="module")
def debian(shared_dacha: Dacha) -> Iterator[str]:
    """A running box of the real Debian."""
    shared_dacha.run("create", "debian-box", "--image", "debian-test", check=True)
    shared_dacha.run("start", "debian-box", check=True)
    yield "debian-box"
    shared_dacha.run("rm", "--force", "debian-box", check=True)


def _sh(dacha: Dacha, box: str, script: str) -> str:
    return dacha.run("run", box, "--", "sh", "-c", script, check=True).stdout.decode().strip()


def test_create_says_it_in_one_line_and_enter_says_nothing(shared_dacha: Dacha) -> None:
    dacha = shared_dacha
    done = dacha.run("create", "work", "--image", "alpine-test", check=True)
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("dacha: box 'work' is in single-id mode, since ")
    assert f"{USER} has no subordinate ids in /etc/subuid" in line
    assert dacha.run("run", "work", "--", "true", check=True).stderr == b""
    quiet = dacha.run("create", "other", "--quiet", "--image", "alpine-test", check=True)
    assert quiet.stderr == b""
    [details] = json.loads(dacha.run("inspect", "work", check=True).stdout)
    assert details["singleId"] is True
    dacha.run("rm", "--force", "work", "other", check=True)


def test_you_are_yourself_and_alone(shared_dacha: Dacha, debian: str) -> None:
    assert _sh(shared_dacha, debian, "id -u; id -g; id -un").split() == [str(UID), str(GID), USER]
    assert _sh(shared_dacha, debian, "cat /proc/self/uid_map").split() == [str(UID), "0", "1"]
    assert _sh(shared_dacha, debian, "stat -c %u / /etc/shadow ~").split() == [str(UID)] * 3
    (shared_dacha.home / "made-on-host").touch()
    _sh(shared_dacha, debian, "touch ~/made-in-box; test -O ~/made-on-host")
    assert (shared_dacha.home / "made-in-box").stat().st_uid == UID


def test_nothing_on_disk_belongs_to_anybody_else(shared_dacha: Dacha, debian: str) -> None:
    _sh(shared_dacha, debian, "sudo touch /by-root")
    command = [
        "find",
        str(shared_dacha.data),
        "(",
        "-not",
        "-uid",
        str(UID),
        "-o",
        "-not",
        "-gid",
        str(GID),
        ")",
    ]
    assert subprocess.run(command, capture_output=True, check=False).stdout == b""


def test_sudo_makes_root_and_nobody_else(shared_dacha: Dacha, debian: str) -> None:
    assert (
        _sh(shared_dacha, debian, "sudo id -u; sudo sh -c 'id -un; stat -c %U /etc/shadow'")
        == "0\nroot\nroot"
    )
    assert _sh(shared_dacha, debian, f"sudo -u {USER} id -u") == str(UID)
    done = shared_dacha.run("run", debian, "--", "sudo", "-u", "www-data", "id")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no users but you and root (single-id mode" in done.stderr
    assert shared_dacha.run("run", debian, "--", "sudo", "sh", "-c", "exit 7").returncode == 7


def test_a_real_sudo_does_not_get_in_the_way(shared_dacha: Dacha, debian: str) -> None:
    _sh(shared_dacha, debian, "sudo cp /bin/false /usr/bin/sudo; test $(sudo id -u) = 0")
    _sh(shared_dacha, debian, "rm /usr/bin/sudo")


def test_apt_installs_a_package_that_gives_files_away(shared_dacha: Dacha, debian: str) -> None:
    repository = shared_dacha.home / "repository"
    source = packages.write_repository(repository)
    script = """
        set -e
        rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
        printf %s "$1" >/etc/apt/sources.list.d/sample.list
        apt-get -q update && apt-get -qy install dacha-sample
        dpkg --verify dacha-sample
    """
    shared_dacha.run("run", debian, "--", "sudo", "sh", "-c", script, "sh", source, check=True)
    assert _sh(shared_dacha, debian, f"stat -c '%u %a' /{packages.FILE} /{packages.CONFIGURED}").split() == [
        *(str(UID), "4750"),
        *(str(UID), "644"),
    ]
    assert _sh(shared_dacha, debian, "dpkg-query -W -f '${Status}' dacha-sample") == "install ok installed"
    _sh(shared_dacha, debian, "sudo apt-get -qy purge dacha-sample >&2; sudo useradd --system sample")
    assert _sh(shared_dacha, debian, f"test -e /{packages.FILE} || echo gone") == "gone"


def test_apk_adds_a_package_that_gives_files_away(shared_dacha: Dacha, alpine: str) -> None:
    package = shared_dacha.home / "sample.apk"
    packages.write_apk(package)
    options = "--no-network --allow-untrusted"
    done = shared_dacha.run("run", alpine, "--", "sh", "-c", f"sudo apk add {options} {package}", check=True)
    assert b"ERROR" not in done.stdout + done.stderr
    assert b"failed to preserve" not in done.stderr
    assert _sh(shared_dacha, alpine, f"stat -c '%u %a' /{packages.FILE}; ls /{packages.CONFIGURED}")
    _sh(shared_dacha, alpine, "sudo apk --no-network del dacha-sample && sudo adduser -SD sample")


def test_what_takes_more_ids_is_refused_with_the_line_that_gets_them(shared_dacha: Dacha) -> None:
    dacha = shared_dacha
    for line in (["create", "-Y", "debian"], ["image", "load", "debian"]):
        done = dacha.run(*line)
        error = done.stderr.decode()
        assert done.returncode == 125
        assert "making 'debian' from its packages takes more ids than your own" in error
        assert f"hint: sudo {IDS}" in error
    done = dacha.run("create", "work", "--image", "alpine-test", env={"DACHA_USERNS": "full"})
    assert done.returncode == 125
    assert f"hint: sudo {IDS}" in done.stderr.decode()
    assert not {b"debian", b"work"} & {*dacha.run("list", "--quiet", check=True).stdout.split()}


def test_a_wish_that_means_nothing_changes_nothing(shared_dacha: Dacha) -> None:
    done = shared_dacha.run("create", "work", "--image", "alpine-test", env={"DACHA_USERNS": "some"})
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr == b"dacha: DACHA_USERNS=some means nothing\nhint: it may be auto, single, full\n"


def test_doctor_warns_and_says_what_it_costs(shared_dacha: Dacha, alpine: str) -> None:
    report = json.loads(shared_dacha.run("doctor", "--json", alpine, check=True).stdout)
    found = {
        finding["name"]: finding for finding in report["findings"] if finding["subject"] in ("ids", "box")
    }
    for name in ("subordinate uids", "subordinate gids"):
        assert found[name]["status"] == "warn"
        assert "single-id mode" in found[name]["cost"]
        assert IDS in found[name]["fix"]
    assert found["id maps"]["status"] == "pass"
    assert found["upper layer"]["status"] == "pass"


def test_an_image_of_many_owners_is_unpacked_without_any(
    empty_dacha: Dacha, images: RealImages, tmp_path: Path
) -> None:
    """As root file system, too: what belongs to the user there is root's, and here all is the user's."""
    tree = tmp_path / "tree"
    for name in ("usr", "etc"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/usr/bin/true", tree / "usr" / "true")
    empty_dacha.run("image", "load", f"rootfs:{tree}", "--name", "tree", check=True)
    empty_dacha.run("image", "load", f"oci:{images.layout}:alpine-3.23", "--name", "layout", check=True)
    empty_dacha.run("create", "work", "--image", "layout", check=True)
    empty_dacha.run("run", "work", "--", "sudo", "true", check=True)
