"""Images made from packages by the real package managers, from miniature distributions made here."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.mini import apk, content, deb, pacman, rpm
from tests.lib.mini.keys import SigningKey

TOOLS = ("mmdebstrap", "dnf", "zypper", "pacman", "apk")
_ARCH = platform.machine()
_DEB_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(_ARCH, _ARCH)

pytestmark = pytest.mark.timeout(120)


class Mini(NamedTuple):
    """A miniature distribution: its repositories with and without signatures, and a right and a wrong key."""

    signed: str
    unsigned: str
    right: Path
    wrong: Path


class Minis:
    """The miniature distributions, each made when it is first asked for."""

    def __init__(self, directory: Path, alpine_tar: Path) -> None:
        self.directory = directory
        self._keys = {name: SigningKey(directory, name) for name in ("right", "wrong")}
        self._apk_keys = {name: apk.make_key(directory, name) for name in ("right", "wrong")}
        self._made: dict[str, Mini] = {}
        self.programs = directory / "bin"
        self.programs.mkdir()
        apk.make_program(alpine_tar, self.programs / "apk.static", _ARCH)

    def get(self, tool: str) -> Mini:
        """The one that `tool` makes images of."""
        if tool in ("dnf", "zypper"):
            tool = "rpm"
        if tool not in self._made:
            self._made[tool] = self._make(tool)
        return self._made[tool]

    def _make(self, tool: str) -> Mini:
        signed, unsigned = self.directory / tool / "signed", self.directory / tool / "unsigned"
        right, wrong = self._keys["right"], self._keys["wrong"]
        if tool == "apk":
            keys = [key.public for key in self._apk_keys.values()]
            urls = [apk.make_repository(signed, self._apk_keys["right"], _ARCH, "apk")]
            urls.append(apk.make_repository(unsigned, None, _ARCH, "apk"))
            return Mini(f"file://{urls[0]}", f"file://{urls[1]}", keys[0], keys[1])
        module, arch = {"rpm": (rpm, _ARCH), "pacman": (pacman, _ARCH), "mmdebstrap": (deb, _DEB_ARCH)}[tool]
        urls = [module.make_repository(signed, right, arch, tool)]
        urls.append(module.make_repository(unsigned, None, arch, tool))
        suffix = " mini main" if tool == "mmdebstrap" else ""
        keys = [key.public if tool == "rpm" else key.keyring for key in (right, wrong)]
        return Mini(f"file://{urls[0]}{suffix}", f"file://{urls[1]}{suffix}", keys[0], keys[1])

    def close(self) -> None:
        """End the agents of the keys."""
        for key in self._keys.values():
            key.close()


@pytest.fixture(scope="session")
def minis(tmp_path_factory: pytest.TempPathFactory, images: RealImages) -> Iterator[Minis]:
    needed = ("dnf", "zypper", "pacman", "makepkg", "rpmbuild", "createrepo_c", "apt-ftparchive", "gpg")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    made = Minis(tmp_path_factory.mktemp("mini"), images.alpine_tar)
    yield made
    made.close()


def write_recipe(
    dacha: Dacha,
    tool: str,
    repository: str,
    key: Path | None,
    *more: str,
    package: str = "mini-extra",
    name: str = "mini",
) -> None:
    """Write a user's catalog file with a recipe."""
    directory = dacha.config / "dacha" / "images"
    directory.mkdir(parents=True, exist_ok=True)
    family = {"mmdebstrap": "apt"}.get(tool, tool)
    lines = [
        *(f"name: {name}", "title: Mini", f"family: {family}", 'default: "1"'),
        *("versions:", '  "1": {release: mini}', "bootstrap:", f"  tool: {tool}"),
        *("  repositories:", f'    mini: "{repository}"', f"  packages: [{package}]"),
        *([f"  keys: [{key}]"] if key is not None else ["  unsigned: true"]),
        *(f"  {line}" for line in more),
        # Without dpkg and apt in it, the miniature Debian cannot do more.
        *(["  variant: extract"] if tool == "mmdebstrap" else []),
    ]
    (directory / f"{name}.yaml").write_text("".join(f"{line}\n" for line in lines))


def create(dacha: Dacha, minis: Minis) -> subprocess.CompletedProcess[bytes]:
    """`dacha create mini`, with the programs of the test at the front of PATH."""
    return dacha.run("create", "mini", env={"PATH": f"{minis.programs}:{os.environ['PATH']}"})


def fails_with(done: subprocess.CompletedProcess[bytes], *words: str) -> None:
    """One line says what happened and one what to do; the exit code is ours."""
    errors = done.stderr.decode()
    assert done.returncode == 125, errors
    assert sum(line.startswith(("dacha: ", "hint: ")) for line in errors.splitlines()) == 2, errors
    assert "Traceback" not in errors
    for word in words:
        assert word in errors, errors


def leaves_nothing(dacha: Dacha) -> None:
    """No half image, no files in the making, no mounts, no processes."""
    assert dacha.run("image", "list", "--quiet", check=True).stdout == b""
    staging = dacha.data / "containers" / "dacha" / "staging"
    assert not staging.exists() or list(staging.iterdir()) == []
    dacha.remove_boxes()  # which also looks for mounts and processes


@pytest.mark.parametrize("tool", TOOLS)
def test_recipe_makes_a_box_that_one_can_enter(empty_dacha: Dacha, minis: Minis, tool: str) -> None:
    mini = minis.get(tool)
    write_recipe(empty_dacha, tool, mini.signed, mini.right)
    done = create(empty_dacha, minis)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Mini 1: " in done.stderr  # the progress

    def inside(*command: str) -> str:
        return empty_dacha.run("run", "mini", "--", *command, check=True).stdout.decode()

    assert "Mini " in inside("cat", "/etc/os-release")
    assert inside("mini") == "mini\n"
    assert inside("stat", "-c", "%a %u %h", "/usr/bin/mini-setuid", "/usr/bin/mini") == "4755 0 1\n755 0 2\n"
    assert " /dacha " not in inside("ls", "-a", "/").replace("\n", " ")
    if tool == "mmdebstrap":
        return  # its variant `extract` runs no scripts; that those run is shown by Debian itself
    assert inside("cat", f"/{content.NOTE}") == "0\nnull\nrandom\nproc\ntmp\n"
    assert inside("stat", "-c", "%a %u %g", "/var/lib/mini") == f"750 {content.UID} {content.UID}\n"
    assert inside("sudo", "cat", "/var/lib/mini/own") == "mine\n"
    (layer,) = (empty_dacha.data / "containers" / "dacha" / "layers").iterdir()
    (capable,) = layer.glob("*/usr/bin/mini-capable")
    assert os.getxattr(capable, "security.capability")[4:8] == (1 << 13).to_bytes(4, "little")


@pytest.mark.parametrize("tool", TOOLS)
def test_wrong_key_is_refused(empty_dacha: Dacha, minis: Minis, tool: str) -> None:
    mini = minis.get(tool)
    write_recipe(empty_dacha, tool, mini.signed, mini.wrong)
    fails_with(create(empty_dacha, minis), "could not make Mini 1: a signature fits none", "`keys`")
    leaves_nothing(empty_dacha)


@pytest.mark.parametrize("tool", TOOLS)
def test_unsigned_packages_are_refused_unless_the_recipe_says_so(
    empty_dacha: Dacha, minis: Minis, tool: str
) -> None:
    mini = minis.get(tool)
    write_recipe(empty_dacha, tool, mini.unsigned, mini.right)
    fails_with(create(empty_dacha, minis), "could not make Mini 1: ")
    leaves_nothing(empty_dacha)
    write_recipe(empty_dacha, tool, mini.unsigned, None)
    done = create(empty_dacha, minis)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("tool", TOOLS)
def test_mirror_that_is_gone(empty_dacha: Dacha, minis: Minis, tool: str) -> None:
    suffix = " mini main" if tool == "mmdebstrap" else ""
    key = minis.get(tool).right
    if tool != "mmdebstrap":  # apt tries for 7 seconds; the test of a changed mirror below waits for it
        write_recipe(empty_dacha, tool, "http://127.0.0.1:9/mini", key)  # discard(9): nobody listens
        fails_with(create(empty_dacha, minis), "could not make Mini 1: ", "mirror", "127.0.0.1")
    write_recipe(empty_dacha, tool, f"file:///nowhere{suffix}", key)
    fails_with(create(empty_dacha, minis), "there is no /nowhere", "`repositories`")
    leaves_nothing(empty_dacha)


@pytest.mark.parametrize("tool", TOOLS)
def test_package_that_nobody_has(empty_dacha: Dacha, minis: Minis, tool: str) -> None:
    mini = minis.get(tool)
    write_recipe(empty_dacha, tool, mini.signed, mini.right, package="mini-missing")
    fails_with(create(empty_dacha, minis), "mini-missing", "`packages`")
    leaves_nothing(empty_dacha)


def test_key_that_is_not_there_or_is_none(empty_dacha: Dacha, minis: Minis, tmp_path: Path) -> None:
    mini = minis.get("dnf")
    write_recipe(empty_dacha, "dnf", mini.signed, tmp_path / "no.asc", "keys_from: mini-keyring")
    fails_with(create(empty_dacha, minis), "cannot read the key", "the package mini-keyring has it")
    (tmp_path / "no.gpg").write_text("no key")
    mini = minis.get("pacman")
    write_recipe(empty_dacha, "pacman", mini.signed, tmp_path / "no.gpg")
    fails_with(create(empty_dacha, minis), "no.gpg is no key")
    leaves_nothing(empty_dacha)


class Held(NamedTuple):
    """A bootstrap whose package manager has stopped half-way."""

    process: subprocess.Popen[bytes]
    inner: int  # what the manager runs: a process in the sandbox

    @property
    def is_gone(self) -> bool:
        try:
            stat = Path(f"/proc/{self.inner}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return stat.rpartition(")")[2].split()[0] in ("Z", "X")


@pytest.fixture
def held(empty_dacha: Dacha, minis: Minis, tmp_path: Path) -> Iterator[Held]:
    """apk has filled the root directory, and then a program that it left hangs."""
    mark = f"{os.getpid()}{time.monotonic_ns() % 10_000_000}"
    program = tmp_path / "apk.static"
    real = (minis.programs / "apk.static").read_text()
    # One file, as the sandbox shows no other: the real program, and then one that does not end.
    program.write_text(
        real.replace('exec "$there', '"$there', 1).replace('"$@"\n', f'"$@"\nexec sleep {mark}\n', 1)
    )
    program.chmod(0o755)
    mini = minis.get("apk")
    write_recipe(empty_dacha, "apk", mini.signed, mini.right)
    environment = {**empty_dacha.env, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [empty_dacha.executable, "create", "mini"], env=environment, stderr=subprocess.PIPE, cwd=tmp_path
    )
    try:
        yield Held(process, _wait_for(["sleep", mark]))
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _wait_for(command: list[str]) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cmdline").read_bytes().split(b"\0")[:-1] == [
                    os.fsencode(word) for word in command
                ]:
                    return int(entry.name)
            except OSError:
                continue
        time.sleep(0.02)
    raise AssertionError(f"{command} was not started")


def _wait_until_gone(held: Held) -> None:
    deadline = time.monotonic() + 10
    while not held.is_gone:
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.02)


def test_killed_half_way_leaves_nothing(empty_dacha: Dacha, held: Held) -> None:
    held.process.kill()
    held.process.wait()
    _wait_until_gone(held)
    empty_dacha.run("image", "rm", "--all", check=True)  # as all that change the store, it sweeps
    leaves_nothing(empty_dacha)


def test_interrupted_half_way_leaves_nothing(empty_dacha: Dacha, held: Held) -> None:
    held.process.send_signal(signal.SIGINT)
    errors = held.process.communicate()[1].decode()
    assert held.is_gone
    assert held.process.returncode == 130, errors
    assert "Traceback" not in errors
    leaves_nothing(empty_dacha)


def test_manager_that_dies_half_way(empty_dacha: Dacha, held: Held) -> None:
    os.kill(held.inner, signal.SIGKILL)
    errors = held.process.communicate()[1].decode()
    assert held.process.returncode == 125, errors
    assert "apk could not make Mini 1: it was killed by signal 9" in errors
    leaves_nothing(empty_dacha)


def test_missing_manager_names_the_package_to_install(empty_dacha: Dacha, tmp_path: Path) -> None:
    """What the host lacks is told before anything is made; PATH without it stands for such a host."""
    for name in ("tar", "rm", "sh", "newuidmap", "newgidmap"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    for tool, hint in (("pacman", "apt-get install pacman"), ("apk", "apk.static")):
        write_recipe(empty_dacha, tool, "https://example.org/", tmp_path / "key")
        done = empty_dacha.run("create", "mini", env={"PATH": str(tmp_path)})
        fails_with(done, "is not installed", hint)
    done = empty_dacha.run("create", "debian", env={"PATH": str(tmp_path)})
    fails_with(done, "'mmdebstrap' is not installed", "apt-get install mmdebstrap")


def test_registry_comes_first_unless_the_recipe_is_asked_for(empty_dacha: Dacha, minis: Minis) -> None:
    mini = minis.get("apk")
    write_recipe(empty_dacha, "apk", mini.signed, mini.right)
    path = empty_dacha.config / "dacha" / "images" / "mini.yaml"
    path.write_text(path.read_text() + 'images: {base: "127.0.0.1:9/mini:1"}\n')
    fails_with(create(empty_dacha, minis), "bootstrap:mini")
    environment = {"PATH": f"{minis.programs}:{os.environ['PATH']}"}
    done = empty_dacha.run("create", "--image", "bootstrap:mini", env=environment)
    assert done.stdout == b"mini\n", done.stderr.decode()
    assert empty_dacha.run("run", "mini", "--", "mini", check=True).stdout == b"mini\n"
    again = empty_dacha.run("create", "two", "--image", "bootstrap:mini", env={"PATH": "/usr/bin:/bin"})
    assert (again.returncode, again.stderr) == (0, b"")  # it is in the store


def test_users_file_changes_the_mirror_of_a_shipped_recipe(empty_dacha: Dacha) -> None:
    directory = empty_dacha.config / "dacha" / "images"
    directory.mkdir(parents=True)
    (directory / "debian.yaml").write_text("extends: debian\nbootstrap:\n  mirror: http://127.0.0.1:9/mine\n")
    done = empty_dacha.run("create", "--image", "debian:sid")
    fails_with(done, "mmdebstrap could not make Debian sid: ", "127.0.0.1:9/mine")
    leaves_nothing(empty_dacha)
