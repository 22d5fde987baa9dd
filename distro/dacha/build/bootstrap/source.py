"""An image that is being made from packages, as a stream to read its layer from."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from dacha.build.bootstrap import mmdebstrap, worker
from dacha.build.bootstrap.managers import MANAGERS
from dacha.build.bootstrap.plan import (
    TOP,
    Failure,
    File,
    Manager,
    Plan,
    Program,
    Request,
    install_hint,
    local_path,
    with_local_mirrors,
)
from dacha.build.catalog import Entry
from dacha.build.progress import Progress
from dacha.build.recipe import Recipe
from dacha.errors import DachaError, MissingProgramError
from dacha.linux import child, process, signals
from dacha.storage import staging
from dacha.userns import outer
from dacha.userns.outer import OuterMaps

_MAX_KEY_BYTES = 8 << 20  # Arch's keyring has 1
_KEPT_LINES = 60
# Programs elsewhere may be where the image's root, to whom a home is closed, could not go.
_SYSTEM_DIRECTORIES = ("/usr/", "/bin/", "/sbin/", "/opt/", "/nix/")


class BootstrapError(DachaError):
    """An image could not be made from packages."""


class Bootstrap:
    """A bootstrap that runs: `read` gives the tar of the root file system."""

    def __init__(
        self, entry: Entry, manager: Manager, plan: Plan, keeper: int, output: int, said: int
    ) -> None:
        self._entry = entry
        self._manager = manager
        self._plan = plan
        self._keeper = keeper
        self._code: int | None = None
        self._lines: list[str] = []
        self._own_failure = ""
        self._stream: IO[bytes] = os.fdopen(output, "rb", buffering=0)
        self._said = said

    def listen(self, progress: Progress) -> None:
        """Have progress told from now on."""
        self._listener = threading.Thread(target=self._listen, args=(progress,), daemon=True)
        self._listener.start()

    def read(self, size: int, /) -> bytes:
        """The next part of the tar. Raises BootstrapError, with the manager's words, if it has failed."""
        data = self._stream.read(size)
        if not data:
            self._end()
        return data

    def close(self) -> None:
        """End what still runs, and wait until it is gone."""
        self._stream.close()
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._keeper, signals.SIGTERM)
            self._code = process.wait(self._keeper)
        self._listener.join()

    def _listen(self, progress: Progress) -> None:
        shown = ""
        with os.fdopen(self._said, "r", errors="replace") as file:
            for line in file:
                text = line.strip()
                if line.startswith(worker.FAILED):
                    self._own_failure = text[1:]
                elif step := self._step(line):
                    if step != shown:
                        progress.step(f"{self._entry.title}: {step}")
                    shown = step
                elif text:
                    self._lines = [*self._lines[1 - _KEPT_LINES :], text]

    def _step(self, line: str) -> str:
        if line.startswith(worker.STEP):
            number = line[1:].strip()
            titles = [step.title for step in self._plan.steps] + ["packing"]
            return titles[int(number)] if number.isdigit() and int(number) < len(titles) else ""
        return self._manager.read_step(line.rstrip())

    def _end(self) -> None:
        if self._code is None:
            self._code = process.wait(self._keeper)
        self._listener.join()
        if self._code == 0:
            return
        failure = self._explained()
        raise BootstrapError(
            f"{_recipe(self._entry).tool} could not make {self._entry.title}: {failure.reason}",
            hint=failure.hint,
        )

    def _explained(self) -> Failure:
        if self._own_failure:
            return Failure(self._own_failure)
        full = [line for line in self._lines if "No space left on device" in line]
        if full:
            return Failure(full[0], "free some space")
        if self._code is not None and self._code > 128:
            return Failure(f"it was killed by signal {self._code - 128}", "try it again")
        failure = self._manager.explain(self._lines)
        return failure if failure.reason else Failure(f"exit code {self._code}")


@contextmanager
def bootstrap(entry: Entry, maps: OuterMaps, progress: Progress) -> Iterator[Bootstrap]:
    """Make the image of a catalog entry that has a recipe; when the block ends, all of it is gone.

    Raises BootstrapError, and MissingProgramError where the recipe's tool is not on this host.
    """
    recipe = _recipe(entry)
    manager = MANAGERS[recipe.tool]
    programs = {program.names[0]: _find(program) for program in manager.programs}
    arch = os.uname().machine
    recipe = recipe.expand(entry.version, entry.release, arch)
    if recipe.host_sources:
        recipe = mmdebstrap.with_host_sources(recipe, entry.release)
    _check_local_mirrors(recipe)
    recipe, binds = with_local_mirrors(recipe)
    places = {}
    for name, path in programs.items():
        real = os.path.realpath(path)
        places[name] = path
        if not real.startswith(_SYSTEM_DIRECTORIES):
            places[name] = f"{TOP}/bin/{name}"
            binds = (*binds, (real, places[name]))
    keys = tuple(_read_key(path, recipe) for path in recipe.keys)
    plan = manager.plan(Request(recipe, entry.title, entry.version, entry.release, arch, keys, places))
    with staging.staging_directory("bootstrap", lambda path: _remove(maps, path)) as place:
        work = (*plan.work, *(File(f"keys/{key.path}", key.data) for key in keys))
        running = _start(entry, manager, plan._replace(work=work), maps, place, binds)
        running.listen(progress)
        try:
            yield running
        finally:
            running.close()


def _start(
    entry: Entry,
    manager: Manager,
    plan: Plan,
    maps: OuterMaps,
    place: str,
    binds: tuple[tuple[str, str], ...],
) -> Bootstrap:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    said, saying = os.pipe2(os.O_CLOEXEC)
    try:
        keeper = worker.start(maps, place, plan, binds, writer, saying)
    except BaseException:
        os.close(reader)
        os.close(said)
        raise
    finally:
        os.close(writer)
        os.close(saying)
    return Bootstrap(entry, manager, plan, keeper, reader, said)


def _recipe(entry: Entry) -> Recipe:
    if entry.recipe is None:
        raise BootstrapError(f"the catalog has no recipe for '{entry.name}'", hint=f"--image {entry.name}")
    return entry.recipe


def _find(program: Program) -> str:
    for name in program.names:
        with contextlib.suppress(MissingProgramError):
            return process.find_program(name)
    error = MissingProgramError(program.names[0])
    error.hint = program.hint
    raise error


def _check_local_mirrors(recipe: Recipe) -> None:
    for name, repository in recipe.repositories.items():
        path = local_path(repository)
        if path and not os.path.isdir(path):
            raise BootstrapError(
                f"the repository '{name}' of the recipe is gone: there is no {path}",
                hint="see `repositories` in the recipe",
            )


def _read_key(path: str, recipe: Recipe) -> File:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_KEY_BYTES + 1)
    except OSError as error:
        package = recipe.keys_from
        hint = install_hint(package) if package else "see `keys` in the recipe"
        raise BootstrapError(f"cannot read the key {path}: {error.strerror}", hint=hint) from error
    if not data or len(data) > _MAX_KEY_BYTES:
        raise BootstrapError(f"{path} is no key", hint="see `keys` in the recipe")
    return File(os.path.basename(path), data)


def _remove(maps: OuterMaps, path: str) -> None:
    """Delete a tree whose files belong to ids that only H has."""

    def task() -> bytes:
        outer.enter(maps, None)
        process.remove_tree(path)
        return b""

    child.run_in_child(task)
