"""Run a template over a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dacha.template import gofmt
from dacha.template.errors import TemplateError
from dacha.template.functions import FUNCTIONS
from dacha.template.parser import Action, Branch, Chain, Command, Jump, Node, Pipeline, Template, Text
from dacha.template.values import NoValue, field_of, is_true, type_name

_MISSING = object()


class _BreakError(Exception):
    """`break`, on its way out of the range."""


class _ContinueError(Exception):
    """`continue`, on its way to the range."""


def render(template: Template, value: Any) -> str:
    """The text that a template makes of a value. Raises TemplateError."""
    out: list[str] = []
    _Run(out, value).nodes(template, value)
    return "".join(out)


class _Run:
    def __init__(self, out: list[str], root: Any) -> None:
        self._out = out
        self._scopes: list[dict[str, Any]] = [{"": root}]

    def nodes(self, nodes: tuple[Node, ...], dot: Any) -> None:
        for node in nodes:
            match node:
                case Text(text):
                    self._out.append(text)
                case Action(pipeline):
                    result = self._pipeline(pipeline, dot)
                    if not pipeline.variables:
                        self._out.append(gofmt.text_of(result))
                case Branch():
                    self._branch(node, dot)
                case Jump(kind):
                    raise _BreakError if kind == "break" else _ContinueError

    def _branch(self, branch: Branch, dot: Any) -> None:
        self._scopes.append({})
        try:
            if branch.kind == "range":
                self._range(branch, dot)
                return
            result = self._pipeline(branch.pipeline, dot)
            if is_true(result):
                self.nodes(branch.body, result if branch.kind == "with" else dot)
            else:
                self.nodes(branch.otherwise, dot)
        finally:
            self._scopes.pop()

    def _range(self, branch: Branch, dot: Any) -> None:
        pipeline = branch.pipeline
        value = self._pipeline(pipeline._replace(variables=()), dot)
        pairs = list(_pairs(value))
        names = pipeline.variables
        for key, element in pairs:
            self._scopes.append({})
            for name, each in zip(names, (key, element)[-len(names) :] if names else (), strict=True):
                self._set(name, each, declares=pipeline.declares)
            try:
                self.nodes(branch.body, element)
            except _BreakError:
                return
            except _ContinueError:
                continue
            finally:
                self._scopes.pop()
        if not pairs:
            self.nodes(branch.otherwise, dot)

    def _set(self, name: str, value: Any, *, declares: bool) -> None:
        if declares:
            self._scopes[-1][name] = value
            return
        for scope in reversed(self._scopes):
            if name in scope:
                scope[name] = value
                return

    def _get(self, name: str) -> Any:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        raise TemplateError(f"the variable ${name} has no value here")

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value = _MISSING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        for name in pipeline.variables:
            self._set(name, value, declares=pipeline.declares)
        return value

    def _command(self, command: Command, dot: Any, last: Any) -> Any:
        first, *rest = command.words
        if first.kind != "word":
            if rest or last is not _MISSING:
                raise TemplateError("only a function takes arguments", position=first.position)
            return self._chain(first, dot)
        if first.value in ("and", "or"):
            return self._shortcut(first, rest, dot, last)
        arguments = [self._chain(each, dot) for each in rest]
        if last is not _MISSING:
            arguments.append(last)
        return _call(first, arguments)

    def _shortcut(self, function: Chain, words: list[Chain], dot: Any, last: Any) -> Any:
        """`and`, `or`: the first value that decides, without a look at those after it."""
        result = _MISSING
        for word in words:
            result = self._chain(word, dot)
            if is_true(result) == (function.value == "or"):
                return result
        result = last if last is not _MISSING else result
        if result is _MISSING:
            raise TemplateError(f"{function.value} wants a value", position=function.position)
        return result

    def _chain(self, chain: Chain, dot: Any) -> Any:
        match chain.kind:
            case "dot":
                value = dot
            case "variable":
                value = self._get(chain.value)
            case "pipeline":
                value = self._pipeline(chain.value, dot)
            case "word":
                value = _call(chain, [])
            case _:
                value = chain.value
        try:
            for name in chain.fields:
                value = field_of(value, name)
        except TemplateError as error:
            raise TemplateError(str(error).removeprefix("template: "), position=chain.position) from error
        return value


def _call(function: Chain, arguments: list[Any]) -> Any:
    try:
        return FUNCTIONS[function.value](*arguments)
    except TemplateError as error:
        raise TemplateError(str(error).removeprefix("template: "), position=function.position) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise TemplateError(
            f"{function.value} cannot take these {len(arguments)} arguments", position=function.position
        ) from error


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    if value is None or isinstance(value, NoValue):
        return
    if isinstance(value, dict):
        yield from sorted(value.items(), key=lambda pair: str(pair[0]))
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((number, number) for number in range(value))
    else:
        raise TemplateError(f"range over a {type_name(value)}")
