"""Which defect of the host is behind a failure: doctor's line in place of a helper's riddle.

Only the checks that can keep boxes from working are run, each probe only when one of them
needs it, and the first that fails is the answer: some 40 ms on a host that is whole.
"""

from __future__ import annotations

from dacha.box.definition import BoxExistsError
from dacha.box.doctor import ALL, ids, platforms, programs, runner
from dacha.box.doctor.base import FAIL, WARN, Check, Finding
from dacha.box.doctor.host import Host
from dacha.box.remove import BoxRunningError
from dacha.engine.emulation import ForeignPlatformError
from dacha.errors import (
    BadImageError,
    BoxNotFoundError,
    DachaError,
    ImageNotFoundError,
    MissingProgramError,
    UsageError,
)
from dacha.storage.images import ImageInUseError

# What the user has asked for, or the image, is at fault: no host mends that.
_NOT_THE_HOSTS = (
    UsageError,
    BadImageError,
    BoxExistsError,
    BoxNotFoundError,
    BoxRunningError,
    ImageInUseError,
    ImageNotFoundError,
)
_REFUSALS = ("denied", "not permitted")
# New boxes do without these (single-id mode), so their lack is a warning; what needs them names them.
_RANGES = ("subordinate uids", "subordinate gids")
_SUSPECTS = {
    "newuidmap": ("newuidmap", "id maps"),
    "newgidmap": ("newgidmap", "id maps"),
    "no subordinate ids": _RANGES,
    "subordinate ids that": _RANGES,
    "more ids than your own": (*_RANGES, "newuidmap", "newgidmap", "id maps"),
}


def explain(error: DachaError, host: Host | None = None) -> Finding | None:
    """The finding behind a failure, or None where the host is not at fault. Raises nothing."""
    if isinstance(error, _NOT_THE_HOSTS) or error.exit_code != DachaError.exit_code:
        return None
    try:
        return _explain(error, host or runner.this_host(is_eager=False))
    except Exception:  # the failure itself is what matters
        return None


def _explain(error: DachaError, host: Host) -> Finding | None:
    if isinstance(error, MissingProgramError):
        suspects = [check for check in programs.CHECKS if check.name == error.program]
        # One that doctor does not look for is not needed by all: the error itself says how to get it.
        return _first(host, suspects, FAIL, WARN)
    if isinstance(error, ForeignPlatformError):
        return _first(host, list(platforms.CHECKS), WARN)
    found = _first(host, [check for check in ALL if check.stops], FAIL)
    if found is None:
        names = [name for words, suspects in _SUSPECTS.items() if words in str(error) for name in suspects]
        found = _first(host, [check for check in ids.CHECKS if check.name in names], WARN)
    if found is None and any(word in str(error) for word in _REFUSALS):
        found = _first(host, [check for check in ALL if check.name == "SELinux"], WARN)
    return found


def _first(host: Host, checks: list[Check], *statuses: str) -> Finding | None:
    """The first finding of such a status; the checks after it are not run."""
    for check in checks:
        found = runner.examine(host, [check])[0]
        if found.status in statuses:
            return found
    return None
