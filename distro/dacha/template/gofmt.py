"""Print values as Go's fmt package does: %v without a verb, and printf with them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from dacha.template.errors import TemplateError
from dacha.template.values import NoValue, Struct, type_name

_VERB = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\d+|\*)?(?:\.(?P<precision>\d+|\*)?)?(?P<verb>.)", re.DOTALL
)
_MOST = 10_000  # columns; nobody needs more, and a typing error should not fill the memory
_NONE = "<no value>"
_PLAIN_DIGITS = 6


def text_of(value: Any) -> str:
    """%v."""
    if isinstance(value, NoValue):
        return _NONE
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Struct):
        return "{" + " ".join(text_of(each) for each in value.values()) + "}"
    if isinstance(value, dict):
        pairs = (f"{text_of(key)}:{text_of(value[key])}" for key in sorted(value, key=str))
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(text_of(each) for each in value)}]"
    return str(value)


def _float(value: float) -> str:
    """%v of a float64: the shortest that reads back, with an exponent below -4 and from 6 digits on.

    strconv.FormatFloat with 'g' and the precision -1.
    """
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}[str(value)]
    mantissa, _, power = f"{value:e}".partition("e")
    digits = repr(value)
    if -4 <= int(power) < _PLAIN_DIGITS:
        return digits.removesuffix(".0") if "e" not in digits else f"{value:f}".rstrip("0").rstrip(".")
    mantissa, _, power = digits.partition("e")
    if not power:  # Python writes it out where Go does not
        sign, mantissa = ("-", mantissa[1:]) if value < 0 else ("", mantissa)
        whole = mantissa.removesuffix(".0")
        power = str(len(whole.partition(".")[0]) - 1)
        figures = whole.replace(".", "").rstrip("0")
        mantissa = sign + figures[0] + ("." + figures[1:] if figures[1:] else "")
    return f"{mantissa}e{int(power):+03d}"


def quote(text: str) -> str:
    """%q: a Go string literal. Its escapes are JSON's, but for those of control characters."""
    quoted = json.dumps(text, ensure_ascii=False)
    special = {"\\u0007": "\\a", "\\u000b": "\\v"}
    quoted = re.sub(r"\\u00([01][0-9a-f])", lambda found: special.get(found[0]) or f"\\x{found[1]}", quoted)
    return quoted.replace("\x7f", "\\x7f")


def sprint(values: Sequence[Any]) -> str:
    """Print: a space between two values where neither is a string."""
    out = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            out += " "
        out += text_of(value)
    return out


def sprintf(form: str, values: Sequence[Any]) -> str:
    """Printf. What does not fit is shown as Go shows it, such as %!d(string=hi)."""
    rest = list(values)

    def number() -> int:
        value = rest.pop(0) if rest else None
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST:
            raise TemplateError("printf: * wants a number")
        return value

    def replace(found: re.Match[str]) -> str:
        flags, verb = found["flags"], found["verb"]
        if verb == "%":
            return "%"
        width = number() if found["width"] == "*" else int(found["width"] or 0)
        has_precision = "." in found[0][: found.start("verb") - found.start()]
        precision = number() if found["precision"] == "*" else int(found["precision"] or 0)
        if max(width, precision) > _MOST:
            raise TemplateError("printf: that is too wide")
        if not rest:
            return f"%!{verb}(MISSING)"
        return _formatted(verb, rest.pop(0), flags, width, precision if has_precision else None)

    text = _VERB.sub(replace, form)
    if rest:
        text += "%!(EXTRA " + ", ".join(f"{type_name(each)}={text_of(each)}" for each in rest) + ")"
    return text


def _formatted(verb: str, value: Any, flags: str, width: int, precision: int | None) -> str:
    text = _digits(verb, value, flags, precision)
    if text is None:
        text = _words(verb, value, flags, precision)
        if text is None:
            return f"%!{verb}({type_name(value)}={text_of(value)})"
    elif "0" in flags and "-" not in flags:
        sign = text[:1] if text[:1] in ("+", "-", " ") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.ljust(width) if "-" in flags else text.rjust(width)


def _digits(verb: str, value: Any, flags: str, precision: int | None) -> str | None:
    """A number for a verb of numbers, else None."""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    sign = "+" if "+" in flags else " " if " " in flags else ""
    alternate = "#" if "#" in flags else ""
    if is_int and verb in "dxXob":
        return format(value, f"{sign}{alternate}{verb}")
    if is_int and verb == "v" and not precision:
        return format(value, f"{sign}d")
    if isinstance(value, float) and verb in "fFeEgG":
        return format(value, f"{sign}.{6 if precision is None else precision}{verb}")
    return None


def _words(verb: str, value: Any, flags: str, precision: int | None) -> str | None:
    """Anything but a number, else None."""
    if verb == "t":
        return text_of(value) if isinstance(value, bool) else None
    if verb == "T":
        return type_name(value)
    if verb == "c":
        is_rune = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 0x110000
        return chr(value) if is_rune else None
    if verb in "xX" and isinstance(value, str):
        text = value.encode("utf-8", "surrogateescape").hex()
        return text.upper() if verb == "X" else text
    if verb not in "svq":
        return None
    if isinstance(value, list | tuple) and verb in "sq":
        return "[" + " ".join(_words(verb, each, flags, precision) or "" for each in value) + "]"
    if verb == "v" and "+" in flags and isinstance(value, Struct):
        return "{" + " ".join(f"{key}:{text_of(each)}" for key, each in value.items()) + "}"
    if verb in "sq" and not isinstance(value, str | dict):
        return None
    text = text_of(value) if precision is None else text_of(value)[:precision]
    return quote(text) if verb == "q" else text
