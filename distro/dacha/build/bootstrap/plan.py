"""What making an image from packages consists of, as values.

A manager (one file each, beside this one) turns a `Request` into a `Plan`: files to write, programs to
start. `build.bootstrap.sandbox` carries it out, in a root directory of its own with these places:

`ROOT`     the root file system that becomes the image
`WORK`     configuration, keys, caches: gone at the end
`MIRRORS`  local repositories, by number
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dacha.build.bootstrap.explain import Rule
from dacha.build.recipe import Recipe

TOP = "/dacha"
ROOT = f"{TOP}/root"
WORK = f"{TOP}/work"
MIRRORS = f"{TOP}/mirrors"
HOME = f"{WORK}/home"
_FILE = "file://"

Binds = tuple[tuple[str, str], ...]  # what is shown, and where


class File(NamedTuple):
    """A file to write: `path` is relative to the place it is for."""

    path: str
    data: bytes
    mode: int = 0o644


class Request(NamedTuple):
    """What a manager is asked for: one version of a distribution on this kind of machine."""

    recipe: Recipe  # without placeholders, local repositories where the sandbox has them
    origins: tuple[str, ...]  # the repositories as the recipe has them: for the image's own configuration
    version: str
    release: str
    arch: str  # as uname(1) has it
    keys: tuple[File, ...]  # of the recipe, by their names
    programs: dict[str, str]  # name -> where it is in the sandbox

    @property
    def key_paths(self) -> tuple[str, ...]:
        """Where the keys are in the sandbox."""
        return tuple(f"{WORK}/keys/{key.path}" for key in self.keys)


class Step(NamedTuple):
    """A program to run to its end; `title` is what is being done, for people."""

    title: str
    argv: list[str]


class Plan(NamedTuple):
    """How to fill ROOT."""

    steps: tuple[Step, ...]
    work: tuple[File, ...] = ()  # below WORK, there before the first step
    directories: tuple[str, ...] = ()  # below ROOT, made before the first step; mode 0755
    root: tuple[File, ...] = ()  # below ROOT, written after the last step
    environment: tuple[tuple[str, str], ...] = ()
    covers: Binds = ()  # directories below WORK, and the host's that they hide
    excluded: tuple[str, ...] = ()  # below ROOT, with `*` for names: what does not become the image
    mounts_itself: bool = False  # the program wants an empty ROOT, and mounts /proc and /dev in it


class Program(NamedTuple):
    """A program of a manager, under any of several names, and how to come by it."""

    names: tuple[str, ...]
    hint: str


class Manager(NamedTuple):
    """How one package manager makes a root file system."""

    programs: tuple[Program, ...]
    read_keys: Callable[[Recipe], tuple[File, ...]]
    plan: Callable[[Request], Plan]
    read_step: Callable[[str], str]  # what has begun with this line of output, or an empty string
    rules: tuple[Rule, ...]  # which lines say why it failed


def install_hint(package: str) -> str:
    """How to come by a program or a key that Debian has."""
    return f"sudo apt-get install {package}"


def local_path(repository: str) -> str:
    """The directory of a repository on this machine (`file:///…`), or an empty string."""
    return repository.partition(" ")[0].removeprefix(_FILE) if repository.startswith(_FILE) else ""


def with_local_mirrors(recipe: Recipe) -> tuple[Recipe, Binds]:
    """The recipe as the sandbox sees it, and which directories must be bound where for that."""
    binds: dict[str, str] = {}
    repositories = {}
    for name, repository in recipe.repositories.items():
        path = local_path(repository)
        if path:
            place = binds.setdefault(path, f"{MIRRORS}/{len(binds)}")
            repository = repository.replace(_FILE + path, _FILE + place, 1)
        repositories[name] = repository
    return recipe._replace(repositories=repositories), tuple(binds.items())
