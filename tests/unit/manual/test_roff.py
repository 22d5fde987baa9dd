"""Markdown to roff."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manual import roff


def rendered(lines: list[str]) -> str:
    """What a reader sees, without fonts."""
    page = "\n".join(['.TH "X" "1"', ".nh", ".ad l", *lines, ""])
    done = subprocess.run(
        ["groff", "-ww", "-mandoc", "-Tutf8", "-P-cbou", "-rLL=200n", "-K", "utf8"],
        input=page,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("text", "roff_lines"),
    [
        ("one\ntwo", [".PP", "one two"]),
        ("`a-b` and *C*", [".PP", r"\fBa\-b\fR and \fIC\fR"]),
        ("- one\n  more\n- two", [r".IP \(bu 2", "one more", r".IP \(bu 2", "two"]),
        ("`x`\n: what\n  it is", [".TP", r"\fBx\fR", "what it is"]),
        ("## Files", ['.SH "FILES"']),
        ("```\n.x  \\n\n```", [".PP", ".RS 4", ".nf", r"\&.x  \en", ".fi", ".RE"]),
        (".hidden", [".PP", r"\&.hidden"]),
    ],
)
def test_forms(text: str, roff_lines: list[str]) -> None:
    assert roff.body(text) == roff_lines


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet="ab -.'\\\"`~^%$&{}[]()/:", min_size=1, max_size=30))
def test_code_is_seen_as_it_was_written(text: str) -> None:
    line = f"x {text} x"
    assert line in rendered(roff.code([line]))
