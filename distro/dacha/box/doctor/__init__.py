"""`dacha doctor`: what this host can do for boxes, what it cannot, what that costs, and what mends it.

A subject is a module with its checks, which are functions of a `Host`. A new check is a
function and an entry in its module's CHECKS; a new subject is a module and a line in `ALL`.
"""

from __future__ import annotations

from dacha.box.doctor import (
    cgroups,
    clock,
    desktop,
    drivers,
    ids,
    kernel,
    network,
    places,
    platforms,
    programs,
    security,
    store,
)

# In the order in which they are shown: what all others stand on comes first.
ALL = (
    *kernel.CHECKS,
    *security.CHECKS,
    *ids.CHECKS,
    *programs.CHECKS,
    *platforms.CHECKS,
    *cgroups.CHECKS,
    *store.CHECKS,
    *drivers.CHECKS,
    *places.CHECKS,
    *desktop.CHECKS,
    *network.CHECKS,
    *clock.CHECKS,
)

__all__ = ["ALL"]
