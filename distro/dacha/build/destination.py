"""Where `image push` and `image copy` write to, by the transport that is named."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import NamedTuple

from dacha.build import registries
from dacha.build.registries import Access
from dacha.errors import DachaError, UsageError
from dacha.linux import process
from dacha.registry import image_name
from dacha.registry import reference as references
from dacha.registry.image_name import ImageName
from dacha.registry.manifest import Document, as_object, objects_of
from dacha.registry.remote.upload import Uploader
from dacha.registry.sink import DirSink, LayoutSink, RegistrySink, Sink
from dacha.storage import staging


class Destination(NamedTuple):
    """`name` is that of the repository, if it is one."""

    sink: Sink
    name: ImageName | None


@contextlib.contextmanager
def open_destination(text: str, access: Access) -> Iterator[Destination]:
    """Where `text` points: docker://NAME or HOST/PATH[:TAG], oci:, oci-archive:, docker-archive: or dir:.

    An archive appears when the block ends well. Raises UsageError for what cannot be written to.
    """
    reference = references.parse(text)
    path = os.path.abspath(reference.path)
    if reference.transport in ("", references.DOCKER):
        if not reference.transport and not image_name.has_host(reference.path):
            raise UsageError(f"'{text}' names no registry", hint="give HOST/PATH[:TAG] or TRANSPORT:PATH")
        name = image_name.parse(reference.path)
        client, there = registries.own_registry(name, access)
        yield Destination(RegistrySink(Uploader(client), there.version), name)
    elif reference.transport == "oci":
        yield Destination(LayoutSink(path, reference.tag), None)
    elif reference.transport == "dir":
        yield Destination(DirSink(path), None)
    elif reference.transport in ("oci-archive", "docker-archive"):
        with staging.staging_directory("archive", process.remove_tree) as place:
            layout = f"{place}/layout"
            sink = _ArchiveSink(layout, "" if reference.transport == "docker-archive" else reference.tag)
            yield Destination(sink, None)
            if reference.transport == "docker-archive":
                _write_docker_manifest(layout, sink, reference.tag)
            _pack(layout, path)
    else:
        raise UsageError(
            f"images cannot be written to '{text}'",
            hint="give HOST/PATH[:TAG], oci:, oci-archive:, docker-archive: or dir:",
        )


class _ArchiveSink(LayoutSink):
    """A layout that becomes an archive, and remembers what was written last."""

    document: Document | None = None

    def put_manifest(self, document: Document) -> None:
        """Write it."""
        super().put_manifest(document)
        self.document = document


def _write_docker_manifest(layout: str, sink: _ArchiveSink, tag: str) -> None:
    """Make the layout a docker archive too, as docker itself does since version 25."""
    if sink.document is None:
        return
    value = sink.document.value
    config = as_object(value.get("config"))
    names = [str(image_name.parse(tag))] if tag else []
    entry = {
        "Config": _blob_name(config.get("digest")),
        "RepoTags": names,
        "Layers": [_blob_name(layer.get("digest")) for layer in objects_of(value, "layers", "the manifest")],
    }
    with open(f"{layout}/manifest.json", "w", encoding="utf-8") as file:
        json.dump([entry], file)


def _blob_name(digest: object) -> str:
    return "blobs/" + str(digest).replace(":", "/")


def _pack(directory: str, path: str) -> None:
    """Pack a directory into an archive, which appears in one step."""
    temporary = f"{path}.{os.getpid()}~"
    names = sorted(os.listdir(directory))
    tar = process.find_program("tar")
    options = ["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]
    try:
        process.run([tar, *options, f"--file={temporary}", f"--directory={directory}", "--", *names])
        os.rename(temporary, path)
    except OSError as error:
        raise DachaError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
