"""Templates: the layers of an image merged into one tree, once, of which each box gets an instant copy.

    flat/KEY/tree     the merged layers
    flat/KEY/lowers   which ones, the top one first

KEY stands for the layers, which never change. A template goes with the first of its layers.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable

from dacha import paths
from dacha.linux import files
from dacha.storage import staging
from dacha.storage.drivers.base import Stack


def template_of(stack: Stack, make: Callable[[str], None], remove: Callable[[list[str]], None]) -> str:
    """The tree of the template for a stack, which `make` makes if there is none yet.

    Two at once do the work twice, and one wins.
    """
    lowers = "".join(f"{lower}\n" for lower in stack.lowers).encode()
    home = f"{stack.store}/flat/{hashlib.sha256(lowers).hexdigest()[:24]}"
    if os.path.isdir(home):
        return f"{home}/tree"
    os.makedirs(os.path.dirname(home), mode=0o700, exist_ok=True)
    with staging.staging_directory("template", lambda path: remove([path])) as place:
        make(f"{place}/tree")
        files.replace_file(f"{place}/lowers", lowers)
        files.syncfs(place)
        try:
            os.rename(place, home)
        except OSError:
            os.stat(home)  # somebody else was faster; otherwise this says what failed
    return f"{home}/tree"


def sweep() -> None:
    """Throw away templates whose layers are not all there any more; `staging` empties the trash."""
    base = f"{paths.data_root()}/flat"
    for key in os.listdir(base) if os.path.isdir(base) else ():
        with contextlib.suppress(FileNotFoundError):  # somebody else sweeps, too
            with open(f"{base}/{key}/lowers", encoding="utf-8") as file:
                lowers = file.read().splitlines()
            if not all(os.path.isdir(f"{paths.data_root()}/{lower}") for lower in lowers):
                staging.move_to_trash(f"{base}/{key}")
