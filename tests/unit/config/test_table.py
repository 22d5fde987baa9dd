"""Values of the right kind and of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from dacha.config.arrays import Arrays
from dacha.config.reading import ConfigError
from dacha.config.table import Table


def table(**content: Any) -> Table:
    return Table("f.conf", content, "engine")


@pytest.mark.parametrize(
    ("content", "method", "message"),
    [
        ({"k": 1}, "text", r"f\.conf: engine\.k: must be a string in quotes, not 1"),
        ({"k": "true"}, "flag", r"engine\.k: must be true or false \(without quotes\), not 'true'"),
        ({"k": 1}, "flag", r"engine\.k: must be true or false"),
        ({"k": True}, "number", r"engine\.k: must be a whole number, not true"),
        ({"k": 1.5}, "number", r"engine\.k: must be a whole number"),
        ({"k": "a"}, "texts", r"engine\.k: must be an array of strings, not 'a'"),
        ({"k": ["a", 1]}, "texts", r"engine\.k: must be an array of strings"),
        ({"k": [1]}, "tables", r"engine\.k: must be tables \(\[\[engine\.k\]\]\)"),
        ({"k": []}, "table", r"engine\.k: must be a table"),
        ({"k": {"a": 1}}, "mapping", r"engine\.k\.a: must be a string"),
        ({"k": "maybe"}, "text_flag", r'engine\.k: must be "true" or "false"'),
        ({"k": ["a", {"append": 1}]}, "texts_and_append", r"engine\.k: the only table"),
        ({"k": [{"append": True}, {"append": True}]}, "texts_and_append", r"engine\.k: the only table"),
        ({"k": [{"apend": True}]}, "texts_and_append", r"engine\.k: the only table"),
        ({"k": "a\0b"}, "text", r"engine\.k: must not hold a NUL"),
    ],
)
def test_a_wrong_kind_is_refused_with_its_place(content: dict[str, Any], method: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        getattr(table(**content), method)("k")


def test_choices_and_bounds_are_said() -> None:
    with pytest.raises(ConfigError, match=r"'sometimes' is none of always, never"):
        table(k="sometimes").text("k", choices=("always", "never"))
    with pytest.raises(ConfigError, match="must be from 0 to 10, not 11"):
        table(k=11).number("k", least=0, most=10)
    with pytest.raises(ConfigError, match="must be at least 1, not 0"):
        table(k=0).number("k", least=1)


def test_a_long_wrong_value_is_shown_in_a_line() -> None:
    with pytest.raises(ConfigError) as caught:
        table(k=["x" * 5000]).text("k")
    assert len(str(caught.value)) < 160


def test_what_was_never_asked_for_is_unknown() -> None:
    top = Table("f", {"a": 1, "b": {"c": 2, "d": 3}, "e": [{"g": 1}], "z": 0})
    top.number("a")
    top.table("b").number("d")
    for each in top.tables("e"):
        each.text("h")
    assert top.unknown() == ("f: z", "f: b.c", "f: e[1].g")


def test_arrays_follow_the_example_of_the_manual_page() -> None:
    files = [["1=true"], ["2=true"], ["3=true", {"append": True}]]
    for last, expected in (
        (["4=true"], ("2=true", "3=true", "4=true")),
        (["4=true", {"append": False}], ("4=true",)),
    ):
        arrays, value = Arrays(), None
        for env in (*files, last):
            value = arrays.merge(table(env=env), "env", value)
        assert value == expected


def test_an_array_that_is_not_there_changes_nothing() -> None:
    assert Arrays().merge(table(), "env", ("a",)) == ("a",)
    assert Arrays().merge(table(env=[]), "env", ("a",)) == ()
    assert Arrays().merge(table(env=[{"append": True}]), "env", ("a",)) == ("a",)
