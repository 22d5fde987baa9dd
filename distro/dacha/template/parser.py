"""Make a tree of a template's tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from dacha.template import lexer
from dacha.template.errors import TemplateError
from dacha.template.functions import FUNCTIONS
from dacha.template.lexer import Token


class Chain(NamedTuple):
    """An operand, and the fields that are taken of it."""

    kind: str  # dot, variable, value, word or pipeline
    value: Any
    fields: tuple[str, ...]
    position: int


class Command(NamedTuple):
    """A function or an operand, with what is handed to it."""

    words: tuple[Chain, ...]


class Pipeline(NamedTuple):
    """Commands, each with the result of the one before as its last argument; and who gets the result."""

    variables: tuple[str, ...]
    declares: bool  # := rather than =
    commands: tuple[Command, ...]
    position: int


class Text(NamedTuple):
    """What is printed as it is."""

    text: str


class Action(NamedTuple):
    """A pipeline whose result is printed, or assigned."""

    pipeline: Pipeline


class Branch(NamedTuple):
    """`if`, `with` or `range`."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class Jump(NamedTuple):
    """`break` or `continue`."""

    kind: str


Node = Text | Action | Branch | Jump
Template = tuple[Node, ...]

_MAX_DEPTH = 100
_KEYWORDS = frozenset(("if", "with", "range", "else", "end", "break", "continue"))
_UNSUPPORTED = frozenset(("define", "template", "block"))


def parse(text: str) -> Template:
    """Read a template. Raises TemplateError with the place."""
    return _Parser(list(lexer.tokens(text)), len(text)).template()


class _Parser:
    def __init__(self, tokens: list[Token], length: int) -> None:
        # Spaces part words, which matters only before a field: `.A .B` are two, `.A.B` is one.
        self._tokens = [*tokens, Token("end of template", "", length)]
        self._at = 0
        self._depth = 0
        self._loops = 0
        self._variables = [{""}]

    def template(self) -> Template:
        nodes = self._nodes()
        token = self._peek()
        if token.kind != "end of template":
            raise self._unexpected(token)
        return nodes

    def _peek(self, *, skip_space: bool = True) -> Token:
        at = self._at
        while skip_space and self._tokens[at].kind == "space":
            at += 1
        return self._tokens[at]

    def _next(self) -> Token:
        while self._tokens[self._at].kind == "space":
            self._at += 1
        token = self._tokens[self._at]
        if token.kind != "end of template":
            self._at += 1
        return token

    def _expect(self, kind: str) -> Token:
        token = self._next()
        if token.kind != kind:
            raise self._unexpected(token)
        return token

    def _unexpected(self, token: Token) -> TemplateError:
        if token.kind == "end of template":
            return TemplateError("it ends in the middle", position=token.position)
        what = token.value or {"open": "{{", "close": "}}"}.get(token.kind, token.kind)
        return TemplateError(f"unexpected {what!r}", position=token.position)

    def _is_keyword(self, *words: str) -> bool:
        """Whether the next action begins with one of these."""
        if self._peek().kind != "open":
            return False
        at = self._at + 1
        while self._tokens[at].kind == "space":
            at += 1
        token = self._tokens[at]
        return token.kind == "word" and token.value in words

    def _nodes(self) -> Template:
        nodes: list[Node] = []
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise TemplateError("it is nested too deeply", position=self._peek().position)
        while self._peek().kind in ("text", "open") and not self._is_keyword("else", "end"):
            token = self._next()
            nodes.append(Text(token.value) if token.kind == "text" else self._action())
        self._depth -= 1
        return tuple(nodes)

    def _action(self) -> Node:
        token = self._peek()
        if token.kind == "word" and token.value in _UNSUPPORTED:
            raise TemplateError(f"'{token.value}' has no use here", position=token.position)
        if token.kind == "word" and token.value in ("if", "with", "range"):
            self._next()
            return self._branch(token.value)
        if token.kind == "word" and token.value in ("break", "continue"):
            self._next()
            if not self._loops:
                raise TemplateError(f"'{token.value}' outside of a range", position=token.position)
            self._expect("close")
            return Jump(token.value)
        pipeline = self._pipeline("close")
        self._expect("close")
        return Action(pipeline)

    def _branch(self, kind: str) -> Branch:
        self._variables.append(set())
        pipeline = self._pipeline("close", is_range=kind == "range")
        self._expect("close")
        self._loops += kind == "range"
        body = self._nodes()
        self._loops -= kind == "range"
        otherwise: Template = ()
        self._expect("open")
        word = self._expect("word")
        if word.value == "else":
            following = self._peek()
            if following.kind == "word" and following.value == kind and kind != "range":
                self._next()
                otherwise = (self._branch(kind),)  # its `end` is ours, too
                self._variables.pop()
                return Branch(kind, pipeline, body, otherwise)
            self._expect("close")
            otherwise = self._nodes()
            self._expect("open")
            word = self._expect("word")
        if word.value != "end":
            raise self._unexpected(word)
        self._expect("close")
        self._variables.pop()
        return Branch(kind, pipeline, body, otherwise)

    def _pipeline(self, end: str, *, is_range: bool = False) -> Pipeline:
        position = self._peek().position
        variables, declares = self._assignment(is_range=is_range)
        commands = [self._command(end)]
        while self._peek().kind == "|":
            self._next()
            commands.append(self._command(end))
            first = commands[-1].words[0]
            if first.kind == "value":
                raise TemplateError("a literal takes no argument", position=first.position)
        if declares:
            self._variables[-1].update(variables)
        return Pipeline(variables, declares, tuple(commands), position)

    def _assignment(self, *, is_range: bool) -> tuple[tuple[str, ...], bool]:
        start = self._at
        names: list[str] = []
        while self._peek().kind == "variable":
            names.append(self._next().value[1:])
            sign = self._peek().kind
            if sign in (":=", "="):
                token = self._next()
                if sign == "=":
                    for name in names:
                        self._check_variable(name, token.position)
                return tuple(names), sign == ":="
            if sign != "," or not is_range or len(names) > 1:
                break
            self._next()
        self._at = start
        return (), False

    def _check_variable(self, name: str, position: int) -> None:
        if not any(name in scope for scope in self._variables):
            raise TemplateError(f"the variable ${name} is not defined", position=position)

    def _command(self, end: str) -> Command:
        words: list[Chain] = []
        while self._peek().kind not in ("|", end):
            words.append(self._chain())
        if not words:
            token = self._peek()
            raise TemplateError("a command is missing", position=token.position)
        if len(words) > 1 and words[0].kind == "value":
            raise TemplateError("a literal takes no argument", position=words[1].position)
        return Command(tuple(words))

    def _chain(self) -> Chain:
        token = self._next()
        fields: list[str] = []
        if token.kind == "field":
            kind, value = "dot", None
            fields.append(token.value)
        elif token.kind == ".":
            kind, value = "dot", None
        elif token.kind == "variable":
            kind, value = "variable", token.value[1:]
            self._check_variable(value, token.position)
        elif token.kind == "value":
            kind, value = "value", token.value
        elif token.kind == "word":
            if token.value in _KEYWORDS:
                raise self._unexpected(token)
            if token.value not in FUNCTIONS:
                raise TemplateError(f"there is no function {token.value}", position=token.position)
            kind, value = "word", token.value
        elif token.kind == "(":
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise TemplateError("it is nested too deeply", position=token.position)
            kind, value = "pipeline", self._pipeline(")")
            self._expect(")")
            self._depth -= 1
        else:
            raise self._unexpected(token)
        while self._peek(skip_space=False).kind == "field" and kind not in ("value", "word"):
            fields.append(self._next().value)
        return Chain(kind, value, tuple(fields), token.position)
