"""`dacha __complete`: what the scripts in completion/ ask, and what they are told.

    __complete words WORD…       zsh and fish: the words after `dacha`, without quotes
    __complete bash LINE WORD    bash: the line up to the cursor, and the part of its last word that
                                 readline is going to replace (it begins anew after `:` and `=`)

The last word is the one that is being typed. The answer has a line that says who completes it:

    words         what follows: candidates, one a line, a tab, what it is (bash: without that)
    files         the shell: a path; directories: only those
    command       the shell: a command and what is its

and one with its argument: for paths what stands before them in the word, such as `tar:`; for a
command where it begins: how many words are before it, `dacha` included (bash: how many characters
of words, since it may see other words than we do).
"""

from __future__ import annotations

import sys

from dacha.cli.completion import candidates, cursor, line
from dacha.cli.completion.candidates import COMMAND, WORDS, Candidate, Offer
from dacha.cli.completion.cursor import Cursor
from dacha.cli.nouns import NOUNS

_HELP = ("--help", "Show this message and exit.")


def answer(words: list[str]) -> int:
    """Answer a script of ours; 1 if that is none of the questions above."""
    if words[:1] == ["words"]:
        _answer(words[1:])
        return 0
    if words[:1] == ["bash"] and len(words) == 3:
        _answer_bash(words[1], words[2])
        return 0
    return 1


def _answer(words: list[str]) -> None:
    found = cursor.find(words)
    if found.kind == cursor.COMMAND:
        _print(COMMAND, str(found.start + 1), [])
        return
    offer = _offer(found)
    lines = [f"{word}\t{text}" for word, text in _fitting(found, offer)]
    _print(offer.action, found.prefix + offer.prefix, lines)


def _answer_bash(text: str, replaced: str) -> None:
    typed = line.split(text)
    found = cursor.find(typed.words[1:])
    if found.kind == cursor.COMMAND:
        _print(COMMAND, str(sum(typed.lengths[: found.start + 1])), [])
        return
    offer = _offer(found)
    # What readline does not replace must not come twice.
    word = typed.words[-1]
    kept = len(word) - len(replaced) if word.endswith(replaced) else 0
    _print(
        offer.action,
        (found.prefix + offer.prefix)[kept:],
        [candidate[kept:] for candidate, _ in _fitting(found, offer)],
    )


def _offer(found: Cursor) -> Offer:
    """What the word under the cursor may become."""
    if found.kind == cursor.VERB:
        if found.typed.startswith("-"):
            return Offer(WORDS, [_HELP, ("--version", "Show the version.")])
        return candidates.verbs(found.typed)
    if found.kind == cursor.NOUN_VERB:
        members = NOUNS[found.noun][1].values()
        return Offer(WORDS, [(verb.name, verb.summary) for verb in members])
    if found.kind == cursor.OPTION:
        flags = [(flag, option.help) for option in found.options for flag in option.flags]
        return Offer(WORDS, [*flags, _HELP])
    if found.kind == cursor.DASHES:
        return Offer(WORDS, [("--", "a command follows")])
    if found.kind in (cursor.VALUE, cursor.OPERAND):
        source = candidates.BY_METAVAR.get(found.metavar.removesuffix("..."), candidates.nothing)
        if found.kind == cursor.OPERAND and found.verb is not None:
            source = candidates.BY_VERB.get(found.verb.name, source)
        return source(found.typed)
    return candidates.nothing(found.typed)


def _fitting(found: Cursor, offer: Offer) -> list[Candidate]:
    """The candidates that begin as the word does, less the operands that stand there already."""
    return [
        (found.prefix + word, " ".join(text.split()))
        for word, text in offer.candidates
        if word.startswith(found.typed) and word.isprintable() and word not in found.given
    ]


def _print(action: str, argument: str, lines: list[str]) -> None:
    # Names of files may be anything; what cannot be encoded can be no candidate.
    text = "".join(f"{each}\n" for each in (action, argument, *lines))
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
