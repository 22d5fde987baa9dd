"""A table of a configuration file, whose values are asked for by key and kind.

A value of the wrong kind is refused with its file, its key and what is allowed. Which keys
were never asked for can be told afterwards: those are the ones dacha does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dacha.config.reading import ConfigError


class Table:
    """The keys of one table; `name` is its dotted name in the file, "" at the top."""

    __slots__ = ("_asked", "_content", "_tables", "file", "name")

    def __init__(self, file: str, content: dict[str, Any], name: str = "") -> None:
        self.file = file
        self.name = name
        self._content = content
        self._asked: set[str] = set()
        self._tables: list[Table] = []

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def full_key(self, key: str) -> str:
        """The dotted name of a key of this table, as messages give it."""
        return f"{self.name}.{key}" if self.name else key

    def wrong(self, key: str, detail: str, *, hint: str = "") -> ConfigError:
        """The error that says what is wrong with the value of `key`."""
        return ConfigError(self.file, f"{self.full_key(key)}: {detail}", hint=hint)

    def _value(self, key: str) -> Any:
        self._asked.add(key)
        return self._content.get(key)

    def is_text(self, key: str) -> bool:
        """Whether a string stands there, where a number may too."""
        return isinstance(self._content.get(key), str)

    def text(self, key: str, *, choices: Sequence[str] = ()) -> str | None:
        """A string, one of `choices` if there are any; None if it is not set."""
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong(key, f"must be a string in quotes, not {_describe(value)}")
        if "\0" in value:
            raise self.wrong(key, "must not hold a NUL")
        if choices and value not in choices:
            raise self.wrong(key, f"'{value}' is none of {', '.join(each or repr('') for each in choices)}")
        return value

    def flag(self, key: str) -> bool | None:
        """A boolean, or None if it is not set."""
        value = self._value(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong(key, f"must be true or false (without quotes), not {_describe(value)}")

    def text_flag(self, key: str) -> bool | None:
        """A boolean that storage.conf(5) writes as a string; a plain one is understood too."""
        value = self._value(key)
        if value in (None, ""):
            return None
        if isinstance(value, bool):
            return value
        if value not in ("true", "false"):
            raise self.wrong(key, f'must be "true" or "false", not {_describe(value)}')
        return bool(value == "true")

    def number(self, key: str, *, least: int | None = None, most: int | None = None) -> int | None:
        """An integer within bounds, or None if it is not set."""
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(key, f"must be a whole number, not {_describe(value)}")
        if (least is not None and value < least) or (most is not None and value > most):
            bounds = f"at least {least}" if most is None else f"from {least} to {most}"
            raise self.wrong(key, f"must be {bounds}, not {value}")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """An array of strings, or None if it is not set."""
        value = self._value(key)
        if value is None:
            return None
        return tuple(self._strings(key, value))

    def texts_and_append(self, key: str) -> tuple[tuple[str, ...], bool | None] | None:
        """An array of strings of containers.conf(5), and what `{append=...}` in it says.

        The mark may stand anywhere in the array, once; None where there is none.
        """
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.wrong(key, f"must be an array of strings, not {_describe(value)}")
        marks = [each for each in value if isinstance(each, dict)]
        if len(marks) > 1 or any(
            set(each) != {"append"} or not isinstance(each["append"], bool) for each in marks
        ):
            raise self.wrong(key, "the only table in the array can be one {append=true} or {append=false}")
        strings = self._strings(key, [each for each in value if not isinstance(each, dict)])
        return tuple(strings), marks[0]["append"] if marks else None

    def _strings(self, key: str, value: Any) -> list[str]:
        if not isinstance(value, list) or any(not isinstance(each, str) for each in value):
            raise self.wrong(key, f"must be an array of strings, not {_describe(value)}")
        if any("\0" in each for each in value):
            raise self.wrong(key, "must not hold a NUL")
        return value

    def mapping(self, key: str) -> dict[str, str] | None:
        """A table whose values are all strings, or None if it is not set."""
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(key, f"must be a table, not {_describe(value)}")
        inner = Table(self.file, value, self.full_key(key))
        return {each: inner.text(each) or "" for each in value}

    def table(self, key: str) -> Table:
        """The table below `key`; an empty one if it is not there."""
        value = self._value(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, f"must be a table, not {_describe(value)}")
        inner = Table(self.file, value or {}, self.full_key(key))
        self._tables.append(inner)
        return inner

    def tables(self, key: str) -> tuple[Table, ...]:
        """The array of tables below `key`."""
        value = self._value(key)
        if value is None:
            return ()
        if not isinstance(value, list) or any(not isinstance(each, dict) for each in value):
            raise self.wrong(key, f"must be tables ([[{self.full_key(key)}]]), not {_describe(value)}")
        found = tuple(
            Table(self.file, each, f"{self.full_key(key)}[{number}]")
            for number, each in enumerate(value, start=1)
        )
        self._tables.extend(found)
        return found

    def ignore(self, *keys: str) -> None:
        """Count keys as known whose values mean nothing to dacha."""
        self._asked.update(keys)

    def names(self) -> tuple[str, ...]:
        """All keys of the table."""
        return tuple(self._content)

    def unknown(self) -> tuple[str, ...]:
        """`FILE: KEY` for each key, here and in the tables below, that was never asked for."""
        here = [f"{self.file}: {self.full_key(key)}" for key in self._content if key not in self._asked]
        return (*here, *(each for table in self._tables for each in table.unknown()))


def _describe(value: Any) -> str:
    """A value of the wrong kind, briefly: never more than a line of it."""
    text = repr(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
