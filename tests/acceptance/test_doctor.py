"""`dacha doctor`: where all is well, where something is missing, and where a start fails for it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lib.dacha import Dacha

_KEYS = ["subject", "name", "status", "detail", "cost", "fix"]
_GENEROUS_S = 5  # bench has the real bound; a loaded machine is no failure


@pytest.fixture
def only_path(tmp_path: Path) -> Iterator[Path]:
    """A directory that is all of PATH: links to every program of the host, for a test to take away."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = directory / program.name
            if not link.is_symlink():
                link.symlink_to(program)
    yield directory
    shutil.rmtree(directory)


def _report(dacha: Dacha, *words: str, env: dict[str, str | None] | None = None, code: int = 0) -> Any:
    done = dacha.run("doctor", "--json", *words, env=env)
    assert done.returncode == code, (done.stdout + done.stderr).decode()
    assert done.stderr == b""
    return json.loads(done.stdout)


def _finding(report: Any, subject: str, name: str) -> Any:
    (found,) = [each for each in report["findings"] if (each["subject"], each["name"]) == (subject, name)]
    return found


@pytest.mark.bare
def test_the_test_host_has_no_failure(empty_dacha: Dacha) -> None:
    done = empty_dacha.run("doctor")
    text = done.stdout.decode()
    assert done.returncode == 0, text
    assert "kernel    pass user namespaces" in text
    assert " failed" not in text.splitlines()[-1]


def test_json_has_one_shape_for_every_finding(empty_dacha: Dacha) -> None:
    report = _report(empty_dacha)
    assert list(report) == ["dacha", "host", "user", "box", "status", "findings"]
    assert list(report["host"]) == ["os", "kernel", "machine"]
    assert report["box"] is None
    assert report["status"] in ("pass", "info", "warn")
    for finding in report["findings"]:
        assert list(finding) == _KEYS
        assert all(isinstance(value, str) for value in finding.values())
        assert finding["status"] in ("pass", "info", "warn", "fail")
        assert not (finding["status"] == "pass" and (finding["cost"] or finding["fix"]))


def test_it_is_quick_and_leaves_nothing(empty_dacha: Dacha) -> None:
    before = sorted(empty_dacha.base.rglob("*"))
    started = time.monotonic()
    empty_dacha.run("doctor", check=True)
    assert time.monotonic() - started < _GENEROUS_S
    assert sorted(empty_dacha.base.rglob("*")) == before


def test_a_host_without_newuidmap_is_told_the_command_that_brings_it(
    empty_dacha: Dacha, only_path: Path
) -> None:
    if os.geteuid() == 0:
        pytest.skip("is for an ordinary user: root needs no newuidmap")
    (only_path / "newuidmap").unlink()
    report = _report(empty_dacha, env={"PATH": str(only_path)})
    found = _finding(report, "ids", "newuidmap")
    assert (found["status"], found["detail"]) == ("warn", "is not in PATH")
    assert "single-id mode" in found["cost"]
    assert found["fix"].endswith((" uidmap", " shadow-utils", " shadow", " shadow-subids"))
    assert report["status"] == "warn"


@pytest.mark.all_ids
def test_a_start_that_fails_for_it_says_so(dacha: Dacha, only_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("is for an ordinary user: root needs no newuidmap")
    dacha.run("create", "blocked", "--image", "alpine-test", check=True)
    (only_path / "newuidmap").unlink()
    done = dacha.run("run", "blocked", "--", "true", env={"PATH": str(only_path)})
    first, second, third = done.stderr.decode().splitlines()
    assert done.returncode == 125
    assert first.startswith("dacha: box 'blocked' does not start: ")
    assert second == "doctor: ids, newuidmap: is not in PATH"
    assert third.startswith("hint: ")


def test_crun_that_hangs_holds_nothing_up(empty_dacha: Dacha, only_path: Path) -> None:
    (only_path / "crun").unlink()
    (only_path / "crun").write_text("#!/bin/sh\nexec sleep 60\n")
    (only_path / "crun").chmod(stat.S_IRWXU)
    started = time.monotonic()
    report = _report(empty_dacha, env={"PATH": str(only_path)})
    assert time.monotonic() - started < _GENEROUS_S
    assert _finding(report, "programs", "crun")["detail"].endswith("does not tell its version in time")


def test_a_box_is_looked_at_too(dacha: Dacha, tmp_path: Path) -> None:
    volume = tmp_path / "data"
    volume.mkdir()
    dacha.run("create", "patient", "--image", "alpine-test", "--volume", f"{volume}:/data", check=True)
    report = _report(dacha, "patient")
    assert report["box"] == "patient"
    assert _finding(report, "box", "state")["detail"] == "stopped"
    assert _finding(report, "box", "upper layer")["detail"] == "comes with its first start"
    dacha.run("start", "patient", check=True)
    report = _report(dacha, "patient")
    assert _finding(report, "box", "state")["detail"].startswith("running, init ")
    assert _finding(report, "box", "upper layer")["detail"] == "writable"
    assert _finding(report, "box", "shell")["detail"].startswith("/bin/sh")
    volume.rmdir()
    assert _finding(_report(dacha, "patient", code=1), "box", "volumes")["fix"] == f"mkdir -p {volume}"


def test_a_box_that_nobody_has_is_an_error_of_ours(dacha: Dacha) -> None:
    done = dacha.run("doctor", "nobody")
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.startswith(b"dacha: no box named 'nobody'\n")


def test_a_terminal_gets_marks_and_colours(empty_dacha: Dacha) -> None:
    child = empty_dacha.spawn("doctor", env={"TERM": "xterm", "LANG": "C.UTF-8"}, dimensions=(60, 100))
    child.expect_exact("\x1b[32m✓\x1b[0m version")
    child.expect_exact("passed")
    child.close()


def test_colours_are_left_out_on_demand(empty_dacha: Dacha) -> None:
    environment = {"TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    child = empty_dacha.spawn("doctor", env=environment, dimensions=(60, 100))
    child.expect("passed.*")
    assert "\x1b" not in (child.before or "")
    child.close()
