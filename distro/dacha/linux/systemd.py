"""Ask systemd for a transient scope, over its manager's private socket.

A user's systemd may hand out parts of the cgroup tree, and only it may move a process out
of a login session. The private socket is for systemctl; of all ways to systemd it is the
shortest, and the one that needs no message bus.

Source: org.freedesktop.systemd1(5), systemd.scope(5), systemd's CGROUP_DELEGATION.
"""

from __future__ import annotations

import errno
import os

from dacha import paths
from dacha.errors import DachaError
from dacha.linux import dbus

_TIMEOUT_S = 5.0
_OBJECT = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
_UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"


class SystemdError(DachaError):
    """systemd does not do what it was asked for; `name` is the name of the D-Bus error, if it sent one."""

    def __init__(self, message: str, *, name: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.name = name


def has_manager() -> bool:
    """Whether a systemd manager of ours answers: the user's own or, for root, the machine's."""
    try:
        _connect().close()
    except (OSError, dbus.DBusError):
        return False
    return True


class PendingScope:
    """A scope that systemd has been asked for, and is making."""

    def __init__(self, connection: dbus.Connection, job: str, unit: str) -> None:
        self._connection = connection
        self._job = job
        self._unit = unit

    def wait(self) -> None:
        """Wait until the process is in it. Raises SystemdError."""
        try:
            with self._connection as connection:
                result = _wait_for_job(connection, self._job)
        except (OSError, dbus.DBusError) as error:
            raise _failure(f"start {self._unit}", error, self._unit) from error
        if result != "done":
            raise SystemdError(f"systemd cannot start {self._unit}: the job ended with '{result}'")


def request_scope(unit: str, pid: int, *, description: str = "") -> PendingScope:
    """Ask for a scope that holds the process `pid`. Other work may go on until `wait`.

    What is below the scope's cgroup is the caller's (`Delegate=`). systemd forgets the scope
    when its last process ends, however that ends. Raises SystemdError.
    """
    properties = [
        # 0 is the caller, whom systemd finds by its socket, also from another pid namespace.
        ("PIDs", ("au", [0 if pid == os.getpid() else pid])),
        ("Delegate", ("b", True)),
        ("CollectMode", ("s", "inactive-or-failed")),
    ]
    if description:
        properties.append(("Description", ("s", description)))
    try:
        connection = _connect()
        try:
            signature = "ssa(sv)a(sa(sv))"
            reply = connection.call(
                _OBJECT, _MANAGER, "StartTransientUnit", signature, unit, "fail", properties, []
            )
            return PendingScope(connection, str(reply.values("o")[0]), unit)
        except BaseException:
            connection.close()
            raise
    except (OSError, dbus.DBusError) as error:
        raise _failure(f"start {unit}", error, unit) from error


def start_scope(unit: str, pid: int, *, description: str = "") -> None:
    """`request_scope`, and wait for it."""
    request_scope(unit, pid, description=description).wait()


def stop_unit(unit: str) -> None:
    """Have a unit stopped, without waiting for it. One that is gone already is fine. Raises SystemdError."""
    try:
        with _connect() as connection:
            connection.call(_OBJECT, _MANAGER, "StopUnit", "ss", unit, "replace")
    except (OSError, dbus.DBusError) as error:
        if not (isinstance(error, dbus.CallError) and error.name == _NO_SUCH_UNIT):
            raise _failure(f"stop {unit}", error, unit) from error


def _connect() -> dbus.Connection:
    """Raises OSError where nobody listens, DBusError where it is not systemd that does."""
    if os.geteuid() == 0:
        os.stat("/run/systemd/system")  # the mark that systemd runs the machine: sd_booted(3)
        directory = "/run"
    else:
        directory = paths.session_directory()
        if not directory:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "XDG_RUNTIME_DIR")
    return dbus.Connection(f"{directory}/systemd/private", timeout_s=_TIMEOUT_S)


def _wait_for_job(connection: dbus.Connection, job: str) -> str:
    """The result of a job. systemd tells it to all connections to its private socket."""
    while True:
        message = connection.next_message()
        if message.is_signal(_MANAGER, "JobRemoved"):
            _, path, _, result = message.values("uoss")
            if path == job:
                return str(result)


def _failure(what: str, error: OSError | dbus.DBusError, unit: str) -> SystemdError:
    if isinstance(error, OSError):
        return SystemdError(f"systemd cannot be asked to {what}: {error.strerror or error}")
    name = error.name if isinstance(error, dbus.CallError) else ""
    user = "" if os.geteuid() == 0 else " --user"
    hint = f"look at it: systemctl{user} status {unit}" if name == _UNIT_EXISTS else ""
    return SystemdError(f"systemd cannot {what}: {error}", name=name, hint=hint)
