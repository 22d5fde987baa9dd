"""What a verb may import: time that a user waits for.

The programs are the real ones, with Python's own record of imports (-X importtime). The box
is a process in namespaces of its own, made without an engine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import dacha
from dacha import paths
from dacha.engine import state
from dacha.engine.state import State
from dacha.linux import account, namespaces, process
from dacha.storage import images
from dacha.storage.database import open_database
from dacha.userns import outer
from dacha.userns.subid import NoSubordinateIdsError

MAIN = Path(dacha.__file__).with_name("__main__.py")

# With what each costs, all of this is under 3 ms; think twice before you add a line.
SESSION = {
    "dacha",
    "dacha.paths",
    "dacha.errors",
    "dacha.fast",
    "dacha.fast.command",
    "dacha.fast.enter",
    "dacha.fast.environment",
    "dacha.fast.grammar",
    "dacha.fast.session",
    "dacha.fast.verbs",
    "dacha.engine",
    "dacha.engine.state",
    "dacha.linux",
    "dacha.linux.libc",
    "dacha.linux.namespaces",
    "dacha.linux.process",
    "dacha.linux.signals",
    "__future__",
    "_ctypes",
    "errno",
    "gc",
    "select",
}
ON_PIPES = {*SESSION, "dacha.fast.pipes"}
ON_A_TERMINAL = {*SESSION, "dacha.fast.terminal", "dacha.linux.memory", "fcntl", "termios"}

# What draws, or is slow and has something else in its place below the command line.
NEVER = ("typer", "click", "rich", "yaml", "dataclasses", "subprocess", "pathlib", "asyncio", "argparse")
TOO_SLOW_FOR_A_SESSION = (
    "json",
    "re",
    "typing",
    "enum",
    "contextlib",
    "signal",
    "collections",
    "sqlite3",
    "zstandard",
)


def imports_of(*command: str, env: dict[str, str], terminal: int | None = None, code: int = 0) -> set[str]:
    """All modules that a Python imports from its start to its end, and its children too."""
    python = [sys.executable, "-I", "-S", "-X", "importtime"]
    done = subprocess.run(
        [*python, *command],
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        stdout=subprocess.PIPE if terminal is None else terminal,
        stderr=subprocess.PIPE,
        env=env,
        timeout=60,
        check=False,
    )
    text = done.stderr.decode()
    assert done.returncode == code, text
    lines = [line for line in text.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip() for line in lines[1:]}


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user with a store and a runtime directory of their own."""
    if os.geteuid() == 0:
        pytest.skip("root's store has a fixed place")
    (tmp_path / "home").mkdir()
    (tmp_path / "runtime").mkdir(mode=0o700)
    variables = {
        "HOME": f"{tmp_path}/home",
        "XDG_DATA_HOME": f"{tmp_path}/data",
        "XDG_RUNTIME_DIR": f"{tmp_path}/runtime",
        "PATH": "/usr/bin:/bin",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def box(env: dict[str, str]) -> Iterator[str]:
    """A running box, as far as a session can tell."""
    command = ["unshare", "--map-root-user", "--mount", "--pid", "--cgroup", "--fork", "--kill-child"]
    script = "echo ready; exec sleep 300"
    with subprocess.Popen([*command, "sh", "-c", script], stdout=subprocess.PIPE, env=env) as launcher:
        try:
            assert launcher.stdout is not None
            if launcher.stdout.readline() != b"ready\n":
                pytest.skip("needs user namespaces")
            children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text()
            init = int(children)
            Path(paths.box_runtime("work")).mkdir(parents=True)
            state.write(
                State(  # noqa: S604  (no shell is started)
                    id="0123456789abcdef",
                    name="work",
                    pid=init,
                    start_time=process.start_time(init),
                    namespaces=namespaces.NEWUSER
                    | namespaces.NEWNS
                    | namespaces.NEWPID
                    | namespaces.NEWCGROUP,
                    cgroup="",
                    user="alex",
                    uid=1000,
                    gid=1000,
                    home=env["HOME"],
                    shell="/bin/sh",
                    shared=[env["HOME"]],
                    environment={},
                )
            )
            yield "work"
        finally:
            launcher.kill()


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What no program can do without."""
    return imports_of("-c", "import os", env={})


def test_a_session_on_pipes_imports_a_counted_handful(box: str, env: dict[str, str], bare: set[str]) -> None:
    found = imports_of(str(MAIN), "run", box, "--", "sh", "-c", "exit 7", env=env, code=7)
    assert found - bare <= ON_PIPES


def test_a_session_on_a_terminal_imports_a_counted_handful(
    box: str, env: dict[str, str], bare: set[str]
) -> None:
    master, terminal = os.openpty()
    try:
        found = imports_of(
            str(MAIN),
            "enter",
            box,
            "--",
            "sh",
            "-c",
            "test -t 0 && exit 7",
            env=env,
            terminal=terminal,
            code=7,
        )
    finally:
        os.close(master)
        os.close(terminal)
    assert found - bare <= ON_A_TERMINAL


def test_the_lists_of_what_a_session_may_import_have_no_idle_lines(
    box: str, env: dict[str, str], bare: set[str]
) -> None:
    found = imports_of(str(MAIN), "run", box, "--", "true", env=env)
    assert found - bare == ON_PIPES


def test_what_a_session_may_import_is_nothing_slow(bare: set[str]) -> None:
    assert not (ON_PIPES | ON_A_TERMINAL | bare) & {*NEVER, *TOO_SLOW_FOR_A_SESSION}


@pytest.fixture
def image(env: dict[str, str]) -> str:
    """An image without layers in the user's store."""
    assert env
    caller = account.calling_account()
    try:
        outer.outer_maps(caller)
    except NoSubordinateIdsError:
        pytest.skip("needs subordinate ids")
    with closing(open_database()) as connection:
        images.add(connection, "sha256:" + "1" * 64, "{}", (), "empty", "test")
    return "empty"


def test_the_verbs_that_change_boxes_import_nothing_that_draws(image: str, env: dict[str, str]) -> None:
    lines: list[tuple[list[str], int]] = [
        (["create", "work", "--image", image], 0),
        (["list"], 0),
        (["list", "--json"], 0),
        (["inspect", "work"], 0),
        (["start", "missing"], 125),
        (["enter", "missing", "--", "true"], 125),
        (["stop", "work"], 0),
        (["restart", "missing"], 125),
        (["rm", "work"], 0),
    ]
    for words, code in lines:
        found = imports_of(str(MAIN), *words, env=env, code=code)
        assert "sqlite3" in found
        # Whether an unknown name is in the catalog only the catalog can tell, and it is YAML.
        allowed = {"yaml"} if words[0] == "enter" else set()
        assert sorted(roots(found) & set(NEVER) - allowed) == [], words


@pytest.mark.parametrize("words", [["rm", ""], ["create", "--image", "deb"], ["image", "l"]])
def test_completion_imports_no_more_than_the_database(words: list[str], env: dict[str, str]) -> None:
    imports_of(str(MAIN), "__complete", "words", *words, env=env)  # makes the cache
    found = imports_of(str(MAIN), "__complete", "words", *words, env=env)
    assert sorted(roots(found) & {*NEVER, *TOO_SLOW_FOR_A_SESSION} - {"sqlite3", "collections"}) == []


def roots(modules: set[str]) -> set[str]:
    """The packages that modules belong to."""
    return {module.partition(".")[0] for module in modules}


def test_no_module_on_the_way_to_a_box_imports_what_draws() -> None:
    source = MAIN.parent
    packages = ("box", "engine", "fast", "linux", "storage", "userns")
    modules = [
        ".".join(path.relative_to(source.parent).with_suffix("").parts)
        for package in packages
        for path in sorted((source / package).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    assert len(modules) > 30
    assert "dacha.box.integrations.sudo" in modules
    modules += [
        "dacha.cli.create",
        "dacha.cli.sessions",
        "dacha.cli.lifecycle",
        "dacha.cli.listing",
        "dacha.cli.report",
    ]
    script = f"import sys; sys.path.insert(0, {str(source.parent)!r})\n"
    script += "".join(f"import {module}\n" for module in modules)
    assert sorted(roots(imports_of("-c", script, env={})) & set(NEVER)) == []
