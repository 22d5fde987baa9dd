"""The quick parser: what it reads, what it leaves to the full command line, and that the two agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer.main
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dacha.cli import main as cli
from dacha.fast.grammar import FLAG, Line, NotPlainError, Option, Verb, parse
from dacha.fast.verbs import ALIASES, VERBS

Values = dict[str, bool | str | tuple[str, ...]]
Found = tuple[list[str], Values, list[str] | None]


def found(line: Line) -> Found:
    """Operands, the options that are not as they are by default, and the command."""
    return line.operands, {key: value for key, value in line.options.items() if value}, line.command


def parsed(text: str) -> Found | None:
    verb, *arguments = text.split()
    try:
        return found(parse(VERBS[verb], arguments))
    except NotPlainError:
        return None


@pytest.mark.parametrize(
    ("text", "operands", "options", "command"),
    [
        ("enter", [], {}, None),
        ("enter work", ["work"], {}, None),
        ("enter -n work -- true", [], {"name": "work"}, ["true"]),
        ("enter --name=work -i debian -Y", [], {"name": "work", "image": "debian", "yes": True}, None),
        ("enter -T -nw work", ["work"], {"no_tty": True, "no_workdir": True}, None),
        ("enter work -H", ["work"], {"no_tty": True}, None),
        ("enter work -- ls -la --yes", ["work"], {}, ["ls", "-la", "--yes"]),
        ("enter work -- a -- b", ["work"], {}, ["a", "--", "b"]),
        ("enter work --", ["work"], {}, None),
        ("enter -", ["-"], {}, None),
        ("enter --name= work", ["work"], {}, None),
        ("enter -n one -n two", [], {"name": "two"}, None),
        ("enter -n --yes", [], {"name": "--yes"}, None),
        ("run work", ["work"], {}, None),
        ("run work ls -la", ["work"], {}, ["ls", "-la"]),
        ("run work -- ls -la", ["work"], {}, ["ls", "-la"]),
        ("run work -- -- ls", ["work"], {}, ["--", "ls"]),
        ("run -t --no-workdir work -t", ["work"], {"tty": True, "no_workdir": True}, ["-t"]),
        ("create", [], {}, None),
        (
            "create work -i tar:x --hostname desk --volume /a:/b --volume=/c",
            ["work"],
            {"image": "tar:x", "hostname": "desk", "volume": ("/a:/b", "/c")},
            None,
        ),
        ("create -d -Y -q -n work", [], {"dry_run": True, "yes": True, "quiet": True, "name": "work"}, None),
        ("list", [], {}, None),
        ("list --json -q", [], {"json": True, "quiet": True}, None),
        ("start a b c", ["a", "b", "c"], {}, None),
        ("start --all", [], {"all": True}, None),
        ("start -- -a", ["-a"], {}, None),
        ("stop a -t 5 b -Y", ["a", "b"], {"time": "5", "yes": True}, None),
        ("restart -a --time=0", [], {"all": True, "time": "0"}, None),
        ("rm -f -Y a", ["a"], {"force": True, "yes": True}, None),
        ("inspect a b", ["a", "b"], {}, None),
        (
            "login -u ada --password-stdin --tls-verify false q.io",
            ["q.io"],
            {"username": "ada", "password_stdin": True, "tls_verify": "false"},
            None,
        ),
        ("login --get-login --authfile=/a q.io", ["q.io"], {"get_login": True, "authfile": "/a"}, None),
        ("logout q.io", ["q.io"], {}, None),
        ("logout -a", [], {"all": True}, None),
        ("doctor", [], {}, None),
        ("doctor work --json", ["work"], {"json": True}, None),
        ("completion zsh", ["zsh"], {}, None),
        ("help image load", ["image", "load"], {}, None),
        ("version", [], {}, None),
    ],
)
def test_a_plain_line_is_read(
    text: str, operands: list[str], options: Values, command: list[str] | None
) -> None:
    assert parsed(text) == (operands, options, command)


@pytest.mark.parametrize(
    "text",
    [
        "enter --help",
        "enter -h",
        "enter a b",
        "enter --colour",
        "enter --nam work",
        "enter -n",
        "enter --name",
        "enter -nwork",
        "enter -n=work",
        "enter -n -- work",
        "enter --yes=no",
        "enter -YT",
        "run",
        "run -t",
        "run -- work",
        "run --name work",
        "create a b",
        "list a",
        "inspect",
        "login a b",
        "login --password secret",
        "logout a b",
        "doctor a b",
        "diff",
        "commit a",
        "commit a b c",
        "completion",
        "stop -t",
        "version --json",
        "version 1",
    ],
)
def test_anything_else_is_left_to_the_full_command_line(text: str) -> None:
    assert parsed(text) is None


def test_every_verb_is_in_the_tables() -> None:
    known = "enter run create list start stop restart rm inspect diff commit tar unshare"
    known += " login logout doctor completion help version"
    assert list(VERBS) == known.split(), "add its lines to the tables above"


def test_an_alias_stands_for_a_verb_and_hides_none() -> None:
    assert set(ALIASES.values()) <= set(VERBS)
    assert not set(ALIASES) & set(VERBS)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_no_two_options_of_a_verb_share_a_flag(verb: Verb) -> None:
    flags = [flag for option in verb.options for flag in option.flags]
    assert len(flags) == len(set(flags))
    assert not {"-h", "--help"} & set(flags)


def test_each_line_has_defaults_of_its_own() -> None:
    first = parse(VERBS["create"], ["--volume", "/a"])
    assert parse(VERBS["create"], []).texts("volume") == ()
    assert first.texts("volume") == ("/a",)
    assert (first.text("name"), first.flag("quiet")) == ("", False)


Read = Callable[[list[str]], Found | None]


@pytest.fixture(scope="module")
def full() -> Read:
    """Reads a line with the full command line, whose verbs then do nothing; None if it refuses."""
    command = typer.main.get_command(cli.make_app())
    lines: list[Line] = []

    def take(_handler: str, line: Line) -> int:
        lines.append(line)
        return 0

    def read(words: list[str]) -> Found | None:
        lines.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cli, "make_app", lambda: command)
            patch.setattr(cli, "_call", take)
            code = cli.main(words)
        assert (code == 0) == bool(lines)
        return found(lines[0]) if lines else None

    return read


WORDS = st.one_of(
    st.sampled_from(
        ["work", "a", "-", "--", "-x", "--name", "-n=x", "tar:a b", "", "true", "-nw", "caf\udce9"]
    ),
    st.text(max_size=4).filter(lambda word: "\0" not in word),
)


def written(option: Option) -> st.SearchStrategy[list[str]]:
    """An option as a user may write it."""
    if option.kind == FLAG:
        return st.sampled_from(option.flags).map(lambda flag: [flag])
    return st.builds(
        lambda flag, word, joined: [f"{flag}={word}"] if joined else [flag, word],
        st.sampled_from(option.flags),
        WORDS,
        st.booleans(),
    )


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A verb, its options and any words in any order; many are valid."""
    verb = VERBS[draw(st.sampled_from(sorted(VERBS)))]
    parts = [WORDS.map(lambda word: [word])]
    if verb.options:
        parts.append(st.sampled_from(verb.options).flatmap(written))
    words = [word for part in draw(st.lists(st.one_of(parts), max_size=5)) for word in part]
    return [verb.name, *words]


@settings(max_examples=200)
@given(words=lines())
@example(words=["enter", "-n", "work", "--", "true"])
@example(words=["enter", "work", "--", "-x", "--", "y"])
@example(words=["run", "work", "-t", "--help"])
@example(words=["run", "-t", "work", "--", "--", "x"])
@example(words=["stop", "-a"])
@example(words=["start", "a", "--", "-a"])
def test_the_full_command_line_reads_what_the_quick_parser_reads(full: Read, words: list[str]) -> None:
    try:
        quick = found(parse(VERBS[words[0]], words[1:]))
    except NotPlainError:
        return
    assert full(words) == quick


@pytest.mark.parametrize(
    ("text", "operands", "options", "command"),
    [
        ("enter -Yn work -- true", [], {"yes": True, "name": "work"}, ["true"]),
        ("enter -YT -- true", [], {"yes": True, "no_tty": True}, ["true"]),
        ("enter -nwork", [], {"name": "work"}, None),
        ("run -- work ls -la", ["work"], {}, ["ls", "-la"]),
        ("create -dqn work", [], {"dry_run": True, "quiet": True, "name": "work"}, None),
        ("stop -aY", [], {"all": True, "yes": True}, None),
        ("rm -fYa", [], {"force": True, "yes": True, "all": True}, None),
    ],
)
def test_flags_written_together_are_the_full_command_lines(
    full: Read, text: str, operands: list[str], options: Values, command: list[str] | None
) -> None:
    assert parsed(text) is None
    assert full(text.split()) == (operands, options, command)


@pytest.mark.parametrize(
    "text", ["enter a b", "enter a ls -la", "run", "list a", "inspect", "enter --colour"]
)
def test_what_is_wrong_is_refused_by_both(full: Read, text: str) -> None:
    assert parsed(text) is None
    assert full(text.split()) is None
