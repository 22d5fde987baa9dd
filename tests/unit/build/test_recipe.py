"""Recipes: what a catalog file may say about making an image, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha import paths
from dacha.build import catalog, catalog_file
from dacha.build.catalog_file import CatalogError
from dacha.build.recipe import Recipe

GOOD = """\
name: mine
title: Mine
family: dnf
default: "1"
versions:
  "1": {}
  "2":
    release: two
    bootstrap:
      keys: [/else.asc]
  "3":
    bootstrap: none
bootstrap:
  tool: dnf
  mirror: http://mirror/{version}
  repositories:
    base: "{mirror}/{release}/{arch}"
  keys: [keys/mine.asc]
  packages: [mine-release, "@core"]
"""


@pytest.fixture
def user_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    directory = tmp_path / "dacha" / "images"
    directory.mkdir(parents=True)
    return directory


def recipe_of(name: str) -> Recipe | None:
    entry = catalog.find(name)
    assert entry is not None
    return entry.recipe


def expanded(name: str) -> Recipe:
    entry = catalog.find(name)
    assert entry is not None
    assert entry.recipe is not None
    return entry.recipe.expand(entry.version, entry.release, "x86_64")


def test_placeholders_and_relative_keys(user_images: Path) -> None:
    (user_images / "mine.yaml").write_text(GOOD)
    recipe = expanded("mine:1")
    assert recipe.repositories == {"base": "http://mirror/1/1/x86_64"}
    assert recipe.keys == (f"{user_images}/keys/mine.asc",)
    assert recipe.packages == ("mine-release", "@core")


def test_a_version_changes_some_keys_of_the_recipe_or_has_none(user_images: Path) -> None:
    (user_images / "mine.yaml").write_text(GOOD)
    assert expanded("mine:2").repositories == {"base": "http://mirror/2/two/x86_64"}
    assert expanded("mine:2").keys == ("/else.asc",)
    assert catalog.find("mine:3") is None  # it has no image either


def test_the_registry_comes_first_unless_the_file_prefers_packages(user_images: Path) -> None:
    images = 'images: {base: "example.org/mine:{version}"}\n'
    for text, expected in (
        (GOOD, True),
        (GOOD + images, False),
        (GOOD + images + "prefer: packages\n", True),
        (GOOD + images + "prefer: registry\n", False),
    ):
        (user_images / "mine.yaml").write_text(text)
        entry = catalog.find("mine")
        assert entry is not None
        assert entry.comes_from_packages is expected


def test_debian_is_still_made_from_packages() -> None:
    for name in ("debian", "debian:trixie", "debian:sid"):
        entry = catalog.find(name)
        assert entry is not None
        assert entry.comes_from_packages
        assert entry.recipe is not None
        assert entry.recipe.host_sources


def test_extends_changes_what_it_says_and_keeps_the_rest(user_images: Path) -> None:
    (user_images / "fedora.yaml").write_text("extends: fedora\nbootstrap:\n  mirror: http://lan/fedora\n")
    recipe = expanded("fedora:43")
    assert recipe.repositories["updates"] == "http://lan/fedora/updates/43/Everything/x86_64/"
    assert recipe.keys_from == "distribution-gpg-keys"
    assert list(expanded("fedora:rawhide").repositories) == ["rawhide"]
    entry = catalog.find("fedora")
    assert entry is not None
    assert entry.image == "registry.fedoraproject.org/fedora:43"


def test_who_names_a_mirror_does_not_get_the_hosts(user_images: Path) -> None:
    (user_images / "debian.yaml").write_text("extends: debian\nbootstrap:\n  mirror: http://lan/debian\n")
    recipe = recipe_of("debian:trixie")
    assert recipe is not None
    assert not recipe.host_sources


def test_extends_does_not_give_a_recipe_to_versions_that_say_none(user_images: Path) -> None:
    (user_images / "alma.yaml").write_text("extends: alma\nbootstrap:\n  mirror: http://lan/alma\n")
    assert recipe_of("alma:8") is None
    assert recipe_of("alma:9") is not None


def test_unsigned_takes_the_keys_away(user_images: Path) -> None:
    (user_images / "fedora.yaml").write_text("extends: fedora\nbootstrap: {unsigned: true}\n")
    recipe = recipe_of("fedora")
    assert recipe is not None
    assert (recipe.unsigned, recipe.keys) == (True, ())


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("  tool: dnf", "  tool: yum", 14, "'yum' is no tool"),
        ("  tool: dnf", "  tols: dnf", 14, "key 'tool' is missing"),
        ("  tool: dnf", "  tool: dnf\n  variant: x", 15, "unknown key 'variant'"),
        ("http://mirror/{version}", "{x: y}", 15, "'mirror' must be a text"),
        ("{release}/{arch}", "{suite}", 17, "'{suite}' stands for nothing"),
        ("    base: ", "    '[a]': ", 17, "'[a]' is no name for a repository"),
        ('    base: "', '    base: "\\nx', 17, "one line"),
        ("  keys: [keys/mine.asc]\n", "", 14, "no 'keys' to check signatures with"),
        ("  keys: [keys/mine.asc]", "  keys: []", 18, "no 'keys' to check signatures with"),
        ("  keys: [keys/mine.asc]", "  keys: [a]\n  unsigned: true", 19, "'unsigned' makes no sense"),
        ("  keys: [keys/mine.asc]", "  unsigned: maybe", 18, "'unsigned' must be true or false"),
        ('[mine-release, "@core"]', "[--installroot=/]", 19, "'--installroot=/' is no name of a package"),
        ('  packages: [mine-release, "@core"]\n', "", 14, "key 'packages' is missing"),
        ("http://mirror/{version}", "'{mirror}x'", 15, "'mirror' cannot stand for itself"),
        ("bootstrap: none", "bootstrap: some", 12, "'bootstrap' must be a mapping"),
        ("name: mine", "name: mine\nextends: nobody", 2, "'nobody' is no shipped file"),
        ("name: mine", "name: mine\nprefer: mine", 2, "'mine' is no prefer"),
    ],
)
def test_broken_recipe_is_named_with_line_and_key(
    user_images: Path, old: str, new: str, place: int, words: str
) -> None:
    path = user_images / "mine.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(CatalogError) as caught:
        catalog_file.read(str(path))
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{place}: ")


@pytest.mark.parametrize(
    "path", sorted(Path(paths.shipped("images")).glob("*.yaml")), ids=lambda path: path.stem
)
def test_shipped_recipes_check_signatures_and_leave_nothing_open(path: Path) -> None:
    for version in catalog_file.read(str(path)).versions:
        if version.bootstrap is None:
            continue
        recipe = version.bootstrap.expand(version.name, version.release, "x86_64")
        assert recipe.keys
        assert recipe.keys_from
        assert not recipe.unsigned
        texts = (*recipe.repositories.values(), *recipe.keys, *recipe.packages)
        assert not [text for text in texts if "{" in text]
        assert all(key.startswith("/usr/share/") for key in recipe.keys)
