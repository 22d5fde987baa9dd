"""A private installation of dacha for a test: stores, settings and sockets of its own.

`close` holds the test to its word: after all boxes and images are removed no
mount, no process and no file of another owner may be left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pexpect

# All that a test's dacha inherits; what is set on the developer's machine must not matter.
_INHERITED = ("DACHA_STORAGE_DRIVER", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TZ", "USER")

# root's stores have fixed places: each command gets them in a mount namespace of its own.
_AS_ROOT = """
mkdir -p "$1" "$2" /var/lib/containers/dacha /run/dacha &&
mount --bind "$1" /var/lib/containers/dacha && mount --bind "$2" /run/dacha && shift 2 && exec "$@"
"""


class Dacha:
    """One installation. Several may live at once; they share nothing but the ids of the user."""

    executable = Path(sys.executable).with_name("dacha")

    def __init__(self, *, env: Mapping[str, str] | None = None) -> None:
        # /var/tmp is on a disk where /tmp may be a tmpfs; the runtime directory
        # holds sockets, whose paths must be short.
        self.base = Path(tempfile.mkdtemp(prefix="dacha-", dir="/var/tmp"))
        self.runtime = Path(tempfile.mkdtemp(prefix="d", dir=os.environ.get("XDG_RUNTIME_DIR") or "/tmp"))
        self.home = self.base / "home"
        self.data = self.home / ".local" / "share"
        self.config = self.home / ".config"
        for directory in (self.data, self.config):
            directory.mkdir(parents=True)
        self.env: dict[str, str] = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.data),
            "XDG_CONFIG_HOME": str(self.config),
            "XDG_RUNTIME_DIR": str(self.runtime),
            **(env or {}),
        }
        self._command = [str(self.executable)]
        if os.geteuid() == 0:
            store, state = str(self.data / "containers" / "dacha"), str(self.runtime / "dacha")
            unshare = ["unshare", "--mount", "--propagation", "slave", "--"]
            self._command = [*unshare, "sh", "-c", _AS_ROOT, "sh", store, state, *self._command]

    def run(
        self,
        *args: str | bytes | Path,
        stdin: bytes = b"",
        check: bool = False,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `dacha ARGS` to its end. `check`: it must succeed. In `env`, None unsets a variable."""
        done = subprocess.run(
            [*self._command, *args],
            input=stdin,
            capture_output=True,
            check=False,
            env=self._environment(env),
            cwd=cwd or self.home,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            words = " ".join(os.fsdecode(arg) for arg in args)
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise AssertionError(f"dacha {words}: exit code {done.returncode}\n{output}")
        return done

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start `dacha ARGS`, unheard, in a process group of its own; the caller waits for its end."""
        return subprocess.Popen(
            [*self._command, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=self._environment(None),
            cwd=self.home,
        )

    def spawn(
        self,
        *args: str | Path,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        timeout: float = 30,
        dimensions: tuple[int, int] = (24, 80),
    ) -> pexpect.spawn[str]:
        """Start `dacha ARGS` on a terminal of `dimensions` (rows, columns); `timeout` is for each expect."""
        child: pexpect.spawn[str] = pexpect.spawn(
            self._command[0],
            [*self._command[1:], *(str(arg) for arg in args)],
            env=self._environment(env),
            cwd=str(cwd or self.home),
            timeout=timeout,
            dimensions=dimensions,
            encoding="utf-8",
            codec_errors="surrogateescape",
        )
        return child

    def remove_boxes(self) -> None:
        """Remove all boxes; nothing of them may be left running or mounted."""
        self.run("rm", "--all", "--force", check=True)
        problems = [*self._mounts(), *self._wait_for_processes()]
        assert not problems, "left behind after `dacha rm --all --force`:\n" + "\n".join(problems)

    def close(self) -> None:
        """Remove everything, and fail if something resists or was left behind."""
        try:
            self.remove_boxes()
            self.run("image", "rm", "--all", "--force", check=True)
            strangers = list(self._foreign_directories())
            assert not strangers, "directories of other owners are left:\n" + "\n".join(strangers)
            done = self.run("system", "check")
            assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        finally:
            self._remove_files()

    def _environment(self, changes: Mapping[str, str | None] | None) -> Any:
        merged = {**self.env, **(changes or {})}
        return {name: value for name, value in merged.items() if value is not None}

    def _is_ours(self, text: str) -> bool:
        return str(self.base) in text or f"{self.runtime}/" in f"{text}/"

    def _mounts(self) -> Iterator[str]:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if self._is_ours(line):
                yield f"mount: {line}"

    def _processes(self) -> Iterator[str]:
        """Processes whose arguments, environment or directories name one of ours."""
        for process in Path("/proc").glob("[0-9]*"):
            if process.name == str(os.getpid()):
                continue
            seen = []
            for part in ("cmdline", "environ"):
                try:
                    seen.append((process / part).read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:  # gone, or of a user we may not look at
                    seen.append("")
            for part in ("cwd", "root", "exe"):
                try:
                    seen.append(str((process / part).readlink()))
                except OSError:
                    continue
            if any(self._is_ours(text) for text in seen):
                yield f"process {process.name}: {seen[0]}"

    def _wait_for_processes(self, timeout: float = 5) -> list[str]:
        """The processes still there after a while: a killed one takes a moment to go."""
        deadline = time.monotonic() + timeout
        while (found := list(self._processes())) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def _foreign_directories(self) -> Iterator[str]:
        for top in (self.base, self.runtime):
            for parent, names, _ in os.walk(top):
                for path in (Path(parent, name) for name in names):
                    if (owner := path.lstat().st_uid) != os.geteuid():
                        yield f"{path} (of {owner})"

    def _remove_files(self) -> None:
        # What belongs to subordinate ids can only be removed where they are mapped.
        mapped = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
        command = [*mapped, "rm", "-rf", "--one-file-system", "--", str(self.base), str(self.runtime)]
        subprocess.run(command, check=False, capture_output=True)
        for directory in (self.base, self.runtime):  # without subordinate ids there was no unshare
            shutil.rmtree(directory, ignore_errors=True)
