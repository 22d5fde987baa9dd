"""Where a box's handlers of foreign programs are mounted."""

from __future__ import annotations

import pytest

from dacha.box.integrations.emulation import EmulationIntegration
from dacha.engine.emulation import PLACE, Emulation
from dacha.registry.platform import parse
from tests.lib.contexts import ContextMaker

FOREIGN = Emulation(parse("linux/arm64"), "/usr/bin/qemu-aarch64-static", is_own=True)


@pytest.mark.parametrize(("is_single", "kind"), [(False, "binfmt_misc"), (True, "bind")])
def test_a_box_without_a_root_is_given_the_instance_of_its_outer_namespace(
    make_context: ContextMaker, is_single: bool, kind: str
) -> None:
    context = make_context(is_single=is_single)._replace(emulation=FOREIGN)
    [mount] = EmulationIntegration().mounts(context)
    assert (mount.target, mount.kind) == (PLACE, kind)
    assert mount.source == (f"{context.runtime}/binfmt_misc" if is_single else "binfmt_misc")


def test_others_get_nothing(make_context: ContextMaker) -> None:
    integration = EmulationIntegration()
    assert integration.mounts(make_context()) == []
    assert integration.mounts(make_context()._replace(emulation=FOREIGN._replace(is_own=False))) == []
