"""How findings are shown."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from dacha.box.doctor import runner
from dacha.box.doctor.base import Check, Finding, Verdict
from dacha.cli import doctor
from dacha.cli.doctor import Page
from dacha.cli.report import report
from dacha.errors import DachaError
from dacha.fast.grammar import Line
from tests.lib.hosts import HostMaker

LONG = "a detail that is much too long for a line of a terminal, on which it is cut, but not in a pipe"
FINDINGS = [
    Finding("kernel", "version", "pass", "6.1.0"),
    Finding("kernel", "inotify", "warn", LONG, "editors run out of watches", "sudo sysctl -w x=1"),
    Finding("ids", "newuidmap", "fail", "is not in PATH", "no box can start", "sudo apt-get install uidmap"),
    Finding("ids", "id maps", "fail", "cannot be made", "no box can start", "sudo apt-get install uidmap"),
    Finding("desktop", "X11", "info", "no display"),
]


class Terminal(io.StringIO):
    """A terminal of 70 columns, as far as is asked."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(stdout=made))
    monkeypatch.setattr(os, "get_terminal_size", lambda _fd: os.terminal_size((70, 24)))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return made


@pytest.fixture
def host(tmp_path: Path) -> HostMaker:
    """A host in good order."""
    return HostMaker(tmp_path)


@pytest.fixture
def found(host: HostMaker, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What doctor will find; a test may change it."""
    findings = list(FINDINGS)
    monkeypatch.setattr(runner, "this_host", lambda **_: host.make())
    monkeypatch.setattr(runner, "examine", lambda _host: findings)
    return findings


def line(*, json: bool = False) -> Line:
    made = Line()
    made.options["json"] = json
    return made


def test_a_pipe_gets_whole_lines_that_can_be_grepped(
    found: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    assert found
    assert doctor.doctor(line()) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"kernel   warn inotify    {LONG}" in lines
    assert "ids      fail newuidmap  is not in PATH" in lines
    assert lines[-1] == "1 passed, 1 noted, 1 warned, 2 failed"
    assert not [text for text in lines if "\x1b" in text]


def test_the_worst_is_told_first_and_one_fix_once(
    found: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    assert found
    doctor.doctor(line())
    assert (
        """
fail ids, newuidmap: is not in PATH
fail ids, id maps: cannot be made
  cost  no box can start
  fix   sudo apt-get install uidmap

warn kernel, inotify: """
        in capsys.readouterr().out
    )


def test_a_terminal_gets_marks_colours_and_one_line_a_check(found: list[Finding], terminal: Terminal) -> None:
    assert found
    doctor.doctor(line())
    text = terminal.getvalue()
    assert "\x1b[32m✓\x1b[0m version" in text
    assert "\x1b[31;1m✗\x1b[0m newuidmap" in text
    table = text.split("\n\n")[1]
    assert "…" in table
    assert max(len(row) for row in _plain(table).splitlines()) == 70
    assert [row[:8] for row in _plain(table).splitlines()][:2] == ["kernel  ", "        "]


def _plain(text: str) -> str:
    for code in ("1", "2", "32", "33", "36", "31;1", "0"):
        text = text.replace(f"\x1b[{code}m", "")
    return text


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(
    found: list[Finding], terminal: Terminal, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    assert found
    monkeypatch.setenv(variable, value)
    doctor.doctor(line())
    assert "\x1b" not in terminal.getvalue()
    assert "✗ newuidmap" in terminal.getvalue()


def test_a_terminal_without_those_characters_gets_words(
    found: list[Finding], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found
    monkeypatch.setattr(Terminal, "encoding", "iso-8859-1")
    doctor.doctor(line())
    assert "✗" not in terminal.getvalue()
    assert Page().has_marks is False


def test_a_fix_is_never_broken_and_a_cost_is(found: list[Finding], terminal: Terminal) -> None:
    fix = "sudo " + "very-long-command " * 10
    found[:] = [Finding("ids", "x", "fail", "broken", "word " * 30, fix)]
    doctor.doctor(line())
    rows = _plain(terminal.getvalue()).splitlines()
    assert f"  fix   {fix}" in rows
    assert len([row for row in rows if "word" in row]) == 3


def test_control_characters_reach_no_terminal(found: list[Finding], terminal: Terminal) -> None:
    evil = "evil \x1b]0;title\x07"
    found[:] = [Finding("ids", "x", "fail", evil, evil, evil)]
    doctor.doctor(line())
    assert "\x1b]" not in terminal.getvalue()


def test_json_has_everything(found: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.doctor(line(json=True)) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["status"] == "fail"
    assert value["findings"] == [finding._asdict() for finding in found]
    assert value["box"] is None
    assert value["user"] == "alex"


def test_warnings_are_no_failure(found: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    found[:] = [finding for finding in found if finding.status != "fail"]
    assert doctor.doctor(line()) == 0
    assert "failed" not in capsys.readouterr().out


def test_a_failure_is_reported_with_its_cause(
    host: HostMaker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def look(_host: object) -> Verdict:
        return Verdict("fail", "is not in PATH", "sudo apt-get install uidmap")

    check = Check("ids", "newuidmap", "It must be there.", "no box can start", look, stops=True)
    monkeypatch.setattr(runner, "this_host", lambda **_: host.make())
    monkeypatch.setattr("dacha.box.doctor.explain.ALL", (check,))
    assert report(DachaError("box 'work' does not start: a riddle", hint="guess")) == 125
    assert capsys.readouterr().err.splitlines() == [
        "dacha: box 'work' does not start: a riddle",
        "doctor: ids, newuidmap: is not in PATH",
        "hint: sudo apt-get install uidmap",
    ]
