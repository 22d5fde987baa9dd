"""What goes wrong with registries, each with what to do about it."""

from __future__ import annotations

import json

from dacha.errors import DachaError, ImageNotFoundError


class RegistryError(DachaError):
    """A registry refused, or could not be understood."""


class TransientError(RegistryError):
    """Something that may be gone a moment later: a cut line, an overloaded server.

    `wait_s` is how long the server wants to be left alone, or None if it did not say.
    """

    def __init__(self, message: str, *, hint: str = "", wait_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.wait_s = wait_s


class UnreachableError(TransientError):
    """Nobody answers there: the next mirror may."""


class NoHostError(UnreachableError):
    """There is no such host: to ask for it again at once is of no use."""


class TlsError(RegistryError):
    """The connection is not to be trusted."""


class UnauthorizedError(RegistryError):
    """The registry wants to know who asks, or does not let them."""


class RemoteImageNotFoundError(ImageNotFoundError):
    """The registry has no such image."""


class LocationError(RegistryError):
    """A registry pointed at an address to which we do not follow."""


def messages_of(body: bytes) -> str:
    """What a registry says in the body of a failure (distribution specification, "Error Codes"), in one line.

    Empty where it says nothing that is meant for people; a proxy's page, for one, is not.
    """
    try:
        errors = json.loads(body)["errors"]
        texts = [str(each.get("message") or each.get("code") or "") for each in errors]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return "; ".join(text for text in texts if text)[:300]
