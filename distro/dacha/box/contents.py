"""Measure trees of the store, whose files only H may see."""

from __future__ import annotations

import marshal
from collections.abc import Mapping

from dacha.engine import state
from dacha.linux import child
from dacha.storage.check.base import Content
from dacha.storage.check.measure import measure
from dacha.userns import launcher
from dacha.userns.outer import OuterMaps


def measure_all(maps: OuterMaps, trees: Mapping[str, str]) -> dict[str, Content | None]:
    """What is in the trees at these paths, by the same keys; None where there is none."""
    if not trees:
        return {}

    def task() -> bytes:
        with launcher.launch(maps, state.any_live_pid):
            found = {key: measure(path) for key, path in trees.items()}
        return marshal.dumps({key: content and tuple(content) for key, content in found.items()})

    measured = marshal.loads(child.run_in_child(task))  # noqa: S302  (our own child wrote it)
    return {key: Content(*content) if content is not None else None for key, content in measured.items()}
