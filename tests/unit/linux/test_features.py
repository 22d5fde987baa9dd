"""What the kernel and a file system can do, on this machine."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dacha.linux import features, files


def test_this_kernel_has_what_dacha_calls() -> None:
    assert features.missing_system_calls() == []


@pytest.mark.parametrize(("code", "missing"), [(errno.ENOSYS, ["openat2"]), (errno.EINVAL, [])])
def test_only_an_unknown_call_is_missing(
    monkeypatch: pytest.MonkeyPatch, code: int, missing: list[str]
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "openat2", refuse)
    assert features.missing_system_calls() == missing


def test_entry_types_are_seen(tmp_path: Path) -> None:
    assert not features.has_entry_types(os.fspath(tmp_path))  # there is nothing to tell the type of
    (tmp_path / "a").mkdir()
    assert features.has_entry_types(os.fspath(tmp_path))
    with pytest.raises(FileNotFoundError):
        features.has_entry_types(os.fspath(tmp_path / "nowhere"))


def test_a_clone_is_a_copy_or_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" * 10_000)
    refused = 0
    try:
        features.clone_file(os.fspath(tmp_path / "a"), os.fspath(tmp_path / "b"))
    except OSError as error:
        refused = error.errno or -1
    if refused:
        assert refused in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV)
    else:
        assert (tmp_path / "b").read_text() == "x" * 10_000


def test_the_attribute_does_not_stay(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("")
    try:
        features.set_user_xattr(os.fspath(file))
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip(f"needs user xattrs, which {tmp_path} cannot have")
    assert os.listxattr(file) == []
