"""A directory as a tar: what is in it, whose it is, and what is left out."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.linux import holes
from dacha.registry import rootfs
from dacha.registry.rootfs import RootFileSystem
from dacha.storage.archive import stream
from dacha.userns import mapping
from dacha.userns.outer import OuterMaps
from tests.lib.archives import read_all

UID, GID = os.getuid(), os.getgid()
OWN = OuterMaps(
    mapping.outer_map(UID, [(10_000_000, 65536)]),
    mapping.outer_map(GID, [(10_000_000, 65536)]),
    65536,
    is_initial=False,
)
INITIAL = OuterMaps(mapping.IDENTITY, mapping.IDENTITY, mapping.ALL_IDS, is_initial=True)


def pack(directory: Path, maps: OuterMaps = OWN, left_out: str = "", step: int = 1 << 20) -> bytes:
    tree = RootFileSystem(str(directory), maps, left_out)
    try:
        return read_all(tree, step)
    finally:
        tree.close()


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        return {member.name: member for member in tar}


def contents(data: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def rewritten(data: bytes) -> stream.LayerFacts:
    """What the unpacker makes of it."""
    fd = os.open("/dev/null", os.O_WRONLY)
    try:
        return stream.rewrite(io.BytesIO(data), fd)
    finally:
        os.close(fd)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / "tool").write_bytes(b"elf")
    (root / "usr" / "bin" / "tool").chmod(0o4711 | 0o400)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc").mkdir(mode=0o700)
    (root / "etc" / "motd").write_bytes(b"hello")
    os.utime(root / "etc" / "motd", ns=(0, 1_700_000_000_123_456_789))
    return root


@pytest.mark.parametrize("step", [100, 1 << 20])
def test_directories_come_before_what_is_in_them(tree: Path, step: int) -> None:
    found = members(pack(tree, step=step))
    assert list(found) == [".", "bin", "etc", "etc/motd", "usr", "usr/bin", "usr/bin/tool"]
    assert contents(pack(tree, step=step), "etc/motd") == b"hello"
    assert found["bin"].linkname == "usr/bin"
    assert oct(found["usr/bin/tool"].mode) == "0o4711"
    assert oct(found["etc"].mode) == "0o700"
    assert found["etc/motd"].pax_headers["mtime"] == "1700000000.123456789"


def test_the_unpacker_takes_it_as_it_is(tree: Path) -> None:
    facts = rewritten(pack(tree))
    assert (facts.entries, facts.size_bytes, facts.skipped) == (7, 8, ())
    assert facts.owners == {(0, 0)}


def test_the_same_directory_gives_the_same_layer(tree: Path) -> None:
    assert pack(tree) == pack(tree)


def test_everybody_may_enter_the_root(tree: Path) -> None:
    tree.chmod(0o700)
    assert members(pack(tree))["."].mode == 0o755


def test_what_is_the_users_is_roots(tree: Path) -> None:
    assert {(member.uid, member.gid) for member in members(pack(tree)).values()} == {(0, 0)}


def test_other_owners_stay(tree: Path) -> None:
    others = OuterMaps(
        mapping.outer_map(UID + 1, [(10_000_000, 9)]),
        mapping.outer_map(GID + 1, [(10_000_000, 9)]),
        9,
        is_initial=False,
    )
    for maps in (others, INITIAL):
        assert {(each.uid, each.gid) for each in members(pack(tree, maps)).values()} == {(UID, GID)}


@pytest.mark.parametrize("kind", ["user", "group"])
def test_subordinate_owners_are_refused(tree: Path, kind: str) -> None:
    uids, gids = (mapping.outer_map(own + 5, [(own, 65536)]) for own in (UID, GID))
    maps = OWN._replace(uids=uids) if kind == "user" else OWN._replace(gids=gids)
    with pytest.raises(BadImageError, match=f"belongs to the subordinate {kind} id") as caught:
        pack(tree, maps)
    assert "unshare --map-root-user --map-auto tar" in caught.value.hint


def test_hard_links_stay_links(tree: Path) -> None:
    (tree / "etc" / "again").hardlink_to(tree / "usr" / "bin" / "tool")
    os.link(tree / "bin", tree / "sh", follow_symlinks=False)
    found = members(pack(tree))
    assert (found["usr/bin/tool"].type, found["usr/bin/tool"].linkname) == (tarfile.LNKTYPE, "etc/again")
    assert (found["sh"].type, found["sh"].linkname) == (tarfile.LNKTYPE, "bin")
    assert rewritten(pack(tree)).size_bytes == 8


def test_sockets_are_left_out_and_fifos_are_not(tree: Path) -> None:
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "socket"))
        found = members(pack(tree))
    assert "socket" not in found
    assert found["fifo"].isfifo()


@pytest.mark.parametrize(
    "name", ["\xe4\u6f22", "\udcff\udcfe", "new\nline", "n" * 255, "-rf", "@LongLink"], ids=repr
)
def test_any_name_is_kept(tree: Path, name: str) -> None:
    (tree / "etc" / name).write_bytes(b"x")
    (tree / name).symlink_to(f"etc/{name}")
    found = members(pack(tree))
    assert found[f"etc/{name}"].isfile()
    assert found[name].linkname == f"etc/{name}"
    rewritten(pack(tree))


def test_deep_trees_need_no_more_descriptors_than_others(tree: Path) -> None:
    subprocess.run(["mkdir", "-p", tree / "/".join(["d"] * 1500)], check=True)
    try:
        assert rewritten(pack(tree)).entries == 1507
    finally:  # pytest would recurse
        subprocess.run(["rm", "-rf", tree / "d"], check=True)


def test_symlinks_are_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    (tree / "out").symlink_to(tmp_path / "secret")
    data = pack(tree)
    assert members(data)["out"].issym()
    assert b"secret" not in contents(data, "etc/motd")
    assert not any("file" in name for name in members(data))


def test_the_store_is_left_out_of_a_directory_that_holds_it(tree: Path) -> None:
    (tree / "var" / "store" / "layers").mkdir(parents=True)
    found = members(pack(tree, left_out=str(tree / "var" / "store")))
    assert "var/store" in found
    assert "var/store/layers" not in found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["etc/motd", "etc"])
def test_what_cannot_be_read_is_an_error(tree: Path, name: str) -> None:
    (tree / name).chmod(0)
    try:
        with pytest.raises(BadImageError, match=f"cannot read .*/{name}: Permission denied") as caught:
            pack(tree)
        assert "sudo tar -C" in caught.value.hint
    finally:
        (tree / name).chmod(0o700)


def test_files_with_holes_stay_so(tree: Path) -> None:
    with (tree / "sparse").open("wb") as file:
        file.truncate(1 << 39)
        for place in (1 << 20, 1 << 30, (1 << 39) - 5):
            file.seek(place)
            file.write(b"here")
    if (tree / "sparse").stat().st_blocks > 1000:
        pytest.skip("needs a file system with holes in files")
    data = pack(tree)
    assert len(data) < 1 << 20
    member = members(data)["sparse"]
    assert member.size == 1 << 39
    assert member.issparse()
    assert rewritten(data).size_bytes == (1 << 39) + 8


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 7])
@pytest.mark.parametrize("pieces", [[], [0], [512 << 10], [(1 << 20) - 3], [0, 512 << 10]], ids=str)
def test_what_is_between_the_holes_stays_in_its_place(tree: Path, size: int, pieces: list[int]) -> None:
    expected = bytearray(size)
    with (tree / "sparse").open("wb") as file:
        file.truncate(size)
        for place in pieces:
            file.seek(place)
            file.write(b"abc")
            expected[place : place + 3] = b"abc"
    data = pack(tree)
    assert contents(data, "sparse") == expected
    assert rewritten(data).size_bytes == size + 8


def test_there_is_an_end_to_holes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holes, "_MAX_PIECES", 3)
    expected = bytearray(2 << 20)
    with (tree / "sparse").open("wb") as file:
        file.truncate(2 << 20)
        for place in range(0, 2 << 20, 128 << 10):
            file.seek(place)
            file.write(b"abc")
            expected[place : place + 3] = b"abc"
    assert contents(pack(tree), "sparse") == expected


def test_attributes_of_users_are_kept(tree: Path) -> None:
    try:
        os.setxattr(tree / "etc" / "motd", "user.a=b%", b"\xff=\n")
    except OSError:
        pytest.skip("needs a file system with user attributes")
    header = members(pack(tree))["etc/motd"].pax_headers
    assert header["SCHILY.xattr.user.a%3Db%25"] == "\udcff=\n"


def test_capabilities_of_a_namespace_are_those_of_all() -> None:
    three = b"\x01\x00\x00\x03" + bytes(range(16)) + (1000).to_bytes(4, "little")
    assert rootfs._without_namespace(three) == b"\x01\x00\x00\x02" + bytes(range(16))
    two = b"\x01\x00\x00\x02" + bytes(range(16))
    assert rootfs._without_namespace(two) == two


def test_a_missing_directory_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="No such file"):
        pack(tmp_path / "nowhere")


def test_a_file_is_no_directory(tree: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="is no directory") as caught:
        pack(tree / "etc" / "motd")
    assert "say tar:" in caught.value.hint
