"""Run inside the testbed by test_doctor: what doctor finds in a login session, as JSON."""

from __future__ import annotations

import os
import subprocess

DACHA = ["/usr/bin/python3", "-ISB", "/repo/distro/dacha/__main__.py"]

os.chdir(os.path.expanduser("~"))  # noqa: PTH111
subprocess.run([*DACHA, "doctor", "--json"], check=False, stdin=subprocess.DEVNULL)
