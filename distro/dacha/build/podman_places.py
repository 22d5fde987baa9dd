"""Where podman's images are: its own store, and those that are there for all users."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dacha import paths
from dacha.build.progress import Progress
from dacha.config.storage import StorageConfig, load_storage_config
from dacha.errors import DachaError
from dacha.registry.containers_storage.lookup import Lookup
from dacha.registry.containers_storage.store import Store, open_stores


def own_roots(config: StorageConfig) -> list[str]:
    """The graph root of podman's own store, and the image store beside it if there is one."""
    default = f"{os.path.dirname(paths.data_root())}/storage"
    return [root for root in (config.graphroot or default, config.imagestore) if root]


@contextmanager
def open_own(root: str, progress: Progress) -> Iterator[tuple[Lookup, frozenset[str]]]:
    """podman's stores, and the roots of those that are its own: just `root`, if one is given.

    Raises DachaError where its own cannot be opened; of the others it is only told.
    """
    config = load_storage_config()
    own = [os.path.abspath(root)] if root else own_roots(config)
    with ExitStack() as stack:
        stores: list[Store] = []
        for each in own:
            stores += _open(each, progress, stack)
        stores += _open_others(config.additionalimagestores, progress, stack)
        yield Lookup(stores), frozenset(own)


@contextmanager
def open_read_only(progress: Progress) -> Iterator[Lookup | None]:
    """The stores for all users (additionalimagestores); None where the configuration names none."""
    config = load_storage_config()
    if not config.additionalimagestores:
        yield None
        return
    with ExitStack() as stack:
        yield Lookup(_open_others(config.additionalimagestores, progress, stack))


def _open(root: str, progress: Progress, stack: ExitStack) -> list[Store]:
    stores = open_stores(root, progress.notice)
    for store in stores:
        stack.callback(store.close)
    return stores


def _open_others(roots: Sequence[str], progress: Progress, stack: ExitStack) -> list[Store]:
    stores: list[Store] = []
    for root in roots:
        try:
            stores += _open(root, progress, stack)
        except DachaError as error:
            progress.notice(f"left out: {error}")
    return stores
