"""The store: what it takes of the disk, and how verbs fare when it holds many images."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from bench import made
from bench.bench import Bench
from bench.contenders.base import Contender
from bench.programs import Command, output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_bursts, in_turns

_BOXES = 10
_IMAGES = 300

_ONE = "dacha, one box"
_DISK = Row(f"disk used by {_BOXES} boxes of one image", unit="MB", claims=(Claim(1.05, _ONE),))
_LIST = Row(f"image list, with {_IMAGES} images", claims=(Claim(150),))
_REMOVE = Row("image rm, Debian", claims=(Claim(1000),))


def _fresh(bench: Bench, contender: Contender) -> Contender:
    return type(contender)(bench.fresh_site("store"), bench.archive)


def _used_bytes(contender: Contender) -> float:
    """On the disk, by all the program has stored; what its boxes have mounted does not count."""
    flags = ("--summarize", "--one-file-system", "--block-size=1")
    return float(output(contender.site.inside_namespace("du", *flags, contender.site.data)).split()[0])


def _measure_disk(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    """With boxes that have been started: what a first start writes into a box counts."""
    used: Samples = {}
    for contender in contenders:
        there = _fresh(bench, contender)
        output(there.load_image())
        boxes = [there.box(f"disk{number}") for number in range(_BOXES)]
        for number, box in enumerate(boxes):
            output(there.create(box))
            output(there.start(box))
            if number == 0:
                used[f"{contender.name}, one box"] = [_used_bytes(there)]
        used[contender.name] = [_used_bytes(there)]
        output(there.remove(*boxes))
    return {_DISK.name: dict(sorted(used.items()))}


def _push_many(bench: Bench) -> list[str]:
    """The names of many small images, which all have one layer in common."""
    registry = bench.registry

    def make(directory: Path) -> list[made.Layer]:
        layers = [made.tiny(0, directory)]
        registry.push_layers("many", layers)
        for number in range(1, _IMAGES):
            registry.push_image("many", f"v{number}", layers)
        return layers

    first = registry.provide("many", make)
    return [first, *(f"{first.removesuffix('latest')}v{number}" for number in range(1, _IMAGES))]


def _measure_list(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    images = _push_many(bench)
    actions = {}
    for contender in contenders:
        bench.say(f"pulling {_IMAGES} images with {contender.name}")
        there = _fresh(bench, contender)
        output(there.pull(*images))
        actions[contender.name] = functools.partial(timed, there.list_images())
    return {_LIST.name: in_bursts(actions, bench.count(20, 8))}


def _time_next(commands: Iterator[Command]) -> float:
    return timed(next(commands))


def _measure_remove(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    """All stores are filled first: where files have just been removed, new ones may be slow to make."""
    count = bench.count(5, 1)
    actions = {}
    for contender in contenders:
        stores = [_fresh(bench, contender) for _ in range(count)]
        for there in stores:
            output(there.load_image())
        commands = iter([there.remove_image() for there in stores])
        actions[contender.name] = functools.partial(_time_next, commands)
    return {_REMOVE.name: in_turns(actions, count, warmups=0)}


EXPERIMENTS = (
    Experiment((_DISK,), _measure_disk, programs=("dacha", "podman")),
    # podman takes more than ten minutes to pull that many.
    Experiment((_LIST,), _measure_list, programs=("dacha",)),
)
# To be measured last: it removes many files.
REMOVAL = (Experiment((_REMOVE,), _measure_remove, programs=("dacha", "podman")),)
