"""What a row needs to measure: the programs that are compared, made ready once, when first asked for."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from bench import processes
from bench.contenders.base import Contender
from bench.contenders.dacha import Dacha
from bench.contenders.distrobox import Distrobox
from bench.contenders.podman import Podman
from bench.programs import ProgramError, output
from bench.registry import Registry
from bench.site import Site

_ORDER: tuple[type[Contender], ...] = (Dacha, Podman, Distrobox)
# distrobox works on podman's store.
_NEEDS = {"distrobox": ("podman",)}
# Takes half a minute to make ready: not in a quick run.
_SLOW = ("distrobox",)


class Bench:
    """One run. `missing` says why a program that could not be made ready is left out."""

    def __init__(
        self,
        state: Path,
        runtime: Path,
        archive: Path,
        reader: Path | None,
        *,
        is_quick: bool,
        large_layer_mb: int | None = None,
    ) -> None:
        self._begin = time.monotonic()
        self._state = state
        self._runtime = runtime
        self.archive = archive
        self.reader = reader  # of what only root may see
        self.is_quick = is_quick
        self.large_layer_mb = large_layer_mb or self.count(512, 64)
        self._registry: Registry | None = None
        self._sites: list[Site] = []
        self.site = self.fresh_site("main")
        self.missing: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.facts: dict[str, str] = {}  # what else the header has to say of this run
        self.box_processes: dict[str, list[int]] = {}  # what keeps a main box running
        self.dacha = Dacha(self.site, archive)
        self._known: dict[str, Contender] = {"dacha": self.dacha}
        self._known |= {kind.name: kind(self.site, archive) for kind in _ORDER[1:]}
        self._ready: set[str] = set()

    def count(self, full: int, quick: int) -> int:
        """How many samples to take."""
        return quick if self.is_quick else full

    def say(self, text: str) -> None:
        """Tell the person who waits."""
        print(f"bench: {time.monotonic() - self._begin:4.0f} s  {text}", file=sys.stderr, flush=True)

    def contenders(self, *names: str) -> list[Contender]:
        """The programs of these names that work here, each with its main box running."""
        for name in names:
            if not (self.is_quick and name in _SLOW):
                self._prepare(name)
        return [self._known[name] for name in names if name in self._ready]

    def fresh_site(self, name: str) -> Site:
        """Empty stores. They are kept to the end: bench/run says why nothing is removed between samples."""
        name = f"{name}-{os.urandom(4).hex()}"
        site = Site(self._state / name, self._runtime / name)
        self._sites.append(site)
        return site

    @property
    def registry(self) -> Registry:
        """The registry to pull from, started when first asked for. Raises ProgramError."""
        if self._registry is None:
            self.say("starting a registry")
            self._registry = Registry(self.fresh_site("registry"))
        return self._registry

    def close(self) -> None:
        """Remove everything this run has made."""
        if self._registry is not None:
            self._registry.close()
        # podman 4.3 waits in vain for the end of a container that sees the host's processes.
        for pid in self.box_processes.get("distrobox", ()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for contender in self._known.values():
            self._clean(contender)
        for site in self._sites:
            site.remove()

    def _prepare(self, name: str) -> None:
        if name in self._ready or name in self.missing:
            return
        for other in _NEEDS.get(name, ()):
            self._prepare(other)
            if other in self.missing:
                self.missing[name] = f"needs {other}"
                return
        self.say(f"making {name} ready")
        contender = self._known[name]
        try:
            self.versions[name] = output(contender.version()).strip()
            contender.prepare_store()
            before = processes.all_pids()
            try:
                contender.prepare_box()
            finally:
                self.box_processes[name] = processes.started_since(before)
        except ProgramError as error:
            if name == "dacha":
                raise
            self.missing[name] = str(error)
            self.say(f"{name} is left out: {error}")
        else:
            self._ready.add(name)

    def _clean(self, contender: Contender) -> None:
        store = contender.site.data / "containers"
        if not store.is_dir() or (contender.name != "dacha" and not (store / "storage").is_dir()):
            return
        for command in contender.clean():
            try:
                output(command)
            except ProgramError as error:
                self.say(str(error))
