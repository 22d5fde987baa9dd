"""Getting an image: from packages, and from an archive."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.contenders.dacha import Dacha
from bench.programs import Command, output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns
from bench.site import Site

_MMDEBSTRAP = "mmdebstrap alone"
_TAR = "GNU tar, sync"

_UNPACK = Row("unpack a layer of Debian", claims=(Claim(1.2, _TAR),))
_LOAD = Row("load an archive of Debian")
_BOOTSTRAP = Row("bootstrap Debian minbase", unit="s", claims=(Claim(1.3, _MMDEBSTRAP),))

_IMAGE = "debian:bookworm"

# Both keep what a layer has to keep: owners, modes, extended attributes. dacha's load is on
# disk when it ends, so tar's must be, too.
_UNPACK_SCRIPT = (
    'tar --extract --file="$1" --directory="$2" --numeric-owner --same-owner --preserve-permissions'
    " --xattrs --xattrs-include='*' && sync --file-system \"$2\""
)
# Notes how dacha calls mmdebstrap, so that the bare call is the very same.
_SHIM = """\
#!/bin/sh
printf '%s\\n' "$@" >'{record}'
exec '{real}' "$@"
"""


def _load(bench: Bench, contender: Contender) -> float:
    site = bench.fresh_site("load")
    there = type(contender)(site, bench.archive)
    output(there.listing())  # makes the store
    os.sync()  # nothing earlier must be this one's burden
    return timed(there.load_image())


def _unpack(bench: Bench, archive: Path) -> float:
    there = Dacha(bench.fresh_site("unpack"), archive)
    output(there.listing())
    os.sync()
    return float(output(there.unpack_layer()))


def _tar(bench: Bench) -> float:
    site = bench.fresh_site("tar")
    command = site.inside_namespace("sh", "-c", _UNPACK_SCRIPT, "sh", bench.archive, site.data)
    os.sync()
    return timed(command)


def _measure_unpack(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    """Both rows in one go: what a load does is unpacking for the most part, and they share tar's samples."""
    actions = {contender.name: functools.partial(_load, bench, contender) for contender in contenders}
    actions[_TAR] = functools.partial(_tar, bench)
    actions[_UNPACK.name] = functools.partial(_unpack, bench, bench.archive)
    samples = in_turns(actions, bench.count(7, 1), warmups=bench.count(1, 0))
    alone = samples.pop(_UNPACK.name)
    return {_UNPACK.name: {"dacha": alone, _TAR: samples[_TAR]}, _LOAD.name: samples}


def _with_own_temporary(command: Command, site: Site) -> Command:
    """mmdebstrap builds in TMPDIR, and wants other users to be able to go there."""
    directory = site.files / "tmp"
    directory.mkdir()
    directory.chmod(0o1777)
    return Command(command.argv, {**command.env, "TMPDIR": str(directory)})


def _bootstrap(bench: Bench, record: Path) -> float:
    """By dacha; how it calls mmdebstrap goes into `record`."""
    site = bench.fresh_site("bootstrap")
    shim = site.files / "shim"
    shim.mkdir()
    real = shutil.which("mmdebstrap", path=site.env["PATH"])
    (shim / "mmdebstrap").write_text(_SHIM.format(record=record, real=real))
    (shim / "mmdebstrap").chmod(0o755)
    command = Dacha(site, bench.archive).bootstrap(_IMAGE)
    watched = Command(command.argv, {**command.env, "PATH": f"{shim}:{command.env['PATH']}"})
    os.sync()
    return timed(_with_own_temporary(watched, site))


def _bare_bootstrap(bench: Bench, record: Path) -> float:
    site = bench.fresh_site("mmdebstrap")
    command = site.command("mmdebstrap", *record.read_text().splitlines())
    os.sync()
    return timed(_with_own_temporary(command, site), stdout=site.files / "debian.tar")


def _measure_bootstrap(bench: Bench, _contenders: list[Contender]) -> dict[str, Samples]:
    bench.say("half a minute each time")
    record = bench.site.files / "mmdebstrap-arguments"
    actions = {
        "dacha": functools.partial(_bootstrap, bench, record),
        _MMDEBSTRAP: functools.partial(_bare_bootstrap, bench, record),
    }
    return {_BOOTSTRAP.name: in_turns(actions, bench.count(2, 1), warmups=0)}


EXPERIMENTS = (
    Experiment((_UNPACK, _LOAD), _measure_unpack, programs=("dacha", "podman")),
    Experiment((_BOOTSTRAP,), _measure_bootstrap, programs=("dacha",), is_slow=True),
)
