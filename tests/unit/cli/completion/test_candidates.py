"""What words may become, and how the scripts are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.cli.completion import candidates, protocol, scripts
from dacha.cli.completion.candidates import DIRECTORIES, FILES, WORDS
from dacha.cli.main import main
from dacha.registry import reference

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No box, no image, no catalog of the user's."""
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", f"{tmp_path}/{name}")
    monkeypatch.setattr(candidates, "images", candidates.nothing)
    monkeypatch.setattr("dacha.paths.is_rootful", lambda: False)


def words_of(offer: candidates.Offer) -> list[str]:
    return [word for word, _ in offer.candidates]


def test_every_transport_is_offered() -> None:
    assert set(candidates.TRANSPORTS) == set(reference._TRANSPORTS)


@pytest.mark.parametrize(
    ("typed", "action", "prefix"),
    [
        ("tar:x", FILES, "tar:"),
        ("oci:", DIRECTORIES, "oci:"),
        ("./x", FILES, ""),
        ("/", FILES, ""),
        ("~/x", FILES, ""),
        ("rootfs.tar", FILES, ""),
        ("debian", WORDS, ""),
        ("", WORDS, ""),
    ],
)
def test_references_are_names_or_paths(typed: str, action: str, prefix: str) -> None:
    offer = candidates.references(typed)
    assert (offer.action, offer.prefix) == (action, prefix)


def test_versions_come_when_the_distribution_is_certain() -> None:
    assert "debian:trixie" not in words_of(candidates.catalog("deb"))
    assert {"debian", "debian:trixie", "debian-toolbox"} <= set(words_of(candidates.catalog("debian")))
    assert words_of(candidates.catalog("debian:tri")) == ["debian:trixie"]


@pytest.mark.parametrize(
    ("typed", "action", "prefix"),
    [("/sr", FILES, ""), ("/srv:/d", FILES, "/srv:"), ("/srv:/data:", WORDS, "")],
)
def test_volumes(typed: str, action: str, prefix: str) -> None:
    offer = candidates.mounts(typed)
    assert (offer.action, offer.prefix) == (action, prefix)


def ask(capsys: Captured, *words: str) -> list[str]:
    assert protocol.answer(list(words)) == 0
    return capsys.readouterr().out.splitlines()


def test_words_have_what_they_are(capsys: Captured) -> None:
    assert ask(capsys, "words", "image", "l")[:3] == ["words", "", "list\tList the images in the store."]


@pytest.mark.parametrize(
    ("line", "replaced", "answer"),
    [
        ("dacha create -i debian:tri", "tri", ["words", "", "trixie"]),
        ("dacha create -i debian:tri", "debian:tri", ["words", "", "debian:trixie"]),
        ("dacha create --image=debian:tri", "tri", ["words", "", "trixie"]),
        ("dacha create -i tar:/e", "/e", ["files", ""]),
        ("dacha create -i tar:/e", "tar:/e", ["files", "tar:"]),
        ("dacha create --image=dir:", "", ["directories", ""]),
        ("dacha run 'work'  --  git st", "st", ["command", "16"]),
    ],
)
def test_bash_gets_what_readline_replaces(
    line: str, replaced: str, answer: list[str], capsys: Captured
) -> None:
    assert ask(capsys, "bash", line, replaced) == answer


@pytest.mark.parametrize("words", [[], ["zsh"], ["bash", "x"]])
def test_what_is_no_question_is_answered_with_one(words: list[str], capsys: Captured) -> None:
    assert protocol.answer(words) == 1
    assert capsys.readouterr().out == ""


def test_an_operand_is_not_offered_twice(capsys: Captured) -> None:
    assert "enter\tOpen" in "\n".join(ask(capsys, "words", "help", ""))
    assert "enter\tOpen" not in "\n".join(ask(capsys, "words", "help", "enter", ""))


@pytest.mark.parametrize("shell", scripts.SCRIPTS)
def test_there_is_a_script_for_each_shell(shell: str, capsys: Captured) -> None:
    assert main(["completion", shell]) == 0
    assert "dacha __complete" in capsys.readouterr().out


def test_another_shell_is_refused(capsys: Captured) -> None:
    assert main(["completion", "csh"]) == 125
    assert "name one of bash, zsh, fish" in capsys.readouterr().err


def test_platforms_are_offered_as_images_write_them() -> None:
    words = words_of(candidates.platforms(""))
    assert {"linux/amd64", "linux/arm64", "linux/arm/v7"} <= set(words)
