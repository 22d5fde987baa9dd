"""What is planned before a box starts."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from dacha import paths
from dacha.box import start
from dacha.box.definition import Volume
from dacha.storage.layers import Layer
from tests.lib.contexts import ROOT, ROOT_MAPS, USER_MAPS, ContextMaker
from tests.lib.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def host_with_a_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has a system bus, whatever this one has."""
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: path == "/run/dbus" or isdir(path))


@pytest.mark.usefixtures("host_with_a_bus")
def test_mounts_are_as_they_were_and_in_that_order(make_context: ContextMaker) -> None:
    (make_context.base / "data").mkdir()
    source = f"{make_context.base}/data"
    volumes = (Volume(source, "/data", ("ro",)), Volume(source, source))
    plan = [mount.as_json() for mount in start.mount_plan(make_context(volumes=volumes))]
    text = json.dumps(plan).replace(str(make_context.base), "/BASE")
    text = text.replace(paths.shipped("hooks"), "/HOOKS")
    assert_golden(GOLDEN / "mount-plan.json", json.loads(text))


@pytest.mark.usefixtures("host_with_a_bus")
def test_nothing_is_mounted_below_a_place_that_is_mounted_later(make_context: ContextMaker) -> None:
    targets = [mount.target for mount in start.mount_plan(make_context())]
    for number, target in enumerate(targets):
        assert not [each for each in targets[:number] if each.startswith(target + "/")], target


def layer(name: str, *, uids: tuple[int, ...] = (0,), gids: tuple[int, ...] = (0,)) -> Layer:
    return Layer(f"sha256:{name}", name, 1, frozenset(uids), frozenset(gids))


def test_layers_are_stacked_top_first_each_below_its_own_delta(make_context: ContextMaker) -> None:
    layers = [layer("low"), layer("middle", uids=(0, 1000)), layer("high", gids=(42, 1000))]
    assert start.lower_directories(layers, make_context.alex, USER_MAPS) == [
        "layers/high/delta-1000-1000",
        "layers/high/shifted",
        "layers/middle/delta-1000-1000",
        "layers/middle/shifted",
        "layers/low/shifted",
    ]


def test_root_needs_no_deltas() -> None:
    assert start.lower_directories([layer("low", uids=(0,))], ROOT, ROOT_MAPS) == ["layers/low/identity"]


def test_only_one_process_at_a_time_holds_a_box(store: Path) -> None:
    assert store
    reader, writer = os.pipe()
    pid = os.fork()  # before the lock is taken: a child would share it
    if pid == 0:
        os.read(reader, 1)
        with start.lock_box("other"):  # another box does not matter
            os.write(writer, b"x")
        with start.lock_box("work"):
            os._exit(0)
    with start.lock_box("work") as lock:
        os.write(writer, b"x")
        assert os.waitpid(pid, os.WNOHANG)[0] == 0
        time.sleep(0.05)
        assert os.waitpid(pid, os.WNOHANG)[0] == 0
        assert Path(lock.path) == Path(paths.runtime_root()) / "locks" / "box-work"
    assert os.waitpid(pid, 0)[1] == 0
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    os.close(writer)
