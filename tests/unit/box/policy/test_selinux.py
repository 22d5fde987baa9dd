"""SELinux's labels: which commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.box.policy import selinux


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A store with layers and no boxes."""
    monkeypatch.setattr("dacha.paths.is_rootful", lambda: False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "containers/dacha/layers").mkdir(parents=True)
    return tmp_path / "containers"


def test_our_directories_are_declared_equal_to_podmans(store: Path) -> None:
    podman = f"{store}/storage/overlay"
    assert [step.argv for step in selinux.install("").steps] == [
        ("semanage", "fcontext", "--add", "--equal", podman, f"{store}/dacha/layers"),
        ("semanage", "fcontext", "--add", "--equal", podman, f"{store}/dacha/boxes"),
        ("restorecon", "-R", f"{store}/dacha/layers"),
    ]


def test_what_is_declared_is_not_declared_again(store: Path) -> None:
    known = f"# by hand\n\n{store}/dacha/layers {store}/storage/overlay\n"
    assert [step.argv[-1] for step in selinux.install(known).steps] == [
        f"{store}/dacha/boxes",
        f"{store}/dacha/layers",
    ]


def test_only_what_is_declared_is_taken_back(store: Path) -> None:
    assert selinux.remove("").steps == ()
    known = f"{store}/dacha/boxes {store}/storage/overlay\n"
    assert [step.argv for step in selinux.remove(known).steps] == [
        ("semanage", "fcontext", "--delete", "--equal", f"{store}/storage/overlay", f"{store}/dacha/boxes"),
        ("restorecon", "-R", f"{store}/dacha/layers"),
    ]


def test_the_policy_says_where_declarations_are() -> None:
    assert selinux.subs_file("") == "/etc/selinux/targeted/contexts/files/file_contexts.subs"
    assert "/minimum/" in selinux.subs_file("SELINUX=enforcing\nSELINUXTYPE=minimum\n")
