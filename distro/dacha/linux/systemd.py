"""stub"""

from __future__ import annotations


def has_manager() -> bool:
    return False


def start_scope(unit: str, pid: int, *, description: str = "") -> None:
    raise NotImplementedError
