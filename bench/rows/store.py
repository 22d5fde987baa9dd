"""A store of many images, and images of many layers: each cost grows linearly at most."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tarfile
from pathlib import Path

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.contenders.dacha import Dacha
from bench.programs import output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns

_IMAGES = 300
_HEIGHTS = (10, 100, 1000)

_LIST = Row(f"image list, with {_IMAGES} images", claims=(Claim(150),))
_LOAD = {height: Row(f"load an image of {height} tiny layers") for height in _HEIGHTS}
_REMOVE = {height: Row(f"remove an image of {height} tiny layers") for height in _HEIGHTS}


def write_layout(directory: Path, height: int, *, first: int = 0) -> Path:
    """An OCI layout with one image: a layer each for the numbers from `first` on."""
    layers = [_layer(number) for number in range(first, first + height)]
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
    }
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": _blob(directory, json.dumps(configuration).encode(), f"{kind}.config.v1+json"),
        "layers": [_blob(directory, layer, f"{kind}.layer.v1.tar") for layer in layers],
    }
    index = {
        "schemaVersion": 2,
        "manifests": [_blob(directory, json.dumps(manifest).encode(), f"{kind}.manifest.v1+json")],
    }
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory


def _layer(number: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(f"file-{number}")
        entry.size = 100
        tar.addfile(entry, io.BytesIO(bytes(100)))
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _blob(directory: Path, data: bytes, kind: str) -> dict[str, object]:
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / _digest(data).removeprefix("sha256:")).write_bytes(data)
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}


def _measure_list(bench: Bench, _contenders: list[Contender]) -> dict[str, Samples]:
    """The images share most of their layers, as those of one family do."""
    site = bench.fresh_site("images")
    there = Dacha(site, bench.archive)
    bench.say(f"making {_IMAGES} images")
    for number in range(_IMAGES):
        layout = write_layout(site.files / f"layout-{number}", 1 + number % 8, first=number // 8)
        output(there.load(f"oci:{layout}", f"image-{number}"))
    listing = {"dacha": functools.partial(timed, there.images())}
    return {_LIST.name: in_turns(listing, bench.count(15, 5))}


def _measure_heights(bench: Bench, _contenders: list[Contender]) -> dict[str, Samples]:
    samples: dict[str, Samples] = {}
    for height in _HEIGHTS:
        site = bench.fresh_site("layers")
        there = Dacha(site, bench.archive)
        reference = f"oci:{write_layout(site.files / 'layout', height)}"
        loads, removals = [], []
        for _ in range(bench.count(3, 1)):
            loads.append(timed(there.load(reference, "high")))
            removals.append(timed(there.remove_images("high")))
        samples[_LOAD[height].name] = {"dacha": loads}
        samples[_REMOVE[height].name] = {"dacha": removals}
    return samples


EXPERIMENTS = (
    Experiment((_LIST,), _measure_list, programs=("dacha",), is_slow=True),
    Experiment((*_LOAD.values(), *_REMOVE.values()), _measure_heights, programs=("dacha",), is_slow=True),
)
