"""dacha as an ordinary user, in places and with groups that only root can arrange."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha

NAME = os.environ.get("DACHA_TEST_USER", "dacha-test")  # scripts/test makes it


class OrdinaryUser:
    """An installation of a user who is not root. `close` removes it."""

    def __init__(self, *, groups: Sequence[int] = ()) -> None:
        try:
            account = pwd.getpwnam(NAME)
        except KeyError:
            pytest.skip(f"needs the user {NAME}")
        self.uid, self.gid = account.pw_uid, account.pw_gid
        chosen = f"--groups={','.join(str(group) for group in groups)}" if groups else "--init-groups"
        self._become = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", chosen, "--"]
        self.executable = self._find_executable(Path(account.pw_dir))
        self.base = self._make_directory("/var/tmp")
        self.runtime = self._make_directory("/tmp")
        self.home = self.base / "home"
        self.data = self.base / "data"
        for directory in (self.home, self.data):
            directory.mkdir()
            os.chown(directory, self.uid, self.gid)
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "TERM", "LANG") if name in os.environ},
            **{"USER": NAME, "LOGNAME": NAME, "SHELL": "/bin/sh", "HOME": str(self.home)},
            "XDG_DATA_HOME": str(self.data),
            "XDG_RUNTIME_DIR": str(self.runtime),
        }

    def _make_directory(self, place: str) -> Path:
        directory = Path(tempfile.mkdtemp(prefix="dacha-", dir=place))
        os.chown(directory, self.uid, self.gid)
        return directory

    def _find_executable(self, home: Path) -> str:
        """Ours, or where this tree is not for the user's eyes the copy that scripts/test makes."""
        for path in (Dacha.executable, home / "src" / ".venv" / "bin" / "dacha"):
            command = [*self._become, str(path), "version"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return str(path)
        pytest.skip(f"needs a dacha that the user {NAME} may execute")

    def call(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run any command as the user."""
        return subprocess.run(
            [*self._become, *argv],
            env={**self.env, **(env or {})},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def run(self, *args: str, check: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Run `dacha ARGS` as the user. `check`: it must succeed."""
        done = self.call(self.executable, *args)
        if check and done.returncode != 0:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise AssertionError(f"dacha {' '.join(args)}: exit code {done.returncode}\n{output}")
        return done

    def close(self) -> None:
        """Remove the boxes and all files."""
        self.run("rm", "--all", "--force")
        for directory in (self.base, self.runtime):
            shutil.rmtree(directory, ignore_errors=True)
