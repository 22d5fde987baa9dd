"""`dacha image history` and `tree`: what an image is made of."""

from __future__ import annotations

import json
import time

from dacha.cli.table import age, print_table, size
from dacha.fast.grammar import Line
from dacha.storage import database, history, images
from dacha.storage.history import Step

_CUT = 45
_MISSING = "<missing>"


def show_history(line: Line) -> int:
    """Show how an image came to be, the last step first."""
    connection = database.open_database()
    try:
        image = images.get(connection, line.operands[0])
        steps = history.of_image(connection, image)
    finally:
        connection.close()
    # Only the image as a whole has an id; podman calls those of its steps missing, too.
    ids = [image.id.removeprefix("sha256:")] + [_MISSING] * (len(steps) - 1) if steps else []
    is_whole = line.flag("no_trunc")
    if line.flag("json"):
        print(
            json.dumps(
                [{"id": each, **step._asdict()} for each, step in zip(ids, steps, strict=True)], indent=2
            )
        )
    elif line.flag("quiet"):
        print("".join(f"{each if is_whole else each[:12]}\n" for each in ids), end="")
    else:
        rows = [("ID", "CREATED", "CREATED BY", "SIZE", "COMMENT")]
        rows += [_row(each, step, is_whole=is_whole) for each, step in zip(ids, steps, strict=True)]
        print_table(rows)
    return 0


def _row(image: str, step: Step, *, is_whole: bool) -> tuple[str, str, str, str, str]:
    created = "" if step.created is None else age(time.time() - step.created)
    by = step.created_by
    if not is_whole:
        by = by if len(by) <= _CUT else by[: _CUT - 1] + "…"
        image = image if image == _MISSING else image[:12]
    return image, created, by, size(step.size_bytes), step.comment


def show_tree(line: Line) -> int:
    """Show the layers of an image, the lowest first, and which other images share them."""
    connection = database.open_database()
    try:
        image = images.get(connection, line.operands[0])
        sizes: dict[str, int] = dict(connection.execute("SELECT diff_id, size FROM layers").fetchall())
        owners: dict[str, list[str]] = {}
        for other in images.listing(connection):
            if other.id != image.id:
                for diff_id in set(other.layers):
                    owners.setdefault(diff_id, []).append(
                        other.names[0] if other.names else other.id.removeprefix("sha256:")[:12]
                    )
    finally:
        connection.close()
    layers = [
        {
            "diff_id": diff_id,
            "size_bytes": sizes.get(diff_id, 0),
            "shared_with": sorted(owners.get(diff_id, [])),
        }
        for diff_id in image.layers
    ]
    if line.flag("json"):
        print(json.dumps({"id": image.id, "names": image.names, "layers": layers}, indent=2))
        return 0
    print(f"Image ID: {image.id.removeprefix('sha256:')[:12]}")
    print(f"Names:    {', '.join(image.names) or '<none>'}")
    print(f"Size:     {size(sum(sizes.get(diff_id, 0) for diff_id in set(image.layers)))}")
    print("Layers, the lowest first:")
    for number, diff_id in enumerate(image.layers):
        branch = "└──" if number == len(layers) - 1 else "├──"
        shared = sorted(owners.get(diff_id, []))
        told = f"  shared with {', '.join(shared)}" if shared else ""
        print(f"{branch} {diff_id.removeprefix('sha256:')[:12]}  {size(sizes.get(diff_id, 0))}{told}")
    return 0
