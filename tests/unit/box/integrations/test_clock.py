"""The time zone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.box.integrations import clock
from dacha.box.integrations.clock import ClockIntegration, host_zone
from tests.lib.contexts import ContextMaker, edits_of
from tests.lib.trees import Tree

BERLIN: Tree = {"usr/share/zoneinfo/Europe/Berlin": b"TZif2"}


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host is in Berlin."""
    monkeypatch.setattr(clock, "host_zone", lambda: "Europe/Berlin")


@pytest.mark.parametrize(
    "target",
    [
        "/usr/share/zoneinfo/Europe/Berlin",
        "../usr/share/zoneinfo/Europe/Berlin",
        "/etc/zoneinfo/Europe/Berlin",  # NixOS
    ],
)
def test_the_hosts_zone_is_where_its_link_leads(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setattr(os, "readlink", lambda _path: target)
    assert host_zone() == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "zone"), [("Asia/Tokyo\n", "Asia/Tokyo"), ("\n", "Etc/UTC"), (None, "Etc/UTC")]
)
def test_without_a_link_the_zone_is_what_the_host_has_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, zone: str
) -> None:
    written = tmp_path / "timezone"
    if text is not None:
        written.write_text(text)
    (tmp_path / "localtime").write_bytes(b"TZif2")
    readlink = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: readlink(f"{tmp_path}/{Path(path).name}"))
    monkeypatch.setattr(clock, "open", lambda _path: written.open(), raising=False)
    assert host_zone() == zone


@pytest.mark.usefixtures("berlin")
def test_the_link_leads_into_the_images_own_zoneinfo(make_context: ContextMaker) -> None:
    edits = edits_of(ClockIntegration(), make_context(BERLIN))
    assert list(edits) == ["etc/localtime"]
    assert edits["etc/localtime"].link == "../usr/share/zoneinfo/Europe/Berlin"


@pytest.mark.usefixtures("berlin")
def test_zoneinfo_that_was_installed_in_the_box_counts(make_context: ContextMaker) -> None:
    edits = edits_of(ClockIntegration(), make_context({}, BERLIN))
    assert edits["etc/localtime"].link == "../usr/share/zoneinfo/Europe/Berlin"


@pytest.mark.usefixtures("berlin")
def test_the_hosts_zoneinfo_serves_an_image_that_has_none(make_context: ContextMaker) -> None:
    edits = edits_of(ClockIntegration(), make_context({"usr/share/zoneinfo/Etc/UTC": b""}))
    assert edits["etc/localtime"].link == "/run/host/usr/share/zoneinfo/Europe/Berlin"


@pytest.mark.usefixtures("berlin")
def test_debians_timezone_is_written_where_the_image_has_it(make_context: ContextMaker) -> None:
    edits = edits_of(ClockIntegration(), make_context({**BERLIN, "etc/timezone": b"Etc/UTC\n"}))
    assert edits["etc/timezone"].data == b"Europe/Berlin\n"


@pytest.mark.parametrize("zone", ["../../../etc/passwd", "/etc/passwd", "Europe/../x"])
def test_a_zone_that_is_a_path_elsewhere_is_not_taken(
    make_context: ContextMaker, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setattr(clock, "host_zone", lambda: zone)
    assert ClockIntegration().edits(make_context()) == []
