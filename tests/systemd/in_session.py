"""Run inside the testbed by test_scope: ask for scopes, and print as JSON what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

from dacha.linux import cgroup, systemd


def _cgroup_of(pid: int) -> str:
    with open(f"/proc/{pid}/cgroup") as file:  # noqa: PTH123
        return next(line[3:].rstrip("\n") for line in file if line.startswith("0::"))


def _sleeper() -> int:
    """A child that does nothing; its pid."""
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return pid


def _refusal(unit: str, pid: int) -> dict[str, str]:
    try:
        systemd.start_scope(unit, pid)
    except systemd.SystemdError as error:
        return {"message": str(error), "name": error.name, "hint": error.hint}
    return {}


def _enter_scope(facts: dict[str, object]) -> None:
    facts["before"] = cgroup.own_path()
    started = time.monotonic()
    systemd.start_scope("test-own.scope", os.getpid(), description="a scöpe")
    facts["seconds"] = time.monotonic() - started
    facts["after"] = path = cgroup.own_path()

    child = f"{cgroup.tree()}{path}/child"
    os.mkdir(child)  # noqa: PTH102
    with open(f"{child}/cgroup.procs", "w") as file:  # noqa: PTH123
        file.write(str(os.getpid()))
    facts["in_child"] = cgroup.own_path()

    user = [] if os.geteuid() == 0 else ["--user"]
    wanted = "--property=ActiveState,CollectMode,Delegate,Description"
    show = ["systemctl", *user, "show", "test-own.scope", wanted]
    shown = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    facts["properties"] = dict(line.split("=", 1) for line in shown.splitlines())


def _stop_scope(facts: dict[str, object]) -> None:
    pid = _sleeper()
    systemd.start_scope("test-other.scope", pid)
    facts["other"] = _cgroup_of(pid)
    systemd.stop_unit("test-other.scope")
    facts["other_ended_by"] = -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    systemd.stop_unit("test-other.scope")
    systemd.stop_unit("test-never.scope")


def _be_refused(facts: dict[str, object]) -> None:
    pid = _sleeper()
    facts["duplicate"] = _refusal("test-own.scope", pid)
    facts["no_scope"] = _refusal("test.service", pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    facts["no_process"] = _refusal("test-gone.scope", pid)
    os.environ["XDG_RUNTIME_DIR"] = "/nonexistent"
    facts["has_manager_elsewhere"] = systemd.has_manager()
    facts["nobody_there"] = _refusal("test.scope", os.getpid())


def _ask_from_a_pid_namespace(facts: dict[str, object]) -> None:
    code = """
import os, sys
sys.path.insert(0, "/repo/distro")
from dacha.linux import cgroup, systemd
systemd.start_scope("test-inner.scope", os.getpid())
print(os.getpid(), cgroup.own_path())
"""
    inside = ["unshare", "--user", "--map-current-user", "--pid", "--fork", "--mount-proc"]
    python = ["/usr/bin/python3", "-IBc", code]
    done = subprocess.run([*inside, *python], capture_output=True, text=True, check=True)
    facts["inner_pid"], facts["inner"] = done.stdout.split()


def main() -> None:
    facts: dict[str, object] = {"has_manager": systemd.has_manager()}
    _enter_scope(facts)
    _stop_scope(facts)
    _ask_from_a_pid_namespace(facts)
    _be_refused(facts)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
