"""The rewriter of layer archives: what comes out is what went in, or nothing at all.

What GNU tar makes of the result is tried with GNU tar, as the user who runs the tests.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dacha.errors import BadImageError
from dacha.linux.files import RESOLVE_IN_ROOT, openat2
from dacha.storage.archive import buffer
from dacha.storage.archive.stream import (
    TAR_ENVIRONMENT,
    TAR_EXTRACT_OPTIONS,
    LayerFacts,
    Limits,
    rewrite,
)
from tests.lib.oci import CHARDEV, DIR, FIFO, HARDLINK, SYMLINK, Entry, opaque, whiteout, write_tar

GNU_TAR = shutil.which("tar") or "tar"
UID, GID = os.getuid(), os.getgid()


def run(source: Any, limits: Limits, *, squashes_owners: bool = False) -> tuple[LayerFacts, bytes]:
    reader, writer = os.pipe()
    received: list[bytes] = []

    def drain() -> None:
        with os.fdopen(reader, "rb") as file:
            received.append(file.read())

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        facts = rewrite(source, writer, limits, squashes_owners=squashes_owners)
    finally:
        os.close(writer)
        thread.join()
    return facts, received[0]


def clean(archive: bytes, **limits: Any) -> tuple[LayerFacts, bytes]:
    """What the rewriter says about an archive, and the archive it makes of it."""
    return run(io.BytesIO(archive), Limits(**limits))


def members(archive: bytes) -> list[tarfile.TarInfo]:
    return opened(archive).getmembers()


def opened(archive: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape")


def names(archive: bytes) -> list[str]:
    return [member.name for member in members(archive)]


def cleaned_names(*entries: Entry) -> list[str]:
    return names(clean(write_tar(entries))[1])


def refusal(archive: bytes, **limits: Any) -> str:
    with pytest.raises(BadImageError) as caught:
        clean(archive, **limits)
    return str(caught.value)


def file(name: str, data: bytes = b"", **more: Any) -> Entry:
    return Entry(name, data=data, uid=UID, gid=GID, **more)


def directory(name: str, **more: Any) -> Entry:
    return Entry(name, DIR, uid=UID, gid=GID, **more)


def symlink(name: str, target: str, **more: Any) -> Entry:
    return Entry(name, SYMLINK, linkname=target, uid=UID, gid=GID, **more)


def hard_link(name: str, target: str, **more: Any) -> Entry:
    return Entry(name, HARDLINK, linkname=target, uid=UID, gid=GID, **more)


def unpack(archive: bytes, into: Path) -> Path:
    """Have GNU tar unpack an archive without a word of complaint; owners only where root runs the tests."""
    into.mkdir()
    command = [GNU_TAR, *TAR_EXTRACT_OPTIONS, *["--no-same-owner"] * (UID != 0)]
    done = subprocess.run(command, input=archive, cwd=into, env=TAR_ENVIRONMENT, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    return into


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of a tree, by path; of hard links the first one's name."""
    seen: dict[str, tuple[object, ...]] = {}
    first_names: dict[int, str] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = path.lstat()
        name = str(path.relative_to(root))
        content = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        seen[name] = (
            stat.filemode(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            hashlib.sha256(content).hexdigest(),
            first_names.setdefault(status.st_ino, name),
        )
    return seen


# --- what comes out is what went in


def test_entries_keep_all_that_a_layer_says_about_them() -> None:
    archive = write_tar(
        [
            Entry("./", DIR, mode=0o700, uid=1),
            Entry("etc/", DIR, mode=0o755, mtime=1),
            Entry("etc/motd", data=b"hello", mode=0o4755, uid=33, gid=44, mtime=1_600_000_000),
            Entry("etc/link", SYMLINK, linkname="../../motd"),
            Entry("etc/hard", HARDLINK, linkname="etc/motd"),
            Entry("etc/pipe", FIFO, mode=0o600),
        ]
    )
    facts, result = clean(archive)
    assert [(m.name, m.type, m.mode, m.uid, m.gid, m.mtime, m.linkname) for m in members(result)] == [
        (".", tarfile.DIRTYPE, 0o700, 1, 0, 1_700_000_000, ""),
        ("etc", tarfile.DIRTYPE, 0o755, 0, 0, 1, ""),
        ("etc/motd", tarfile.REGTYPE, 0o4755, 33, 44, 1_600_000_000, ""),
        ("etc/link", tarfile.SYMTYPE, 0o777, 0, 0, 1_700_000_000, "../../motd"),
        ("etc/hard", tarfile.LNKTYPE, 0o644, 0, 0, 1_700_000_000, "etc/motd"),
        ("etc/pipe", tarfile.FIFOTYPE, 0o600, 0, 0, 1_700_000_000, ""),
    ]
    assert facts == LayerFacts(
        diff_id=f"sha256:{hashlib.sha256(archive).hexdigest()}",
        size_bytes=5,
        files=1,
        entries=6,
        owners=frozenset({(1, 0), (0, 0), (33, 44)}),
        opaque=(),
        skipped=(),
    )


def test_digest_covers_what_follows_the_end_mark() -> None:
    archive = write_tar([file("a", b"1")]) + b"tail" * 1_000_000
    assert clean(archive)[0].diff_id == f"sha256:{hashlib.sha256(archive).hexdigest()}"


@pytest.mark.parametrize("archive", [b"", bytes(512), bytes(1024), bytes(10240)])
def test_archive_without_entries_is_a_layer(archive: bytes) -> None:
    facts, result = clean(archive)
    assert (facts.entries, facts.diff_id) == (0, f"sha256:{hashlib.sha256(archive).hexdigest()}")
    assert result == bytes(10240)


def test_single_zero_block_ends_an_archive() -> None:
    archive = write_tar([file("a", b"1")])[:1536]
    assert names(clean(archive)[1]) == ["a"]


def test_what_is_written_is_read_as_the_same_again() -> None:
    archive = write_tar([file("a" * 150, b"1" * 700, mtime=1.5), symlink("b", "c" * 200), directory("d")])
    once = clean(archive)[1]
    assert clean(once)[1] == once


@pytest.mark.parametrize("buffer_bytes", [512, 1000, 1 << 20])
@pytest.mark.parametrize("step", [1, 511, 100_000])
def test_short_reads_change_nothing(step: int, buffer_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dripping(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            return super().readinto(memoryview(buffer)[:step])

    archive = write_tar([file(f"d/{number}" * 20, b"x" * number * 100) for number in range(30)])
    expected = clean(archive)
    monkeypatch.setattr(buffer, "_BUFFER_BYTES", buffer_bytes)
    assert run(Dripping(archive), Limits()) == expected


def test_source_with_read_alone_is_enough() -> None:
    class Reading:
        def __init__(self, data: bytes) -> None:
            self.read = io.BytesIO(data).read

    archive = write_tar([file("a", b"1" * 3_000_000)])
    assert run(Reading(archive), Limits()) == clean(archive)


def test_sink_that_closes_is_a_broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        rewrite(io.BytesIO(write_tar([file("a", b"1")])), writer)
    os.close(writer)


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    clean(write_tar([file("a")]))
    refusal(b"x" * 512)
    assert threading.active_count() == before


def test_import_stays_cheap() -> None:
    source = Path(__file__).parents[4] / "distro"
    code = f"import sys; sys.path.insert(0, {str(source)!r}); import dacha.storage.archive.stream as _"
    code += "; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=True)
    assert not {"dataclasses", "pathlib", "subprocess", "tarfile"} & set(done.stdout.split())


# --- formats


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_formats_of_python_are_read(kind: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind, errors="surrogateescape") as tar:
        for name in ("a", "d/" * 60 + "long", os.fsdecode(b"caf\xe9"), "x" * 100):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid = 3, 1234, 0o7777777
            tar.addfile(info, io.BytesIO(b"abc"))
    result = clean(buffer.getvalue())[1]
    files = [member for member in members(result) if member.isreg()]
    assert [member.name for member in files] == ["a", "d/" * 60 + "long", os.fsdecode(b"caf\xe9"), "x" * 100]
    assert {(member.size, member.mtime, member.uid) for member in files} == {(3, 1234, 0o7777777)}


@pytest.mark.parametrize("kind", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_formats_of_gnu_tar_come_out_as_they_were(kind: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", is_long=kind not in ("v7", "ustar"), seconds_only=kind != "posix")
    if kind == "v7":  # it knows no pipes
        (tree / "pipe").unlink()
        os.utime(tree, (7, 7))
    facts, result = clean(packed(tree, f"--format={kind}"))
    assert snapshot(unpack(result, tmp_path / "out")) == snapshot(tree)
    assert facts.owners == {(UID, GID)}


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
)
def test_sparse_files_keep_their_holes(options: list[str], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tree / "holes").open("wb") as out:
        for number in range(100):  # more than a header of the old format lists
            out.seek(number << 16)
            out.write(b"%d" % number)
        out.truncate(100 << 16)
    with (tree / "empty").open("wb") as out:
        out.truncate(1 << 30)
    (tree / ("n" * 120)).write_bytes(b"behind them")
    (tree / "end").write_bytes(b"behind them")
    os.utime(tree, (1, 1))
    for path in tree.iterdir():
        os.utime(path, (1, 1))
    archive = packed(tree, "--sparse", *options)
    facts, result = clean(archive)
    assert facts.size_bytes == (100 << 16) + (1 << 30) + 22
    assert len(result) < 1 << 20
    out_tree = unpack(result, tmp_path / "out")
    assert (out_tree / "empty").stat().st_blocks == 0
    assert (out_tree / "empty").stat().st_size == 1 << 30
    (out_tree / "empty").unlink()
    (tree / "empty").unlink()
    for path in (tree, out_tree):
        os.utime(path, (1, 1))
    assert snapshot(out_tree) == snapshot(tree)


def make_tree(root: Path, *, is_long: bool, seconds_only: bool) -> Path:
    """Files of all kinds that a user can make."""
    root.mkdir()
    (root / "sub/deep").mkdir(parents=True)
    (root / "sub/deep/file").write_bytes(os.urandom(10_000))
    (root / "sub/empty").write_bytes(b"")
    (root / "sub/block").write_bytes(b"1" * 512)
    (root / os.fsdecode(b"latin-\xe9")).write_bytes(b"not UTF-8")
    (root / "suid").write_bytes(b"elf")
    (root / "suid").chmod(0o6755)
    (root / "hard").hardlink_to(root / "sub/deep/file")
    (root / "up").symlink_to("../../../../etc/passwd")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "linked").hardlink_to(root / "absolute")
    os.mkfifo(root / "pipe", 0o600)
    (root / "closed").mkdir()
    (root / "closed/inner").write_bytes(b"1")
    if is_long:
        (root / ("d" * 120) / ("e" * 120)).mkdir(parents=True)
        (root / ("d" * 120) / ("e" * 120) / ("f" * 120)).write_bytes(b"long")
        (root / ("d" * 120) / os.fsdecode(b"\xff" * 120)).write_bytes(b"long, not UTF-8")
        (root / "longlink").symlink_to("t" * 200)
        (root / "longhard").hardlink_to(root / ("d" * 120) / ("e" * 120) / ("f" * 120))
    (root / "closed").chmod(0o555)
    step = 1_000_000_000 if seconds_only else 1_234_567_891
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(0, 1_500_000_000 * 1_000_000_000 + number * step), follow_symlinks=False)
    os.utime(root, (7, 7))
    return root


def packed(tree: Path, *options: str) -> bytes:
    done = subprocess.run(
        [GNU_TAR, "--create", "--file=-", f"--directory={tree}", *options, "."],
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_times_keep_their_nanoseconds(tmp_path: Path) -> None:
    times = {
        "a": "1.123456789",
        "b": "-1.5",
        "c": "-7",
        "d": "-0.25",
        "e": "9000000000.25",
        "f": "5.000",
    }
    archive = write_pax([(name, {"mtime": time}) for name, time in times.items()])
    root = unpack(clean(archive)[1], tmp_path / "out")
    assert {path.name: path.stat().st_mtime_ns for path in root.iterdir()} == {
        "a": 1_123_456_789,
        "b": -1_500_000_000,
        "c": -7_000_000_000,
        "d": -250_000_000,
        "e": 9_000_000_000_250_000_000,
        "f": 5_000_000_000,
    }


def write_pax(entries: list[tuple[str, dict[str, str]]]) -> bytes:
    """Empty files with pax records of their own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for name, records in entries:
            info = tarfile.TarInfo(name)
            info.uid, info.gid = UID, GID
            info.pax_headers = records
            tar.addfile(info)
    return buffer.getvalue()


def test_extended_attributes_of_the_host_are_dropped() -> None:
    kept = {
        "user.mime": b"text\0\n=",
        "user.odd=%name": b"1",
        "security.capability": bytes.fromhex("0100000200200000000000000000000000000000"),
        "system.posix_acl_access": b"\2\0\0\0",
    }
    dropped = {
        "user.overlay.opaque": b"y",
        "user.overlay.redirect": b"/etc",
        "trusted.overlay.opaque": b"y",
        "security.selinux": b"label",
        "security.ima": b"1",
        "system.nfs4_acl": b"1",
        "system.posix_acl_default": b"only directories have it",
    }
    written = {
        key.replace("%", "%25").replace("=", "%3D"): value for key, value in {**kept, **dropped}.items()
    }
    (member,) = members(clean(write_tar([Entry("f", xattrs=written)]))[1])
    assert {
        key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
        for key, value in member.pax_headers.items()
    } == {key.replace("%", "%25").replace("=", "%3D"): value for key, value in kept.items()}


def test_squashed_owners_are_roots_and_the_facts_are_the_archives() -> None:
    archive = write_tar(
        [
            Entry("etc", DIR),
            Entry("etc/shadow", data=b"x", mode=0o4640, gid=42),
            Entry("big", uid=1 << 31, xattrs={"security.capability": b"1", "user.mime": b"text"}),
            Entry("acl", uid=7, xattrs={"system.posix_acl_access": b"\2\0\0\0"}),
            whiteout("gone"),
        ]
    )
    facts, written = run(io.BytesIO(archive), Limits(), squashes_owners=True)
    found = {member.name: member for member in members(written)}
    assert {(member.uid, member.gid) for member in found.values()} == {(0, 0)}
    assert facts.owners == {(0, 0), (0, 42), (1 << 31, 0), (7, 0)}
    assert found["etc/shadow"].mode == 0o4640
    assert [key for key in found["big"].pax_headers if "xattr" in key] == ["SCHILY.xattr.user.mime"]
    assert not found["acl"].pax_headers
    assert facts.diff_id == clean(archive)[0].diff_id


def test_extended_attributes_reach_the_file(tmp_path: Path) -> None:
    try:
        os.setxattr(tmp_path, "user.test", b"1")
    except OSError:
        pytest.skip("needs user.* attributes on the file system of the tests")
    records = {
        "SCHILY.xattr.user.a%3Db%25": "va\nl=ue",
        "LIBARCHIVE.xattr.user.b%20c": "AP9+",
        "SCHILY.xattr.user.empty": "",
    }
    root = unpack(clean(write_pax([("f", records)]))[1], tmp_path / "out")
    assert {name: os.getxattr(root / "f", name) for name in os.listxattr(root / "f")} == {
        "user.a=b%": b"va\nl=ue",
        "user.b c": b"\x00\xff~",
        "user.empty": b"",
    }


def test_global_header_holds_until_an_entry_says_otherwise() -> None:
    buffer = io.BytesIO()
    records = {"uid": "42", "mtime": "99"}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=records) as tar:
        tar.addfile(tarfile.TarInfo("a"))
        other = tarfile.TarInfo("b")
        other.pax_headers = {"uid": "43"}
        tar.addfile(other)
    assert [(m.uid, m.mtime) for m in members(clean(buffer.getvalue())[1])] == [(42, 99), (43, 99)]


def test_owners_beyond_octal_are_kept() -> None:
    (member,) = members(clean(write_tar([Entry("f", uid=3_000_000, gid=4_294_967_294)]))[1])
    assert (member.uid, member.gid) == (3_000_000, 4_294_967_294)


def test_old_archives_mark_directories_by_a_slash() -> None:
    info = tarfile.TarInfo("d/")
    info.type = tarfile.AREGTYPE
    (member,) = members(clean(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))[1])
    assert member.isdir()


def test_contiguous_file_is_a_file() -> None:
    info = tarfile.TarInfo("f")
    info.type = tarfile.CONTTYPE
    assert members(clean(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))[1])[0].isreg()


# --- names


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("/etc/motd", "etc/motd"),
        ("./etc//./motd", "etc/motd"),
        ("//motd", "motd"),
        ("a/../motd", "motd"),
        ("a/b/../../c/motd", "c/motd"),
        ("...", "..."),
        ("..a/b..", "..a/b.."),
    ],
)
def test_name_is_made_relative_to_the_root(name: str, result: str) -> None:
    assert cleaned_names(file(name))[-1] == result


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/..", "..", "a/b/../../../etc/passwd", "./../x"])
def test_name_that_leaves_the_root_is_refused(name: str) -> None:
    assert "leaves the root" in refusal(write_tar([file("ok"), file(name)]))


@pytest.mark.parametrize("name", ["", ".", "./", "/", "a/.."])
def test_root_can_only_be_a_directory(name: str) -> None:
    assert cleaned_names(directory(name))[-1] == "."
    assert "directory" in refusal(write_tar([symlink(name, "/etc")]))


@pytest.mark.parametrize(
    ("target", "result"),
    [
        ("/etc", "etc/f"),
        ("../../../etc", "etc/f"),
        ("/../../etc/./x/..", "etc/f"),
        ("usr/lib", "usr/lib/f"),
        (".", "f"),
        ("/", "f"),
        ("..", "f"),
    ],
)
def test_symlinks_of_the_archive_are_followed_inside_the_root(target: str, result: str) -> None:
    assert cleaned_names(symlink("link", target), file("link/f"))[-1] == result


def test_chains_of_symlinks_are_followed_inside_the_root() -> None:
    entries = [symlink("a", "/b/c"), symlink("b", "../../d/e"), symlink("d/e/c", "../../../f")]
    assert cleaned_names(*entries, file("a/x"), hard_link("y", "a/x"))[-2:] == ["f/x", "y"]


def test_loop_of_symlinks_is_refused() -> None:
    assert "symlinks" in refusal(write_tar([symlink("a", "b"), symlink("b", "a"), file("a/x")]))
    assert "symlinks" in refusal(write_tar([symlink("a", "a/b"), file("a/x")]))


def test_forty_symlinks_are_followed_and_no_more() -> None:
    chain = [symlink(f"l{number}", f"l{number + 1}") for number in range(41)]
    assert cleaned_names(*chain, file("l1/x"))[-1] == "l41/x"
    assert "symlinks" in refusal(write_tar([*chain, file("l0/x")]))


def test_last_component_is_not_followed() -> None:
    entries = [symlink("x", "/etc/passwd"), file("x", b"new")]
    assert [(m.name, m.type) for m in members(clean(write_tar(entries))[1])] == [
        ("x", tarfile.SYMTYPE),
        ("x", tarfile.REGTYPE),
    ]


def test_directory_replaces_a_symlink_for_entries_after_it(tmp_path: Path) -> None:
    entries = [symlink("x", "/tmp"), file("x/in", b"1"), directory("x"), file("x/in", b"2")]
    result = clean(write_tar(entries))[1]
    assert names(result) == ["x", "tmp", "tmp/in", "x", "x/in"]
    root = unpack(result, tmp_path / "out")
    assert (root / "x/in").read_bytes() == b"2"
    assert (root / "tmp/in").read_bytes() == b"1"


def test_symlink_replaced_by_another_leads_elsewhere() -> None:
    entries = [symlink("x", "a"), file("x/1"), symlink("x", "b"), file("x/2"), file("x"), file("c/3")]
    assert cleaned_names(*entries) == ["x", "a", "a/1", "x", "b", "b/2", "x", "c", "c/3"]


def test_directory_cannot_become_something_else() -> None:
    for entry in (symlink("d", "/etc"), file("d"), Entry("d", FIFO)):
        assert "replaces a directory" in refusal(write_tar([file("d/x"), entry]))
        assert "replaces a directory" in refusal(write_tar([directory("d"), entry]))


def test_nothing_stands_in_a_file() -> None:
    assert "not a directory" in refusal(write_tar([file("f"), file("f/x")]))
    assert "not a directory" in refusal(write_tar([file("f"), symlink("l", "f/x"), file("l/y")]))
    assert "not a directory" in refusal(write_tar([file("f"), file("f/../x")]))


def test_hard_link_goes_to_what_its_target_resolves_to(tmp_path: Path) -> None:
    entries = [
        file("usr/bin/a", b"1"),
        symlink("bin", "/usr/bin"),
        hard_link("b", "/bin/../bin/./a"),
        hard_link("c", "bin"),  # the symlink itself
        file("c/d", b"2"),  # and so this goes through it
    ]
    result = clean(write_tar(entries))[1]
    assert [(m.name, m.linkname) for m in members(result)][-3:] == [
        ("b", "usr/bin/a"),
        ("c", "bin"),
        ("usr/bin/d", ""),
    ]
    root = unpack(result, tmp_path / "out")
    assert (root / "b").stat().st_nlink == 2
    assert (root / "c").lstat().st_nlink == 2


@pytest.mark.parametrize("target", ["/etc/passwd", "missing", "gone", "link/passwd", "dir/x"])
def test_hard_link_to_what_the_layer_does_not_have_is_refused(target: str) -> None:
    entries = [symlink("link", "/etc"), directory("dir"), whiteout("gone"), hard_link("h", target)]
    assert "not in the layer" in refusal(write_tar(entries))


def test_hard_link_that_leaves_the_root_is_refused() -> None:
    assert "leaves the root" in refusal(write_tar([hard_link("h", "../../etc/shadow")]))


def test_hard_link_to_a_directory_is_refused() -> None:
    assert "directory" in refusal(write_tar([directory("d"), hard_link("h", "d")]))


def test_hard_link_to_itself_says_nothing(tmp_path: Path) -> None:
    result = clean(write_tar([file("f", b"1"), hard_link("f", "./f")]))[1]
    assert (unpack(result, tmp_path / "out") / "f").read_bytes() == b"1"


def test_missing_parents_become_ordinary_directories() -> None:
    facts, result = clean(write_tar([Entry("a/b/f", uid=5, gid=5)]))
    assert [(m.name, m.isdir(), m.mode, m.uid) for m in members(result)] == [
        ("a", True, 0o755, 0),
        ("a/b", True, 0o755, 0),
        ("a/b/f", False, 0o644, 5),
    ]
    assert facts.owners == {(0, 0), (5, 5)}


def test_longest_path_that_linux_takes_is_taken(tmp_path: Path) -> None:
    longest = "/".join(["d" * 204] * 20)[:4094]
    assert len(longest) == 4094
    unpack(clean(write_tar([file(longest, b"1")]))[1], tmp_path / "out")
    assert "too long" in refusal(write_tar([file(longest + "dd")]))
    assert "too long" in refusal(write_tar([file("n" * 256)]))
    assert "too long" in refusal(write_tar([file("n" * 256 + "/f")]))
    assert "too long" in refusal(write_tar([symlink("l", "n" * 4096)]))


# --- overlayfs


def test_whiteout_becomes_a_device_of_numbers_zero(tmp_path: Path) -> None:
    facts, result = clean(write_tar([file("etc/a"), whiteout("etc/gone"), whiteout("..hidden")]))
    devices = [member for member in members(result) if member.ischr()]
    assert [(m.name, m.devmajor, m.devminor) for m in devices] == [("etc/gone", 0, 0), ("..hidden", 0, 0)]
    status = (unpack(result, tmp_path / "out") / "etc/gone").lstat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    assert facts.skipped == ()


def test_whiteout_of_its_own_layers_directory_makes_it_opaque(tmp_path: Path) -> None:
    entries = [
        directory("before"),
        whiteout("before"),
        whiteout("after"),
        file("after/f"),
        whiteout("f"),
        file("f"),
    ]
    facts, result = clean(write_tar(entries))
    assert facts.opaque == ("before", "after")
    root = unpack(result, tmp_path / "out")
    assert sorted(path.name for path in root.rglob("*") if not path.is_char_device()) == [
        "after",
        "before",
        "f",
        "f",
    ]


def test_whiteout_never_removes_what_its_own_layer_has() -> None:
    assert cleaned_names(file("f"), whiteout("f"), symlink("l", "x"), whiteout("l")) == ["f", "l"]


def test_opaque_directories_are_listed_in_order() -> None:
    entries = [opaque("z"), symlink("l", "a/b"), opaque("l"), opaque("z"), Entry(".wh..wh..opq")]
    assert clean(write_tar(entries))[0].opaque == ("z", "a/b", ".")


def test_what_aufs_left_behind_is_dropped() -> None:
    entries = [
        file("a"),
        file(".wh..wh.aufs", b"x" * 600),
        directory(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2"),
        file("b"),
    ]
    assert cleaned_names(*entries) == ["a", "b"]


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh."])
def test_whiteout_of_nothing_is_refused(name: str) -> None:
    assert "whiteout" in refusal(write_tar([file(name)]))


def test_whiteout_holds_no_files() -> None:
    assert "whiteout" in refusal(write_tar([file(".wh.d/f")]))
    assert "whiteout" in refusal(write_tar([symlink("l", ".wh.d"), file("l/f")]))


def test_names_that_only_look_like_whiteouts_are_names() -> None:
    assert cleaned_names(file("a.wh.b"), file(".whale"), file(".wh")) == ["a.wh.b", ".whale", ".wh"]


def test_devices_are_left_out_and_named() -> None:
    entries = [
        Entry("dev/null", CHARDEV, device=(1, 3)),
        hard_link("dev/zero", "dev/null"),
        Entry("dev/x", CHARDEV),
    ]
    facts, result = clean(write_tar(entries))
    assert names(result) == ["dev"]
    assert facts.skipped == ("dev/null", "dev/zero", "dev/x")
    assert len(clean(write_tar([Entry(f"{n}", CHARDEV) for n in range(200)]))[0].skipped) == 100


# --- limits


def test_owner_without_an_id_is_refused_with_a_hint() -> None:
    archive = write_tar([Entry("f", uid=65_536)])
    with pytest.raises(BadImageError, match="user 65536; only 65536 ids are available") as caught:
        clean(archive, max_id=65_535)
    assert "subordinate ids" in caught.value.hint
    assert "group 70000" in refusal(write_tar([Entry("f", gid=70_000)]), max_id=65_535)
    assert clean(write_tar([Entry("f", uid=65_535)]), max_id=65_535)[0].owners == {(65_535, 0)}


def test_number_of_entries_is_limited() -> None:
    archive = write_tar([file("a"), file("b"), file("c")])
    assert clean(archive, max_entries=3)[0].entries == 3
    assert "more than 2 entries" in refusal(archive, max_entries=2)
    assert "more than 9 entries" in refusal(write_tar([file("d/" * 100 + "f")]), max_entries=9)


def test_size_of_files_is_limited() -> None:
    archive = write_tar([file("a", b"1" * 600), file("b", b"1" * 600)])
    assert clean(archive, max_size_bytes=1200)[0].size_bytes == 1200
    assert "entry 2 (b)" in refusal(archive, max_size_bytes=1199)


def test_size_of_extended_headers_is_limited() -> None:
    archive = write_pax([("f", {"comment": "x" * 3000})])
    assert clean(archive, max_header_bytes=4000)[0].entries == 1
    assert "extended header" in refusal(archive, max_header_bytes=2000)


def test_extended_header_may_be_larger_than_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "_BUFFER_BYTES", 2048)
    archive = write_pax([("f", {"comment": "x" * 100_000, "mtime": "5"})])
    assert members(clean(archive)[1])[0].mtime == 5


# --- damage


def test_error_says_which_entry_where_and_what() -> None:
    archive = bytearray(write_tar([file("first", b"1"), file("second", b"2")]))
    archive[1024 + 148] ^= 1
    message = refusal(bytes(archive))
    assert "entry 2 at byte 1024" in message
    assert "checksum" in message
    assert "entry 2 (../esc\\x1b) at byte 512" in refusal(write_tar([file("a"), file("../esc\x1b")]))


def test_truncation_is_noticed_everywhere_but_between_entries() -> None:
    """umoci's layers lack the end mark and the last padding: an archive may end where its data does."""
    archive = write_tar([file("a" * 150, b"x" * 1500, mtime=1.5), symlink("l", "t" * 200), file("b", b"y")])
    end = len(archive.rstrip(b"\0")) + 511 & ~511
    complete: set[int] = set()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            complete |= {member.offset, *range(member.offset_data + member.size, tar.offset + 1)}
    for size in {*range(512, end, 512), *range(1, end, 512), *range(511, end, 512)} - complete:
        refusal(archive[:size])
    shortest = archive[: archive.index(b"y\0") + 1]
    assert names(clean(shortest)[1]) == names(archive)


def test_flipped_bit_in_a_header_is_noticed_or_harmless() -> None:
    archive = write_tar([file("name", b"data", mode=0o750)])
    expected = clean(archive)[1]
    for bit in range(0, 512 * 8, 3):
        damaged = bytearray(archive)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            result = clean(bytes(damaged))[1]
        except BadImageError:
            continue
        assert result == expected  # a blank after a number instead of a NUL


@pytest.mark.parametrize(
    "noise", [b"garbage" * 100, b"\x1f\x8b" + bytes(600), bytes(512) + b"x" * 512, bytes(511), b"x"]
)
def test_noise_is_no_archive(noise: bytes) -> None:
    refusal(noise)


def test_noise_between_entries_is_refused() -> None:
    one = write_tar([file("a", b"1")])[:1024]
    assert "entry 2" in refusal(one + b"\1" * 512 + one + bytes(1024))


@pytest.mark.parametrize("kind", [b"8", b"D", b"M", b"V", b"\xff"])
def test_unknown_types_are_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("f")
    info.type = kind
    assert "unknown" in refusal(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))


@pytest.mark.parametrize(
    "records",
    [
        b"no length\n",
        b"99 path=a\n",
        b"9 path=ab\n",
        b"10 path=a\n\n",
        b"0 path=a\n",
        b"-9 path=a\n",
        b"9 path:a\n",
        b"5 =a\n",
        b"10 size=1x\n",
        b"10 size=-1\n",
        b"9 uid=4_\n",
        b"11 mtime=x\n",
        b"13 mtime=1.x\n",
        b"11 path=a\0b\n",
        b"37 LIBARCHIVE.xattr.user.a=no base64!\n",
        b"28 LIBARCHIVE.xattr.%zz=AAAA\n",
        b"22 GNU.sparse.major=2\n",
        b"22 SCHILY.realsize=12\n",
    ],
)
def test_damaged_extended_header_is_refused(records: bytes) -> None:
    assert "entry 1" in refusal(extended(b"x", records) + tarfile.TarInfo("f").tobuf() + bytes(1024))


def extended(kind: bytes, data: bytes) -> bytes:
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def test_extended_header_without_an_entry_is_refused() -> None:
    for kind, data in ((b"x", b"9 path=a\n"), (b"L", b"name\0"), (b"K", b"name\0")):
        assert "ends between" in refusal(extended(kind, data) + bytes(1024))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (100, b"00x0644\0"),
        (108, b"0000008\0"),
        (124, b"-0000000001\0"),
        (124, b"\xff" * 12),
        (136, b"12_3\0\0\0\0\0\0\0\0"),
    ],
)
def test_damaged_number_is_refused(field: int, value: bytes) -> None:
    header = bytearray(tarfile.TarInfo("f").tobuf(tarfile.USTAR_FORMAT))
    header[field : field + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    refusal(bytes(header) + bytes(1024))


def test_checksum_of_signed_bytes_is_accepted() -> None:
    header = bytearray(tarfile.TarInfo("n").tobuf(tarfile.USTAR_FORMAT))
    header[0:2] = b"\xe9\xe8"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in header)
    assert names(clean(bytes(header) + bytes(1024))[1]) == [os.fsdecode(b"\xe9\xe8")]


@pytest.mark.parametrize(
    "sparse_map",
    ["0,512,100,512", "0,100,512,412", "0,4096", "1,2,3", "5000,512,6000,0", "0,99999999999999999999999"],
)
def test_damaged_sparse_map_is_refused(sparse_map: str) -> None:
    info = tarfile.TarInfo("f")
    info.size = 512
    records = {"GNU.sparse.size": "5000", "GNU.sparse.map": sparse_map}
    info.pax_headers = records
    assert "entry 1" in refusal(info.tobuf(tarfile.PAX_FORMAT) + bytes(512) + bytes(1024))


# --- any archive


PARTS = st.sampled_from(["a", "b", "c", "d", ".", "..", "", "a", "b", "c", ".wh.a", os.fsdecode(b"\xff")])
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)
ENTRIES = st.one_of(
    st.builds(file, PATHS, st.binary(max_size=20)),
    st.builds(directory, PATHS),
    st.builds(symlink, PATHS, PATHS.filter(bool)),
    st.builds(hard_link, PATHS, PATHS),
    st.builds(opaque, PATHS),
)


def assert_stays_in_the_root(archive: bytes) -> None:
    links: set[str] = set()
    seen: set[str] = set()
    for member in members(archive):
        for path in [member.name] + [member.linkname] * member.islnk():
            parts = path.split("/")
            assert path == "." or not {"", ".", ".."} & set(parts)
            assert not {"/".join(parts[:count]) for count in range(1, len(parts))} & links
        if member.islnk():
            assert member.linkname in seen
        seen.add(member.name)
        links.discard(member.name)
        if member.issym() or (member.islnk() and member.linkname in links):
            links.add(member.name)


@settings(max_examples=400, deadline=None)
@given(st.lists(ENTRIES, max_size=12))
def test_no_archive_leaves_the_root(entries: list[Entry]) -> None:
    try:
        result = clean(write_tar(entries))[1]
    except BadImageError:
        return
    assert_stays_in_the_root(result)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(ENTRIES, max_size=12))
def test_gnu_tar_takes_whatever_passes(entries: list[Entry], tmp_path: Path) -> None:
    try:
        result = clean(write_tar(entries))[1]
    except BadImageError:
        return
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    root = unpack(result, tmp_path / "out")
    final = {member.name: member for member in members(result)}
    final.pop(".", None)
    assert set(snapshot(root)) == {".", *final}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(links=st.lists(st.builds(symlink, PATHS, PATHS.filter(bool)), max_size=6), name=PATHS)
def test_names_lead_where_the_kernel_would_go(links: list[Entry], name: str, tmp_path: Path) -> None:
    try:
        result = clean(write_tar([*links, file(f"{name}/new")]))[1]
    except BadImageError:
        return
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    top = unpack(result, tmp_path / "out")
    root = os.open(top, os.O_PATH)
    try:
        found = openat2(root, f"{name}/new", os.O_PATH, RESOLVE_IN_ROOT)
    except (FileNotFoundError, NotADirectoryError):
        return  # unlike us it asks that x is there, and no whiteout, even in x/..
    finally:
        os.close(root)
    path = Path(f"/proc/self/fd/{found}").readlink()
    os.close(found)
    assert str(path.relative_to(top)) == names(result)[-1]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 3))
def test_noise_is_refused_or_empty(noise: bytes, blocks: int) -> None:
    archive = write_tar([file("a", b"1")])[: 512 * blocks] + noise
    try:
        clean(archive)
    except BadImageError as error:
        assert "entry" in str(error)  # noqa: PT017 (either outcome is right)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.binary(min_size=1, max_size=255)
            .filter(lambda name: not set(name) & {0, 0x2F} and name not in (b".", b".."))
            .filter(lambda name: not name.startswith(b".wh.")),
            st.binary(max_size=2000),
            st.integers(0, 0o7777),
            st.integers(0, 1 << 31),
            st.integers(0, 1 << 40),
        ),
        max_size=8,
        unique_by=lambda entry: entry[0],
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_whatever_is_in_files_comes_out(entries: list[tuple[bytes, bytes, int, int, int]], kind: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind, errors="surrogateescape") as tar:
        for name, data, mode, owner, time in entries:
            info = tarfile.TarInfo(os.fsdecode(name))
            info.size, info.mode, info.uid, info.gid, info.mtime = len(data), mode, owner, owner, time
            tar.addfile(info, io.BytesIO(data))
    with opened(clean(buffer.getvalue())[1]) as tar:
        found = [
            (os.fsencode(member.name), read(tar.extractfile(member)), member.mode, member.uid, member.mtime)
            for member in tar
        ]
    assert found == entries


def read(stream: IO[bytes] | None) -> bytes:
    assert stream is not None
    return stream.read()
