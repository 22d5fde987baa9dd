"""`dacha image prune`: remove images that nobody needs."""

from __future__ import annotations

import json
import sys

from dacha.box import remove
from dacha.cli import questions
from dacha.cli.table import size
from dacha.errors import UsageError
from dacha.fast.grammar import Line
from dacha.storage import database, prune
from dacha.storage.images import Image


def prune_images(line: Line) -> int:
    """Remove unneeded images, after a question, and say what that has freed."""
    filters = prune.parse_filters(line.texts("filter"))
    connection = database.open_database()
    try:
        unneeded = prune.candidates(connection, filters, is_all=line.flag("all"))
        if unneeded and not line.flag("force") and not _confirm(unneeded):
            return 1
        gone, freed = prune.prune(connection, unneeded)
    finally:
        connection.close()
    if unneeded:
        remove.sweep()
    if line.flag("json"):
        print(json.dumps({"removed": [image.id for image in gone], "freed_bytes": freed}, indent=2))
        return 0
    for image in gone:
        print(f"{image.id.removeprefix('sha256:')[:12]} {' '.join(image.names)}".rstrip())
    print(f"freed {size(freed)}")
    return 0


def _confirm(unneeded: list[Image]) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("prune asks before it removes something, on a terminal", hint="or give --force")
    for image in unneeded:
        name = ", ".join(image.names) or "<none>"
        sys.stderr.write(f"{image.id.removeprefix('sha256:')[:12]}  {name}  {size(image.size_bytes)}\n")
    return questions.confirm(f"Remove {'these' if len(unneeded) > 1 else 'this'}?", default=False)
