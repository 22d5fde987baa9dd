"""What of the caller's surroundings reaches a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.engine.state import State
from dacha.fast.environment import session_environment, working_directories

SYSTEM_PATH = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def state(*, shared: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> State:
    return State(  # noqa: S604  (no shell is started)
        id="0123456789abcdef",
        name="work",
        pid=1,
        start_time="1",
        namespaces=0,
        cgroup="",
        user="alex",
        uid=1000,
        gid=1000,
        home="/home/alex",
        shell="/bin/zsh",
        shared=list(shared),
        environment=environment or {},
    )


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller without any variable."""
    for name in list(os.environ):
        monkeypatch.delenv(name)


def test_a_session_knows_its_user_whatever_the_caller_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USER", "LOGNAME", "SHELL"):
        monkeypatch.setenv(name, "somebody else")
    assert session_environment(state()) == {
        b"HOME": b"/home/alex",
        b"USER": b"alex",
        b"LOGNAME": b"alex",
        b"SHELL": b"/bin/zsh",
        b"PATH": SYSTEM_PATH,
    }


@pytest.mark.parametrize(
    "name",
    ["TERM", "LC_TIME", "LANG", "DISPLAY", "SSH_AUTH_SOCK", "XDG_SESSION_TYPE", "https_proxy", "NO_COLOR"],
)
def test_what_is_listed_comes_along(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "value")
    assert session_environment(state())[name.encode()] == b"value"


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "PASSWORD"),
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "BASH_ENV", "BASH_FUNC_x%%", "IFS"),
        *("XDG_DATA_HOME", "XDG_CONFIG_DIRS", "TERMINFO", "LCX", "TERM2", "DACHA_BOX"),
    ],
)
def test_what_is_not_listed_stays_outside(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "value")
    assert name.encode() not in session_environment(state())


def test_values_pass_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"LC_ALL", b"caf\xe9\n\xff")
    assert session_environment(state())[b"LC_ALL"] == b"caf\xe9\n\xff"


def test_only_the_callers_own_programs_are_added_to_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/home/alex/.local/bin:/opt/host/bin::/home/alexander/bin:/home/alex:./bin:/home/alex/go/bin"
    monkeypatch.setenv("PATH", path)
    found = session_environment(state())[b"PATH"]
    assert found == SYSTEM_PATH + b":/home/alex/.local/bin:/home/alex/go/bin"


def test_what_the_box_says_of_itself_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    box = {"container": "dacha", "LANG": "C", "ODD": "caf\udce9"}
    found = session_environment(state(environment=box))
    assert (found[b"container"], found[b"LANG"], found[b"ODD"]) == (b"dacha", b"C", b"caf\xe9")


@pytest.mark.parametrize("inside", ["", "/deeper", "/caf\udce9"])
def test_a_session_starts_where_the_caller_is_if_the_box_has_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    here = Path(f"{tmp_path}{inside}")
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    places = working_directories(state(shared=("/nowhere", str(tmp_path))))
    assert places == [str(here), "/home/alex", "/"]


def test_elsewhere_it_starts_at_the_hosts_side_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "homely").mkdir()
    monkeypatch.chdir(tmp_path / "homely")
    places = working_directories(state(shared=(f"{tmp_path}/home",)))
    assert places == [f"/run/host{tmp_path}/homely", "/home/alex", "/"]


def test_in_a_directory_that_is_gone_it_starts_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert working_directories(state(shared=(str(tmp_path),))) == ["/home/alex", "/"]
