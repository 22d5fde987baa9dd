"""The verbs of `dacha image` that ask registries: pull, tags, and search in one."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from dacha.cli import questions
from dacha.errors import UsageError
from dacha.fast.grammar import Line

if TYPE_CHECKING:
    from dacha.build.registries import Access


def access_of(line: Line) -> Access:
    """What the options of a line say of registries. Raises UsageError."""
    from dacha.build.registries import Access, parse_login
    from dacha.registry import platform
    from dacha.registry.remote.retry import Retry

    default = Retry()
    wanted = line.text("platform") if "platform" in line.options else ""
    return Access(
        authfile=line.text("authfile"),
        login=parse_login(line.text("creds")),
        verifies_tls=_parse_switch(line.text("tls_verify"), "--tls-verify"),
        cert_dir=line.text("cert_dir"),
        retry=Retry(
            _parse_count(line.text("retry"), "--retry", default.times),
            _parse_seconds(line.text("retry_delay"), "--retry-delay", default.delay_s),
        ),
        platform=platform.parse(wanted) if wanted else None,
        notice=_notice,
        choose=questions.chooser(),
    )


def _notice(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def pull_images(line: Line) -> int:
    """Pull images and print their ids."""
    from dacha.build import obtain
    from dacha.cli.progress import show_progress
    from dacha.linux import account
    from dacha.storage import database
    from dacha.userns import single

    access = access_of(line)
    wanted = list(line.operands)
    if line.flag("all_tags"):
        wanted = [each for text in wanted for each in _with_all_tags(text, access)]
    maps = single.choose(account.calling_account()).maps
    with (
        closing(database.open_database()) as connection,
        show_progress(quiet=line.flag("quiet"), kind=line.text("progress")) as progress,
    ):
        ids = [obtain.pull_newest(connection, maps, text, progress, access).id for text in wanted]
    for each in ids:
        print(each)
    return 0


def _with_all_tags(text: str, access: Access) -> list[str]:
    """The names of all images of a repository."""
    from dacha.build import locate, registries
    from dacha.errors import ImageNotFoundError

    name = locate.names_of(text, access.choose)[0]
    client, _ = registries.own_registry(name, access)
    found = [str(name._replace(tag=tag, digest="")) for tag in client.tags()]
    if not found:
        raise ImageNotFoundError(f"{name.repository} has no tags")
    return found


def list_tags(line: Line) -> int:
    """List the tags of a repository."""
    from dacha.build import locate, registries

    access = access_of(line)
    name = locate.names_of(line.operands[0], access.choose)[0]
    client, _ = registries.own_registry(name, access)
    tags = sorted(client.tags())
    if line.flag("json"):
        print(json.dumps({"name": name.repository, "tags": tags}, indent=2))
    else:
        for tag in tags:
            print(tag)
    return 0


def search_registry(line: Line, host: str) -> int:
    """Print what a registry finds for a term."""
    from dacha.build import registries
    from dacha.registry.remote import search

    client = registries.registry_of(host, access_of(line))
    found = search.search(client.session, line.operands[0])
    if line.flag("json"):
        print(json.dumps([each._asdict() for each in found], indent=2))
        return 0
    if not found:
        print(f"nothing in {host} fits '{line.operands[0]}'", file=sys.stderr)
        return 1
    rows = [("NAME", "STARS", "OFFICIAL", "DESCRIPTION")]
    rows += [
        (f"{host}/{each.name}", str(each.stars or ""), "yes" if each.is_official else "", each.description)
        for each in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _parse_switch(text: str, option: str) -> bool | None:
    if not text:
        return None
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise UsageError(f"{option} takes true or false, not '{text}'")


def _parse_count(text: str, option: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 4:
        raise UsageError(f"{option} takes a number, not '{text}'")
    return int(text)


def _parse_seconds(text: str, option: str, default: float) -> float:
    """Read seconds, with or without the unit: 5, 5s, 500ms, 2m."""
    if not text:
        return default
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0)):
        number = text.removesuffix(unit)
        if text.endswith(unit) and text.isascii() and number.replace(".", "", 1).isdecimal():
            return float(number) * factor
    raise UsageError(f"{option} takes seconds, such as 5 or 500ms, not '{text}'")
