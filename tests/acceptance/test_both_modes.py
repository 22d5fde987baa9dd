"""Boxes with all ids and boxes in single-id mode, of one image, in one store."""

from __future__ import annotations

import os

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages

SINGLE = {"DACHA_USERNS": "single"}
pytestmark = [
    pytest.mark.all_ids,
    pytest.mark.skipif(os.geteuid() == 0, reason="is for an ordinary user: root's boxes have all ids"),
]


def _ids(dacha: Dacha, box: str) -> int:
    """How many users a box has."""
    done = dacha.run("run", box, "--", "cat", "/proc/self/uid_map", check=True)
    return sum(int(line.split()[2]) for line in done.stdout.splitlines())


def _views(dacha: Dacha) -> set[str]:
    """The views in which some layer lies."""
    layers = dacha.data / "containers" / "dacha" / "layers"
    return {path.name for path in layers.glob("*/*") if path.is_dir()}


def test_one_image_serves_both(empty_dacha: Dacha, images: RealImages) -> None:
    dacha = empty_dacha
    dacha.run("image", "load", f"tar:{images.alpine_tar}", "--name", "alpine", env=SINGLE, check=True)
    dacha.run("create", "one", "--image", "alpine", env=SINGLE, check=True)
    dacha.run("run", "one", "--", "sudo", "touch", "/mine", check=True)
    assert _views(dacha) == {"single"}
    created = dacha.run("create", "many", "--image", "alpine", check=True)
    assert created.stderr == b""
    assert _views(dacha) == {"single", "shifted"}

    # A launch with all ids does not go astray into the namespace of the box that has one.
    assert _ids(dacha, "many") > 1
    assert _ids(dacha, "one") == 1
    dacha.run("stop", "one", "many", check=True)
    assert _ids(dacha, "one") == 1
    assert dacha.run("run", "one", "--", "ls", "/mine", check=True).stdout == b"/mine\n"
    command = "sudo -u nobody id -un; stat -c %G /etc/shadow"  # the owners are those of the image again
    done = dacha.run("run", "many", "--", "sh", "-c", command, check=True)
    assert done.stdout.split() == [b"nobody", b"shadow"]


def test_the_other_way_too(empty_dacha: Dacha, images: RealImages) -> None:
    dacha = empty_dacha
    dacha.run("image", "load", f"tar:{images.alpine_tar}", "--name", "alpine", check=True)
    dacha.run("create", "one", "--image", "alpine", env=SINGLE, check=True)
    assert _ids(dacha, "one") == 1
    assert dacha.run("run", "one", "--", "stat", "-c", "%u", "/etc/shadow", check=True).stdout.split() == [
        str(os.getuid()).encode()
    ]


def test_a_layer_of_an_older_dacha_is_to_be_brought_again(empty_dacha: Dacha, images: RealImages) -> None:
    dacha = empty_dacha
    load = ["image", "load", f"oci:{images.layout}:alpine-3.23", "--name", "alpine"]
    dacha.run(*load, check=True)
    for journal in (dacha.data / "containers" / "dacha" / "layers").glob("*/journal"):
        journal.unlink()
    refused = dacha.run("create", "one", "--image", "alpine", env=SINGLE)
    assert refused.returncode == 125
    message, hint = refused.stderr.decode().splitlines()
    assert "was unpacked for boxes with all ids" in message
    assert hint.endswith("dacha " + " ".join(load))
    dacha.run(*load, env=SINGLE, check=True)
    dacha.run("create", "one", "--image", "alpine", env=SINGLE, check=True)
    assert _ids(dacha, "one") == 1
