"""Get an image into the store, from wherever its reference points."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple, TypeVar

from dacha import paths
from dacha.build import (
    catalog,
    detection,
    locate,
    naming,
    podman,
    podman_places,
    pull,
    short_names,
    trust,
)
from dacha.build.bootstrap.errors import BootstrapError, MissingManagerError
from dacha.build.catalog import Entry
from dacha.build.progress import CountingSource, Progress, in_bytes
from dacha.build.registries import Access
from dacha.config.registries import ShortNameError
from dacha.errors import BadImageError, DachaError, ImageNotFoundError
from dacha.linux import process
from dacha.linux.account import calling_account
from dacha.linux.files import write_whole
from dacha.linux.lock import FileLock
from dacha.registry import image_name, incoming
from dacha.registry import reference as references
from dacha.registry.compression import decompressed
from dacha.registry.digest import Readable
from dacha.registry.dir_image import DirImage
from dacha.registry.docker_archive import DockerArchive
from dacha.registry.docker_legacy import LegacyDockerArchive
from dacha.registry.image_name import ImageName
from dacha.registry.layout import Layout
from dacha.registry.platform import Platform, PlatformNotFoundError, host_platform
from dacha.registry.reference import Reference
from dacha.registry.remote.errors import RegistryError, RemoteImageNotFoundError, UnreachableError
from dacha.registry.source import ImageSource
from dacha.storage import images, layers, staging, unpack, views
from dacha.storage.check.images import fetch
from dacha.storage.images import Image
from dacha.userns import single
from dacha.userns.outer import OuterMaps
from dacha.userns.single import MoreIdsNeededError

_CHUNK = 1 << 20
Part = TypeVar("Part")  # what an image source calls a layer


class _Wish(NamedTuple):
    """Which image to bring into the store, under which name."""

    connection: sqlite3.Connection
    maps: OuterMaps
    reference: Reference
    name: str
    progress: Progress
    platform: Platform | None = None  # which one was asked for
    access: Access = Access()


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Two at once want one image: the second waits, and finds it."""
    directory = paths.make_runtime_root() + "/locks"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with FileLock(f"{directory}/image-{hashlib.sha256(name.encode()).hexdigest()[:24]}"):
        yield


def obtain(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    text: str,
    progress: Progress,
    platform: Platform | None = None,
    access: Access = Access(),  # noqa: B008  (immutable)
) -> Image:
    """The image that `text` refers to, and for that platform: the one in the store, or else brought there.

    Raises UsageError, ImageNotFoundError, BadImageError, RegistryError, BootstrapError and
    MissingManagerError.
    """
    reference = references.parse(text)
    if reference.transport in ("", references.BOOTSTRAP):
        for name in dict.fromkeys((stored_name(reference), str(reference))):
            image = _find(connection, maps, name, platform)
            if image is not None:
                return image
            _check_origin(connection, naming.find(connection, name, platform), reference)
    if not reference.transport:
        image = podman.take_from_read_only(connection, maps, reference.path, progress, platform)
        if image is not None:
            return image
    return load(connection, maps, reference, stored_name(reference), progress, platform, access)


def pull_newest(
    connection: sqlite3.Connection, maps: OuterMaps, text: str, progress: Progress, access: Access
) -> Image:
    """The image as its registry has it now, whatever the store has under that name.

    `text` is a name with or without a host, or one of the catalog.
    """
    bare = text.removeprefix("docker://")
    reference = Reference(references.DOCKER, bare, "")
    names = locate.names_of(text, access.choose)
    with _lock(stored_name(reference)):
        image = _pull_first(
            _Wish(connection, maps, reference, bare, progress, access.platform, access), names
        )
    if not image_name.has_host(bare) and catalog.find(bare) is None:
        short_names.remember(bare, image.source.removeprefix("docker://"), names)
    return image


def load(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    reference: Reference,
    name: str,
    progress: Progress,
    platform: Platform | None = None,
    access: Access = Access(),  # noqa: B008  (immutable)
) -> Image:
    """Bring an image into the store under `name`; layers that are there already are not read again.

    A name that stands for another platform's image stays with it (`build.naming`).
    """
    with _lock(name):
        return _LOADERS[reference.transport](
            _Wish(connection, maps, reference, name, progress, platform, access)
        )


def stored_name(reference: Reference) -> str:
    """What an image is called in the store: in full if it is in a registry, files by their absolute path.

    Empty if it has names where it is.
    """
    if reference.transport == references.DOCKER or (
        not reference.transport and image_name.has_host(reference.path)
    ):
        return str(image_name.parse(reference.path)).removesuffix(":latest")
    if not reference.transport:
        return reference.path.removesuffix(":latest")
    if reference.transport == references.BOOTSTRAP:
        return str(reference)
    if reference.transport == references.CONTAINERS_STORAGE:
        return ""
    if reference.path == references.STDIN:
        return str(reference)
    return str(reference._replace(path=os.path.abspath(reference.path)))


def _load_layout(wish: _Wish) -> Image:
    return _add_image(wish, Layout(wish.reference.path))


def _load_dir(wish: _Wish) -> Image:
    return _add_image(wish, DirImage(wish.reference.path))


def _load_from_podman(wish: _Wish) -> Image:
    with podman_places.open_own("", wish.progress) as (lookup, _):
        found = lookup.find(wish.reference.path)
        image = podman.take_over(
            wish.connection, wish.maps, lookup, found, wish.progress, wish.platform
        ).image
    if wish.name:
        images.tag(wish.connection, image, wish.name)
    return images.get(wish.connection, image.id)


def _load_root_file_system(wish: _Wish) -> Image:
    from dacha.registry.rootfs import RootFileSystem  # imports tarfile

    with closing(RootFileSystem(wish.reference.path, wish.maps, paths.data_root())) as tree:
        return _add_root_file_system(wish, tree, f"reading {wish.reference.path}")


def _load_archive(wish: _Wish) -> Image:
    """An archive of images or a root file system, as the transport says, or as it turns out to be."""
    with incoming.open_incoming(wish.reference.path, lambda source: spool(source, wish.progress)) as given:
        if wish.reference.transport == references.PATH:
            wish = wish._replace(reference=wish.reference._replace(transport=given.kind()))
        kind = wish.reference.transport
        if kind == incoming.TAR:
            return _add_root_file_system(wish, given.root_file_system(), f"unpacking {given.where}")
        files = given.archive(kind)
        if kind == incoming.OCI_ARCHIVE:
            return _add_image(wish, Layout(wish.reference.path, files))
        if files.has("manifest.json"):
            return _add_image(wish, DockerArchive(wish.reference.path, files))
        return _add_image(wish, LegacyDockerArchive(wish.reference.path, files))


def _load_path(wish: _Wish) -> Image:
    """What stands there, told by what is in it."""
    path = wish.reference.path
    if path == references.STDIN or not os.path.isdir(path):
        return _load_archive(wish)
    for transport, name in (
        ("oci", "index.json"),
        ("dir", "manifest.json"),
        ("rootfs", "usr"),
        ("rootfs", "bin"),
    ):
        if os.path.lexists(f"{path}/{name}"):
            return _LOADERS[transport](wish._replace(reference=wish.reference._replace(transport=transport)))
    raise BadImageError(
        f"{path} is no root file system: it has neither usr nor bin", hint=f"if it is one, say rootfs:{path}"
    )


def _pull(wish: _Wish) -> Image:
    return _pull_first(wish, [image_name.parse(wish.reference.path)])


def _pull_first(wish: _Wish, names: Sequence[ImageName], stored: str = "") -> Image:
    """The first of these images that a registry has, under its own name if no other is given."""
    access = wish.access._replace(notice=wish.progress.notice, platform=wish.platform)
    for name in names:
        wish.progress.step(f"asking {name.host} for {name.path}")
        try:
            found = locate.find_remote(name, access)
        except RemoteImageNotFoundError as error:
            if name is names[-1]:
                raise
            wish.progress.notice(str(error))
            continue
        lacking = found.missing(wish.connection, wish.maps)
        if lacking:
            size = in_bytes(sum(layer.size_bytes for layer, _ in lacking))
            layers_text = "1 layer" if len(lacking) == 1 else f"{len(lacking)} layers"
            wish.progress.step(f"pulling {name}: {layers_text}, {size}")
        wish = wish._replace(name=stored or str(name).removesuffix(":latest"))
        under = _name(wish, _checked(wish, found.image.platform))
        return pull.pull(wish.connection, wish.maps, found, under, wish.progress)
    raise ImageNotFoundError(f"there is no registry to ask for {wish.reference}")


def _check_origin(connection: sqlite3.Connection, image: Image | None, reference: Reference) -> None:
    """Raise MissingLayersError where an image has lost layers, and its name does not say where they are."""
    if image is None or image.source.startswith("docker://") or catalog.find(reference.path) is not None:
        return
    lost = layers.missing(connection, image.id)
    if lost:
        raise layers.MissingLayersError(str(reference), lost, fetch=fetch(image))


def _find(
    connection: sqlite3.Connection, maps: OuterMaps, name: str, platform: Platform | None
) -> Image | None:
    """An image of the store, all its layers in the view that is wanted, which is made if need be."""
    image = naming.find(connection, name, platform)
    if image is None:
        return None
    others = single.all_maps(calling_account())
    return image if views.make_missing(connection, maps, image.id, *others) else None


def _by_name(wish: _Wish) -> Image:
    """What a name without a transport stands for: an image in a registry, or one of the catalog."""
    name = wish.reference.path
    image = _find(wish.connection, wish.maps, wish.name, wish.platform)
    if image is not None:
        return image
    if image_name.has_host(name):
        return _pull(wish)
    if catalog.find(name) is None:
        return _by_short_name(wish)
    return _from_catalog(wish, _find_entry(wish))


def _by_short_name(wish: _Wish) -> Image:
    name = wish.reference.path
    if catalog.find(name.partition(":")[0]) is not None:
        _find_entry(wish)  # a distribution that we know, and a version that we do not: hardly another's image
    try:
        names = short_names.candidates(name, wish.access.choose)
    except ShortNameError:
        _find_entry(wish)  # says that it is not there either, and what may have been meant
        raise
    for each in names:
        image = _find(wish.connection, wish.maps, str(each).removesuffix(":latest"), wish.platform)
        if image is not None:
            return image
    image = _pull_first(wish, names)
    short_names.remember(name, image.source.removeprefix("docker://"), names)
    return image


def _find_entry(wish: _Wish) -> Entry:
    """The entry of the catalog that is meant. Raises ImageNotFoundError."""
    entry = catalog.find(wish.reference.path)
    if entry is None:
        others = naming.for_other_platforms(wish.connection, wish.reference.path)
        close = _similar(wish.reference.path)
        hint = f"did you mean '{close}'?" if close else f"the catalog has: {', '.join(catalog.entries())}"
        if others:
            hint = f"the store has {others}"
        what = f"'{wish.reference.path}'" + (f" for {wish.platform}" if wish.platform else "")
        raise ImageNotFoundError(f"no image {what} in the store or in the catalog", hint=hint)
    return entry


def _from_catalog(wish: _Wish, entry: Entry) -> Image:
    """What the entry prefers: its recipe, or the image in a registry."""
    if not entry.comes_from_packages:
        try:
            return _pull_entry(wish, entry)
        except UnreachableError as error:
            if entry.recipe is not None:
                error.hint = f"make it from packages: --image {references.BOOTSTRAP}:{entry.name}"
            raise
    try:
        return _make(wish, entry, entry.name)
    except (MissingManagerError, MoreIdsNeededError) as missing:
        if not entry.image:
            raise
        try:
            return _pull_entry(wish, entry)
        except (ImageNotFoundError, RegistryError):
            raise missing from None  # what is preferred is what to mend


def _pull_entry(wish: _Wish, entry: Entry) -> Image:
    return _pull_first(wish, [image_name.parse(entry.image)], entry.name)


def _bootstrap(wish: _Wish) -> Image:
    """`bootstrap:NAME`: the recipe, and nothing else."""
    image = _find(wish.connection, wish.maps, wish.name, wish.platform)
    if image is not None:
        return image
    entry = _find_entry(wish)
    if entry.recipe is None:
        raise ImageNotFoundError(
            f"the catalog has no recipe that makes '{entry.name}' from packages",
            hint=f"it is an image in a registry: --image {entry.name}",
        )
    return _make(wish, entry, wish.name)


def _make(wish: _Wish, entry: Entry, name: str) -> Image:
    from dacha.build.bootstrap.source import bootstrap

    if wish.platform is not None and wish.platform.architecture != host_platform().architecture:
        raise BootstrapError(
            f"'{entry.name}' is made from packages here, and those are for {host_platform()} only",
            hint=f"give an image of it that is for {wish.platform}: --image oci-archive:FILE",
        )
    # Packages give files to many users, whatever becomes of that in the store.
    maps = single.full_maps(f"making '{entry.name}' from its packages", wish.maps, calling_account())
    with bootstrap(entry, maps, wish.progress) as made:
        layer = unpack.add_layer(wish.connection, wish.maps, CountingSource(made, wish.progress))
    tool = entry.recipe.tool if entry.recipe is not None else ""
    wish = wish._replace(name=name)
    return _add_single_layer(wish, layer.diff_id, host_platform(), f"{tool} {entry.version}")


# By transport (`registry.reference`); a name has none.
_LOADERS: dict[str, Callable[[_Wish], Image]] = {
    "": _by_name,
    references.DOCKER: _pull,
    references.BOOTSTRAP: _bootstrap,
    "oci": _load_layout,
    "dir": _load_dir,
    references.CONTAINERS_STORAGE: _load_from_podman,
    "rootfs": _load_root_file_system,
    "tar": _load_archive,
    "oci-archive": _load_archive,
    "docker-archive": _load_archive,
    references.PATH: _load_path,
}


@contextmanager
def spool(source: Readable, progress: Progress) -> Iterator[int]:
    """Write a stream to a file in the store, which is gone again when the block ends."""
    progress.step("making a copy of the archive that can be read at any place")
    counted = CountingSource(source, progress)
    with (
        staging.staging_directory("archive", process.remove_tree) as place,
        open(f"{place}/archive.tar", "w+b", buffering=0) as file,
    ):
        try:
            while data := counted.read(_CHUNK):
                write_whole(file.fileno(), data)
        except OSError as error:
            raise DachaError(
                f"cannot copy the archive into the store: {error.strerror}",
                hint="free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "",
            ) from error
        yield file.fileno()


def _add_image(wish: _Wish, source: ImageSource[Part]) -> Image:
    trust.check_local(wish.reference.transport, wish.reference.path)
    found = source.image(wish.reference.tag, wish.platform)
    platform = _checked(wish, found.platform)
    for number, (layer, diff_id) in enumerate(zip(found.layers, found.diff_ids, strict=True), start=1):
        if layers.is_missing(wish.connection, diff_id, wish.maps):
            wish.progress.step(f"layer {number} of {len(found.layers)}")
            with closing(source.open_layer(layer)) as blob:
                stream = decompressed(CountingSource(blob, wish.progress))
                unpack.add_layer(wish.connection, wish.maps, stream, expected=diff_id)
    return images.add(
        wish.connection,
        found.id,
        found.configuration,
        found.diff_ids,
        _name(wish, platform),
        str(wish.reference),
    )


def _checked(wish: _Wish, found: Platform | None) -> Platform:
    """The platform of what was found. Raises PlatformNotFoundError if another one was asked for."""
    if wish.platform is not None and found is not None and not found.serves(wish.platform):
        raise PlatformNotFoundError(wish.platform, [found])
    return found or wish.platform or host_platform()


def _name(wish: _Wish, platform: Platform) -> str:
    return naming.free_name(wish.connection, wish.name, platform, was_wanted=wish.platform is not None)


def _add_root_file_system(wish: _Wish, source: Readable, step: str) -> Image:
    wish.progress.step(step)
    layer = unpack.add_layer(wish.connection, wish.maps, CountingSource(source, wish.progress))
    platform = _checked(wish, detection.platform_in(f"{paths.data_root()}/{layer.view(wish.maps)}"))
    return _add_single_layer(wish, layer.diff_id, platform, str(wish.reference))


def add_root_layer(
    connection: sqlite3.Connection, maps: OuterMaps, path: str, progress: Progress
) -> tuple[str, Platform]:
    """Unpack the tar of a root file system: the diffID of its layer, and the platform of its programs."""
    with incoming.open_incoming(path, lambda source: spool(source, progress)) as given:
        progress.step(f"unpacking {given.where}")
        layer = unpack.add_layer(connection, maps, CountingSource(given.root_file_system(), progress))
    found = detection.platform_in(f"{paths.data_root()}/{layer.view(maps)}")
    return layer.diff_id, found or host_platform()


def _similar(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, catalog.entries(), n=1)
    return close[0] if close else ""


def _add_single_layer(wish: _Wish, diff_id: str, platform: Platform, source: str) -> Image:
    """An image of one layer, with a configuration of our own (OCI image specification, config.md)."""
    configuration = json.dumps(
        {
            "architecture": platform.architecture,
            "os": platform.os,
            **({"variant": platform.variant} if platform.variant else {}),
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        },
        sort_keys=True,
    )
    image = f"sha256:{hashlib.sha256(configuration.encode()).hexdigest()}"
    return images.add(wish.connection, image, configuration, [diff_id], _name(wish, platform), source)
