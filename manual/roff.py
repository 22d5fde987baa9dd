"""roff from a few forms of markdown, for man(7) of groff and mandoc.

Known are paragraphs, `## Heading`, lists (`- `), definitions (a line, then `: ` and its text),
fenced code, and `code`, **strong** and *placeholder* within a line. Anything else is text.
"""

from __future__ import annotations

import re

_SPECIAL = {"\\": r"\e", "-": r"\-", "`": r"\(ga", "'": r"\(aq", "~": r"\(ti", "^": r"\(ha", '"': r"\(dq"}
_SPAN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*")


def escape(text: str) -> str:
    """Text as it is, with no character that roff would take for its own."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def spans(text: str) -> str:
    """A text with its `code`, **strong** and *placeholder* in their fonts."""
    parts, end = [], 0
    for match in _SPAN.finditer(text):
        code, strong, placeholder = match.groups()
        parts.append(escape(text[end : match.start()]))
        font, inner = ("I", placeholder) if placeholder else ("B", code or strong)
        parts.append(f"\\f{font}{escape(inner)}\\fR")
        end = match.end()
    return "".join([*parts, escape(text[end:])])


def line(text: str) -> str:
    """A line of text, which must not begin like a request."""
    return f"\\&{text}" if text.startswith((".", "'")) else text


def heading(text: str) -> str:
    """A section."""
    return f'.SH "{escape(text.upper())}"'


def definition(term: str, text: str) -> list[str]:
    """A term in roff, and what it means, in markdown."""
    return [".TP", line(term), line(spans(text))]


def code(lines: list[str]) -> list[str]:
    """Lines that stay as they are."""
    return [".PP", ".RS 4", ".nf", *(line(escape(each)) for each in lines), ".fi", ".RE"]


def body(text: str) -> list[str]:
    """Paragraphs, lists, definitions, code and headings."""
    out: list[str] = []
    lines = text.strip("\n").split("\n")
    index = 0
    while index < len(lines):
        first = lines[index]
        index += 1
        if not first.strip():
            continue
        if first.startswith("```"):
            end = lines.index("```", index)
            out += code(lines[index:end])
            index = end + 1
            continue
        if first.startswith("## "):
            out.append(heading(first.removeprefix("## ")))
            continue
        block = [first]
        while index < len(lines) and _continues(lines[index]):
            block.append(lines[index])
            index += 1
        joined = " ".join(each.strip() for each in block)
        if first.startswith("- "):
            out += [".IP \\(bu 2", line(spans(joined.removeprefix("- ")))]
        elif index < len(lines) and lines[index].startswith(": "):
            meaning = [lines[index].removeprefix(": ")]
            index += 1
            while index < len(lines) and lines[index].startswith("  "):
                meaning.append(lines[index].strip())
                index += 1
            out += definition(spans(joined), " ".join(meaning))
        else:
            out += [".PP", line(spans(joined))]
    return out


def _continues(text: str) -> bool:
    """Whether a line belongs to the paragraph or the entry before it."""
    return bool(text.strip()) and not text.startswith(("- ", "## ", "```", ": "))
