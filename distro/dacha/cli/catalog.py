"""`dacha image catalog` and `search`: what there is to make boxes of."""

from __future__ import annotations

import json
import sys

from dacha.build import catalog
from dacha.build.catalog_file import Distribution
from dacha.fast.grammar import Line


def _print(found: list[Distribution], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_as_json(each) for each in found], indent=2))
        return
    rows = [("NAME", "DISTRIBUTION", "FAMILY", "FROM", "VERSIONS")]
    for each in found:
        origin = ", ".join(_origins(each))
        versions = " ".join(version.name for version in each.versions)
        rows.append((each.name, each.title, each.family, origin, versions))
        variants = [variant for variant in each.images if variant != "base"]
        rows += [(f"{each.name}-{variant}", "", "", "registry", versions) for variant in variants]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join([*(row[column].ljust(widths[column]) for column in range(4)), row[4]]))


def _origins(distribution: Distribution) -> list[str]:
    """Where its images can come from, the preferred one first."""
    has_recipe = any(version.bootstrap is not None for version in distribution.versions)
    in_registry = bool(distribution.images) or any(version.image for version in distribution.versions)
    origins = [name for name, there in (("registry", in_registry), ("packages", has_recipe)) if there]
    return sorted(origins, key=lambda name: name != distribution.prefer)


def _as_json(distribution: Distribution) -> dict[str, object]:
    value: dict[str, object] = distribution._asdict()
    value["from"] = _origins(distribution)
    value["bootstrap"] = distribution.bootstrap._asdict() if distribution.bootstrap is not None else None
    value["versions"] = [
        {**version._asdict(), "bootstrap": version.bootstrap._asdict() if version.bootstrap else None}
        for version in distribution.versions
    ]
    return value


def list_catalog(line: Line) -> int:
    """Show all distributions of the catalog."""
    _print(catalog.distributions(), as_json=line.flag("json"))
    return 0


def search_catalog(line: Line) -> int:
    """Search names, titles and families, or a registry; 1 if nothing fits."""
    if host := line.text("registry"):
        from dacha.cli.remote import search_registry

        return search_registry(line, host)
    term = line.operands[0]
    found = [
        each
        for each in catalog.distributions()
        if any(term.lower() in text.lower() for text in (each.name, each.title, each.family, *each.aliases))
    ]
    if not found:
        close = catalog.similar(term)
        hint = f"; did you mean '{close}'?" if close else ""
        print(f"nothing in the catalog fits '{term}'{hint}", file=sys.stderr)
        return 1
    _print(found, as_json=line.flag("json"))
    return 0
