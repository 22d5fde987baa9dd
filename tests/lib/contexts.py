"""Boxes about to start, for tests of integrations: what they are given, without starting anything."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from dacha.box.definition import Box, Volume
from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration
from dacha.linux.account import Account
from dacha.userns import mapping, outer
from dacha.userns.outer import OuterMaps
from tests.lib.trees import Tree, make_tree, open_stack

ROOT = Account("root", 0, 0, "root", "root", "/root", "/bin/sh")
USER_MAPS = OuterMaps(
    mapping.outer_map(1000, [(100_000, 65536)]),
    mapping.outer_map(1000, [(100_000, 65536)]),
    65536,
    is_initial=False,
)
SINGLE_MAPS = OuterMaps(
    mapping.outer_map(1000, ()), mapping.outer_map(1000, ()), 0, is_initial=False, is_single=True
)
ROOT_MAPS = outer.outer_maps(ROOT)


class ContextMaker:
    """Makes contexts below a directory; the home of their user is there too."""

    def __init__(self, base: Path, exits: ExitStack) -> None:
        self.base = base
        self.alex = Account("alex", 1000, 1000, "alex", "Alex A.", str(base / "home"), "/bin/bash")
        self._exits = exits
        for name in ("home", "runtime"):
            (base / name).mkdir()

    def __call__(
        self,
        image: Tree | None = None,
        upper: Tree | None = None,
        *,
        account: Account | None = None,
        is_single: bool = False,
        volumes: tuple[Volume, ...] = (),
        runtime_directory: str = "/run/user/1000",
        image_name: str = "debian:trixie",
    ) -> Context:
        """A context of a box called 'work' on the host 'desk'."""
        user = account or self.alex
        image_layer = make_tree(self.base / "image", image or {})
        upper_layer = make_tree(self.base / "upper", upper or {})
        return Context(
            box=Box("0123456789abcdef", "work", "sha256:" + "1" * 64, image_name, 1.0, "", volumes),
            account=user,
            maps=ROOT_MAPS if user.uid == 0 else SINGLE_MAPS if is_single else USER_MAPS,
            stack=self._exits.enter_context(open_stack(upper_layer, image_layer)),
            image=self._exits.enter_context(open_stack(image_layer)),
            host=f"{self.base}/runtime/host",
            hostname="desk",
            runtime=f"{self.base}/runtime",
            runtime_directory=runtime_directory,
            init="/usr/bin/catatonit",
        )


def edits_of(integration: Integration, context: Context) -> dict[str, Edit]:
    """The edits of an integration by their paths."""
    edits = integration.edits(context)
    found = {edit.path: edit for edit in edits}
    assert len(found) == len(edits), "two edits of one file"
    return found
