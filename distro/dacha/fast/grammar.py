"""The grammar of the box verbs, as data: one description serves the quick parser here and the
full command line (`cli`), for its help, its messages, the completion and the manual.

A metavar says what a value is: BOX, IMAGE, REF and so on (`cli.completion.candidates`).

The quick parser is right about every valid line and knows nothing of the others: it gives
up, and the full one says what is wrong.
"""

from __future__ import annotations

# The kinds of an option's value.
FLAG, TEXT, LIST = "flag", "text", "list"
# What may follow the operands.
NOTHING, AFTER_DASHES, REST = "nothing", "after --", "rest"


class Option:
    """An option of a verb."""

    __slots__ = ("default", "dest", "flags", "help", "kind", "metavar")

    def __init__(self, flags: str, kind: str, text: str, metavar: str = "TEXT") -> None:
        self.flags = flags.split()
        self.kind = kind
        self.help = text
        self.metavar = metavar
        # Named after its longest flag, as everywhere in the field.
        self.dest = max(self.flags, key=len).lstrip("-").replace("-", "_")
        self.default: bool | str | tuple[str, ...] = False if kind == FLAG else () if kind == LIST else ""


class Verb:
    """A command: `most` operands at most, and what may follow them."""

    __slots__ = ("command", "examples", "handler", "least", "most", "name", "operand", "options", "summary")

    def __init__(
        self,
        name: str,
        summary: str,
        handler: str,
        options: tuple[Option, ...] = (),
        *,
        operand: str = "BOX",
        least: int = 0,
        most: int = 1,
        command: str = NOTHING,
        examples: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.summary = summary
        self.handler = handler  # module:function
        self.options = options
        self.operand = operand
        self.least = least
        self.most = most
        self.command = command
        self.examples = examples


class Line:
    """A command line that has been understood."""

    __slots__ = ("command", "operands", "options")

    def __init__(self) -> None:
        self.operands: list[str] = []
        self.options: dict[str, bool | str | tuple[str, ...]] = {}
        self.command: list[str] | None = None  # None: no command was given

    def flag(self, dest: str) -> bool:
        """Whether a flag was given."""
        return bool(self.options[dest])

    def text(self, dest: str) -> str:
        """The value of a text option, or an empty string."""
        return str(self.options[dest])

    def texts(self, dest: str) -> tuple[str, ...]:
        """The values of an option that may be given several times."""
        value = self.options[dest]
        return value if isinstance(value, tuple) else ()


class NotPlainError(Exception):
    """The quick parser leaves this line to the full one."""


def parse(verb: Verb, arguments: list[str]) -> Line:
    """Read a line. Raises NotPlainError for all that is not plainly valid, such as --help."""
    line = Line()
    by_flag = {}
    for option in verb.options:
        line.options[option.dest] = option.default
        for flag in option.flags:
            by_flag[flag] = option
    index, end = 0, len(arguments)
    while index < end:
        word = arguments[index]
        index += 1
        if word == "--":
            if verb.command == NOTHING:
                line.operands += arguments[index:]
            else:
                line.command = arguments[index:] or None
            break
        if len(word) > 1 and word[0] == "-":
            flag, equals, value = word.partition("=")
            found = by_flag.get(flag)
            if found is None or (equals and (found.kind == FLAG or not flag.startswith("--"))):
                raise NotPlainError
            if found.kind == FLAG:
                line.options[found.dest] = True
                continue
            if not equals:
                if index == end:
                    raise NotPlainError
                value = arguments[index]
                index += 1
                if value == "--":
                    raise NotPlainError
            if found.kind == TEXT:
                line.options[found.dest] = value
            else:
                line.options[found.dest] = (*line.texts(found.dest), value)
            continue
        line.operands.append(word)
        if verb.command == REST and len(line.operands) == verb.most:
            rest = arguments[index:]
            line.command = (rest[1:] if rest[:1] == ["--"] else rest) or None
            break
    if not verb.least <= len(line.operands) <= verb.most:
        raise NotPlainError
    return line
