"""Find out what is being typed: a verb, a flag, a flag's value, an operand, or a box's command."""

from __future__ import annotations

from dacha.cli.nouns import NOUNS
from dacha.fast.grammar import FLAG, LIST, NOTHING, REST, Option, Verb
from dacha.fast.verbs import ALIASES, VERBS

# What stands under the cursor.
VERB, NOUN_VERB, OPTION, VALUE = "verb", "verb of a noun", "option", "value"
OPERAND, DASHES, COMMAND, NOTHING_MORE = "operand", "--", "command", "nothing"


class Cursor:
    """The word under the cursor: of which `kind` it is, and `typed`, what there is of it.

    `prefix` is the part of the word that stands before it, such as `--image=`; `start` is the
    index of the command's first word; `given` are the operands before it.
    """

    __slots__ = ("given", "kind", "metavar", "noun", "options", "prefix", "start", "typed", "verb")

    def __init__(self, kind: str, typed: str) -> None:
        self.kind = kind
        self.typed = typed
        self.verb: Verb | None = None
        self.noun = ""
        self.metavar = ""
        self.prefix = ""
        self.start = 0
        self.given: list[str] = []
        self.options: list[Option] = []  # those that may still be given


def find(words: list[str]) -> Cursor:
    """Look at the words after `dacha`, of which the last, maybe empty, is being typed."""
    *before, typed = words or [""]
    if not before:
        return Cursor(VERB, typed)
    first = ALIASES.get(before[0], before[0])
    if first in NOUNS:
        verbs = NOUNS[first][1]
        if len(before) == 1:
            cursor = Cursor(NOUN_VERB, typed)
            cursor.noun = first
            return cursor
        verb, start = verbs.get(before[1]), 2
    else:
        verb, start = VERBS.get(first), 1
    return Cursor(NOTHING_MORE, typed) if verb is None else _in_verb(verb, before, start, typed)


def _in_verb(verb: Verb, before: list[str], start: int, typed: str) -> Cursor:
    """Walk along the words of a verb, as `fast.grammar.parse` does, and stop at the cursor."""
    by_flag = {flag: option for option in verb.options for flag in option.flags}
    cursor = Cursor(OPERAND, typed)
    cursor.verb, cursor.metavar = verb, verb.operand
    cursor.options = list(verb.options)
    only_operands = False
    index = start
    while index < len(before):
        word = before[index]
        index += 1
        if only_operands or word == "-" or not word.startswith("-"):
            cursor.given.append(word)
            if verb.command == REST and len(cursor.given) == verb.most:
                return _command(cursor, index + (before[index : index + 1] == ["--"]))
        elif word == "--":
            if verb.command != NOTHING:
                return _command(cursor, index)
            only_operands = True
        else:
            flag, equals, _ = word.partition("=")
            option = by_flag.get(flag)
            if option is None:
                continue
            if option.kind != LIST and option in cursor.options:
                cursor.options.remove(option)
            if option.kind != FLAG and not equals:
                if index == len(before):
                    return _value(cursor, option, "", typed)
                index += 1
    if only_operands:
        return _operand(cursor, verb)
    flag, equals, value = typed.partition("=")
    if typed.startswith("--") and equals:
        option = by_flag.get(flag)
        if option is not None and option.kind != FLAG:
            return _value(cursor, option, f"{flag}=", value)
    if typed.startswith("-"):
        cursor.kind = OPTION
        return cursor
    return _operand(cursor, verb)


def _command(cursor: Cursor, start: int) -> Cursor:
    cursor.kind, cursor.start = COMMAND, start
    return cursor


def _value(cursor: Cursor, option: Option, prefix: str, typed: str) -> Cursor:
    cursor.kind, cursor.metavar, cursor.prefix, cursor.typed = VALUE, option.metavar, prefix, typed
    return cursor


def _operand(cursor: Cursor, verb: Verb) -> Cursor:
    metavars = verb.operand.split()  # the last one is that of all the rest
    cursor.metavar = metavars[min(len(cursor.given), len(metavars) - 1)].strip("[]")
    if len(cursor.given) >= verb.most:
        cursor.kind = DASHES if verb.command != NOTHING else NOTHING_MORE
    return cursor
