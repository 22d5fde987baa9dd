"""What package managers are told."""

from __future__ import annotations

from dacha.box.integrations.packages import PackagesIntegration
from tests.lib.contexts import ContextMaker, edits_of

_SETTINGS = "etc/apt/apt.conf.d/zz-dacha-single-id"


def test_apt_downloads_as_root_where_there_is_nobody_else(make_context: ContextMaker) -> None:
    image = {"etc/apt/apt.conf.d/01autoremove": b""}
    edits = edits_of(PackagesIntegration(), make_context(image, is_single=True))
    assert list(edits) == [_SETTINGS]
    assert b'APT::Sandbox::User "root";' in edits[_SETTINGS].data


def test_apt_is_left_alone_where_it_can_have_its_user(make_context: ContextMaker) -> None:
    assert edits_of(PackagesIntegration(), make_context({"etc/apt/apt.conf.d/01autoremove": b""})) == {}


def test_an_image_without_apt_gets_no_settings_for_it(make_context: ContextMaker) -> None:
    assert edits_of(PackagesIntegration(), make_context({"etc/apk/arch": b""}, is_single=True)) == {}
