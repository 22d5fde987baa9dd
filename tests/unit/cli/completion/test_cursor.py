"""What the cursor stands on."""

from __future__ import annotations

import pytest

from dacha.cli.completion import candidates, cursor
from dacha.cli.nouns import NOUNS
from dacha.fast.grammar import FLAG
from dacha.fast.verbs import VERBS


@pytest.mark.parametrize(
    ("words", "kind", "metavar"),
    [
        ([""], cursor.VERB, ""),
        (["en"], cursor.VERB, ""),
        (["image", ""], cursor.NOUN_VERB, ""),
        (["nonsense", ""], cursor.NOTHING_MORE, ""),
        (["image", "nonsense", ""], cursor.NOTHING_MORE, ""),
        (["enter", ""], cursor.OPERAND, "BOX"),
        (["enter", "-Y", ""], cursor.OPERAND, "BOX"),
        (["enter", "-"], cursor.OPTION, "BOX"),
        (["enter", "--image", ""], cursor.VALUE, "REF"),
        (["enter", "-i", "-"], cursor.VALUE, "REF"),
        (["enter", "--image=x"], cursor.VALUE, "REF"),
        (["enter", "--yes=x"], cursor.OPTION, "BOX"),
        (["enter", "--image", "x", ""], cursor.OPERAND, "BOX"),
        (["enter", "--image=x", ""], cursor.OPERAND, "BOX"),
        (["enter", "work", ""], cursor.DASHES, "BOX"),
        (["enter", "work", "-"], cursor.OPTION, "BOX"),
        (["ls", "-"], cursor.OPTION, "BOX"),
        (["list", ""], cursor.NOTHING_MORE, "BOX"),
        (["rm", "--", "-"], cursor.OPERAND, "BOX..."),
        (["rm", "a", "b", ""], cursor.OPERAND, "BOX..."),
        (["image", "load", "-", ""], cursor.NOTHING_MORE, "REF"),
        (["create", "--volume", "/a:/b", "--volume", ""], cursor.VALUE, "MOUNT"),
    ],
)
def test_kind(words: list[str], kind: str, metavar: str) -> None:
    found = cursor.find(words)
    assert found.kind == kind
    if kind in (cursor.VALUE, cursor.OPERAND):
        assert found.metavar == metavar


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["run", "work", ""], 2),
        (["run", "work", "--", ""], 3),
        (["run", "-t", "work", "ls", "-"], 3),
        (["enter", "--", ""], 2),
        (["enter", "--image", "x", "work", "--", "make", "-j"], 5),
    ],
)
def test_command(words: list[str], start: int) -> None:
    found = cursor.find(words)
    assert (found.kind, found.start) == (cursor.COMMAND, start)


def test_an_option_is_offered_once_unless_it_may_come_again() -> None:
    flags = {
        flag
        for option in cursor.find(["create", "-Y", "--volume", "/a:/b", "-"]).options
        for flag in option.flags
    }
    assert "--yes" not in flags
    assert {"--volume", "--image"} <= flags


def test_no_words_at_all_are_a_verb() -> None:
    assert cursor.find([]).kind == cursor.VERB


@pytest.mark.parametrize(("words", "metavar"), [(["commit"], "BOX"), (["commit", "work"], "NAME")])
def test_operands_have_their_metavars_in_order(words: list[str], metavar: str) -> None:
    assert cursor.find([*words, ""]).metavar == metavar


def test_every_metavar_is_known_to_completion() -> None:
    everything = [*VERBS.values(), *(verb for _, verbs in NOUNS.values() for verb in verbs.values())]
    metavars = {
        word.strip("[]").removesuffix("...")
        for verb in everything
        if verb.most
        for word in verb.operand.split()
    }
    metavars |= {option.metavar for verb in everything for option in verb.options if option.kind != FLAG}
    assert metavars <= candidates.BY_METAVAR.keys(), "say in cli/completion/candidates.py what it may become"
    assert candidates.BY_VERB.keys() <= VERBS.keys()
