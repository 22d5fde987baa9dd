"""What a manager's last words come down to: taken from what the real ones say."""

from __future__ import annotations

import pytest

from dacha.build.bootstrap.explain import Failure, explain
from dacha.build.bootstrap.managers import MANAGERS


@pytest.mark.parametrize(
    ("tool", "lines", "reason", "hint"),
    [
        (
            "dnf",
            [
                "Importing GPG key 0x836EFD3A:",
                "Public key for mini-base.rpm is not installed. Failing package is: mini-base-1.0-1.x86_64",
                "Error: GPG check FAILED",
            ],
            "a signature fits none of the recipe's keys: Public key for mini-base.rpm is not installed",
            "`keys`",
        ),
        (
            "zypper",
            [
                "[mini|http://m] Valid metadata not found at specified URL",
                "- Signature verification failed for repomd.xml",
                "Could not refresh the repositories because of errors.",
            ],
            "a signature fits none of the recipe's keys: Signature verification failed for repomd.xml",
            "`keys`",
        ),
        (
            "pacman",
            [
                'error: mini: key "BD6C" is unknown',
                "error: failed to synchronize all databases (invalid or corrupted database (PGP signature))",
            ],
            'a signature fits none of the recipe\'s keys: mini: key "BD6C" is unknown',
            "`keys`",
        ),
        ("pacman", ["error: target not found: x"], "target not found: x", "`packages`"),
        (
            "apk",
            [
                "WARNING: fetching http://m/APKINDEX.tar.gz: Connection refused",
                "ERROR: unable to select packages:",
                "  x (no such package):",
            ],
            "fetching http://m/APKINDEX.tar.gz: Connection refused",
            "mirror",
        ),
        (
            "mmdebstrap",
            [
                "E: Failed to fetch http://m/InRelease  Could not connect",
                "E: apt-get update --error-on=any failed",
                "E: mmdebstrap failed to run",
            ],
            "Failed to fetch http://m/InRelease  Could not connect",
            "mirror",
        ),
        ("dnf", ["unpacking", "error: write failed: No space left on device"], None, "free some space"),
        ("zypper", ["so be it", "Error: something else"], "something else", ""),
        ("apk", ["only this"], "only this", ""),
    ],
)
def test_the_line_that_says_why_is_found(tool: str, lines: list[str], reason: str | None, hint: str) -> None:
    found = explain(lines, MANAGERS[tool].rules)
    assert found.reason == (reason if reason is not None else lines[-1])
    assert hint in found.hint


def test_who_says_nothing_has_no_reason() -> None:
    assert explain([], MANAGERS["apk"].rules) == Failure("")
