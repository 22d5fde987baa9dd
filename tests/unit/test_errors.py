"""Failures that a user can meet."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import dacha
from dacha.cli.report import report, report_unexpected
from dacha.errors import BoxNotFoundError, CommandError, DachaError, MissingProgramError


def all_errors() -> list[type[DachaError]]:
    """Every kind of failure that dacha knows."""
    for module in pkgutil.walk_packages(dacha.__path__, "dacha."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [DachaError]
    for kind in found:
        found += [each for each in kind.__subclasses__() if each.__module__.startswith("dacha.")]
    return found


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_a_failure_of_ours_is_told_from_one_of_the_command(kind: type[DachaError]) -> None:
    # 0 to 124 are a command's own, 126 and up a shell's; ChildError sets what its child met.
    assert kind.exit_code == 125
    assert kind.__name__.endswith("Error")
    assert kind.__doc__


def test_a_failure_has_a_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(DachaError("it broke", hint="mend it")) == 125
    assert capsys.readouterr().err == "dacha: it broke\nhint: mend it\n"


def test_without_a_hint_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report(DachaError("it broke"))
    assert capsys.readouterr().err == "dacha: it broke\n"


def test_what_was_printed_comes_before_the_failure(capfd: pytest.CaptureFixture[str]) -> None:
    print("result", end="")
    report(DachaError("it broke"))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("result", "dacha: it broke\n")


def test_a_name_cannot_write_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(BoxNotFoundError("a\x1b[2J\nhint: rm -rf /\udcff"))
    text = capsys.readouterr().err
    assert "\x1b" not in text
    assert text.count("\n") == 2
    assert r"a\x1b[2J\nhint: rm -rf /\udcff" in text


def test_a_missing_box_is_offered_to_be_created() -> None:
    error = BoxNotFoundError("work")
    assert (str(error), error.hint, error.name) == (
        "no box named 'work'",
        "create it: dacha create work",
        "work",
    )


def test_a_missing_program_comes_with_its_package() -> None:
    assert MissingProgramError("newuidmap", package="uidmap").hint == (
        "install it: sudo apt-get install uidmap"
    )
    assert MissingProgramError("other").hint == "install it"


@pytest.mark.parametrize(
    ("stderr", "text"),
    [
        ("first\nlast\n", "tar: last"),
        ("last\n\n  \n", "tar: last"),
        ("", "tar: exit code 2"),
        (" \n", "tar: exit code 2"),
    ],
)
def test_a_failed_helper_is_quoted_by_its_last_line(stderr: str, text: str) -> None:
    error = CommandError("tar", 2, stderr)
    assert str(error) == text
    assert (error.program, error.status, error.stderr) == ("tar", 2, stderr)


def test_a_refusal_of_the_system_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_unexpected(PermissionError(13, "Permission denied", "/srv/x")) == 125
    assert capsys.readouterr().err == "dacha: Permission denied: /srv/x\n"


def test_a_bug_is_called_one_and_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DACHA_DEBUG", raising=False)
    assert report_unexpected(KeyError("x")) == 125
    text = capsys.readouterr().err
    assert text.startswith("dacha: a bug: KeyError: 'x'\nhint: ")
    assert "Traceback" not in text


def test_who_asks_for_it_gets_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DACHA_DEBUG", "1")
    with pytest.raises(KeyError):
        report_unexpected(KeyError("x"))


def test_an_interrupt_ends_as_a_shell_has_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DACHA_DEBUG", raising=False)
    assert report_unexpected(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""
