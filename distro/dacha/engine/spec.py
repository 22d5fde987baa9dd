"""A container's definition as an OCI runtime specification: pure functions on values.

Source: opencontainers/runtime-spec 1.0.2, config.md and config-linux.md.
"""

from __future__ import annotations

from typing import NamedTuple

from dacha.linux import namespaces
from dacha.userns.mapping import IdMap

Json = dict[str, object]

_NAMESPACES = (
    ("user", namespaces.NEWUSER),
    ("mount", namespaces.NEWNS),
    ("pid", namespaces.NEWPID),
    ("uts", namespaces.NEWUTS),
    ("ipc", namespaces.NEWIPC),
    ("network", namespaces.NEWNET),
    ("cgroup", namespaces.NEWCGROUP),
)


class Mount(NamedTuple):
    """A mount of the container: `source` on the host, `target` inside."""

    target: str
    source: str
    kind: str = "bind"
    options: tuple[str, ...] = ()

    def as_json(self) -> Json:
        """As config.md, "Mounts", has it."""
        return {
            "destination": self.target,
            "source": self.source,
            "type": self.kind,
            "options": list(self.options),
        }


class Container(NamedTuple):
    """What crun is asked to make."""

    root: str
    hostname: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    mounts: tuple[Mount, ...]
    uids: IdMap
    gids: IdMap
    namespaces: int  # CLONE_NEW… flags of the namespaces that are its own
    cgroup: str  # its path in the unified tree, or empty for none
    user: tuple[int, int] = (0, 0)  # the ids of its first process, inside


def oci_spec(container: Container) -> Json:
    """The config.json of a container."""
    linux: Json = {
        "namespaces": [{"type": kind} for kind, flag in _NAMESPACES if container.namespaces & flag],
        "rootfsPropagation": "slave",
    }
    if container.namespaces & namespaces.NEWUSER:
        linux["uidMappings"] = _mappings(container.uids)
        linux["gidMappings"] = _mappings(container.gids)
    if container.cgroup:
        linux["cgroupsPath"] = container.cgroup
    return {
        "ociVersion": "1.0.2",
        "hostname": container.hostname,
        "root": {"path": container.root},
        "mounts": [each.as_json() for each in container.mounts],
        "process": {
            "terminal": False,
            "user": {"uid": container.user[0], "gid": container.user[1]},
            "cwd": "/",
            "args": list(container.argv),
            "env": list(container.environment),
            "noNewPrivileges": True,
            "capabilities": {},
        },
        "linux": linux,
    }


def _mappings(rows: IdMap) -> list[Json]:
    return [{"containerID": row.inside, "hostID": row.outside, "size": row.size} for row in rows]
