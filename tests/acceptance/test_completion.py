"""Tab, in real shells: what the line has become when it is entered."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dacha.box import definition
from dacha.storage import database, images
from tests.lib.dacha import Dacha
from tests.lib.tab import TabShell

SHELLS = ("bash", "zsh", "fish")
_BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"


@pytest.fixture(scope="module")
def stocked() -> Iterator[Dacha]:
    """An installation that knows two boxes and an image: completion reads the database alone."""
    if os.geteuid() == 0:
        pytest.skip("root's store has a fixed place")
    installation = Dacha()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
                patch.setenv(name, installation.env[name])
            digest = "sha256:" + "1" * 64
            with closing(database.open_database()) as connection:
                images.add(connection, digest, "{}", (), "own:1.5", "tar:mine.tar")
                for name in ("work", "web-2"):
                    definition.insert(connection, definition.new(name, digest, "own:1.5", "", ()))
        (installation.home / "root fs.tar").touch()
        (installation.home / "trees").mkdir()
        (installation.home / "trees.txt").touch()
        yield installation
    finally:
        installation.close()


@pytest.fixture(scope="module", params=[*SHELLS, "bash with bash-completion"])
def shell(request: pytest.FixtureRequest, stocked: Dacha) -> Iterator[TabShell]:
    """Each shell; bash also as most people have it."""
    name, _, more = request.param.partition(" ")
    setup = [f". {_BASH_COMPLETION}"] if more else []
    with TabShell(name, stocked.env, stocked.executable, stocked.home, *setup) as terminal:
        yield terminal


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("dacha ent\twor\t", ["enter", "work"]),
        ("dacha res\twe\t", ["restart", "web-2"]),
        ("dacha rm --fo\two\twe\t", ["rm", "--force", "work", "web-2"]),
        ("dacha ima\tlo\toci-a\t", ["image", "load", "oci-archive:"]),
        ("dacha completion zs\t", ["completion", "zsh"]),
    ],
)
def test_verbs_flags_and_boxes(shell: TabShell, keys: str, words: list[str]) -> None:
    assert shell.enter(keys) == words


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("dacha create x --image ow\t", ["create", "x", "--image", "own:1.5"]),
        ("dacha create x --image own:1\t", ["create", "x", "--image", "own:1.5"]),
        ("dacha create x --image=own:\t", ["create", "x", "--image=own:1.5"]),
        ("dacha create x -i debian:bookw\t", ["create", "x", "-i", "debian:bookworm"]),
        ("dacha image rm own:\t", ["image", "rm", "own:1.5"]),
        ("dacha enter alpine:ed\t", ["enter", "alpine:edge"]),
    ],
)
def test_a_colon_in_a_name_is_no_end_of_a_word(shell: TabShell, keys: str, words: list[str]) -> None:
    assert shell.enter(keys) == words


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("dacha image load tar:roo\t", ["image", "load", "tar:root fs.tar"]),
        ("dacha image load ./roo\t", ["image", "load", "./root fs.tar"]),
        ("dacha create --image=rootfs:tr\t", ["create", "--image=rootfs:trees"]),
        ("dacha create --volume /usr/shar\t", ["create", "--volume", "/usr/share"]),
    ],
)
def test_paths_are_completed_behind_their_transport(shell: TabShell, keys: str, words: list[str]) -> None:
    # zsh takes the slash back when the line is entered.
    assert [word.rstrip("/") for word in shell.enter(keys)] == words


def test_after_the_dashes_it_is_another_command(shell: TabShell) -> None:
    assert shell.enter("dacha enter work -- sha512s\t") == ["enter", "work", "--", "sha512sum"]
    assert shell.enter("dacha run work -- cat roo\t") == ["run", "work", "--", "cat", "root fs.tar"]


def test_a_command_of_a_box_is_completed_by_its_own_rules(stocked: Dacha) -> None:
    """Not only names of files: what the shell knows of the command."""
    rules = f"complete -W 'alpha beta' greek; . {_BASH_COMPLETION}"
    with TabShell("bash", stocked.env, stocked.executable, stocked.home, rules) as bash:
        assert bash.enter("dacha run work greek al\t") == ["run", "work", "greek", "alpha"]
    rules = "compdef '_values greek alpha beta' greek"
    with TabShell("zsh", stocked.env, stocked.executable, stocked.home, rules) as zsh:
        assert zsh.enter("dacha run work greek al\t") == ["run", "work", "greek", "alpha"]
    rules = "complete -c greek -f -a 'alpha beta'"
    with TabShell("fish", stocked.env, stocked.executable, stocked.home, rules) as fish:
        assert fish.enter("dacha run work greek al\t") == ["run", "work", "greek", "alpha"]


def test_bash_without_colons_among_its_word_breaks(stocked: Dacha) -> None:
    setup = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}"
    with TabShell("bash", stocked.env, stocked.executable, stocked.home, setup) as bash:
        assert bash.enter("dacha image rm own:\t") == ["image", "rm", "own:1.5"]
        assert bash.enter("dacha image load tar:roo\t") == ["image", "load", "tar:root fs.tar"]


def test_a_word_in_quotes(stocked: Dacha) -> None:
    with TabShell("bash", stocked.env, stocked.executable, stocked.home) as bash:
        assert bash.enter('dacha image rm "own:\t') == ["image", "rm", "own:1.5"]
        assert bash.enter("dacha enter 'wo\t") == ["enter", "work"]


@pytest.mark.parametrize("name", ["zsh", "fish"])  # bash has no place for it
def test_candidates_are_shown_with_what_they_are(stocked: Dacha, name: str) -> None:
    with TabShell(name, stocked.env, stocked.executable, stocked.home) as terminal:
        terminal.see("dacha stop w\t", "web-2", "stopped, of own:1.5")
        terminal.see("dacha image \t", "Search the catalog, or a registry.")


def test_the_scripts_parse() -> None:
    scripts = Path(__file__).parents[2] / "completion"
    for shell, script in (("bash", "dacha.bash"), ("zsh", "_dacha"), ("fish", "dacha.fish")):
        subprocess.run([shell, "-n", scripts / script], check=True)


def test_tab_makes_and_changes_nothing_but_its_cache(empty_dacha: Dacha) -> None:
    before = set(empty_dacha.base.rglob("*"))
    done = empty_dacha.run("__complete", "words", "create", "--image", "debian:", check=True)
    assert b"debian:trixie\tDebian trixie\n" in done.stdout
    assert empty_dacha.run("__complete", "words", "rm", "", check=True).stdout == b"words\n\n"
    made = set(empty_dacha.base.rglob("*")) - before
    assert {path.name for path in made if path.is_file()} == {"catalog-names"}


def test_the_catalog_is_offered_as_it_is_now(empty_dacha: Dacha) -> None:
    def offered() -> bytes:
        return empty_dacha.run("__complete", "words", "create", "--image", "home", check=True).stdout

    assert offered() == b"files\n\n"
    own = empty_dacha.config / "dacha/images/home.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("name: home\ntitle: Mine\nfamily: apt\ndefault: '1'\nversions: {'1': {image: a.b/c}}\n")
    assert offered() == b"words\n\nhome:1\tMine 1\nhome\tMine 1\n"
    own.write_text("name: [")  # whoever uses the catalog is told; Tab goes on with the others
    assert offered() == b"files\n\n"
    (cache,) = (empty_dacha.home / ".cache/dacha").iterdir()
    for damage in (b"", b"\xff\xfe", cache.read_bytes()[:-40]):
        cache.write_bytes(damage)
        assert b"words" in empty_dacha.run("__complete", "words", "create", "deb", check=True).stdout
    cache.unlink()
    cache.mkdir()  # cannot be replaced by a file
    assert b"debian" in empty_dacha.run("__complete", "words", "create", "deb", check=True).stdout
