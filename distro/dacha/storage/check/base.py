"""A finding: something that is not as it should be."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dacha.userns.outer import OuterMaps

REPAIR = "dacha system check --repair"


class Repair(NamedTuple):
    """What mends a finding. `apply` returns the trees that are left to delete in H, as absolute paths."""

    does: str  # in the past tense, for people: "deleted"
    apply: Callable[[], list[str]]


class Finding(NamedTuple):
    """Something that is wrong, what it costs, and what mends it."""

    kind: str  # one word for programs, such as "damaged-layer"
    where: str  # a path relative to the store or the runtime directory, or what people call the thing
    what: str
    cost: str
    mend: str  # the command that mends it
    repair: Repair | None = None  # None: only the user can


class Content(NamedTuple):
    """What lies in a layer's directory."""

    files: int
    size_bytes: int


class Store(NamedTuple):
    """What is examined: the database, and what was measured in H."""

    connection: sqlite3.Connection
    maps: OuterMaps
    contents: Mapping[str, Sequence[Content]]  # of all views of a layer, by its directory
    busy: frozenset[str]  # directories of layers that running boxes stand on


def mendable(kind: str, where: str, what: str, cost: str, repair: Repair) -> Finding:
    """A finding that `system check --repair` mends."""
    return Finding(kind, where, what, cost, REPAIR, repair)
