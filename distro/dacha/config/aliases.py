"""Short names and what they stand for: [aliases] of registries.conf(5), and the user's choices.

The choices of a user among several registries are kept in a file that only programs write,
and that podman reads and writes too. Both take the same lock on it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha.config import places
from dacha.config.names import expand, has_host, is_short_repository
from dacha.config.reading import ConfigError, read_toml
from dacha.config.table import Table
from dacha.errors import DachaError
from dacha.linux.files import replace_file
from dacha.linux.lock import RecordLock


class Alias(NamedTuple):
    """What a short name stands for: a repository, or "" where the file takes an alias away."""

    value: str
    file: str


def aliases_of(top: Table) -> dict[str, Alias]:
    """The [aliases] of a file. Raises ConfigError for what is no short name or no full one."""
    table = top.table("aliases")
    return {name: _alias(table, name) for name in table.names()}


def _alias(table: Table, name: str) -> Alias:
    value = table.text(name) or ""
    if not is_short_repository(name):
        raise table.wrong(name, "is no short name: it must have no host, tag or digest")
    try:
        return Alias(_repository(value) if value else "", table.file)
    except ValueError as error:
        raise table.wrong(name, str(error)) from error


def _repository(value: str) -> str:
    """A full name without tag and digest, as docker.io's names are looked up. Raises ValueError."""
    full = expand(value)
    if not has_host(value) or full.tag or full.digest:
        raise ValueError(f"'{value}' is no full name without tag and digest")
    return full.repository


def read_aliases(file: str) -> dict[str, Alias]:
    """The aliases that programs wrote to `file`. Raises ConfigError."""
    content = read_toml(file)
    return {} if content is None else aliases_of(Table(file, content))


def remember_alias(short_name: str, full_name: str) -> str:
    """Let a short name stand for a repository from now on, and return the file that says so.

    Both without tag and digest. Raises DachaError.
    """
    if not is_short_repository(short_name):
        raise DachaError(f"'{short_name}' is no short name without tag and digest")
    try:
        value = _repository(full_name)
    except ValueError as error:
        raise DachaError(str(error)) from error
    file = places.short_name_aliases()
    try:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        with RecordLock(f"{file}.lock"):
            pairs = {name: each.value for name, each in read_aliases(file).items()} | {short_name: value}
            lines = [f'  "{name}" = "{each}"\n' for name, each in sorted(pairs.items())]
            replace_file(file, "".join(["[aliases]\n", *lines]).encode())
    except OSError as error:
        raise ConfigError(file, f"cannot be written: {error.strerror}") from error
    return file
