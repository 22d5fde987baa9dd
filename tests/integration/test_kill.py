"""Promise 5: a `kill -9` at any point of any verb leaves a store that opens, and loses nothing.

Two hundred kills, at moments spread over what a verb takes, of it alone or of its helpers too.
Every few of them `system check` may find only what it mends itself, and nothing once it has; what
was complete before is complete still: an image, a box and what that box has written.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import DIR, Entry, Layer, write_layout

_SEED = 20260101
UID = os.getuid()


class Store:
    """An installation with an image and a box that nothing may happen to."""

    def __init__(self, dacha: Dacha) -> None:
        self.dacha = dacha
        self.moments = random.Random(_SEED)  # noqa: S311  (moments are no secrets)
        self.kept = dacha.run("run", "kept", "--", "cat", "/kept", check=True).stdout
        self.seen: set[str] = set()  # the kinds of findings

    def kill_at_random(self, *words: str, takes_s: float) -> bool:
        """Run a verb and kill it at some moment; whether that was before its end."""
        child = self.dacha.start(*words)
        time.sleep(self.moments.uniform(0, takes_s))
        # As a person would, or its helpers as well, as in a power cut. A box's init has left the group.
        kill = self.moments.choice((os.kill, os.killpg))
        kill(child.pid, signal.SIGKILL)  # it has not been waited for, so the number is its own
        child.wait()
        self._await_end(child.pid)
        return child.returncode == -signal.SIGKILL

    def _await_end(self, group: int) -> None:
        """Helpers that were not killed come to an end by themselves."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            time.sleep(0.002)
        raise AssertionError("helpers of a killed command do not end")

    def duration(self, *words: str) -> float:
        """How long a verb takes when nobody kills it."""
        begin = time.monotonic()
        self.dacha.run(*words, check=True)
        return time.monotonic() - begin

    def check(self) -> None:
        """Only what can be mended is found, and nothing after that; and all that was there still is."""
        found = json.loads(self.dacha.run("system", "check", "--json").stdout)["findings"]
        self.seen |= {finding["kind"] for finding in found}
        assert [finding for finding in found if not finding["mendable"]] == []
        done = self.dacha.run("system", "check", "--repair")
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        done = self.dacha.run("system", "check")
        assert (done.returncode, done.stdout) == (0, b""), done.stdout.decode() + done.stderr.decode()
        assert self.dacha.run("run", "kept", "--", "cat", "/kept", check=True).stdout == self.kept
        assert b"kept-image" in self.dacha.run("image", "list", check=True).stdout


@pytest.fixture(scope="module")
def store(images: RealImages) -> Iterator[Store]:
    """A store with an Alpine and a box of it."""
    installation = Dacha()
    try:
        installation.run("image", "load", f"tar:{images.alpine_tar}", "--name", "kept-image", check=True)
        installation.run("create", "kept", "--image", "kept-image", check=True)
        installation.run("run", "kept", "--", "sudo", "sh", "-c", "echo of the box >/kept", check=True)
        yield Store(installation)
    finally:
        installation.close()


def _top(number: int, files: int) -> list[Entry]:
    """A layer that needs a delta: its files are of a user with the tester's number."""
    entries = [Entry(f"opt/{number}", DIR, uid=UID, gid=UID)]
    return entries + [
        Entry(f"opt/{number}/{each}", uid=UID, gid=UID, data=b"x" * each) for each in range(files)
    ]


@pytest.fixture(scope="module")
def alpine(images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Alpine with three layers on top."""
    layers: list[Layer] = [images.alpine_tar.read_bytes(), *(_top(number, 200) for number in range(3))]
    return f"oci:{write_layout(tmp_path_factory.mktemp('kill'), layers, compression='none')}"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four layers that are loaded in an instant."""
    layers: list[Layer] = [_top(number, 3) for number in range(4)]
    return f"oci:{write_layout(tmp_path_factory.mktemp('small'), layers, compression='none')}"


def _load(reference: str, name: str) -> list[str]:
    return ["image", "load", reference, "--name", name, "--quiet"]


def test_load(store: Store, alpine: str) -> None:
    load = _load(alpine, "killed")
    takes_s = store.duration(*load)
    early = 0
    for number in range(50):
        store.dacha.run("image", "rm", "--force", "killed", check=True)
        early += store.kill_at_random(*load, takes_s=takes_s)
        if number % 10 == 9:
            store.check()
    assert early >= 20
    assert "leftover" in store.seen
    store.dacha.run(*load, check=True)


def test_image_rm(store: Store, small: str) -> None:
    early = 0
    for number in range(30):
        store.dacha.run(*_load(small, "small"), check=True)
        early += store.kill_at_random("image", "rm", "small", takes_s=0.1)
        if number % 10 == 9:
            store.check()
    assert early >= 8


def test_create_and_rm(store: Store, alpine: str) -> None:
    store.dacha.run(*_load(alpine, "killed"), check=True)
    early = 0
    for number in range(30):
        early += store.kill_at_random("create", "short", "--image", "killed", takes_s=0.1)
        early += store.kill_at_random("rm", "--force", "short", takes_s=0.1)
        if number % 10 == 9:
            store.check()
    assert early >= 15
    store.dacha.run("rm", "--force", "short")


def test_start_and_stop(store: Store, alpine: str) -> None:
    dacha = store.dacha
    dacha.run(*_load(alpine, "killed"), check=True)
    dacha.run("create", "short", "--image", "killed", check=True)
    dacha.run("run", "short", "--", "sudo", "touch", "/opt/mine", check=True)
    early = 0
    for number in range(30):
        early += store.kill_at_random("start", "short", takes_s=0.15)
        if number % 5 == 0:
            store.check()
        early += store.kill_at_random("stop", "short", takes_s=0.1)
        if number % 5 == 4:
            store.check()
    assert early >= 15
    assert "leftover-runtime" in store.seen
    assert dacha.run("run", "short", "--", "ls", "/opt", check=True).stdout == b"0\n1\n2\nmine\n"
    dacha.run("rm", "--force", "short", check=True)
