"""What crun is asked to make, as golden files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.engine.spec import Container, Mount, oci_spec
from dacha.linux import namespaces
from dacha.linux.account import Account
from dacha.userns import mapping, outer
from dacha.userns.outer import OuterMaps
from tests.lib.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"

USER_MAPS = OuterMaps(
    mapping.outer_map(1000, [(100_000, 65536)]),
    mapping.outer_map(100, [(100_000, 65536)]),
    65536,
    is_initial=False,
)
SINGLE_MAPS = outer.outer_maps(Account("alex", 1000, 100, "users", "", "/", "/bin/sh"), is_single=True)
ROOT_MAPS = outer.outer_maps(Account("root", 0, 0, "root", "", "/root", "/bin/sh"))
OWN = namespaces.NEWNS | namespaces.NEWPID | namespaces.NEWUTS | namespaces.NEWCGROUP


def container(
    maps: OuterMaps, uid: int, gid: int, *, own: int, cgroup: str = "", user: tuple[int, int] = (0, 0)
) -> Container:
    return Container(
        root="/run/user/1000/dacha/boxes/work/root",
        hostname="desk",
        argv=("/run/dacha/catatonit", "-P"),
        environment=("PATH=/usr/bin:/bin",),
        mounts=(
            Mount("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
            Mount("/data", "/srv/data", options=("rbind", "rslave", "ro")),
        ),
        uids=maps.box_uids(uid),
        gids=maps.box_gids(gid),
        namespaces=own,
        cgroup=cgroup,
        user=user,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "rootless-cgroup",
            container(USER_MAPS, 1000, 100, own=OWN | namespaces.NEWUSER, cgroup="/user/dacha-work/init"),
        ),
        ("rootless", container(USER_MAPS, 1000, 100, own=OWN | namespaces.NEWUSER)),
        ("single", container(SINGLE_MAPS, 1000, 100, own=OWN | namespaces.NEWUSER, user=(1000, 100))),
        ("root", container(ROOT_MAPS, 0, 0, own=OWN, cgroup="/dacha-work/init")),
    ],
)
def test_spec_is_as_it_was(name: str, value: Container) -> None:
    assert_golden(GOLDEN / f"spec-{name}.json", oci_spec(value))


def test_only_the_namespaces_asked_for_are_made() -> None:
    spec = oci_spec(container(USER_MAPS, 1000, 100, own=namespaces.NEWNS | namespaces.NEWNET))
    linux = spec["linux"]
    assert isinstance(linux, dict)
    assert linux["namespaces"] == [{"type": "mount"}, {"type": "network"}]
    assert "uidMappings" not in linux
    assert "gidMappings" not in linux
