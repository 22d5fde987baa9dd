"""Boxes of another platform than this machine's, by qemu and a binfmt_misc of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dacha.engine.architectures import ARCHITECTURES
from dacha.engine.emulation import find_qemu
from dacha.linux import binfmt
from dacha.registry.platform import Platform, host_platform
from tests.lib.dacha import Dacha
from tests.lib.images import foreign_tar
from tests.lib.oci import write_index, write_layout

FOREIGN = Platform("linux", "amd64" if host_platform().architecture == "arm64" else "arm64")
QEMU = find_qemu(ARCHITECTURES[FOREIGN.architecture].qemu)
IMAGE = f"foreign-test@{FOREIGN.short}"

pytestmark = [
    pytest.mark.skipif(os.geteuid() == 0, reason="root's boxes have no binfmt_misc of their own"),
    pytest.mark.skipif(not QEMU, reason="needs qemu-user-static"),
    pytest.mark.skipif(not binfmt.is_mountable(), reason="needs Linux 6.7"),
]


@pytest.fixture(scope="module")
def foreign_dacha(shared_dacha: Dacha) -> Iterator[Dacha]:
    """The shared installation, with a foreign image under the name of this machine's own."""
    reference = f"tar:{foreign_tar()}"
    shared_dacha.run(
        "image", "load", f"tar:{foreign_tar()}", "--name", "foreign-test", "--platform", str(FOREIGN)
    )
    yield shared_dacha
    shared_dacha.run("image", "rm", "--force", IMAGE, reference, check=True)


@pytest.fixture(scope="module")
def foreign(foreign_dacha: Dacha) -> Iterator[str]:
    """A running box of it."""
    args = ("--image", "foreign-test", "--platform", FOREIGN.architecture)
    foreign_dacha.run("create", "foreign-box", *args, check=True)
    yield "foreign-box"
    foreign_dacha.run("rm", "--force", "foreign-box", check=True)


def _output(dacha: Dacha, box: str, script: str) -> list[str]:
    return dacha.run("run", box, "--", "sh", "-c", script, check=True).stdout.decode().splitlines()


def _images(dacha: Dacha) -> dict[str, Any]:
    found = json.loads(dacha.run("image", "list", "--json", check=True).stdout)
    return {name: image for image in found for name in image["names"]}


def _fails(done: subprocess.CompletedProcess[bytes], *words: str) -> None:
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (125, b""), said
    assert "Traceback" not in said
    for word in words:
        assert word in said


def test_its_programs_run(foreign_dacha: Dacha, foreign: str) -> None:
    assert _output(foreign_dacha, foreign, "uname -m; echo $0; id -u") == [
        FOREIGN.machine,
        "sh",
        str(os.getuid()),
    ]


def test_exit_codes_and_signals_are_those_of_the_program(foreign_dacha: Dacha, foreign: str) -> None:
    def code(*command: str) -> int:
        return foreign_dacha.run("run", foreign, "--", *command).returncode

    assert code("sh", "-c", "exit 9") == 9
    assert code("sh", "-c", "kill -TERM $$") == 128 + 15
    assert code("no-such-program") == 127
    assert code("/etc/debian_version") == 126


def test_bytes_go_through_untouched(foreign_dacha: Dacha, foreign: str) -> None:
    data = bytes(range(256)) * 400
    assert foreign_dacha.run("run", foreign, "--", "cat", stdin=data, check=True).stdout == data


def test_a_terminal_behaves(foreign_dacha: Dacha, foreign: str) -> None:
    child = foreign_dacha.spawn("enter", foreign, "--", "bash", "--norc", "-i", dimensions=(31, 97))
    child.sendline("stty size; uname -m")
    child.expect(f"31 97\r\n{FOREIGN.machine}")
    child.sendline("exit 4")
    child.expect_exact("exit")
    child.wait()
    child.close()
    assert child.exitstatus == 4


@pytest.mark.all_ids
def test_sudo_makes_root_and_set_uid_programs_work(foreign_dacha: Dacha, foreign: str) -> None:
    script = (
        "sudo id -u; sudo sh -c 'cp /usr/bin/id /usr/bin/rid; chmod 4755 /usr/bin/rid'; rid -u; sudo uname -m"
    )
    assert _output(foreign_dacha, foreign, script) == ["0", "0", FOREIGN.machine]


def test_programs_are_told_their_own_name(foreign_dacha: Dacha, foreign: str) -> None:
    assert _output(foreign_dacha, foreign, "bash -c 'exec -a other bash -c \"echo \\$0\"'") == ["other"]


def test_it_starts_anew_after_stop_restart_and_reboot(foreign_dacha: Dacha, foreign: str) -> None:
    foreign_dacha.run("stop", foreign, check=True)
    shutil.rmtree(foreign_dacha.runtime / "dacha")  # as a new boot finds it: empty
    assert _output(foreign_dacha, foreign, "uname -m") == [FOREIGN.machine]
    foreign_dacha.run("restart", foreign, check=True)
    assert _output(foreign_dacha, foreign, "uname -m") == [FOREIGN.machine]


def test_other_boxes_and_the_host_have_no_part_in_it(
    foreign_dacha: Dacha, foreign: str, box: str, tmp_path: Path
) -> None:
    program = foreign_dacha.home / "foreign-true"
    copy = f"cat /bin/true >{program}; chmod 755 {program}; {program} && echo here"
    assert _output(foreign_dacha, foreign, copy) == ["here"]
    assert foreign_dacha.run("run", box, "--", str(program)).returncode == 126
    with pytest.raises(OSError, match="Exec format error"):
        subprocess.run([program], check=False)
    assert foreign_dacha.run("run", box, "--", "ls", "/run/dacha/binfmt_misc").returncode != 0


def test_list_and_inspect_say_what_it_is(foreign_dacha: Dacha, foreign: str, box: str) -> None:
    table = foreign_dacha.run("list", check=True).stdout.decode()
    assert f"| {IMAGE}\n" in table
    (details,) = json.loads(foreign_dacha.run("inspect", foreign, check=True).stdout)
    (other,) = json.loads(foreign_dacha.run("inspect", box, check=True).stdout)
    assert (details["platform"], other["platform"]) == (str(FOREIGN), str(host_platform()))
    images = foreign_dacha.run("image", "list", check=True).stdout.decode()
    assert "PLATFORM" in images
    assert str(FOREIGN) in images


def test_two_platforms_of_one_name_live_side_by_side(foreign_dacha: Dacha) -> None:
    done = foreign_dacha.run(
        *("image", "load", f"tar:{foreign_tar()}", "--name", "alpine-test", "--platform", str(FOREIGN))
    )
    assert f"it is called 'alpine-test@{FOREIGN.short}'" in done.stderr.decode()
    found = _images(foreign_dacha)
    assert found["alpine-test"]["architecture"] == host_platform().architecture
    assert found[f"alpine-test@{FOREIGN.short}"]["architecture"] == FOREIGN.architecture
    foreign_dacha.run("image", "rm", f"alpine-test@{FOREIGN.short}", check=True)
    assert "alpine-test" in _images(foreign_dacha)


def test_a_foreign_image_nobody_asked_for_is_told_and_takes_no_name_away(foreign_dacha: Dacha) -> None:
    foreign_dacha.run("image", "load", f"tar:{foreign_tar()}", "--name", "debian-test", check=True)
    found = _images(foreign_dacha)
    assert found["debian-test"]["architecture"] == host_platform().architecture
    assert found[f"debian-test@{FOREIGN.short}"]["architecture"] == FOREIGN.architecture
    done = foreign_dacha.run("create", "met", "--image", f"debian-test@{FOREIGN.short}", check=True)
    assert f"the image is for {FOREIGN}: {Path(QEMU).name} runs" in done.stderr.decode()
    foreign_dacha.run("rm", "met", check=True)
    foreign_dacha.run("image", "rm", f"debian-test@{FOREIGN.short}", check=True)


def test_the_box_of_a_foreign_image_has_a_name_of_its_own(foreign_dacha: Dacha) -> None:
    args = ("--image", "foreign-test", "--platform", FOREIGN.machine)
    done = foreign_dacha.run("create", *args, check=True)
    assert done.stdout.decode() == f"foreign-test-{FOREIGN.short}\n"
    foreign_dacha.run("rm", f"foreign-test-{FOREIGN.short}", check=True)


@pytest.mark.parametrize("text", ["arm65", "windows/amd64", "linux/"])
def test_what_is_no_platform_changes_nothing(foreign_dacha: Dacha, text: str) -> None:
    for verb in (("create", "never"), ("image", "load")):
        reference = ("--image", "foreign-test") if verb[0] == "create" else (f"tar:{foreign_tar()}",)
        done = foreign_dacha.run(*verb, *reference, "--platform", text)
        _fails(done, f"'{text}' is no platform", "hint: write linux/arm64")
    assert b"never" not in foreign_dacha.run("list", "--quiet", check=True).stdout


def test_a_name_that_stands_for_another_platform_is_told(foreign_dacha: Dacha) -> None:
    done = foreign_dacha.run("create", "never", "--image", "foreign-test")
    _fails(done, "no image 'foreign-test' in the store", f"hint: the store has '{IMAGE}'")
    done = foreign_dacha.run("create", "never", "--image", "alpine-test", "--platform", FOREIGN.short)
    _fails(done, f"no image 'alpine-test' for {FOREIGN} in the store", "hint: the store has 'alpine-test'")


def test_of_an_image_for_several_platforms_the_one_asked_for_is_taken(
    foreign_dacha: Dacha, tmp_path: Path
) -> None:
    layout = write_layout(
        tmp_path / "layout", [foreign_tar().read_bytes()], architecture=FOREIGN.architecture
    )
    other = {**json.loads((layout / "index.json").read_bytes())["manifests"][0]}
    write_index(layout, [{**other, "platform": {"os": "linux", "architecture": FOREIGN.architecture}}])
    done = foreign_dacha.run("create", "never", "--image", f"oci:{layout}")
    _fails(done, f"the image has nothing for {host_platform()}", f"hint: it is for {FOREIGN}")
    args = ("--image", f"oci:{layout}", "--platform", str(FOREIGN))
    foreign_dacha.run("create", "chosen", *args, check=True)
    assert _output(foreign_dacha, "chosen", "uname -m") == [FOREIGN.machine]
    foreign_dacha.run("rm", "--force", "chosen", check=True)
    foreign_dacha.run("image", "rm", f"oci:{layout}@{FOREIGN.short}", check=True)


def test_a_platform_the_image_is_not_for_is_refused_with_those_it_is_for(foreign_dacha: Dacha) -> None:
    before = _images(foreign_dacha)
    done = foreign_dacha.run("image", "load", f"tar:{foreign_tar()}", "--platform", "s390x")
    _fails(done, "the image has nothing for linux/s390x", f"hint: it is for {FOREIGN}")
    assert _images(foreign_dacha) == before


def test_without_qemu_the_line_says_what_to_install_and_nothing_is_changed(
    foreign_dacha: Dacha, foreign: str, tmp_path: Path
) -> None:
    places = tmp_path / "bin"
    places.mkdir()
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith("qemu-"):
            (places / program.name).symlink_to(program)
    path = {"PATH": f"{places}:/usr/sbin"}
    before = foreign_dacha.run("list", check=True).stdout
    args = ("create", "never", "--image", "foreign-test", "--platform", str(FOREIGN))
    _fails(
        foreign_dacha.run(*args, env=path),
        f"cannot run {FOREIGN} programs: {Path(QEMU).name} is not installed",
        "hint: sudo apt-get install qemu-user-static",
    )
    assert foreign_dacha.run("list", check=True).stdout == before
    foreign_dacha.run("stop", foreign, check=True)
    done = foreign_dacha.run("start", foreign, env=path)
    _fails(done, "hint: sudo apt-get install qemu-user-static")
    foreign_dacha.run("start", foreign, check=True)


def test_packages_cannot_make_a_foreign_image(foreign_dacha: Dacha) -> None:
    done = foreign_dacha.run("create", "never", "--image", "debian:bookworm", "--platform", str(FOREIGN))
    _fails(done, f"are for {host_platform()} only", "hint: give an image of it")
