"""How bootstrapping fails."""

from __future__ import annotations

from dacha.errors import DachaError


class BootstrapError(DachaError):
    """An image could not be made from packages."""
