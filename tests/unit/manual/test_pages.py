"""The man pages: without a warning, and with all that the verbs' data has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dacha.cli.nouns import NOUNS
from dacha.fast.grammar import NOTHING, Verb
from dacha.fast.verbs import VERBS
from manual import pages
from manual.pages import Page

PAGES = {page.name: page for page in pages.pages()}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())


def seen(page: Page, directory: Path) -> str:
    """A page as `man` shows it, very wide; it must have nothing to complain of."""
    path = directory / f"{page.name}.{page.section}"
    path.write_text(page.roff)
    environment = {"MANWIDTH": "400", "LANG": "C.UTF-8", "PATH": os.environ["PATH"], "HOME": str(directory)}
    command = ["man", "--warnings", "-E", "UTF-8", "-l", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    return done.stdout


@every_page
def test_groff_has_no_warning(page: Page) -> None:
    command = ["groff", "-ww", "-mandoc", "-Tutf8", "-z"]
    done = subprocess.run(command, input=page.roff, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_there_is_a_page_for_everything() -> None:
    wanted = {"dacha", "dacha-catalog", *(f"dacha-{name}" for name in (*VERBS, *NOUNS))}
    assert set(PAGES) == wanted


def test_every_text_belongs_to_a_page() -> None:
    texts = {path.name.removesuffix(".md").removesuffix(".5") for path in pages._TEXTS.iterdir()}
    assert texts <= {*PAGES, "dacha-before", "dacha-after"}


def says_all_of(verb: Verb, text: str) -> None:
    flat = " ".join(text.split())
    assert verb.summary in flat
    for option in verb.options:
        assert option.help in flat
        for flag in option.flags:
            assert flag in flat
    for example in verb.examples:
        assert " ".join(example.split()) in flat


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_a_verb_has_all_its_flags_examples_and_exit_codes(verb: Verb, tmp_path: Path) -> None:
    text = seen(PAGES[f"dacha-{verb.name}"], tmp_path)
    says_all_of(verb, text)
    codes = text.partition("EXIT STATUS\n")[2]
    wanted = ["0", "125"] if verb.command == NOTHING else ["0", "125", "126", "127", "128+N"]
    for code in wanted:
        assert f"\n       {code}" in f"\n{codes}"


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_has_all_its_verbs(noun: str, tmp_path: Path) -> None:
    text = seen(PAGES[f"dacha-{noun}"], tmp_path)
    for verb in NOUNS[noun][1].values():
        assert f"dacha {noun} {verb.name} [OPTIONS]" in text
        says_all_of(verb, text)
    assert "EXIT STATUS" in text


def test_the_first_page_names_every_verb(tmp_path: Path) -> None:
    text = seen(PAGES["dacha"], tmp_path)
    for verb in VERBS.values():
        assert f"{verb.summary} See dacha-{verb.name}(1)." in text
    for noun in NOUNS:
        assert f"see dacha-{noun}(1)" in text


@every_page
def test_man_finds_its_name_and_summary(page: Page, tmp_path: Path) -> None:
    """What `man -k` and whatis show."""
    path = tmp_path / f"{page.name}.{page.section}"
    path.write_text(page.roff)
    done = subprocess.run(["lexgrog", path], capture_output=True, text=True, check=True)
    assert f'"{page.name} - ' in done.stdout
