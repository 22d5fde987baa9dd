"""What `docker save` wrote before 1.10, in 2016: layers by ids of chance, each with its parent.

There is no configuration and there are no digests, so one is made of what the topmost
layer says, and the layers are read once to name them.

Source: moby, image/spec/v1.md ("Docker Image Specification v1.0.0").
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing

from dacha.errors import BadImageError
from dacha.registry.compression import decompressed
from dacha.registry.digest import Stream, check_digest
from dacha.registry.docker_archive import choose
from dacha.registry.files import Files, read_json
from dacha.registry.manifest import Json, as_object
from dacha.registry.platform import Platform, host_platform
from dacha.registry.source import SourceImage

_CHUNK = 1 << 20
_MAX_LAYERS = 500  # docker's own limit was 127


class LegacyDockerArchive:
    """An archive with a file `repositories`, and a directory for each layer."""

    def __init__(self, path: str, files: Files) -> None:
        self._path = path
        self._files = files

    def image(self, tag: str = "", _platform: Platform | None = None) -> SourceImage[str]:
        """The image with that name, or the only one there is: names had one platform in those days."""
        names: dict[str, list[str]] = {}
        for repository, tags in as_object(read_json(self._files, "repositories")).items():
            for each, layer in as_object(tags).items():
                names.setdefault(_check_id(layer), []).append(f"{repository}:{each}")
        top = choose(list(names.items()), tag, self._path, self._files)[0]
        chain = self._chain(top)
        layers = tuple(f"{layer}/layer.tar" for layer, _ in reversed(chain))
        diff_ids = tuple(self._diff_id(layer) for layer in layers)
        configuration = _configuration(chain[0][1], diff_ids)
        digest = f"sha256:{hashlib.sha256(configuration.encode()).hexdigest()}"
        return SourceImage(digest, configuration, diff_ids, layers)

    def open_layer(self, layer: str) -> Stream:
        """A layer by its name in the archive."""
        return self._files.open(layer, f"layer {layer[:80]}")

    def _chain(self, layer: str) -> list[tuple[str, Json]]:
        """The layers and what is said of them, the topmost first."""
        chain: list[tuple[str, Json]] = []
        while layer:
            if len(chain) == _MAX_LAYERS:
                raise BadImageError(f"the layers in {self._files.where} have parents without end")
            facts = as_object(read_json(self._files, f"{layer}/json"))
            chain.append((layer, facts))
            layer = _check_id(facts["parent"]) if facts.get("parent") else ""
        return chain

    def _diff_id(self, layer: str) -> str:
        found = hashlib.sha256()
        with closing(self.open_layer(layer)) as file:
            source = decompressed(file)
            while data := source.read(_CHUNK):
                found.update(data)
        return f"sha256:{found.hexdigest()}"


def _check_id(value: object) -> str:
    return check_digest(f"sha256:{value}").removeprefix("sha256:")


def _configuration(facts: Json, diff_ids: tuple[str, ...]) -> str:
    kept = {key: facts[key] for key in ("author", "config", "created") if facts.get(key)}
    made = {
        "architecture": facts.get("architecture") or host_platform().architecture,
        "os": facts.get("os") or "linux",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    return json.dumps({**kept, **made}, sort_keys=True)
