"""Examine a whole installation, and mend what can be mended."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from dacha import paths
from dacha.box import contents, remove
from dacha.box.check import boxes, runtime
from dacha.engine import state
from dacha.errors import DachaError
from dacha.linux import account
from dacha.storage import layers
from dacha.storage.check import database as database_check
from dacha.storage.check import images as image_check
from dacha.storage.check import layers as layer_check
from dacha.storage.check import leftovers
from dacha.storage.check.base import Content, Finding, Store
from dacha.userns import outer, single
from dacha.userns.outer import OuterMaps


class Mended(NamedTuple):
    """What has been done about a finding; `error` says why it could not be."""

    finding: Finding
    error: str = ""


def examine(connection: sqlite3.Connection) -> list[Finding]:
    """All findings, with a database that is whole. Raises DachaError where the store cannot be examined."""
    maps = single.widest_maps(account.calling_account())
    rows = boxes.rows(connection)
    store = Store(connection, maps, _contents(connection, maps), _busy(connection, rows))
    return [
        *database_check.dangling(connection),
        *layer_check.examine(store),
        *image_check.examine(connection),
        *boxes.examine(connection, maps),
        *leftovers.examine(connection),
        *runtime.examine(rows),
    ]


def _busy(connection: sqlite3.Connection, rows: Sequence[boxes.Row]) -> frozenset[str]:
    running = {row.image for row in rows if state.is_running(row.name)}
    return frozenset(layer.directory for image in running for layer in layers.of_image(connection, image))


def _contents(connection: sqlite3.Connection, maps: OuterMaps) -> dict[str, list[Content]]:
    """What is in the views of the layers that there are, as far as the ids that we have let us look."""
    base = f"{paths.data_root()}/layers"
    names = [name for name in layer_check.directories(connection) if os.path.isdir(f"{base}/{name}")]
    ours = {each.view for each in single.all_maps(account.calling_account())}
    there = {name: ours.intersection(os.listdir(f"{base}/{name}")) for name in names}
    trees = {f"{name}/{view}": f"{base}/{name}/{view}" for name, views in there.items() for view in views}
    measured = contents.measure_all(maps, trees)
    return {
        name: [content for view in views if (content := measured[f"{name}/{view}"]) is not None]
        for name, views in there.items()
        if views or not outer.VIEWS.intersection(os.listdir(f"{base}/{name}"))
    }


def repair(findings: Sequence[Finding]) -> list[Mended]:
    """Mend what can be, one after the other, then sweep; one that resists does not spare the others."""
    done = []
    trees: list[str] = []
    for finding in findings:
        if finding.repair is None:
            continue
        try:
            trees += finding.repair.apply()
        except (DachaError, OSError, sqlite3.Error) as error:
            done.append(Mended(finding, str(error)))
        else:
            done.append(Mended(finding))
    if trees:
        remove.delete_trees(trees)
    if any(not each.error for each in done):
        remove.sweep()
    return done
