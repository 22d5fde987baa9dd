"""Run crun(1), and say its failures in our words."""

from __future__ import annotations

import contextlib
import json
import os
import time

from dacha import paths
from dacha.engine.spec import Container, oci_spec
from dacha.errors import DachaError
from dacha.linux import process

_EXEC_TIMEOUT_S = 10.0


class CrunError(DachaError):
    """crun refused; its own words are kept."""


def _crun(*, has_cgroup: bool) -> list[str]:
    manager = "cgroupfs" if has_cgroup else "disabled"
    return [
        process.find_program("crun"),
        "--root",
        paths.runtime_root() + "/crun",
        f"--cgroup-manager={manager}",
    ]


def run_detached(name: str, container: Container, bundle: str, stdin: int) -> int:
    """Make a container and start its init, which keeps `stdin` open; the init's pid.

    Raises CrunError. `bundle` is a directory of the container's own in the runtime directory.
    """
    with open(f"{bundle}/config.json", "w") as file:
        json.dump(oci_spec(container), file)
    log, pid_file = f"{bundle}/crun.log", f"{bundle}/pid"
    argv = [*_crun(has_cgroup=bool(container.cgroup)), "run", "--detach"]
    argv += ["--bundle", bundle, "--pid-file", pid_file, name]
    # The container inherits crun's streams: a file, since a pipe would be held open for ever.
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        code = process.wait(process.spawn(argv, stdin=stdin, stderr=fd))
    finally:
        os.close(fd)
    if code != 0:
        with open(log, errors="replace") as text:
            raise _translated(text.read())
    with open(pid_file) as text:
        pid = int(text.read())
    _await_exec(pid, os.path.basename(container.argv[0]))
    return pid


def _await_exec(pid: int, program: str) -> None:
    """Wait until the init runs its program. Raises CrunError if it does not come to that.

    crun is back a moment before: its namespaces are not all made then, and cannot be joined.
    """
    wanted = b"(" + program.encode()[:15] + b")"
    end = time.monotonic() + _EXEC_TIMEOUT_S
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                _, _, rest = file.read().partition(b" ")
        except FileNotFoundError:
            break
        if rest.startswith(wanted):
            return
        if rest.rpartition(b") ")[2][:1] in (b"Z", b"X"):
            break
        time.sleep(0.0005)
    raise CrunError(f"the box's init, {program}, did not start")


def _translated(log: str) -> CrunError:
    lines = [line for line in log.splitlines() if line.strip()]
    reason = lines[-1] if lines else "crun said nothing"
    if "msg=" in reason:
        reason = reason.partition("msg=")[2].strip('"')
    hint = ""
    if "No space left" in reason:
        hint = "free some space"
    return CrunError(f"crun: {reason}", hint=hint)


def has_state(name: str) -> bool:
    """Whether crun remembers a container of that name, alive or not."""
    return os.path.isdir(f"{paths.runtime_root()}/crun/{name}")


def delete(name: str) -> None:
    """Have crun forget a container, killing what is left of it. None is fine."""
    if has_state(name):
        with contextlib.suppress(DachaError):  # judged by what is left
            process.run([*_crun(has_cgroup=False), "delete", "--force", name])
        if has_state(name):
            process.remove_tree(f"{paths.runtime_root()}/crun/{name}")
