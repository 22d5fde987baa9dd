"""Split what stands on bash's command line, up to the cursor.

bash's own COMP_WORDS splits at `:` and `=` too (COMP_WORDBREAKS), which tears names of images apart.
Only quoting is read: what variables and substitutions come to is not known before Enter.
"""

from __future__ import annotations


class Words:
    """The words, without their quotes; `lengths` are those of the words as they were typed."""

    __slots__ = ("lengths", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.lengths: list[int] = []


def split(line: str) -> Words:
    """The words of a line. The last is the one that is being typed: empty after a blank."""
    found = Words()
    text, length, quote, index = "", 0, "", 0
    while index < len(line):
        character = line[index]
        step = 1
        if quote:
            if character == quote:
                quote = ""
            elif character == "\\" and quote == '"' and line[index + 1 : index + 2] in ('"', "\\", "$", "`"):
                text, step = text + line[index + 1], 2
            else:
                text += character
        elif character in "'\"":
            quote = character
        elif character == "\\":
            text, step = text + line[index + 1 : index + 2], 2
        elif character in " \t\n":
            if length:
                found.words.append(text)
                found.lengths.append(length)
            text, length, index = "", 0, index + 1
            continue
        else:
            text += character
        length += min(step, len(line) - index)
        index += step
    found.words.append(text)
    found.lengths.append(length)
    return found
