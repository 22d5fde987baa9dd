"""`dacha system df`: podman's tables."""

from __future__ import annotations

import json
import time

from dacha.box import usage
from dacha.box.usage import Usage
from dacha.cli.table import age, print_table, size
from dacha.fast.grammar import Line
from dacha.storage import database


def show_usage(line: Line) -> int:
    """Show what the store takes, and what could be freed."""
    connection = database.open_database()
    try:
        found = usage.collect(connection)
    finally:
        connection.close()
    if line.flag("json"):
        _print_json(found)
    elif line.flag("verbose"):
        _print_details(found)
    else:
        _print_totals(found)
    return 0


def _print_json(found: Usage) -> None:
    fields = {
        "totals": [total._asdict() for total in found.totals],
        "images": [image._asdict() for image in found.images],
        "boxes": [box._asdict() for box in found.boxes],
        "volumes": [volume._asdict() for volume in found.volumes],
    }
    print(json.dumps(fields, indent=2))


def _print_totals(found: Usage) -> None:
    rows = [("TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE")]
    for total in found.totals:
        share = round(100 * total.reclaimable_bytes / total.size_bytes) if total.size_bytes else 0
        reclaimable = f"{size(total.reclaimable_bytes)} ({share}%)"
        rows.append((total.kind, str(total.total), str(total.active), size(total.size_bytes), reclaimable))
    print_table(rows)
    _say_shared(found)


def _say_shared(found: Usage) -> None:
    listed = sum(image.size_bytes for image in found.images)
    images = found.totals[0].size_bytes
    if listed > images:
        print(f"\nImages share layers: {size(listed)} together, of which each layer is counted once.")


def _print_details(found: Usage) -> None:
    now = time.time()
    images = [("NAME", "ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "BOXES")]
    for image in found.images:
        sizes = (size(image.size_bytes), size(image.shared_bytes), size(image.unique_bytes))
        short = image.id.removeprefix("sha256:")[:12]
        created = age(now - image.created)
        images += [(name, short, created, *sizes, str(image.boxes)) for name in image.names or ("<none>",)]
    boxes = [("ID", "NAME", "IMAGE", "CREATED", "SIZE", "STATUS")]
    for box in found.boxes:
        status = "running" if box.is_running else "stopped"
        created = age(now - box.created)
        boxes.append((box.id[:12], box.name, box.image_name, created, size(box.size_bytes), status))
    volumes = [("NAME", "BOXES", "SIZE")]
    volumes += [(volume.name, str(volume.boxes), size(volume.size_bytes)) for volume in found.volumes]
    print("Images space usage:\n")
    print_table(images)
    print("\nBoxes space usage:\n")
    print_table(boxes)
    print("\nVolumes space usage:\n")
    print_table(volumes)
    _say_shared(found)
