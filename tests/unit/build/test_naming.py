"""Names of images that are there for several platforms."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dacha.build import naming
from dacha.engine import emulation
from dacha.registry.platform import Platform, host_platform, parse
from dacha.storage import images
from dacha.storage.database import open_database
from dacha.storage.images import Image

HOST = host_platform()
OTHER = parse("s390x")


@pytest.fixture
def connection(store: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_database()) as connection:
        yield connection


def _add(connection: sqlite3.Connection, name: str, platform: Platform, digit: str) -> Image:
    configuration = json.dumps({"os": platform.os, "architecture": platform.architecture})
    return images.add(connection, "sha256:" + digit * 64, configuration, (), name, "test")


def test_this_machines_has_the_bare_name_and_others_their_platforms(connection: sqlite3.Connection) -> None:
    for was_wanted in (True, False):
        assert naming.free_name(connection, "debian", HOST, was_wanted=was_wanted) == "debian"
    assert naming.free_name(connection, "debian", OTHER, was_wanted=True) == "debian@s390x"
    assert naming.free_name(connection, "debian", parse("arm/v6"), was_wanted=True) == "debian@arm/v6"


def test_a_foreign_image_met_by_chance_may_have_the_bare_name_if_it_is_free(
    connection: sqlite3.Connection,
) -> None:
    assert naming.free_name(connection, "debian", OTHER, was_wanted=False) == "debian"


@pytest.mark.parametrize(("there", "comes"), [(HOST, OTHER), (OTHER, HOST)])
def test_a_name_does_not_move_between_platforms(
    connection: sqlite3.Connection, there: Platform, comes: Platform
) -> None:
    _add(connection, "debian", there, "1")
    name = naming.free_name(connection, "debian", comes, was_wanted=False)
    assert name == f"debian@{comes.short}"
    assert naming.free_name(connection, "debian", there, was_wanted=False) == "debian"


def test_the_one_for_the_platform_is_found(connection: sqlite3.Connection) -> None:
    mine = _add(connection, "debian", HOST, "1")
    other = _add(connection, "debian@s390x", OTHER, "2")
    assert naming.find(connection, "debian") == mine
    assert naming.find(connection, "debian", HOST) == mine
    assert naming.find(connection, "debian", OTHER) == other
    assert naming.find(connection, "debian@s390x") == other
    assert naming.find(connection, "debian", parse("riscv64")) is None


def test_an_image_that_does_not_say_is_for_this_machine(connection: sqlite3.Connection) -> None:
    image = images.add(connection, "sha256:" + "3" * 64, '{"architecture": 7}', (), "odd", "test")
    assert image.architecture == ""
    assert emulation.platform_of(image) == HOST


def test_where_else_a_name_is_can_be_told(connection: sqlite3.Connection) -> None:
    _add(connection, "debian@s390x", OTHER, "2")
    _add(connection, "debian:trixie", HOST, "1")
    assert naming.for_other_platforms(connection, "debian") == "'debian@s390x'"
    assert naming.for_other_platforms(connection, "fedora") == ""
