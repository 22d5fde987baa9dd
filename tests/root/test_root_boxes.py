"""Boxes of root: no user namespace, the same verbs, the same integrations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="is for root: scripts/test runs it so")


@pytest.fixture(scope="module")
def box(shared_dacha: Dacha) -> Iterator[str]:
    shared_dacha.run("create", "rootful", "--image", "debian-test", check=True)
    shared_dacha.run("start", "rootful", check=True)
    yield "rootful"
    shared_dacha.run("rm", "--force", "rootful", check=True)


def _in_box(dacha: Dacha, box: str, command: str) -> str:
    return dacha.run("run", box, "--", "sh", "-c", command, check=True).stdout.decode()


def test_root_of_the_box_is_root_of_the_host(shared_dacha: Dacha, box: str) -> None:
    output = _in_box(shared_dacha, box, "id -u; cat /proc/self/uid_map; touch ~/made-in-the-box")
    assert output.split() == ["0", "0", "0", "4294967295"]
    assert (shared_dacha.home / "made-in-the-box").stat().st_uid == 0


def test_exit_codes_are_exact(shared_dacha: Dacha, box: str) -> None:
    codes = [
        shared_dacha.run("run", box, "--", "sh", "-c", command).returncode
        for command in ("true", "exit 42", "kill -TERM $$", "exec nosuch-command")
    ]
    assert codes == [0, 42, 143, 127]


def test_programs_that_call_sudo_work(shared_dacha: Dacha, box: str) -> None:
    assert _in_box(shared_dacha, box, "sudo -n id -un") == "root\n"


def test_the_box_has_processes_of_its_own(shared_dacha: Dacha, box: str) -> None:
    pids = _in_box(shared_dacha, box, "echo /proc/[0-9]*").split()
    assert "/proc/1" in pids
    assert len(pids) < 10


def test_the_box_has_a_cgroup_where_the_tree_is_roots(shared_dacha: Dacha, box: str) -> None:
    details = json.loads(shared_dacha.run("inspect", box, check=True).stdout)[0]
    events = Path(details["cgroup"], "cgroup.events")
    assert "populated 1" in events.read_text()


def test_stop_ends_what_ignores_it(shared_dacha: Dacha) -> None:
    shared_dacha.run("create", "stubborn", "--image", "debian-test", check=True)
    command = "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; sleep 4711 & wait' >/dev/null 2>&1 &"
    shared_dacha.run("run", "stubborn", "--", "sh", "-c", command, check=True)
    shared_dacha.run("stop", "--time", "0.2", "stubborn", check=True)
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"4711" in _read(path)]
    shared_dacha.run("rm", "stubborn", check=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
