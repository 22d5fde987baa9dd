"""`dacha image import-podman`: images of podman's become ours."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from dacha.build import podman_places
from dacha.build.podman import Taken, take_over
from dacha.build.progress import Progress
from dacha.cli.progress import show_progress
from dacha.cli.report import report
from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line
from dacha.linux import account
from dacha.registry.containers_storage.lookup import Lookup, StoredImage
from dacha.storage import database
from dacha.userns import single


class _Outcome(NamedTuple):
    """What became of an image that was asked for."""

    asked: str
    taken: Taken | None
    error: DachaError | None = None


def import_podman(line: Line) -> int:
    """Take images over and print their ids; a failure does not spare the others."""
    if bool(line.operands) == line.flag("all"):
        raise UsageError("name images, or say --all", hint="what podman has: podman image list")
    connection = database.open_database()
    try:
        with (
            show_progress(quiet=line.flag("quiet")) as progress,
            podman_places.open_own(line.text("root"), progress) as (lookup, own),
        ):
            wanted: list[str | StoredImage] = list(line.operands)
            if line.flag("all"):
                wanted += _all_of(lookup, own, progress)
            outcomes = _take_all(connection, lookup, wanted, progress)
    finally:
        connection.close()
    if line.flag("json"):
        print(json.dumps([_as_json(outcome) for outcome in outcomes], indent=2))
    else:
        for outcome in outcomes:
            if outcome.taken is not None:
                print(outcome.taken.image.id)
    return max((report(outcome.error) for outcome in outcomes if outcome.error is not None), default=0)


def _all_of(lookup: Lookup, own: frozenset[str], progress: Progress) -> list[StoredImage]:
    """The images with a name in podman's own stores. Those without are what its builds have left."""
    found = [image for image in lookup.images() if image.store.root in own and image.record.names]
    lists = [image for image in found if lookup.is_list(image)]
    for image in lists:
        progress.notice(f"left out: {image.title} is a list of images, not an image")
    return [image for image in found if image not in lists]


def _take_all(
    connection: sqlite3.Connection, lookup: Lookup, wanted: list[str | StoredImage], progress: Progress
) -> list[_Outcome]:
    maps = single.choose(account.calling_account()).maps
    outcomes = []
    for each in wanted:
        asked = each if isinstance(each, str) else each.title
        try:
            found = lookup.find(each) if isinstance(each, str) else each
            taken = take_over(connection, maps, lookup, found, progress)
        except DachaError as error:
            outcomes.append(_Outcome(asked, None, error))
            continue
        outcomes.append(_Outcome(asked, taken))
        if taken.was_there:
            progress.step(f"{found.title}: already there")
        for name in taken.kept_names:
            progress.notice(
                f"'{name}' stays the name of another image here; this one is {taken.image.id[7:19]}"
            )
    return outcomes


def _as_json(outcome: _Outcome) -> dict[str, object]:
    if outcome.taken is None:
        return {"asked": outcome.asked, "error": str(outcome.error)}
    taken = outcome.taken
    return {
        "asked": outcome.asked,
        "id": taken.image.id,
        "names": taken.image.names,
        "was_there": taken.was_there,
        "layers": len(taken.image.layers),
        "new_layers": taken.new_layers,
        "kept_names": taken.kept_names,
        "size_bytes": taken.image.size_bytes,
    }
