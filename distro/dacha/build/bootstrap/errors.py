"""How bootstrapping fails."""

from __future__ import annotations

from dacha.errors import DachaError, MissingProgramError


class BootstrapError(DachaError):
    """An image could not be made from packages."""


class MissingManagerError(MissingProgramError):
    """The program that carries out a recipe is not on this host."""

    def __init__(self, program: str, hint: str) -> None:
        super().__init__(program)
        self.hint = hint
