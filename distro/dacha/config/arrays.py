"""Arrays that several files set: a later one replaces an earlier one, or extends it.

`{append=true}` among the strings says that this file and all after it extend, and
`{append=false}` ends that (containers.conf(5), "Appending to string arrays").
"""

from __future__ import annotations

from dacha.config.table import Table


class Arrays:
    """Merges arrays over one sequence of files."""

    __slots__ = ("_extended",)

    def __init__(self) -> None:
        self._extended: set[str] = set()

    def merge(self, table: Table, key: str, before: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """What `key` holds once this table has had its say; `before` where it says nothing."""
        found = table.texts_and_append(key)
        if found is None:
            return before
        strings, append = found
        name = table.full_key(key)
        if append is not None:
            (self._extended.add if append else self._extended.discard)(name)
        return (before or ()) + strings if name in self._extended else strings
