"""Say what went wrong."""

from __future__ import annotations

import os
import sys

from dacha.errors import DachaError


def report(error: DachaError) -> int:
    """Say an expected failure in one line, and its hint in another; the exit code.

    Where a defect of the host is behind it, doctor's line says so, and the hint is doctor's.
    """
    from dacha.box.doctor.explain import explain  # imported where it is too late for speed

    sys.stdout.flush()
    sys.stderr.write(f"dacha: {in_one_line(str(error))}\n")
    hint, cause = error.hint, explain(error)
    if cause is not None:
        hint = cause.fix or hint
        sys.stderr.write(in_one_line(f"doctor: {cause.subject}, {cause.name}: {cause.detail}") + "\n")
    if hint:
        sys.stderr.write(f"hint: {in_one_line(hint)}\n")
    sys.stderr.flush()
    return error.exit_code


def in_one_line(text: str) -> str:
    """A name or a helper's words may hold line breaks, and escape sequences for the terminal."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def report_unexpected(error: BaseException) -> int:
    """Say what nobody foresaw: the system's refusals in its own words, a bug as one.

    With DACHA_DEBUG set, the traceback is shown.
    """
    if os.environ.get("DACHA_DEBUG"):
        raise error
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return report(DachaError(f"{error.strerror or error}{where}"))
    if type(error).__module__ == "sqlite3":
        import sqlite3

        from dacha.storage import database

        if isinstance(error, sqlite3.DatabaseError):
            return report(database.failure("use", error))
    return report(
        DachaError(
            f"a bug: {type(error).__name__}: {error}",
            hint="run it again with DACHA_DEBUG=1, and report what that shows",
        )
    )
