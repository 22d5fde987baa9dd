"""OpenPGP keys for a test: made in a moment, known to nobody else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class SigningKey:
    """A key in a GnuPG home of its own; `public` is its armoured public part."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.home = directory / f"gnupg-{name}"
        self.home.mkdir(mode=0o700)
        self._gpg("--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.org>", "rsa2048", "sign")
        self.public = directory / f"{name}.asc"
        self.public.write_bytes(self._gpg("--armor", "--export"))
        self.keyring = directory / f"{name}.gpg"
        self.keyring.write_bytes(self._gpg("--export"))

    def sign(self, path: Path, *, armor: bool = False, clear: bool = False) -> Path:
        """Write a signature beside `path`, or `path` as clear-signed text, and return where that is."""
        suffix = ".asc" if armor else ".sig"
        target = path.with_name("InRelease") if clear else path.with_name(path.name + suffix)
        how = ["--clear-sign"] if clear else ["--detach-sign", *(["--armor"] if armor else [])]
        self._gpg(*how, "--output", str(target), str(path))
        return target

    def close(self) -> None:
        """End its agent."""
        subprocess.run(
            ["gpgconf", "--homedir", self.home, "--kill", "all"], check=True, capture_output=True, timeout=20
        )

    def _gpg(self, *args: str) -> bytes:
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--yes", "--no-tty", *args],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            timeout=60,
        ).stdout
