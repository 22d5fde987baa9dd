"""Cut a template into text and tokens."""

from __future__ import annotations

import ast
import re
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from dacha.template.errors import TemplateError


class Token(NamedTuple):
    """A piece of an action, or a text between two."""

    kind: str  # text, open, close, field, variable, word, value, or the sign itself
    value: Any
    position: int  # in the template


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    |(?P<variable>\$[A-Za-z0-9_]*)
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+))
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<raw>`[^`]*`)
    |(?P<string>"(?:\\.|[^"\\\n])*")
    |(?P<rune>'(?:\\.[^']*|[^'\\\n])')
    |(?P<sign>:=|=|\||\(|\)|,|\.)""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "nil": None}
# Python reads Go's escapes alike, but for these octal forms, which are three digits in Go.
_COMMENT = re.compile(r"\{\{(?P<left>-\s)?\s*/\*.*?\*/\s*(?P<right>-)?\}\}", re.DOTALL)


def tokens(text: str) -> Iterator[Token]:
    """All tokens of a template; each action stands between `open` and `close`. Raises TemplateError."""
    at, trims = 0, False
    while True:
        start = text.find("{{", at)
        piece = text[at:] if start < 0 else text[at:start]
        if trims:
            piece = piece.lstrip(" \t\r\n")
        comment = _COMMENT.match(text, start) if start >= 0 else None
        if start >= 0 and (text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4].isspace()):
            piece = piece.rstrip(" \t\r\n")
        if piece:
            yield Token("text", piece, at)
        if start < 0:
            return
        if comment:
            at, trims = comment.end(), comment["right"] is not None
            continue
        yield Token("open", "", start)
        at, trims = yield from _action(text, start)


def _action(text: str, start: int) -> Generator[Token, None, tuple[int, bool]]:
    """The tokens of one action; returns where it ends, and whether it trims what follows."""
    at = start + 2
    if text[at : at + 1] == "-" and text[at + 1 : at + 2].isspace():
        at += 1
    while True:
        if text.startswith("}}", at):
            yield Token("close", "", at)
            return at + 2, False
        if text.startswith("-}}", at) and text[at - 1].isspace():
            yield Token("close", "", at)
            return at + 3, True
        found = _TOKEN.match(text, at)
        if found is None:
            rest = text[at : at + 1]
            raise TemplateError(f"unexpected {rest!r}" if rest else "an action has no }}", position=at)
        if found.lastgroup != "space":
            yield _token(found)
        else:
            yield Token("space", "", at)
        at = found.end()


def _token(found: re.Match[str]) -> Token:
    kind, text, position = str(found.lastgroup), found[0], found.start()
    if kind == "field":
        return Token("field", text[1:], position)
    if kind == "word" and text in _WORDS:
        return Token("value", _WORDS[text], position)
    if kind == "raw":
        return Token("value", text[1:-1], position)
    if kind == "number":
        return Token("value", _number(text, position), position)
    if kind in ("string", "rune"):
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError) as error:
            raise TemplateError(f"{text} is no literal", position=position) from error
        return Token("value", ord(value) if kind == "rune" else value, position)
    return Token(text if kind == "sign" else kind, text, position)


def _number(text: str, position: int) -> int | float:
    try:
        return int(text, 0) if not re.fullmatch(r"[+-]?0\d+", text) else int(text, 8)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise TemplateError(f"{text} is no number", position=position) from error
