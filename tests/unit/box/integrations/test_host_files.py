"""The same files at the same paths."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dacha.box.definition import Volume
from dacha.box.integrations.host_files import HostFilesIntegration
from dacha.engine.spec import Mount
from dacha.errors import DachaError
from tests.lib.contexts import ContextMaker

HOST_FILES = HostFilesIntegration()


def bind(mounts: list[Mount], target: str) -> Mount:
    (found,) = [mount for mount in mounts if mount.target == target]
    return found


def test_home_and_sockets_are_at_their_own_paths(make_context: ContextMaker) -> None:
    context = make_context()
    mounts = HOST_FILES.mounts(context)
    for path in ("/tmp", "/run/user/1000", context.account.home):
        assert bind(mounts, path) == Mount(path, context.host + path, "bind", ("rbind", "rslave"))
    assert HOST_FILES.shared_paths(context) == ["/tmp", "/run/user/1000", context.account.home]


def test_run_is_empty_but_for_what_is_mounted_in_it_later(make_context: ContextMaker) -> None:
    targets = [mount.target for mount in HOST_FILES.mounts(make_context())]
    assert targets[0] == "/run"
    assert targets.index("/run/host") > 0
    assert targets.index("/run/user/1000") > 0


def test_the_whole_host_is_at_run_host(make_context: ContextMaker) -> None:
    context = make_context()
    assert bind(HOST_FILES.mounts(context), "/run/host").source == f"{context.host}/"


def test_without_a_runtime_directory_there_is_none_in_the_box(make_context: ContextMaker) -> None:
    context = make_context(runtime_directory="")
    assert HOST_FILES.shared_paths(context) == ["/tmp", context.account.home]


def test_a_home_behind_a_link_is_reached_by_both_names(make_context: ContextMaker, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "home")
    account = make_context.alex._replace(home=f"{tmp_path}/link")
    context = make_context(account=account)
    targets = [mount.target for mount in HOST_FILES.mounts(context)]
    assert targets[-2:] == [f"{tmp_path}/home", f"{tmp_path}/link"]
    assert HOST_FILES.shared_paths(context)[-2:] == [f"{tmp_path}/home", f"{tmp_path}/link"]


def test_a_home_that_is_the_root_is_not_mounted_over_the_boxs(make_context: ContextMaker) -> None:
    context = make_context(account=make_context.alex._replace(home="/"))
    assert HOST_FILES.shared_paths(context) == ["/tmp", "/run/user/1000"]


def test_a_missing_home_is_said_to_be_missing(make_context: ContextMaker) -> None:
    context = make_context()
    shutil.rmtree(context.account.home)
    with pytest.raises(DachaError, match=f"home directory {context.account.home} does not exist") as caught:
        HOST_FILES.mounts(context)
    assert "create it" in caught.value.hint


def test_volumes_come_last_with_their_options(make_context: ContextMaker, tmp_path: Path) -> None:
    source = str(tmp_path / "data")
    Path(source).mkdir()
    volumes = (Volume(source, "/data", ("ro", "z", "noexec")), Volume(source, source, ("rw", "Z")))
    context = make_context(volumes=volumes)
    mounts = HOST_FILES.mounts(context)
    assert mounts[-2:] == [
        Mount("/data", context.host + source, "bind", ("rbind", "rslave", "ro", "noexec")),
        Mount(source, context.host + source, "bind", ("rbind", "rslave")),
    ]


def test_only_a_volume_at_the_hosts_own_path_is_shared_there(
    make_context: ContextMaker, tmp_path: Path
) -> None:
    source = str(tmp_path)
    context = make_context(volumes=(Volume(source, "/data"), Volume(source, source)))
    assert source in HOST_FILES.shared_paths(context)
    assert "/data" not in HOST_FILES.shared_paths(context)


def test_a_volume_that_is_gone_is_named(make_context: ContextMaker) -> None:
    context = make_context(volumes=(Volume("/nowhere/at/all", "/data"),))
    with pytest.raises(DachaError, match="box 'work' has a volume /nowhere/at/all, which is gone") as caught:
        HOST_FILES.mounts(context)
    assert caught.value.hint == "mkdir -p /nowhere/at/all"


def test_the_hosts_terminal_descriptions_come_after_the_boxs_own(make_context: ContextMaker) -> None:
    variables = HOST_FILES.environment(make_context())
    places = variables.get("TERMINFO_DIRS", "").split(":")
    assert places[0] == ""
    assert all(Path(place.removeprefix("/run/host")).is_dir() for place in places[1:])
