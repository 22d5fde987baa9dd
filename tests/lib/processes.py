"""Start `sleep MARK` where `mark()` is a number of seconds that is used once: then it is found by it."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

_numbers = itertools.count(os.getpid() * 1000)


def mark() -> str:
    """A number of seconds for sleep(1), years long, that no other process has."""
    return f"7{next(_numbers)}"


def sleepers(mark: str) -> list[int]:
    """The live processes `sleep MARK`, in this pid namespace and below."""
    return find("sleep", mark)


def find(*argv: str) -> list[int]:
    """The live processes whose arguments begin like that, in this pid namespace and below."""
    wanted = b"".join(word.encode() + b"\0" for word in argv)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_it = (process / "cmdline").read_bytes().startswith(wanted)
            state = (process / "stat").read_bytes().rsplit(b")", 1)[1].split()[0]
        except OSError:  # it has just ended
            continue
        if is_it and state not in (b"Z", b"X"):
            found.append(int(process.name))
    return found


def wait_for(condition: Callable[[], bool], timeout: float = 20) -> bool:
    """Wait until `condition` holds; whether it does in the end."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_for_sleepers(mark: str, count: int) -> None:
    """Wait until that many processes `sleep MARK` run; fail if it does not come to that."""
    assert wait_for(lambda: len(sleepers(mark)) == count), f"{len(sleepers(mark))} sleep {mark}, not {count}"


def children(pid: int) -> list[int]:
    """The live children of a process's first thread."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state(pid: int) -> str:
    """What the process does, as one letter (proc(5), field 3 of stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def is_asleep(pid: int) -> bool:
    """Whether a process did nothing for a tenth of a second."""
    before = Path(f"/proc/{pid}/stat").read_text()
    time.sleep(0.1)
    after = Path(f"/proc/{pid}/stat").read_text()
    return state(pid) == "S" and before.split()[13:15] == after.split()[13:15]
