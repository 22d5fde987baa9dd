"""`dacha system info`: the engine itself."""

from __future__ import annotations

import json
from typing import Any

from dacha.build.progress import in_bytes
from dacha.fast.grammar import Line


def show_info(line: Line) -> int:
    """Print what there is to know of this installation; 125 if its store can hold no box."""
    from dacha.box import info

    found = info.collect()
    if line.flag("json"):
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    return 125 if found["store"].get("error") else 0


def _print(found: dict[str, Any]) -> None:
    store, host = found["store"], found["host"]
    free = f"{in_bytes(store['freeBytes'])} free of {in_bytes(store['sizeBytes'])}"
    rows = [
        ("dacha", found["version"]),
        ("host", f"Linux {host['kernel']}, {host['architecture']}, cgroups: {host['cgroups']}"),
        ("store", store["root"]),
        ("file system", f"{store['fileSystem']}, {free}"),
        ("driver", store["driver"] or "none works"),
        ("why", store["reason"] or store.get("error", "")),
        ("cost", store.get("cost", "")),
        ("hint", store.get("hint", "")),
        ("in it", f"{store['images']} images of {store['layers']} layers, {store['boxes']} boxes"),
        ("running", f"{store['running']} boxes"),
        ("runtime", found["runtime"]["root"]),
    ]
    for name, program in found["programs"].items():
        text = "is not installed" if program is None else f"{program['version']}  {program['path']}".strip()
        rows.append((name, text))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        if text:
            print(f"{name.ljust(width)}  {text}")
