"""Marks by which programs tell that they are in a box, and in which."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from dacha import __version__
from dacha.box.integrations import identity
from dacha.box.integrations.identity import IdentityIntegration
from tests.lib.contexts import ROOT, ContextMaker, edits_of

MACHINE_ID = b"0123456789abcdef0123456789abcdef\n"


@pytest.fixture(autouse=True)
def machine_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's machine id, which a build machine may not have."""
    monkeypatch.setattr(identity, "_machine_id", lambda: MACHINE_ID)


def containerenv(make_context: ContextMaker) -> Path:
    return make_context.base / "runtime" / "containerenv"


def test_containerenv_says_what_podmans_says(make_context: ContextMaker) -> None:
    context = make_context()
    mounts = {mount.target: mount for mount in IdentityIntegration().mounts(context)}
    assert mounts["/run/.containerenv"].source == str(containerenv(make_context))
    assert "ro" in mounts["/run/.containerenv"].options
    lines = containerenv(make_context).read_text().splitlines()
    assert lines == [
        f'engine="dacha-{__version__}"',
        'name="work"',
        'id="0123456789abcdef"',
        'image="debian:trixie"',
        f'imageid="{"1" * 64}"',
        'rootless="1"',
    ]


def test_the_boxs_users_may_read_it(make_context: ContextMaker) -> None:
    IdentityIntegration().mounts(make_context())
    assert containerenv(make_context).stat().st_mode & 0o777 == 0o644


def test_root_is_told_that_it_is(make_context: ContextMaker) -> None:
    IdentityIntegration().mounts(make_context(account=ROOT))
    assert 'rootless="0"\n' in containerenv(make_context).read_text()


@pytest.mark.parametrize("image_name", ['tar:/srv/a"b.tar', "tar:/srv/$(echo gone).tar", "oci:/a`b`\\c:d"])
def test_a_shell_that_reads_it_runs_nothing_of_the_images_name(
    make_context: ContextMaker, image_name: str
) -> None:
    IdentityIntegration().mounts(make_context(image_name=image_name))
    script = f'. {shlex.quote(str(containerenv(make_context)))} && printf %s "$image"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == image_name


def test_init_is_the_hosts_read_only(make_context: ContextMaker) -> None:
    context = make_context()
    mounts = {mount.target: mount for mount in IdentityIntegration().mounts(context)}
    assert mounts["/run/dacha/catatonit"].source == context.host + context.init
    assert {"ro", "nosuid"} <= set(mounts["/run/dacha/catatonit"].options)


def test_the_prompt_and_the_environment_name_the_box(make_context: ContextMaker) -> None:
    context = make_context()
    assert edits_of(IdentityIntegration(), context)["etc/debian_chroot"].data == b"work\n"
    assert IdentityIntegration().environment(context) == {"container": "dacha", "DACHA_BOX": "work"}


@pytest.mark.parametrize("content", [b"", b"\n", b"uninitialized\n"])
def test_an_image_without_a_machine_id_gets_the_hosts(make_context: ContextMaker, content: bytes) -> None:
    edits = edits_of(IdentityIntegration(), make_context({"etc/machine-id": content}))
    assert (edits["etc/machine-id"].data, edits["etc/machine-id"].mode) == (MACHINE_ID, 0o444)


def test_an_image_that_has_no_such_file_gets_the_hosts_too(make_context: ContextMaker) -> None:
    assert edits_of(IdentityIntegration(), make_context())["etc/machine-id"].data == MACHINE_ID


def test_a_machine_id_of_the_boxs_own_stays(make_context: ContextMaker) -> None:
    context = make_context({"etc/machine-id": b""}, {"etc/machine-id": b"f" * 32})
    assert "etc/machine-id" not in edits_of(IdentityIntegration(), context)


def test_a_host_without_a_machine_id_gives_none(
    make_context: ContextMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_machine_id", lambda: b"")
    assert list(edits_of(IdentityIntegration(), make_context())) == ["etc/debian_chroot"]
