"""What a template can call: Go's own functions, and those that podman and docker add.

`and` and `or` are not here but in `evaluate`, which does not run arguments that do not count.
"""

from __future__ import annotations

import html
import json
import urllib.parse
from collections.abc import Callable
from typing import Any

from dacha.template import gofmt
from dacha.template.errors import TemplateError
from dacha.template.values import NO_VALUE, NoValue, is_true, type_name


def _len(value: Any) -> int:
    if isinstance(value, str | list | tuple | dict):
        return len(value.encode()) if isinstance(value, str) else len(value)
    raise TemplateError(f"len of a {type_name(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, NO_VALUE)
        elif isinstance(value, list | tuple | str):
            if isinstance(key, bool) or not isinstance(key, int):
                raise TemplateError(f"index: a list has no {gofmt.text_of(key)}")
            content = value.encode() if isinstance(value, str) else value
            if not 0 <= key < len(content):
                raise TemplateError(f"index: {key} is out of range, there are {len(content)}")
            value = content[key]
        else:
            raise TemplateError(f"index of a {type_name(value)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, str | list | tuple):
        raise TemplateError(f"slice of a {type_name(value)}")
    content = value.encode() if isinstance(value, str) else value
    start, end = (*bounds, *(0, len(content))[len(bounds) :])[:2]
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= len(content)):
        raise TemplateError(f"slice: {start}:{end} is out of range, there are {len(content)}")
    part = content[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("eq wants two values")
    return any(_same(first, other) for other in others)


def _same(first: Any, second: Any) -> bool:
    nothing = [isinstance(each, NoValue | None) for each in (first, second)]
    if any(nothing):
        return all(nothing)
    is_number = isinstance(first, int | float) and isinstance(second, int | float)
    if not is_number and type_name(first) != type_name(second):
        raise TemplateError(f"a {type_name(first)} and a {type_name(second)} cannot be compared")
    return bool(first == second)


def _less(first: Any, second: Any) -> bool:
    if isinstance(first, str) and isinstance(second, str):
        return first < second
    if isinstance(first, int | float) and isinstance(second, int | float) and not isinstance(first, bool):
        return first < second
    raise TemplateError(f"a {type_name(first)} and a {type_name(second)} have no order")


def _join(*arguments: Any) -> str:
    """join LIST SEPARATOR, as podman has it."""
    if len(arguments) != 2 or not isinstance(arguments[0], list | tuple):
        raise TemplateError("join wants a list and a separator")
    return str(arguments[1]).join(gofmt.text_of(each) for each in arguments[0])


def _json(value: Any) -> str:
    return json.dumps(
        None if isinstance(value, NoValue) else value, separators=(",", ":"), ensure_ascii=False
    )


def _pad(text: Any, before: Any, after: Any) -> str:
    return f"{' ' * int(before)}{text}{' ' * int(after)}"


def _truncate(text: Any, length: Any) -> str:
    return str(text)[: int(length)]


def _title(text: Any) -> str:
    words = str(text).split(" ")
    return " ".join(word[:1].upper() + word[1:] for word in words)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *values: values[-1],
    "or": lambda *values: values[-1],
    "not": lambda value: not is_true(value),
    "len": _len,
    "index": _index,
    "slice": _slice,
    "print": lambda *values: gofmt.sprint(values),
    "println": lambda *values: " ".join(map(gofmt.text_of, values)) + "\n",
    "printf": lambda form, *values: gofmt.sprintf(str(form), values),
    "html": lambda *values: (
        html.escape(gofmt.sprint(values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    ),
    "urlquery": lambda *values: urllib.parse.quote_plus(gofmt.sprint(values)),
    "eq": _equal,
    "ne": lambda first, second: not _same(first, second),
    "lt": _less,
    "le": lambda first, second: _less(first, second) or _same(first, second),
    "gt": lambda first, second: _less(second, first),
    "ge": lambda first, second: _less(second, first) or _same(first, second),
    # podman's and docker's
    "json": _json,
    "join": _join,
    "split": lambda text, separator: str(text).split(str(separator)),
    "lower": lambda text: gofmt.text_of(text).lower(),
    "upper": lambda text: gofmt.text_of(text).upper(),
    "title": _title,
    "pad": _pad,
    "truncate": _truncate,
}
