"""containers-registries.d(5)."""

from __future__ import annotations

import pytest

from dacha.config.reading import ConfigError
from dacha.config.registries_d import load_signature_places
from tests.unit.config.conftest import Host


def test_without_files_no_attachments_are_used(host: Host) -> None:
    assert not load_signature_places().uses_attachments("q.io/a:1")


def test_the_nearest_scope_that_says_something_decides(host: Host) -> None:
    host.write(
        host.system / "registries.d/a.yaml",
        "default-docker:\n  lookaside: https://x\ndocker:\n  q.io: {use-sigstore-attachments: true}\n"
        "  q.io/no: {use-sigstore-attachments: false}\n  q.io/other: {lookaside: file:///x}\n",
    )
    host.write(
        host.system / "registries.d/b.yaml", "docker:\n  q.io/no/yes:1:\n    use-sigstore-attachments: true\n"
    )
    host.write(host.system / "registries.d/empty.yaml", "")
    host.write(host.system / "registries.d/c.txt", "{ nonsense")
    found = load_signature_places()
    for name, expected in (
        ("q.io/a:1", True),
        ("q.io/no/a:1", False),
        ("q.io/no/yes:1", True),
        ("q.io/no/yes:2", False),
        ("q.io/other/a:1", True),
        ("r.io/a:1", False),
        ("q.io:443/a:1", False),
    ):
        assert found.uses_attachments(name) is expected, name


def test_the_users_directory_takes_the_place_of_the_administrators(host: Host) -> None:
    host.write(host.system / "registries.d/a.yaml", "default-docker: {use-sigstore-attachments: true}")
    assert load_signature_places().uses_attachments("q.io/a:1")
    host.write(host.user / "registries.d/a.yaml", "docker: {}")
    assert not load_signature_places().uses_attachments("q.io/a:1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "docker: {q.io: {use-sigstore-attachments: 'yes'}}",
            r"docker\.q\.io\.use-sigstore-attachments: must be true",
        ),
        ("docker: [1]", "docker: must be a table"),
        ("a: b: c", r"is not YAML: .* \(line 1\)"),
        ("- 1", "must hold a mapping"),
        ("\0", "is not YAML"),
        ("docker: {z.io: {}}", r"docker\.z\.io: is also in .*/0\.yaml"),
        ("default-docker: {}", r"default-docker: is also in .*/0\.yaml"),
    ],
)
def test_mistakes_are_said_with_their_place(host: Host, text: str, message: str) -> None:
    host.write(host.user / "registries.d/0.yaml", "docker: {z.io: {}}\ndefault-docker: {}\n")
    host.write(host.user / "registries.d/1.yaml", text)
    with pytest.raises(ConfigError, match=message):
        load_signature_places()
