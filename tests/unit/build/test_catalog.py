"""The catalog: its shipped files, the user's own, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.build import catalog, catalog_file
from dacha.build.catalog_file import CatalogError
from dacha.registry import reference

GOOD = """\
name: mine
title: My own
family: apt
aliases: [my-own]
default: "2"
versions:
  "1": {}
  "2":
    aliases: [stable]
  special:
    image: example.org/elsewhere:x
images:
  base: "example.org/mine:{version}"
  toolbox: "example.org/mine-toolbox:{version}"
"""

# distrobox's list of images that are tried in its own tests
EXPECTED = (
    "alma alpine alt amazon arch blackarch bazzite centos chainguard crystal debian deepin fedora gentoo kali"
    " neon mageia opensuse oracle rhel rocky slackware steamos ubuntu vanilla void wolfi"
)


@pytest.fixture
def user_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    directory = tmp_path / "dacha" / "images"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of a distribution that nobody has heard of."""
    monkeypatch.setattr(catalog, "_os_release", lambda: {"ID": "nowhere"})


@pytest.mark.usefixtures("user_images")
def test_shipped_catalog_has_what_distrobox_lists() -> None:
    assert set(EXPECTED.split()) <= {each.name for each in catalog.distributions()}


@pytest.mark.usefixtures("user_images")
def test_every_entry_can_be_written_on_the_command_line_and_comes_from_somewhere() -> None:
    for name, entry in catalog.entries().items():
        assert reference.parse(name).path == name
        assert entry.image or entry.recipe
        assert "{" not in entry.image


@pytest.mark.usefixtures("elsewhere")
def test_names_versions_aliases_and_variants(user_images: Path) -> None:
    (user_images / "mine.yaml").write_text(GOOD)
    images = {
        name: entry.image for name, entry in catalog.entries().items() if entry.title.startswith("My own")
    }
    assert images == {
        "mine": "example.org/mine:2",
        "my-own": "example.org/mine:2",
        "mine:1": "example.org/mine:1",
        "mine:2": "example.org/mine:2",
        "mine:stable": "example.org/mine:2",
        "mine:special": "example.org/elsewhere:x",
        "mine-toolbox": "example.org/mine-toolbox:2",
        "my-own-toolbox": "example.org/mine-toolbox:2",
        "mine-toolbox:1": "example.org/mine-toolbox:1",
        "mine-toolbox:2": "example.org/mine-toolbox:2",
        "mine-toolbox:stable": "example.org/mine-toolbox:2",
        "mine-toolbox:special": "example.org/mine-toolbox:special",
    }


@pytest.mark.parametrize("name", ["mine", "my-own", "mine:1", "mine-toolbox", "mine:latest"])
def test_find_knows_every_name(user_images: Path, name: str) -> None:
    (user_images / "mine.yaml").write_text(GOOD)
    entry = catalog.find(name)
    assert entry is not None
    assert entry.title.startswith("My own")


def test_users_file_wins_over_the_shipped_one(user_images: Path) -> None:
    (user_images / "debian.yaml").write_text(GOOD.replace("name: mine", "name: debian"))
    entry = catalog.find("debian")
    assert entry is not None
    assert entry.image == "example.org/mine:2"


def test_bare_name_is_the_hosts_own_version_on_that_host(
    user_images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (user_images / "mine.yaml").write_text(GOOD)
    monkeypatch.setattr(catalog, "_os_release", lambda: {"ID": "my-own", "VERSION_ID": "1"})
    entry = catalog.find("mine")
    assert entry is not None
    assert entry.version == "1"


def test_default_image_is_one_that_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_os_release", lambda: {"ID": "nowhere", "ID_LIKE": "fedora"})
    assert catalog.default_name() == "debian"


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("family: apt", "family: rpm", 3, "'rpm' is no family"),
        ('default: "2"', 'default: "9"', 5, "default '9' is none of the versions"),
        ("title: My own", "titel: My own", 2, "unknown key 'titel'"),
        ("title: My own\n", "", 1, "key 'title' is missing"),
        ("aliases: [my-own]", "aliases: my-own", 4, "'aliases' must be a list"),
        ('  "1": {}', '  "1": 7', 7, "version '1' must be a mapping"),
        ('  "1": {}', '  "2": {}', 8, "key '2' stands twice"),
        ("name: mine", "name: [", 3, ""),
        ("  special:", "  special: {tool: x}\n  other:", 10, "unknown key 'tool'"),
    ],
)
def test_broken_file_is_named_with_line_and_key(
    user_images: Path, old: str, new: str, place: int, words: str
) -> None:
    path = user_images / "mine.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(CatalogError) as caught:
        catalog_file.read(str(path))
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert words in str(caught.value)


def test_empty_and_unreadable_files_are_refused(user_images: Path) -> None:
    for data in (b"", b"\xff\xfe\x00", b"&a [*a, *a]"):
        path = user_images / "mine.yaml"
        path.write_bytes(data)
        with pytest.raises(CatalogError, match=r"mine\.yaml"):
            catalog_file.read(str(path))


def test_did_you_mean() -> None:
    assert catalog.similar("fedroa") == "fedora"
    assert catalog.similar("qqqqqq") == ""
