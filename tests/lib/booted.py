"""Run a script inside the testbed with a real systemd, and take the facts it prints as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
# The testbed has a Python, but no dacha installed: it mounts the repository at /repo.
_RUN = """
import runpy, sys
sys.path.insert(0, "/repo/distro")
runpy.run_path("/repo/tests/systemd/{script}", run_name="__main__")
"""


def facts_of(script: str, *wrapper: str, home: Path | None = None) -> Any:
    """What tests/systemd/SCRIPT finds out in a login session of an ordinary user.

    `wrapper` goes before the interpreter (sudo); `home` is seen as /home.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root, to boot the testbed")
    environment = {**os.environ, "TESTBED_REPO": os.fspath(REPOSITORY)}
    if home is not None:
        environment["TESTBED_HOME"] = os.fspath(home)
    done = subprocess.run(
        [
            REPOSITORY / "tests/testbed/enter-b",
            *wrapper,
            "/usr/bin/python3",
            "-IBc",
            _RUN.format(script=script),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
