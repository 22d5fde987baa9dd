"""Files that strangers may have laid traps in, and files that must not get lost."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dacha.errors import DachaError
from dacha.linux import files
from dacha.linux.files import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    openat2,
    read_regular,
    replace_file,
    write_whole,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree, with a secret beside it."""
    (tmp_path / "secret").write_text("outside")
    tree = tmp_path / "root"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc" / "motd").write_text("inside")
    return tree


@pytest.fixture
def root_fd(root: Path) -> Iterator[int]:
    """The tree, open."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def read_at(root_fd: int, path: str, resolve: int) -> bytes:
    with os.fdopen(openat2(root_fd, path, os.O_RDONLY, resolve), "rb") as file:
        return file.read()


def refusal(root_fd: int, path: str, resolve: int) -> int | None:
    with pytest.raises(OSError, match="openat2") as caught:
        openat2(root_fd, path, os.O_RDONLY, resolve)
    assert caught.value.filename == path
    return caught.value.errno


def test_an_absolute_link_leads_to_the_trees_own_root(root: Path, root_fd: int) -> None:
    (root / "link").symlink_to("/etc/motd")
    assert read_at(root_fd, "link", RESOLVE_IN_ROOT) == b"inside"


def test_an_absolute_link_cannot_leave_the_root(root: Path, root_fd: int, tmp_path: Path) -> None:
    (root / "link").symlink_to(tmp_path / "secret")
    assert refusal(root_fd, "link", RESOLVE_IN_ROOT) == errno.ENOENT


def test_dots_cannot_leave_the_root(root: Path, root_fd: int) -> None:
    (root / "link").symlink_to("../secret")
    assert refusal(root_fd, "../secret", RESOLVE_IN_ROOT) == errno.ENOENT
    assert refusal(root_fd, "link", RESOLVE_IN_ROOT) == errno.ENOENT
    assert read_at(root_fd, "../../etc/motd", RESOLVE_IN_ROOT) == b"inside"


@pytest.mark.parametrize("target", ["/etc/motd", "../secret", "../root/etc/motd"])
def test_beneath_refuses_every_way_out(root: Path, root_fd: int, target: str) -> None:
    (root / "link").symlink_to(target)
    assert refusal(root_fd, "link", RESOLVE_BENEATH) == errno.EXDEV


def test_links_are_refused_where_none_is_wanted(root: Path, root_fd: int) -> None:
    (root / "link").symlink_to("etc/motd")
    (root / "directory").symlink_to("etc")
    assert read_at(root_fd, "link", RESOLVE_BENEATH) == b"inside"
    for path in ("link", "directory/motd"):
        assert refusal(root_fd, path, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) == errno.ELOOP


def test_magic_links_of_proc_are_refused_where_none_is_wanted() -> None:
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        assert refusal(proc, "self/exe", RESOLVE_NO_MAGICLINKS) == errno.ELOOP
    finally:
        os.close(proc)


def test_a_descriptor_does_not_reach_programs(root_fd: int) -> None:
    descriptor = openat2(root_fd, "etc/motd", os.O_RDONLY, RESOLVE_IN_ROOT)
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_new_file_gets_its_mode(root: Path, root_fd: int) -> None:
    descriptor = openat2(root_fd, "etc/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, RESOLVE_IN_ROOT, 0o600)
    os.close(descriptor)
    assert (root / "etc" / "new").stat().st_mode & 0o777 == 0o600


def test_a_regular_file_is_read(root_fd: int) -> None:
    assert read_regular(root_fd, "etc/motd") == b"inside"


def test_what_is_no_regular_file_is_not_read(root: Path, root_fd: int, tmp_path: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "link").symlink_to("etc/motd")
    (root / "way").symlink_to("etc")
    (root / "out").symlink_to(tmp_path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  (no Path for descriptors of our own)
    for path in ("fifo", "link", "way/motd", "out/secret", "../secret", "etc", "none", "etc/motd/none"):
        assert read_regular(root_fd, path) is None, path
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_file_is_read_up_to_its_limit(root_fd: int) -> None:
    assert read_regular(root_fd, "etc/motd", max_bytes=6) == b"inside"
    with pytest.raises(DachaError, match="etc/motd is larger than 5 bytes"):
        read_regular(root_fd, "etc/motd", max_bytes=5)


def test_all_is_written_however_little_a_call_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        write_whole(descriptor, b"ten bytes!")
        write_whole(descriptor, memoryview(b" more"))
        write_whole(descriptor, b"")
    finally:
        os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"ten bytes! more"


def test_a_replaced_file_has_the_new_contents_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old and longer")
    before = path.stat().st_ino
    replace_file(str(path), b"new", 0o644)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.stat().st_ino != before, "it was not replaced, but written over"
    assert list(tmp_path.iterdir()) == [path]


def test_only_its_owner_reads_a_file_unless_its_mode_says_so(tmp_path: Path) -> None:
    replace_file(str(tmp_path / "file"), b"x")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        replace_file(str(tmp_path / "file"), b"x", 0o644)
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_readers_see_the_old_file_or_the_new_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    versions = [bytes([number]) * 100_000 for number in range(40)]
    replace_file(str(path), versions[0])
    seen: set[bytes] = set()
    is_done = threading.Event()

    def look() -> None:
        while not is_done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for version in versions:
            replace_file(str(path), version)
    finally:
        is_done.set()
        reader.join()
    assert seen
    assert seen <= set(versions)


@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        replace_file(str(path), b"new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_half_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"file.{os.getpid()}~").write_text("left by a process of the same number, and longer")
    replace_file(str(tmp_path / "file"), b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_syncfs_names_the_path_that_is_missing(tmp_path: Path) -> None:
    files.syncfs(str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        files.syncfs(f"{tmp_path}/none")
    assert caught.value.filename == f"{tmp_path}/none"
