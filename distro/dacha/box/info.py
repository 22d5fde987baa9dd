"""What `dacha system info` tells: this installation, as values that JSON can hold."""

from __future__ import annotations

import os
import time
from typing import Any

from dacha import __version__, paths
from dacha.box import definition
from dacha.box.doctor.programs import version_in
from dacha.engine import state
from dacha.errors import DachaError
from dacha.linux import account, cgroup, mountinfo, process
from dacha.linux.probe import start_program
from dacha.storage import database
from dacha.storage.drivers import choice
from dacha.userns import single

_PROGRAMS = ("crun", "conmon", "catatonit", "pasta", "slirp4netns", "fuse-overlayfs", "newuidmap", "tar")
_SILENT_ABOUT_VERSIONS = ("newuidmap",)  # they take --version for a mistake
_TIMEOUT_S = 2.0


def collect() -> dict[str, Any]:
    """All of it. A store without a driver gets one.

    Raises DachaError where the store cannot be opened; that no driver works is told as `error`.
    """
    return {
        "version": __version__,
        "host": {
            "kernel": os.uname().release,
            "architecture": os.uname().machine,
            "cgroups": {cgroup.ROOT: "v2", cgroup.HYBRID: "hybrid"}.get(cgroup.tree(), "none"),
        },
        "store": _store(),
        "runtime": {"root": paths.runtime_root()},
        "programs": _programs(),
    }


def _store() -> dict[str, Any]:
    connection = database.open_database()
    try:
        images, layers = connection.execute(
            "SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM layers)"
        ).fetchone()
        boxes = [box.name for box in definition.listing(connection)]
    finally:
        connection.close()
    root = paths.data_root()
    system = os.statvfs(root)
    return {
        "root": root,
        **_driver(),
        "fileSystem": mountinfo.kind_at(root),
        "sizeBytes": system.f_blocks * system.f_frsize,
        "freeBytes": system.f_bavail * system.f_frsize,
        "images": images,
        "layers": layers,
        "boxes": len(boxes),
        "running": sum(state.is_running(name) for name in boxes),
    }


def _driver() -> dict[str, str]:
    try:
        found = choice.choose(single.choose(account.calling_account()).maps)
    except DachaError as error:
        return {"driver": "", "reason": "", "error": str(error), "hint": error.hint}
    return {"driver": found.driver, "reason": found.reason, "cost": choice.COSTS[found.driver]}


def _programs() -> dict[str, dict[str, str] | None]:
    """Those that there are, with their paths and versions; None for the others."""
    deadline = time.monotonic() + _TIMEOUT_S
    found: dict[str, dict[str, str] | None] = {}
    probes = {}
    for name in _PROGRAMS:
        try:
            path = process.find_program(name)
        except DachaError:
            found[name] = None
            continue
        found[name] = {"path": path, "version": ""}
        if name not in _SILENT_ABOUT_VERSIONS:
            probes[name] = start_program([path, "--version"], deadline)
    for name, probe in probes.items():
        said = probe.wait().output.decode(errors="replace")
        found[name] = {"path": process.find_program(name), "version": version_in(said, name)}
    return found
