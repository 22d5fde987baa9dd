"""A store that the real podman has filled, in a place of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

_INHERITED = ("LANG", "LOGNAME", "PATH", "TERM", "USER")


class Podman:
    """podman with a graph root of its own, of a driver. `close` ends what it left running and removes it."""

    def __init__(self, driver: str = "overlay", *options: str, stores: tuple[Path, ...] = ()) -> None:
        if shutil.which("podman") is None:
            pytest.skip("needs podman")
        self.base = Path(tempfile.mkdtemp(prefix="podman-", dir="/var/tmp"))
        self.runtime = Path(tempfile.mkdtemp(prefix="p", dir=os.environ.get("XDG_RUNTIME_DIR") or "/tmp"))
        self.root = self.base / "storage"
        self.home = self.base / "home"
        self.home.mkdir()
        self._driver = driver
        # STORAGE_OPTS takes the place of all options in storage.conf, which this machine may have.
        self._options = [*options, *(f"overlay.imagestore={store}" for store in stores)]
        self._env = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "TMPDIR": str(self.base),
        }

    def run(self, *argv: str | Path, stdin: bytes = b"") -> str:
        """Run podman, which must succeed; its stdout."""
        options = [word for option in self._options for word in ("--storage-opt", option)]
        done = subprocess.run(
            [
                "podman",
                f"--root={self.root}",
                f"--runroot={self.runtime}/run",
                f"--storage-driver={self._driver}",
                "--cgroup-manager=cgroupfs",
                *options,
                *argv,
            ],
            input=stdin,
            env=self._env,
            cwd=self.home,
            capture_output=True,
            check=False,
            timeout=120,
        )
        words = " ".join(map(str, argv))
        assert done.returncode == 0, f"podman {words}: {done.stderr.decode(errors='replace')}"
        return os.fsdecode(done.stdout)

    def pull(self, layout: Path, tag: str, *names: str) -> str:
        """Have it pull an image from a layout and call it by these names; the image's id."""
        image = self.run("pull", "--quiet", f"oci:{layout}:{tag}").strip()
        if names:
            self.run("tag", image, *names)
        # What podman itself calls it is the path of the layout, with all tags the same.
        self.run("untag", image, f"localhost{layout}:latest")
        return image

    def inspect(self, image: str) -> dict[str, Any]:
        """What it knows about an image."""
        found: list[dict[str, Any]] = json.loads(self.run("image", "inspect", image))
        return found[0]

    def unshare(self, script: str) -> str:
        """Run a shell script as the root of podman's user namespace; its stdout."""
        return self.run("unshare", "sh", "-c", script) if os.geteuid() else _shell(script)

    def close(self) -> None:
        """End the process that holds its namespace, and remove all mounts and files."""
        self.run("image", "umount", "--all")
        if os.geteuid():
            self.run("system", "migrate")
        mapped = ["unshare", "--map-root-user", "--map-auto"] if os.geteuid() else []
        # podman binds this directory to itself; a user's goes with the namespace.
        subprocess.run(["umount", "-q", self.root / "overlay"], check=False, capture_output=True)
        subprocess.run(
            [*mapped, "rm", "-rf", "--one-file-system", "--", self.base, self.runtime],
            check=False,
            capture_output=True,
        )


def _shell(script: str) -> str:
    return os.fsdecode(subprocess.run(["sh", "-c", script], check=True, capture_output=True).stdout)
