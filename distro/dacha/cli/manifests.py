"""`dacha manifest`: lists of images for several platforms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from dacha.cli.remote import access_of
from dacha.errors import UsageError
from dacha.fast.grammar import Line

if TYPE_CHECKING:
    import sqlite3

    from dacha.build.manifest_list import Wish
    from dacha.storage.manifest_lists import Member


@contextmanager
def _store() -> Iterator[sqlite3.Connection]:
    from dacha.storage import database

    with closing(database.open_database()) as connection:
        yield connection


def _checked_name(text: str) -> str:
    """The name of a list: that of an image, with its tag."""
    from dacha.registry import image_name

    image_name.parse(text)
    return text


def create_list(line: Line) -> int:
    """Create a list, put images in, and print its name."""
    from dacha.build import manifest_list
    from dacha.storage import manifest_lists

    name = _checked_name(line.operands[0])
    access = access_of(line)
    with _store() as connection:
        members = [
            member
            for text in line.operands[1:]
            for member in manifest_list.find_members(connection, text, access, takes_all=line.flag("all"))
        ]
        manifest_lists.create(connection, name, replaces=line.flag("amend"))
        for member in members:
            manifest_lists.put(connection, name, member)
    print(name)
    return 0


def add_images(line: Line) -> int:
    """Put images into a list."""
    from dacha.build import manifest_list
    from dacha.storage import manifest_lists

    name, *texts = line.operands
    access, wish = access_of(line), _wish(line)
    with _store() as connection:
        manifest_lists.get(connection, name)
        for text in texts:
            for member in manifest_list.find_members(connection, text, access, takes_all=line.flag("all")):
                manifest_lists.put(connection, name, wish.applied_to(member))
    return 0


def annotate_image(line: Line) -> int:
    """Change what a list says of one of its images, named by its digest or id or where it comes from."""
    from dacha.storage import manifest_lists

    name, text = line.operands
    with _store() as connection:
        member = _member(manifest_lists.get(connection, name), text)
        manifest_lists.put(connection, name, _wish(line).applied_to(member))
    return 0


def _member(members: list[Member], text: str) -> Member:
    bare = text.removeprefix("docker://").removeprefix("sha256:")
    found = [
        each
        for each in members
        if each.source.removeprefix("docker://").startswith(text.removeprefix("docker://"))
        or (len(bare) >= 4 and bare in (each.digest or each.source))
    ]
    if len(found) != 1:
        known = ", ".join(each.digest or each.source for each in members) or "none"
        raise UsageError(f"'{text}' is {'several' if found else 'none'} of the list", hint=f"it has {known}")
    return found[0]


def inspect_list(line: Line) -> int:
    """Print a list as the index that it will be."""
    from dacha.build import manifest_list
    from dacha.storage import manifest_lists

    with _store() as connection:
        members = manifest_lists.get(connection, line.operands[0])
    value = manifest_list.as_index(members, {})
    entries = value["manifests"]
    if isinstance(entries, list):
        for entry, member in zip(entries, members, strict=True):
            entry["source"] = member.source
    print(json.dumps(value, indent=2))
    return 0


def list_lists(_line: Line) -> int:
    """Print the names of all lists."""
    from dacha.storage import manifest_lists

    with _store() as connection:
        for name in manifest_lists.names(connection):
            print(name)
    return 0


def push_list(line: Line) -> int:
    """Push a list and its images, and print the digest of the index."""
    from dacha.build import manifest_list
    from dacha.cli.progress import show_progress
    from dacha.linux import account
    from dacha.registry import image_name
    from dacha.storage import manifest_lists
    from dacha.userns import single

    name = line.operands[0]
    target = line.operands[-1].removeprefix("docker://")
    if not image_name.has_host(target):
        raise UsageError(
            f"'{target}' names no registry", hint=f"say where to: dacha manifest push {name} HOST/PATH:TAG"
        )
    access = access_of(line)
    maps = single.widest_maps(account.calling_account())
    with (
        _store() as connection,
        show_progress(quiet=line.flag("quiet"), kind=line.text("progress")) as progress,
    ):
        members = manifest_lists.get(connection, name)
        index = manifest_list.push_list(
            connection,
            maps,
            members,
            image_name.parse(target),
            access._replace(notice=progress.notice),
            progress,
        )
        if line.flag("rm"):
            manifest_lists.remove(connection, name)
    print(index.descriptor.digest)
    return 0


def remove_lists(line: Line) -> int:
    """Remove lists; with --image, take an image out of one."""
    from dacha.storage import manifest_lists

    with _store() as connection:
        if image := line.text("image"):
            (name,) = line.operands
            member = _member(manifest_lists.get(connection, name), image)
            manifest_lists.take_out(connection, name, member.source)
            return 0
        for name in line.operands:
            manifest_lists.remove(connection, name)
            print(name)
    return 0


def _wish(line: Line) -> Wish:
    from dacha.build.manifest_list import Wish

    annotations = {}
    for text in line.texts("annotation"):
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--annotation takes KEY=VALUE, not '{text}'")
        annotations[key] = value
    return Wish(line.text("os"), line.text("arch"), line.text("variant"), annotations)
