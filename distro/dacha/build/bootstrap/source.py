"""An image that is being made from packages, as a stream to read its layer from."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dacha.build.bootstrap import mmdebstrap, worker
from dacha.build.bootstrap.errors import BootstrapError, MissingManagerError
from dacha.build.bootstrap.explain import Failure, explain
from dacha.build.bootstrap.managers import MANAGERS
from dacha.build.bootstrap.plan import (
    TOP,
    Binds,
    File,
    Manager,
    Plan,
    Program,
    Request,
    local_path,
    with_local_mirrors,
)
from dacha.build.bootstrap.worker import Worker
from dacha.build.catalog import Entry
from dacha.build.progress import Progress
from dacha.build.recipe import Recipe
from dacha.errors import MissingProgramError
from dacha.linux import child, process, signals
from dacha.storage import staging
from dacha.userns import outer
from dacha.userns.outer import OuterMaps

_KEPT_LINES = 60
_SIGNALLED = 128  # exit codes above it, as a shell has them
# Programs elsewhere may be where the image's root, to whom a home is closed, could not go.
_SYSTEM_DIRECTORIES = ("/usr/", "/bin/", "/sbin/", "/opt/", "/nix/")


class _Job(NamedTuple):
    """What is to be done, ready to be carried out."""

    title: str  # of the image
    tool: str
    manager: Manager
    plan: Plan
    binds: Binds


class Bootstrap:
    """A bootstrap that runs: `read` gives the tar of the root file system."""

    def __init__(self, job: _Job, running: Worker, progress: Progress) -> None:
        self._job = job
        self._running = running
        self._progress = progress
        self._code: int | None = None
        self._lines: list[str] = []
        self._own_failure = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def read(self, size: int, /) -> bytes:
        """The next part of the tar. Raises BootstrapError, with the manager's words, if it has failed."""
        data = os.read(self._running.output, size)
        if not data:
            self._end()
        return data

    def close(self) -> None:
        """End what still runs, and wait until it is gone."""
        os.close(self._running.output)
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._running.keeper, signals.SIGTERM)
            self._code = process.wait(self._running.keeper)
        self._listener.join()

    def _listen(self) -> None:
        shown = ""
        with os.fdopen(self._running.messages, "r", errors="replace") as file:
            for line in file:
                text = line.strip()
                if line.startswith(worker.FAILED):
                    self._own_failure = text[1:]
                elif step := self._step(line):
                    if step != shown:
                        self._progress.step(f"{self._job.title}: {step}")
                    shown = step
                elif text:
                    self._lines = [*self._lines[1 - _KEPT_LINES :], text]

    def _step(self, line: str) -> str:
        if line.startswith(worker.STEP):
            number = line[1:].strip()
            titles = [step.title for step in self._job.plan.steps] + ["packing"]
            return titles[int(number)] if number.isdigit() and int(number) < len(titles) else ""
        return self._job.manager.read_step(line.rstrip())

    def _end(self) -> None:
        if self._code is None:
            self._code = process.wait(self._running.keeper)
        self._listener.join()
        if self._code == 0:
            return
        failure = self._explained()
        reason = failure.reason or f"exit code {self._code}"
        for source, target in self._job.binds:  # for people, things are where they have put them
            reason = reason.replace(target, source)
        raise BootstrapError(
            f"{self._job.tool} could not make {self._job.title}: {reason}", hint=failure.hint
        )

    def _explained(self) -> Failure:
        if self._own_failure:
            return Failure(self._own_failure)
        if self._code is not None and self._code > _SIGNALLED:
            return Failure(f"it was killed by signal {self._code - _SIGNALLED}", "try it again")
        return explain(self._lines, self._job.manager.rules)


@contextmanager
def bootstrap(entry: Entry, maps: OuterMaps, progress: Progress) -> Iterator[Bootstrap]:
    """Make the image of a catalog entry that has a recipe; when the block ends, all else of it is gone.

    Raises BootstrapError, and MissingManagerError where the recipe's tool is not on this host.
    """
    if entry.recipe is None:
        raise BootstrapError(f"the catalog has no recipe for '{entry.name}'", hint=f"--image {entry.name}")
    job = _prepare(entry, entry.recipe)
    with staging.staging_directory("bootstrap", lambda path: _remove(maps, path)) as place:
        running = worker.start(maps, place, job.plan, job.binds)
        made = Bootstrap(job, running, progress)
        try:
            yield made
        finally:
            made.close()


def _prepare(entry: Entry, recipe: Recipe) -> _Job:
    manager = MANAGERS[recipe.tool]
    found = {program.names[0]: _find(program) for program in manager.programs}
    arch = os.uname().machine
    recipe = recipe.expand(entry.version, entry.release, arch)
    if recipe.host_sources:
        recipe = mmdebstrap.with_host_sources(recipe, entry.release)
    _check_local_mirrors(recipe)
    origins = tuple(recipe.repositories.values())
    recipe, binds = with_local_mirrors(recipe)
    programs, program_binds = _places(found)
    keys = manager.read_keys(recipe)
    plan = manager.plan(Request(recipe, origins, entry.version, entry.release, arch, keys, programs))
    plan = plan._replace(work=(*plan.work, *(File(f"keys/{key.path}", key.data) for key in keys)))
    return _Job(entry.title, recipe.tool, manager, plan, (*binds, *program_binds))


def _find(program: Program) -> str:
    for name in program.names:
        with contextlib.suppress(MissingProgramError):
            return process.find_program(name)
    raise MissingManagerError(program.names[0], program.hint)


def _places(programs: dict[str, str]) -> tuple[dict[str, str], Binds]:
    """Where the programs are in the sandbox, and what must be bound for that."""
    places, binds = dict(programs), []
    for name, path in programs.items():
        real = os.path.realpath(path)
        if not real.startswith(_SYSTEM_DIRECTORIES):
            places[name] = f"{TOP}/bin/{name}"
            binds.append((real, places[name]))
    return places, tuple(binds)


def _check_local_mirrors(recipe: Recipe) -> None:
    for name, repository in recipe.repositories.items():
        path = local_path(repository)
        if path and not os.path.isdir(path):
            raise BootstrapError(
                f"the repository '{name}' of the recipe is gone: there is no {path}",
                hint="see `repositories` in the recipe",
            )


def _remove(maps: OuterMaps, path: str) -> None:
    """Delete a tree whose files belong to ids that only H has."""

    def task() -> bytes:
        outer.enter(maps, None)
        process.remove_tree(path)
        return b""

    child.run_in_child(task)
