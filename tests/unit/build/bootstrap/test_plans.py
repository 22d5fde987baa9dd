"""What each manager is told: command lines and configuration files, as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.build.bootstrap import mmdebstrap, pacman
from dacha.build.bootstrap.errors import BootstrapError
from dacha.build.bootstrap.keys import read_keys
from dacha.build.bootstrap.managers import MANAGERS
from dacha.build.bootstrap.plan import File, Plan, Request, with_local_mirrors
from dacha.build.recipe import TOOLS, Recipe

_PROGRAMS = {
    name: f"/usr/bin/{name}"
    for manager in MANAGERS.values()
    for program in manager.programs
    for name in program.names
}


def plan(tool: str, *, unsigned: bool = False) -> Plan:
    recipe = Recipe(
        tool,
        repositories={"main": "http://mirror/main", "extra": "http://mirror/extra"},
        keys=() if unsigned else ("/keys/a.gpg",),
        packages=("one", "two"),
        unsigned=unsigned,
    )
    keys = () if unsigned else (File("a.gpg", b"key"),)
    request = Request(recipe, tuple(recipe.repositories.values()), "1", "rel", "x86_64", keys, _PROGRAMS)
    return MANAGERS[tool].plan(request)


def text(made: Plan, name: str) -> str:
    (file,) = [file for file in made.work if file.path == name]
    return file.data.decode()


def test_every_tool_of_the_schema_has_a_manager() -> None:
    assert set(MANAGERS) == set(TOOLS)


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "mmdebstrap"])
def test_packages_come_last_and_programs_by_their_paths(tool: str) -> None:
    argv = plan(tool).steps[-1].argv
    assert argv[-2:] == ["one", "two"]
    assert argv[0].startswith("/usr/bin/")


@pytest.mark.parametrize("tool", TOOLS)
def test_all_is_installed_into_the_root_of_the_sandbox(tool: str) -> None:
    assert any("/dacha/root" in word for word in plan(tool).steps[-1].argv)


@pytest.mark.parametrize(
    ("tool", "name", "checked", "unchecked"),
    [
        ("dnf", "dnf.conf", "gpgcheck=1", "gpgcheck=0"),
        ("zypper", "repos.d/recipe.repo", "gpgcheck=1", "gpgcheck=0"),
        ("pacman", "pacman.conf", "SigLevel = Required DatabaseOptional", "SigLevel = Never"),
    ],
)
def test_signatures_are_checked_unless_the_recipe_says_otherwise(
    tool: str, name: str, checked: str, unchecked: str
) -> None:
    assert checked in text(plan(tool), name)
    assert unchecked not in text(plan(tool), name)
    assert unchecked in text(plan(tool, unsigned=True), name)
    assert checked not in text(plan(tool, unsigned=True), name)


def test_no_manager_takes_a_key_that_a_mirror_offers() -> None:
    for tool in TOOLS:
        words = [word for step in plan(tool).steps for word in step.argv]
        forbidden = ("--gpg-auto-import-keys", "--allow-untrusted", "--nogpgcheck", "--no-gpg-checks")
        assert not set(words) & set(forbidden)
    assert "--allow-untrusted" in plan("apk", unsigned=True).steps[0].argv
    assert "[trusted=yes]" in text(plan("mmdebstrap", unsigned=True), "sources.list")
    assert "[trusted=yes]" not in text(plan("mmdebstrap"), "sources.list")


def test_zypper_has_the_keys_before_it_reads_a_repository() -> None:
    importing, refreshing, _ = plan("zypper").steps
    assert importing.argv == ["/usr/bin/rpm", "--root=/dacha/root", "--import", "/dacha/work/keys/a.gpg"]
    assert refreshing.argv[-1] == "refresh"


def test_dnf_reads_no_configuration_of_the_host() -> None:
    made = plan("dnf")
    assert "--config=/dacha/work/dnf.conf" in made.steps[0].argv
    configuration = text(made, "dnf.conf")
    assert "reposdir=/dacha/work/none\nvarsdir=/dacha/work/none\n" in configuration
    assert "[extra]\nname=extra\nbaseurl=http://mirror/extra\n" in configuration
    assert "gpgkey=file:///dacha/work/keys/a.gpg" in configuration
    assert "%_dbpath /usr/lib/sysimage/rpm\n" in text(made, "home/.rpmmacros")


def test_files_with_addresses_are_for_nobody_else() -> None:
    """A mirror's address may hold a password."""
    for tool in TOOLS:
        secret = [file for file in plan(tool).work if b"http://mirror" in file.data]
        assert secret
        assert all(file.mode == 0o600 for file in secret)
        assert not any("http://mirror" in word for step in plan(tool).steps for word in step.argv)


def test_local_repositories_are_bound_where_the_sandbox_has_them() -> None:
    recipe = Recipe(
        "mmdebstrap",
        repositories={"a": "file:///srv/x suite main", "b": "http://y", "c": "file:///srv/x other main"},
    )
    changed, binds = with_local_mirrors(recipe)
    assert binds == (("/srv/x", "/dacha/mirrors/0"),)
    assert list(changed.repositories.values()) == [
        "file:///dacha/mirrors/0 suite main",
        "http://y",
        "file:///dacha/mirrors/0 other main",
    ]


def test_a_key_that_cannot_be_read_says_who_has_it(tmp_path: Path) -> None:
    recipe = Recipe("dnf", keys=(f"{tmp_path}/no",), keys_from="some-keyring")
    with pytest.raises(BootstrapError, match="cannot read the key") as caught:
        read_keys(recipe)
    assert "some-keyring" in caught.value.hint
    (tmp_path / "no").touch()
    with pytest.raises(BootstrapError, match="is no key"):
        read_keys(recipe)


def test_a_keyring_of_arch_says_itself_which_keys_to_trust(tmp_path: Path) -> None:
    for name, data in (("a.gpg", "ring"), ("a-trusted", "FPR:4:\n"), ("a-revoked", "")):
        (tmp_path / name).write_text(data)
    found = pacman.MANAGER.read_keys(Recipe("pacman", keys=(f"{tmp_path}/a.gpg",)))
    assert found == (File("a.gpg", b"ring"), File("a-trusted", b"FPR:4:\n"))


def test_hosts_sources_stand_in_for_the_recipes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mmdebstrap, "host_sources", lambda suite: {"host-0": f"http://lan {suite} main"})
    (tmp_path / "here.gpg").touch()
    keys = (f"{tmp_path}/here.gpg", f"{tmp_path}/gone.gpg")
    recipe = Recipe("mmdebstrap", repositories={"main": "http://far x main"}, keys=keys, host_sources=True)
    found = mmdebstrap.with_host_sources(recipe, "x")
    assert found.repositories == {"host-0": "http://lan x main"}
    assert found.keys == keys[:1]
    monkeypatch.setattr(mmdebstrap, "host_sources", lambda _: {})
    found = mmdebstrap.with_host_sources(recipe, "x")
    assert (found.repositories, found.keys) == (recipe.repositories, keys)
    assert not found.host_sources
