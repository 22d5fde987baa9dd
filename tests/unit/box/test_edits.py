"""Files that the host puts into a box, whatever the box has prepared for them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dacha.box.edits import Edit, Editor
from dacha.errors import DachaError
from tests.lib.trees import FIFO, WHITEOUT, Directory, Link, Node, Program, Tree, make_tree, open_stack

ME, MY_GROUP = os.getuid(), os.getgid()


class Layers:
    """The layers of a box on disk, and the edits carried out in them."""

    def __init__(self, base: Path) -> None:
        self.upper, self.image, self.layer = (base / name for name in ("upper", "image", "integration"))
        for directory in (self.upper, self.image, self.layer):
            directory.mkdir()

    def edit(self, *edits: Edit) -> None:
        with open_stack(self.image) as image, open_stack(self.upper, self.layer) as own:
            upper, layer = own.layers
            Editor(image, upper, layer, ME).carry_out(list(edits))

    def made(self) -> list[str]:
        """All that is in the integration layer."""
        return sorted(str(path.relative_to(self.layer)) for path in self.layer.rglob("*"))


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """Empty layers, with something beside them that nobody may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "passwd").write_text("outside")
    return Layers(tmp_path)


@pytest.fixture(autouse=True)
def nothing_outside_changes(layers: Layers) -> Iterator[None]:
    """What lies beside the layers is the same afterwards."""
    assert layers
    outside = layers.upper.with_name("outside")
    before = [(path, path.lstat()) for path in (outside, *outside.iterdir())]
    yield
    after = [(path, path.lstat()) for path in (outside, *outside.iterdir())]
    assert [(path, found.st_mtime_ns, found.st_mode) for path, found in after] == [
        (path, found.st_mtime_ns, found.st_mode) for path, found in before
    ]
    assert (outside / "passwd").read_text() == "outside"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_file_gets_its_contents_mode_and_owner(layers: Layers) -> None:
    data = b"elf" * 100_000
    layers.edit(Edit("usr/bin/sudo", data, mode=0o4750, owner=ME, group=MY_GROUP))
    found = layers.layer / "usr" / "bin" / "sudo"
    assert found.read_bytes() == data
    assert mode_of(found) == 0o4750
    assert (found.stat().st_uid, found.stat().st_gid) == (ME, MY_GROUP)


def test_a_link_is_made_as_it_is_written(layers: Layers) -> None:
    layers.edit(Edit("etc/resolv.conf", link="/run/host/etc/resolv.conf"))
    assert os.fspath((layers.layer / "etc" / "resolv.conf").readlink()) == "/run/host/etc/resolv.conf"


def test_directories_on_the_way_look_like_the_images(layers: Layers) -> None:
    make_tree(layers.image, {"etc": Directory(0o750), "etc/sudoers.d": Directory(0o1700)})
    layers.image.chmod(0o711)
    layers.edit(Edit("etc/sudoers.d/dacha", b"x"), Edit("etc/hosts", b"y"), Edit("opt/new/file", b"z"))
    modes = {path: mode_of(layers.layer / path) for path in ("", "etc", "etc/sudoers.d", "opt", "opt/new")}
    assert modes == {"": 0o711, "etc": 0o750, "etc/sudoers.d": 0o1700, "opt": 0o755, "opt/new": 0o755}


def test_the_image_itself_is_not_changed(layers: Layers) -> None:
    make_tree(layers.image, {"etc/hosts": b"of the image"})
    layers.edit(Edit("etc/hosts", b"new", into_upper=True, restores=True))
    assert (layers.image / "etc" / "hosts").read_bytes() == b"of the image"
    assert (layers.layer / "etc" / "hosts").read_bytes() == b"new"


@pytest.mark.parametrize("way", [Link("usr/etc"), Link("/outside"), b"a file", FIFO], ids=str)
def test_an_edit_whose_directory_is_none_in_the_image_is_left_out(layers: Layers, way: Node) -> None:
    make_tree(layers.image, {"etc": way})
    layers.edit(Edit("etc/hosts", b"x"), Edit("motd", b"y"))
    assert layers.made() == ["motd"]


def test_a_directory_that_the_image_has_removed_is_made(layers: Layers) -> None:
    make_tree(layers.image, {"etc": WHITEOUT})
    layers.edit(Edit("etc/hosts", b"x"))
    assert layers.made() == ["etc", "etc/hosts"]


def test_an_image_without_layers_takes_edits(tmp_path: Path, layers: Layers) -> None:
    with open_stack() as image, open_stack(layers.upper, layers.layer) as own:
        Editor(image, own.layers[0], own.layers[1], ME).carry_out([Edit("etc/hosts", b"x")])
    assert (tmp_path / "integration" / "etc" / "hosts").read_bytes() == b"x"


def test_what_the_box_has_written_stays(layers: Layers) -> None:
    make_tree(layers.upper, {"etc/hosts": b"the box's own"})
    layers.edit(Edit("etc/hosts", b"new", restores=True))
    assert (layers.upper / "etc" / "hosts").read_bytes() == b"the box's own"
    assert layers.made() == []


@pytest.mark.parametrize("old", [b"short", b"much longer than what comes", b""])
def test_an_edit_into_the_upper_rewrites_the_boxs_file_and_keeps_its_mode(layers: Layers, old: bytes) -> None:
    make_tree(layers.upper, {"etc/passwd": old})
    passwd = layers.upper / "etc" / "passwd"
    passwd.chmod(0o640)
    layers.edit(Edit("etc/passwd", b"alex:x:1000:\n", mode=0o644, into_upper=True))
    assert passwd.read_bytes() == b"alex:x:1000:\n"
    assert mode_of(passwd) == 0o640
    assert layers.made() == []


def test_a_file_in_the_upper_that_is_right_is_not_touched(layers: Layers) -> None:
    make_tree(layers.upper, {"etc/passwd": b"alex"})
    passwd = layers.upper / "etc" / "passwd"
    os.utime(passwd, ns=(1, 1))
    layers.edit(Edit("etc/passwd", b"alex", into_upper=True))
    assert passwd.stat().st_mtime_ns == 1


def test_a_file_that_is_in_the_image_alone_goes_into_the_layer_between(layers: Layers) -> None:
    make_tree(layers.image, {"etc/passwd": b"root"})
    layers.edit(Edit("etc/passwd", b"alex", into_upper=True))
    assert list(layers.upper.iterdir()) == []
    assert (layers.layer / "etc" / "passwd").read_bytes() == b"alex"


@pytest.mark.parametrize(
    "trap",
    [
        {"etc/passwd": Link("../../outside/passwd")},
        {"etc": Link("../outside")},
        {"etc/passwd": FIFO},
        {"etc/passwd": Directory()},
    ],
    ids=["link", "linked directory", "fifo", "directory"],
)
def test_a_trap_in_the_upper_catches_nobody(layers: Layers, trap: Tree) -> None:
    make_tree(layers.image, {"etc/passwd": b"root"})
    make_tree(layers.upper, trap)
    before = sorted(os.fspath(path) for path in layers.upper.rglob("*"))
    layers.edit(Edit("etc/passwd", b"alex", into_upper=True, restores=True))
    assert sorted(os.fspath(path) for path in layers.upper.rglob("*")) == before


def test_a_trap_with_the_full_path_of_the_outside_catches_nobody(layers: Layers) -> None:
    outside = layers.upper.with_name("outside")
    make_tree(layers.upper, {"etc/passwd": Link(f"{outside}/passwd"), "opt": Link(str(outside))})
    layers.edit(
        Edit("etc/passwd", b"alex", into_upper=True), Edit("opt/passwd", b"x", into_upper=True, restores=True)
    )
    assert (layers.upper / "opt").is_symlink()


def test_a_huge_file_in_the_upper_is_refused(layers: Layers) -> None:
    make_tree(layers.upper, {"etc/passwd": b""})
    os.truncate(layers.upper / "etc" / "passwd", 1 << 40)
    with pytest.raises(DachaError, match="etc/passwd is larger than"):
        layers.edit(Edit("etc/passwd", b"alex", into_upper=True))


def test_what_the_box_has_removed_stays_removed(layers: Layers) -> None:
    make_tree(layers.upper, {"etc/motd": WHITEOUT})
    layers.edit(Edit("etc/motd", b"hello"))
    assert (layers.upper / "etc" / "motd").is_char_device()


def test_what_restores_comes_back_where_the_box_has_removed_it(layers: Layers) -> None:
    make_tree(layers.upper, {"usr/bin/sudo": WHITEOUT, "usr/bin/other": WHITEOUT, "sudo": WHITEOUT})
    layers.edit(Edit("usr/bin/sudo", b"elf", restores=True), Edit("sudo", b"elf", restores=True))
    assert not os.path.lexists(layers.upper / "usr" / "bin" / "sudo")
    assert not os.path.lexists(layers.upper / "sudo")
    assert (layers.upper / "usr" / "bin" / "other").is_char_device()
    assert (layers.layer / "usr" / "bin" / "sudo").read_bytes() == b"elf"


def test_a_whiteout_behind_a_link_in_the_upper_stays(layers: Layers) -> None:
    make_tree(layers.upper, {"usr": Link("other"), "other/bin/sudo": WHITEOUT})
    layers.edit(Edit("usr/bin/sudo", b"elf", restores=True))
    assert (layers.upper / "other" / "bin" / "sudo").is_char_device()


def test_a_real_program_in_the_upper_is_not_taken_for_a_whiteout(layers: Layers) -> None:
    make_tree(layers.upper, {"usr/bin/sudo": Program(b"real")})
    layers.edit(Edit("usr/bin/sudo", b"elf", restores=True))
    assert (layers.upper / "usr" / "bin" / "sudo").read_bytes() == b"real"
    assert layers.made() == []
