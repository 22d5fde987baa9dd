"""Run inside the testbed by test_boxes: live with a box in a login session, and print as JSON how it went."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import Any

DACHA = ["/usr/bin/python3", "-ISB", "/repo/distro/dacha/__main__.py"]
IN_SCOPE = ["systemd-run", "--user", "--scope", "--quiet"]


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def _dacha(*words: str, wrapper: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    return _run(*(wrapper or []), *DACHA, *words)


def _scopes() -> str:
    return _run("systemctl", "--user", "list-units", "--no-legend", "--plain", "dacha-*").stdout


def _alive(mark: str) -> int:
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:  # noqa: PTH123
                count += name.isdigit() and mark.encode() in file.read().split(b"\0")
        except OSError:
            continue
    return count


def _close_terminal(mark: str, wrapper: list[str]) -> tuple[int, int]:
    """Start what ignores the hang-up on a terminal, close that; how many lived before and after."""
    pid, master = pty.fork()
    if pid == 0:
        script = f"trap '' HUP TERM; setsid sleep {mark} & sudo sh -c 'setsid sleep {mark} & wait'"
        argv = [*wrapper, *DACHA, "enter", "box", "--", "sh", "-c", script]
        os.execvp(argv[0], argv)  # noqa: S606
    for _ in range(100):
        if (before := _alive(mark)) >= 2:
            break
        time.sleep(0.05)
    os.close(master)
    for _ in range(100):
        if (after := _alive(mark)) == 0:
            break
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return before, after


os.chdir(os.path.expanduser("~"))  # noqa: PTH111
facts: dict[str, Any] = {}
_dacha("create", "box", "--image", "tar:/home/alpine.tar").check_returncode()
started = _dacha("start", "box")
facts["start"] = [started.returncode, started.stderr]
facts["scopes"] = _scopes()
facts["codes"] = [_dacha("run", "box", "--", "sh", "-c", f"exit {code}").returncode for code in (0, 42)]
facts["init_cgroup"] = json.loads(_dacha("inspect", "box").stdout)[0]["cgroup"]
facts["login_cgroup"] = _dacha("run", "box", "--", "cat", "/proc/self/cgroup").stdout
facts["scope_cgroup"] = _dacha("run", "box", "--", "cat", "/proc/self/cgroup", wrapper=IN_SCOPE).stdout
bus = "test -S $XDG_RUNTIME_DIR/bus && test -S /run/dbus/system_bus_socket"
facts["buses"] = _dacha("run", "box", "--", "sh", "-c", bus).returncode
facts["hang_up_in_login_session"] = _close_terminal("7311", [])
facts["hang_up_in_scope"] = _close_terminal("7312", IN_SCOPE)
facts["stop"] = _dacha("stop", "box").returncode
for _ in range(50):
    if not _scopes():
        break
    time.sleep(0.1)
facts["scopes_after_stop"] = _scopes()
facts["again"] = _dacha("run", "box", "--", "true").returncode
facts["remove"] = _dacha("rm", "--force", "box").returncode
json.dump(facts, sys.stdout)
