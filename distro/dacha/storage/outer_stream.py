"""A stream that a child in H writes, since only there all files of a box can be read."""

from __future__ import annotations

from collections.abc import Callable

from dacha.linux.child import ChildStream
from dacha.userns import outer
from dacha.userns.outer import OuterMaps


class OuterStream(ChildStream):
    """What `task` writes to the descriptor that it is given; to be read once, and closed."""

    def __init__(self, maps: OuterMaps, task: Callable[[int], object]) -> None:
        def work(sink: int) -> None:
            outer.enter(maps, None)
            task(sink)

        super().__init__(work)
