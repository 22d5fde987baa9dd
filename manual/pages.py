"""The pages: one for `dacha`, one a verb, one a noun, and those of formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dacha import __version__
from dacha.cli.nouns import NOUNS
from dacha.fast.grammar import AFTER_DASHES, FLAG, NOTHING, REST, Option, Verb
from dacha.fast.verbs import ALIASES, VERBS
from manual import roff

_TEXTS = Path(__file__).parent / "text"
_SUMMARY = "a shell of any distribution, as yourself, in an instant"
_OF_A_COMMAND = [
    ("0 and others", "That of the command."),
    ("126", "The command cannot be run."),
    ("127", "The command is not found."),
    ("128+*N*", "A signal with number *N* has ended the command."),
]
_FAILED = ("125", "dacha itself has failed; two lines on standard error say why, and what to do.")
_DONE = [("0", "Done."), _FAILED]


class Page(NamedTuple):
    """A page: `name.section`, and its roff."""

    name: str
    section: int
    roff: str


def pages() -> Iterator[Page]:
    """All pages."""
    yield Page("dacha", 1, _page("dacha", 1, _SUMMARY, _whole()))
    for verb in VERBS.values():
        name = f"dacha-{verb.name}"
        yield Page(name, 1, _page(name, 1, verb.summary, _verb(verb)))
    for noun, (summary, verbs) in NOUNS.items():
        name = f"dacha-{noun}"
        yield Page(name, 1, _page(name, 1, summary, _noun(noun, verbs)))
    for path in sorted(_TEXTS.glob("*.5.md")):
        name = path.name.removesuffix(".5.md")
        summary, _, text = path.read_text().partition("\n")
        yield Page(name, 5, _page(name, 5, summary, [*roff.body(text), *_see_also(name)]))


def write(directory: Path) -> list[Path]:
    """Write them below man1/, man5/ there; their paths."""
    written = []
    for page in pages():
        path = directory / f"man{page.section}" / f"{page.name}.{page.section}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.roff)
        written.append(path)
    return written


def _page(name: str, section: int, summary: str, lines: list[str]) -> str:
    head = [
        '.\\" Made by `python -m manual` from the data of the verbs and manual/text/.',
        f'.TH "{roff.escape(name.upper())}" "{section}" "" "dacha {__version__}" "dacha"',
        ".nh",  # no hyphens in what people copy
        ".ad l",
        roff.heading("Name"),
        f"{roff.escape(name)} \\- {roff.escape(_as_phrase(summary))}",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _as_phrase(summary: str) -> str:
    """A summary without its full stop, so that `man -k` lists it well."""
    text = summary.removesuffix(".")
    return text[:1].lower() + text[1:]


def _text(name: str) -> str:
    path = _TEXTS / f"{name}.md"
    return path.read_text() if path.exists() else ""


def _whole() -> list[str]:
    verbs = list(VERBS.values())
    out = [roff.heading("Synopsis"), "\\fBdacha\\fR \\fIVERB\\fR [\\fIOPTIONS\\fR] [\\fIOPERANDS\\fR]"]
    out += [roff.heading("Description"), *roff.body(_text("dacha-before"))]
    out.append(roff.heading("Verbs"))
    for verb in verbs:
        aliases = [alias for alias, name in ALIASES.items() if name == verb.name]
        names = ", ".join(f"\\fB{roff.escape(name)}\\fR" for name in (verb.name, *aliases))
        out += roff.definition(names, f"{verb.summary} See **dacha-{verb.name}**(1).")
    out.append(roff.heading("Nouns"))
    for noun, (summary, members) in NOUNS.items():
        listed = ", ".join(f"`{name}`" for name in members)
        out += roff.definition(
            f"\\fB{roff.escape(noun)}\\fR", f"{summary} {listed}: see **dacha-{noun}**(1)."
        )
    out += [roff.heading("Options"), *_options((_HELP, _VERSION))]
    out += _exit_status([*_OF_A_COMMAND, _FAILED])
    return [*out, *roff.body(_text("dacha-after")), *_see_also("dacha")]


def _verb(verb: Verb) -> list[str]:
    name = f"dacha-{verb.name}"
    description, mark, more = _text(name).partition("## ")
    out = [roff.heading("Synopsis"), *_synopsis(("dacha", verb.name), verb)]
    out += [roff.heading("Description"), ".PP", roff.line(roff.spans(verb.summary)), *roff.body(description)]
    out += [roff.heading("Options"), *_options((*verb.options, _HELP))]
    if "Exit status" not in more:
        out += _exit_status(_DONE if verb.command == NOTHING else [*_OF_A_COMMAND, _FAILED])
    out += roff.body(mark + more)
    if verb.examples:
        out += [roff.heading("Examples"), *roff.code(list(verb.examples))]
    return [*out, *_see_also(name)]


def _noun(noun: str, verbs: dict[str, Verb]) -> list[str]:
    description, mark, more = _text(f"dacha-{noun}").partition("## ")
    out = [roff.heading("Synopsis")]
    for verb in verbs.values():
        out += [*_synopsis(("dacha", noun, verb.name), verb), ".br"]
    out = [*out[:-1], roff.heading("Description"), *roff.body(description)]
    for verb in verbs.values():
        out += [roff.heading(f"{noun} {verb.name}"), ".PP", roff.line(roff.spans(verb.summary))]
        out += _options(verb.options)
        out += roff.code(list(verb.examples)) if verb.examples else []
    out += [roff.heading("Options of all"), *_options((_HELP,))]
    if "Exit status" not in more:
        out += _exit_status(_DONE)
    return [*out, *roff.body(mark + more), *_see_also(f"dacha-{noun}")]


_HELP = Option("-h --help", FLAG, "Show this message and exit.")
_VERSION = Option("-V --version", FLAG, "Show the version.")


def _synopsis(words: tuple[str, ...], verb: Verb) -> list[str]:
    parts = [f"\\fB{roff.escape(word)}\\fR" for word in words]
    parts.append("[\\fIOPTIONS\\fR]")
    if verb.most:
        operand = f"\\fI{roff.escape(verb.operand)}\\fR"
        parts.append(operand if verb.least else f"[{operand}]")
    if verb.command == AFTER_DASHES:
        parts.append("[\\fB\\-\\-\\fR \\fICOMMAND\\fR...]")
    elif verb.command == REST:
        parts.append("[\\fB\\-\\-\\fR] \\fICOMMAND\\fR...")
    return [" ".join(parts)]


def _options(options: tuple[Option, ...]) -> list[str]:
    out = []
    for option in options:
        flags = ", ".join(f"\\fB{roff.escape(flag)}\\fR" for flag in option.flags)
        value = "" if option.kind == FLAG else f" \\fI{roff.escape(option.metavar)}\\fR"
        out += roff.definition(flags + value, option.help)
    return out


def _exit_status(codes: list[tuple[str, str]]) -> list[str]:
    out = [roff.heading("Exit status")]
    for code, meaning in codes:
        out += roff.definition(roff.spans(code), meaning)
    return out


def _see_also(own: str) -> list[str]:
    """All other pages."""
    formats = [path.name.removesuffix(".5.md") for path in sorted(_TEXTS.glob("*.5.md"))]
    names = ["dacha", *(f"dacha-{name}" for name in (*VERBS, *NOUNS)), *formats]
    listed = [f"\\fB{roff.escape(name)}\\fR({5 if name in formats else 1})" for name in names if name != own]
    return [roff.heading("See also"), ",\n".join(listed)]
