"""Failures that a user can meet: one line, a hint, an exit code, never a traceback."""

from __future__ import annotations


class DachaError(Exception):
    """An expected failure: what happened, and in `hint` what to do about it.

    `exit_code` is what the command ends with; 125 is the field's number for
    "the engine itself failed" (docker, podman and toolbx agree on it).
    """

    exit_code = 125

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(DachaError):
    """The command line does not say what to do."""

    exit_code = 125


class BoxNotFoundError(DachaError):
    """No box goes by that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no box named '{name}'", hint=f"create it: dacha create {name}")
        self.name = name


class ImageNotFoundError(DachaError):
    """No image goes by that reference, in the store or where it points."""


class BadImageError(DachaError):
    """An image, layer or archive is damaged, hostile or of a kind we do not read."""


class MissingProgramError(DachaError):
    """A program that dacha stands on is not installed."""

    def __init__(self, program: str, *, package: str = "") -> None:
        hint = f"install it: sudo apt-get install {package}" if package else "install it"
        super().__init__(f"'{program}' is not installed", hint=hint)
        self.program = program


class CommandError(DachaError):
    """A helper program ended with a failure."""

    def __init__(self, program: str, status: int, stderr: str) -> None:
        last = stderr.strip().splitlines()[-1] if stderr.strip() else f"exit code {status}"
        super().__init__(f"{program}: {last}")
        self.program = program
        self.status = status
        self.stderr = stderr
