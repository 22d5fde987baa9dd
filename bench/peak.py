"""The most memory that a command takes, together with all processes it starts."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

from bench import processes
from bench.programs import Command, failure, find

# Often enough to see a buffer fill, seldom enough not to slow down what is looked at.
_INTERVAL_S = 0.02


def peak_bytes(command: Command) -> float:
    """Run a command; the largest sum of the resident sets of its processes at one time.

    A page that two of them share counts twice, so the sum is rather too large. It is at
    least what the kernel noted of the largest single process (getrusage(2), ru_maxrss),
    which no interval can miss. Raises ProgramError.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [find(command), *command.argv[1:]],
            env=command.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        most = 0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            most = max(most, processes.rss_bytes(processes.descendants(process.pid)))
            time.sleep(_INTERVAL_S)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise failure(command, process.returncode, errors.read().decode(errors="replace"))
    return float(max(most, usage.ru_maxrss * 1024))
