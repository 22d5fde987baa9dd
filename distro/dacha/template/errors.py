"""What can be wrong with a template."""

from __future__ import annotations

from dacha.errors import DachaError


class TemplateError(DachaError):
    """The template cannot be read, or not be run over this value."""

    def __init__(self, message: str, *, position: int | None = None) -> None:
        where = "" if position is None else f" at character {position + 1}"
        super().__init__(f"template{where}: {message}")
