"""The full command line: help and messages, by typer.

The verbs come from their one description, in `fast.verbs` and `cli.nouns`.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from dacha import __version__
from dacha.cli.nouns import NOUNS
from dacha.cli.report import report, report_unexpected
from dacha.errors import DachaError, UsageError
from dacha.fast import verbs
from dacha.fast.grammar import AFTER_DASHES, FLAG, LIST, NOTHING, REST, TEXT, Line, Verb

_TYPES: dict[str, Any] = {FLAG: bool, TEXT: str, LIST: list[str]}


def _command_class(verb: Verb) -> type[TyperCommand]:
    """A verb as typer has it, with the usage line of a person, and `--` as a mark of its own."""
    usage = [f"[{verb.operand}]" if not verb.least else verb.operand] if verb.most else []
    usage += {NOTHING: [], AFTER_DASHES: ["[-- COMMAND...]"], REST: ["[--] COMMAND..."]}[verb.command]

    class VerbCommand(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if verb.command == AFTER_DASHES and "--" in args:  # which the parser would take away
                index = args.index("--")
                args, ctx.obj = args[:index], args[index + 1 :]
            return super().parse_args(ctx, args)

        def collect_usage_pieces(self, _ctx: Any) -> list[str]:
            return ["[OPTIONS]", *usage]

        def format_epilog(self, _ctx: Any, formatter: Any) -> None:
            """Examples as they are typed: one a line, whatever the width."""
            with formatter.section("Examples"):
                for example in verb.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")

    return VerbCommand


def _command(verb: Verb) -> Callable[..., None]:
    """A function whose signature typer reads, for a verb that is described as data."""

    def run(context: typer.Context, **values: Any) -> None:
        line = Line()
        line.operands = list(values.pop("operands", None) or ())
        if verb.command == REST:
            rest = line.operands[verb.most :]
            line.operands = line.operands[: verb.most]
            line.command = (rest[1:] if rest[:1] == ["--"] else rest) or None
        elif verb.command == AFTER_DASHES:
            line.command = context.obj or None
        if len(line.operands) > verb.most:
            hint = "a command comes after --" if verb.command == AFTER_DASHES else ""
            raise UsageError(
                f"'{line.operands[verb.most]}' is one name too many for '{verb.name}'", hint=hint
            )
        if len(line.operands) < verb.least:
            missing = verb.operand.split()[min(len(line.operands), len(verb.operand.split()) - 1)]
            raise UsageError(f"'{verb.name}' wants {missing} as well", hint=f"see: dacha {verb.name} --help")
        for option in verb.options:
            value = values[option.dest]
            line.options[option.dest] = tuple(value or ()) if option.kind == LIST else value
        raise typer.Exit(_call(verb.handler, line))

    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for option in verb.options:
        info = typer.Option(
            *option.flags, help=option.help, metavar=None if option.kind == FLAG else option.metavar
        )
        default = None if option.kind == LIST else option.default
        parameters.append(_parameter(option.dest, _TYPES[option.kind], info, default))
    if verb.most or verb.command != NOTHING:
        argument = typer.Argument(metavar=verb.operand, hidden=True)  # the usage line says it all
        missing = inspect.Parameter.empty if verb.least else None
        parameters.append(_parameter("operands", list[str], argument, missing))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__name__ = verb.name
    run.__doc__ = verb.summary
    return run


def _parameter(name: str, kind: Any, info: Any, default: Any) -> inspect.Parameter:
    annotation: Any = Annotated[kind | None if default is None else kind, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _call(handler: str, line: Line) -> int:
    module, _, function = handler.partition(":")
    if module == "dacha.fast.enter":
        module = "dacha.cli.sessions"  # which opens the session in the end
    code: int = getattr(importlib.import_module(module), function)(line)
    return code


def _add(app: typer.Typer, verb: Verb) -> None:
    app.command(
        verb.name,
        short_help=verb.summary,  # whole, where click would cut it
        cls=_command_class(verb),
        # What follows the operands is a command with options of its own.
        context_settings={"allow_interspersed_args": verb.command != REST},
    )(_command(verb))


def make_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="dacha",
        help="A shell of any distribution, as yourself, in an instant.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        add_completion=False,  # typer's would take a tenth of a second for each Tab
        rich_markup_mode=None,  # frames, and a column of types, leave no room for the words
        pretty_exceptions_enable=False,
    )

    @app.callback(invoke_without_command=True)
    def _root(
        show_version: Annotated[bool, typer.Option("--version", "-V", help="Show the version.")] = False,
    ) -> None:
        if show_version:
            print(f"dacha {__version__}")
            raise typer.Exit

    for verb in verbs.VERBS.values():
        _add(app, verb)
    for alias, name in verbs.ALIASES.items():
        app.command(alias, hidden=True)(_command(verbs.VERBS[name]))
    for noun, (summary, found) in NOUNS.items():
        group = typer.Typer(help=summary, no_args_is_help=True, rich_markup_mode=None)
        for verb in found.values():
            _add(group, verb)
        app.add_typer(group, name=noun)
    return app


def main(words: list[str]) -> int:
    """Run a command line; the exit code. A usage error ends with 125, as all our own failures do."""
    try:
        result = make_app()(words, prog_name="dacha", standalone_mode=False)
    except DachaError as error:
        return report(error)
    except typer.Abort:
        return 130
    except typer.Exit as error:
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        show = getattr(error, "show", None)  # what typer calls a usage error
        if show is None:
            return report_unexpected(error)
        show(file=sys.stderr)
        return DachaError.exit_code
    return result if isinstance(result, int) else 0
