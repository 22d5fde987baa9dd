"""The machine: what it is, and how busy others keep it."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

# Background work of the last measurement is given this long to end.
_SETTLE_S = 0.4
_LOOK_S = 0.3


def describe(where: Path) -> dict[str, str]:
    """The lines of the header; `where` is on the file system that is written to."""
    return {
        "system": _os_name(),
        "kernel": platform.release(),
        "CPUs": f"{os.cpu_count()} of {_cpu_model()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB",
        "file system": _file_system(where),
        "load average": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }


def foreign_cpus() -> float:
    """How many CPUs are busy (or stolen by the hypervisor) while we do nothing."""
    time.sleep(_SETTLE_S)
    busy, total = _ticks()
    time.sleep(_LOOK_S)
    busy_later, total_later = _ticks()
    return (busy_later - busy) / max(total_later - total, 1) * (os.cpu_count() or 1)


def _ticks() -> tuple[int, int]:
    """Ticks that all CPUs together were busy, and ticks in all (proc_stat(5))."""
    # user nice system idle iowait irq softirq steal; guest time is in user already
    values = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    total = sum(values)
    return total - values[3] - values[4], total


def _os_name() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(where: Path) -> str:
    """The type of the mount with the longest path above `where` (proc_pid_mountinfo(5))."""
    best, found = -1, "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4]
        if where.resolve().is_relative_to(point) and len(point) >= best:
            best, found = len(point), after.split()[0]
    return found
