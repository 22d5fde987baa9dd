"""Lines of bash, split as bash splits them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.cli.completion.line import split


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", [""]),
        ("dacha", ["dacha"]),
        ("dacha ", ["dacha", ""]),
        ("dacha  rm\tx", ["dacha", "rm", "x"]),
        ("dacha --image debian:1", ["dacha", "--image", "debian:1"]),
        (r"a my\ file", ["a", "my file"]),
        ("a 'my file", ["a", "my file"]),
        ('a "my \\"file\\" is', ["a", 'my "file" is']),
        ("a 'x'\"y\"z", ["a", "xyz"]),
        ("a '' b", ["a", "", "b"]),
        ("a b\\", ["a", "b"]),
        ('a "b\\', ["a", "b\\"]),
    ],
)
def test_words_are_those_that_the_command_would_get(line: str, words: list[str]) -> None:
    assert split(line).words == words


@given(st.lists(st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs", "Cc"]))))
def test_what_was_quoted_comes_back(words: list[str]) -> None:
    line = " ".join(shlex.quote(word) for word in words)
    found = split(f"{line} ")
    assert found.words == [*words, ""]
    assert found.lengths == [*(len(shlex.quote(word)) for word in words), 0]


@given(st.text(alphabet="ab '\"\\$:"))
def test_no_line_is_too_odd(line: str) -> None:
    found = split(line)
    assert len(found.words) == len(found.lengths)
    assert sum(found.lengths) <= len(line)
