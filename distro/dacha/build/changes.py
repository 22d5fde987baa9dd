"""Changes of an image's configuration: podman's `--change`, instructions of a Containerfile.

Written as `KEY VALUE` or `KEY=VALUE` (podman-commit(1)); what they set is in the OCI image
specification, config.md.
"""

from __future__ import annotations

import json
import posixpath
import re
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from dacha.errors import UsageError

Config = dict[str, Any]

_CHANGE = re.compile(r"\s*([A-Za-z]+)(?:=|\s+|$)(.*)", re.DOTALL)
_MAX_PORT = 65535
_LAST_SIGNAL = 64


def changed(config: Config, instructions: Sequence[str]) -> Config:
    """The `config` of an image with instructions carried out, in order. Raises UsageError."""
    new = dict(config)
    for text in instructions:
        match = _CHANGE.fullmatch(text)
        key = match[1].upper() if match else ""
        if match is None or key not in _INSTRUCTIONS:
            raise UsageError(
                f"'{text}' is no change of an image",
                hint=f"write KEY VALUE, with one of {', '.join(_INSTRUCTIONS)}",
            )
        try:
            _INSTRUCTIONS[key](new, match[2].strip())
        except ValueError as error:
            raise UsageError(f"'{text}': {error}") from error
    return new


def _words(value: str) -> list[str] | None:
    """A JSON list of strings; None if it is none."""
    try:
        found = json.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(each, str) for each in found) else None


def _command(value: str) -> list[str]:
    words = _words(value)
    return ["/bin/sh", "-c", value] if words is None else words


def _set_command(config: Config, value: str) -> None:
    config["Cmd"] = _command(value)


def _set_entrypoint(config: Config, value: str) -> None:
    config["Entrypoint"] = _command(value) if value else []


def _pair(value: str, *, needs_value: bool) -> tuple[str, str]:
    key, equals, text = value.partition("=")
    key, text = _unquoted(key), _unquoted(text)
    if not key or (needs_value and not equals):
        raise ValueError("write KEY=VALUE")
    return key, text


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _add_variable(config: Config, value: str) -> None:
    key, text = _pair(value, needs_value=False)
    kept = [each for each in config.get("Env") or [] if each.partition("=")[0] != key]
    config["Env"] = [*kept, f"{key}={text}"]


def _add_label(config: Config, value: str) -> None:
    key, text = _pair(value, needs_value=True)
    config["Labels"] = {**(config.get("Labels") or {}), key: text}


def _add_port(config: Config, value: str) -> None:
    port, _, protocol = value.partition("/")
    protocol = protocol.lower() or "tcp"
    if not port.isdecimal() or not 0 < int(port) <= _MAX_PORT or protocol not in ("tcp", "udp"):
        raise ValueError("write PORT, PORT/tcp or PORT/udp")
    config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), f"{int(port)}/{protocol}": {}}


def _add_volumes(config: Config, value: str) -> None:
    found = _words(value)
    found = value.split() if found is None else found
    if not found or not all(found):
        raise ValueError("name a directory")
    config["Volumes"] = {**(config.get("Volumes") or {}), **{each: {} for each in found}}


def _set_directory(config: Config, value: str) -> None:
    """Relative to the one before, as in a Containerfile."""
    if not value:
        raise ValueError("name a directory")
    config["WorkingDir"] = posixpath.normpath(posixpath.join(config.get("WorkingDir") or "", value))


def _set_user(config: Config, value: str) -> None:
    if not value:
        raise ValueError("name a user")
    config["User"] = value


def _set_stop_signal(config: Config, value: str) -> None:
    name = value.upper()
    if name.isdecimal():
        number = int(name)
    else:
        full = name if name.startswith("SIG") else f"SIG{name}"
        number = signal.Signals[full] if full in signal.Signals.__members__ else 0
    if not 0 < number <= _LAST_SIGNAL:
        raise ValueError("there is no such signal")
    config["StopSignal"] = str(int(number))


def _add_trigger(config: Config, value: str) -> None:
    if not value:
        raise ValueError("name an instruction")
    config["OnBuild"] = [*(config.get("OnBuild") or []), value]


_INSTRUCTIONS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _set_command,
    "ENTRYPOINT": _set_entrypoint,
    "ENV": _add_variable,
    "EXPOSE": _add_port,
    "LABEL": _add_label,
    "ONBUILD": _add_trigger,
    "STOPSIGNAL": _set_stop_signal,
    "USER": _set_user,
    "VOLUME": _add_volumes,
    "WORKDIR": _set_directory,
}


def with_layer(
    image: Config,
    diff_id: str,
    instructions: Sequence[str],
    *,
    made_by: str,
    author: str = "",
    message: str = "",
) -> Config:
    """The configuration of an image with one more layer, and its line in the history. Raises UsageError."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"created": now, "created_by": made_by}
    if author:
        line["author"] = author
    if message:
        line["comment"] = message
    new = {**image, "created": now, "config": changed(image.get("config") or {}, instructions)}
    if author:
        new["author"] = author
    below = (image.get("rootfs") or {}).get("diff_ids") or []
    new["rootfs"] = {"type": "layers", "diff_ids": [*below, diff_id]}
    new["history"] = [*(image.get("history") or []), line]
    return new
