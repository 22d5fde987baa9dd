"""Read one configuration file: bounded, never waiting, with the place of what is wrong.

Whoever can set an environment variable chooses which file is read, so a FIFO must not hang us
and a huge file must not fill the memory.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from typing import Any

from dacha.errors import DachaError

MAX_BYTES = 4 << 20


class ConfigError(DachaError):
    """A configuration file cannot be read or says what it must not. `file` is its path."""

    def __init__(self, file: str, detail: str, *, hint: str = "") -> None:
        super().__init__(f"{file}: {detail}", hint=hint or f"mend {file}")
        self.file = file


def read_bytes(file: str) -> bytes | None:
    """The contents of a file, or None if there is none. Raises ConfigError.

    /dev/null is an empty file: that is how people switch configuration off.
    """
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in a variable's value
        raise ConfigError(file, f"cannot be opened: {_reason(error)}") from error
    try:
        found = os.fstat(fd)
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3):
            return b""
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(file, "is no regular file")
        data = _read_up_to(fd, MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(file, f"cannot be read: {_reason(error)}") from error
    finally:
        os.close(fd)
    if len(data) > MAX_BYTES:
        raise ConfigError(file, f"is larger than {MAX_BYTES >> 20} MiB")
    return data


def _read_up_to(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := os.read(fd, size - len(data))):
        data += chunk
    return data


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _decode(file: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, f"is not UTF-8 (line {line})") from error


def read_toml(file: str) -> dict[str, Any] | None:
    """The tables of a TOML file, or None if there is no such file. Raises ConfigError."""
    data = read_bytes(file)
    if data is None:
        return None
    try:
        return tomllib.loads(_decode(file, data))
    except RecursionError as error:
        raise ConfigError(file, "is nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError says the line and the column
        raise ConfigError(file, f"is not TOML: {error}") from error


def read_json(file: str, *, strict: bool = False) -> dict[str, Any] | None:
    """The object of a JSON file, or None if there is no such file. Raises ConfigError.

    A `strict` file must not give a key twice.
    """
    data = read_bytes(file)
    return None if data is None else parse_json(file, data, strict=strict)


def parse_json(file: str, data: bytes, *, strict: bool = False) -> dict[str, Any]:
    """The object that `data`, read from `file`, holds. Raises ConfigError."""

    def refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if strict and len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twin = next(key for key in keys if keys.count(key) > 1)
            raise ConfigError(file, f"'{twin}' is there twice")
        return found

    try:
        value = json.loads(_decode(file, data), object_pairs_hook=refuse_twins)
    except RecursionError as error:
        raise ConfigError(file, "is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ConfigError(file, f"is not JSON: {error.msg} (line {error.lineno})") from error
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(file, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(file, "must hold a JSON object")
    return value
