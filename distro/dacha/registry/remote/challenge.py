"""WWW-Authenticate: what a registry wants to be shown.

Source: RFC 9110, 11.6.1, and the token specification of docker's registry ("Token
Authentication Specification") for what is in a Bearer challenge.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  (RFC 9110's word for a word)
_SCHEME = re.compile(rf"\s*,*\s*({_TOKEN})(?=\s|,|$)")
_PARAMETER = re.compile(rf'\s*,*\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_TOKEN68 = re.compile(r"\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")


class Challenge(NamedTuple):
    """One way to log in. `scheme` and the names of parameters are in lower case."""

    scheme: str
    parameters: dict[str, str]


def parse(header: str) -> list[Challenge]:
    """The challenges in the value of a header; what cannot be read ends the list."""
    found: list[Challenge] = []
    position = 0
    while match := _SCHEME.match(header, position):
        scheme, position = match[1].lower(), match.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, position):
            quoted, plain = parameter[2], parameter[3]
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(parameter[1].lower(), value)
            position = parameter.end()
        if not parameters and (opaque := _TOKEN68.match(header, position)):
            position = opaque.end()
        found.append(Challenge(scheme, parameters))
    return found
