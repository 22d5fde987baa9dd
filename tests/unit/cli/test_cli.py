"""The full command line: help, messages and exit codes, without a store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import dacha
from dacha import __version__
from dacha.cli import main as cli
from dacha.errors import DachaError
from dacha.fast.grammar import Line
from dacha.fast.verbs import ALIASES, VERBS


def commands(group: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """All commands below a group that are not hidden, by their words."""
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from commands(command, *names, name)
        elif not command.hidden:
            yield (*names, name)


COMMANDS = list(commands(typer.main.get_command(cli.make_app())))
every_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No line is broken, nothing is coloured, and no store is there to be touched."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", f"{tmp_path}/data")
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/runtime")


def test_every_verb_is_a_command() -> None:
    assert {(verb,) for verb in VERBS} <= set(COMMANDS)
    assert ("image", "list") in COMMANDS


@every_command
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help_with_an_example(words: tuple[str, ...], flag: str, capsys: Captured) -> None:
    assert cli.main([*words, flag]) == 0
    text = capsys.readouterr().out
    assert f"Usage: dacha {' '.join(words)}" in text
    examples = text.partition("\nExamples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith("  ") and f"dacha {' '.join(words)}" in line for line in examples)


@every_command
def test_help_fits_into_a_terminal(
    words: tuple[str, ...], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["help", *words]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


@every_command
def test_an_option_that_is_none_is_a_usage_error(words: tuple[str, ...], capsys: Captured) -> None:
    assert cli.main([*words, "--no-such-option"]) == 125
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "No such option: --no-such-option" in captured.err
    assert f"'dacha {' '.join(words)} -h'" in captured.err


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["enter", "--nam", "work"], "--name"),
        (["create", "--volum", "/a"], "--volume"),
        (["rm", "--forse", "work"], "--force"),
    ],
)
def test_a_mistyped_option_is_answered_with_the_right_one(
    words: list[str], suggestion: str, capsys: Captured
) -> None:
    assert cli.main(words) == 125
    # How typer words it depends on its version.
    assert suggestion in capsys.readouterr().err.partition(f"No such option: {words[1]}")[2]


def test_a_mistyped_verb_is_answered_with_the_right_one(capsys: Captured) -> None:
    assert cli.main(["creat", "work"]) == 125
    assert "'create'" in capsys.readouterr().err.partition("No such command 'creat'")[2]


@pytest.mark.parametrize("words", [["inspect"], ["run"], ["run", "-t"]])
def test_what_is_missing_is_named(words: list[str], capsys: Captured) -> None:
    assert cli.main(words) == 125
    assert "Missing argument 'BOX" in capsys.readouterr().err


def test_an_operand_too_many_is_named(capsys: Captured) -> None:
    assert cli.main(["create", "a", "b"]) == 125
    assert capsys.readouterr().err == "dacha: 'b' is one name too many for 'create'\n"


def test_a_command_without_its_dashes_is_told_where_they_belong(capsys: Captured) -> None:
    assert cli.main(["enter", "work", "ls"]) == 125
    assert capsys.readouterr().err.splitlines()[1] == "hint: a command comes after --"


@pytest.mark.parametrize("words", [["-V"], ["--version"], ["version"]])
def test_the_version_is_told(words: list[str], capsys: Captured) -> None:
    assert cli.main(words) == 0
    assert capsys.readouterr().out == f"dacha {__version__}\n"


@pytest.mark.parametrize("words", [[], ["image"]])
def test_without_a_verb_there_is_help(words: list[str], capsys: Captured) -> None:
    cli.main(words)
    captured = capsys.readouterr()
    assert "Usage: dacha" in captured.out + captured.err
    assert "list" in captured.out + captured.err


def test_help_of_the_whole_names_every_verb_and_no_alias(capsys: Captured) -> None:
    assert cli.main(["--help"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    first_words = {row[0] for row in rows if row}
    assert set(VERBS) <= first_words
    assert not set(ALIASES) & first_words


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (7, 7), (125, 125)])
def test_the_exit_code_of_a_verb_is_the_programs(
    monkeypatch: pytest.MonkeyPatch, code: int, expected: int
) -> None:
    monkeypatch.setattr(cli, "_call", lambda _handler, _line: code)
    assert cli.main(["list", "--quiet"]) == expected


def test_a_failure_of_a_verb_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fail(_handler: str, _line: Line) -> int:
        raise DachaError("it broke", hint="mend it")

    monkeypatch.setattr(cli, "_call", fail)
    assert cli.main(["ls"]) == 125
    assert capsys.readouterr().err == "dacha: it broke\nhint: mend it\n"


def run_program(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The program as the launcher starts it: it must find typer by itself."""
    main = Path(dacha.__file__).with_name("__main__.py")
    command = [sys.executable, "-I", "-S", str(main), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_the_program_itself_finds_what_it_needs(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    assert run_program("-V", env=env).stdout == f"dacha {__version__}\n"
    assert run_program("version", env=env).stdout == f"dacha {__version__}\n"
    helped = run_program("enter", "--help", env=env)
    assert (helped.returncode, "Usage: dacha enter" in helped.stdout) == (0, True)
    refused = run_program("enter", "--nonsense", env=env)
    assert (refused.returncode, refused.stdout) == (125, "")
    assert "No such option: --nonsense" in refused.stderr
