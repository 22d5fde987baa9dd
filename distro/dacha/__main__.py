"""Where `dacha` begins: the first word chooses the fast lane or the full command line.

The launcher (distro/bin/dacha) starts this file with `python -I -S`, which finds neither
this package nor those that the full command line needs; both are put on the path here,
the latter only when they are.
"""

from __future__ import annotations

import gc
import os
import sys


def main() -> int:
    """Run the command line in sys.argv; the exit code."""
    words = sys.argv[1:]
    if words:
        from dacha.fast import verbs
        from dacha.fast.grammar import NotPlainError, parse

        verb = verbs.VERBS.get(verbs.ALIASES.get(words[0], words[0]))
        rest = words[1:]
        if verb is None and rest:
            from dacha.cli.nouns import NOUNS

            if words[0] in NOUNS:
                verb = NOUNS[words[0]][1].get(rest.pop(0))
        if words[0] == "__complete":
            return _run_verb("dacha.cli.completion.protocol:answer", words[1:])
        if verb is not None:
            try:
                return _run_verb(verb.handler, parse(verb, rest))
            except NotPlainError:
                pass
    from dacha import paths

    gc.enable()
    paths.find_packages()
    from dacha.cli.main import main as full

    return full(words)


def _run_verb(handler: str, line: object) -> int:
    from dacha.errors import DachaError

    module_name, _, function = handler.partition(":")
    try:
        if module_name == "dacha.fast.enter":
            from dacha.fast import enter

            try:
                code: int = getattr(enter, function)(line)
                return code
            except enter.NotRunningError:
                module_name = "dacha.cli.sessions"
        import importlib

        code = getattr(importlib.import_module(module_name), function)(line)
    except DachaError as error:
        from dacha.cli.report import report

        return report(error)
    except (Exception, KeyboardInterrupt) as error:
        from dacha.cli.report import report_unexpected

        return report_unexpected(error)
    return code


def run() -> None:
    """Run the command line, and end the process.

    A session has left it in the box: there is nothing to tidy up then, and nothing to import
    for it. The cyclic garbage collector has nothing to do in so short a life.
    """
    gc.disable()
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os._exit(code)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    run()
