"""fuse-overlayfs: layers are stacked by a process, where the kernel's overlayfs does not do.

The launcher mounts, and the server is started afterwards, in a mount namespace in which that
mount is gone: so the box's own namespace holds the last one, and when the box ends, however
that happens, the kernel ends the connection and the server with it. Until then it has the
box's claim open: what the box has written last is written by the server, a moment after the
box's death, and nobody may mount the upper before.
"""

from __future__ import annotations

import os

from dacha.errors import DachaError
from dacha.linux import fuse, mounts, namespaces, process, signals
from dacha.storage.drivers.base import Root, Stack, Stacking

PROGRAM = "fuse-overlayfs"


class FuseOverlay(Stacking):
    """`fuse-overlayfs`; `program` is what serves, and `options` go to it beside the layers."""

    name = "fuse-overlayfs"
    needs_server = True

    def __init__(self, program: str = "", options: str = "") -> None:
        self._program = program or PROGRAM
        self._options = options

    def mount(self, stack: Stack, target: str) -> Root:
        """Raises DachaError where the host has no fuse-overlayfs or gives no FUSE."""
        program = process.find_program(self._program)
        connection = fuse.open_device()
        try:
            fuse.mount(stack.directory, target, connection)
        except OSError as error:
            os.close(connection)
            raise DachaError(
                f"FUSE cannot be mounted: {error.strerror}",
                hint="an ordinary user needs kernel 4.18 or newer for it",
            ) from error
        return _Served(stack, target, connection, [program, *self._arguments(stack)])

    def _arguments(self, stack: Stack) -> list[str]:
        upper, work = (f"{stack.directory}/{name}" for name in (self.own, "work"))
        options = f"lowerdir={':'.join(stack.lowers)},upperdir={upper},workdir={work}"
        return ["-o", f"{options},{self._options}" if self._options else options]


class _Served:
    """A root behind a connection that the server takes over."""

    def __init__(self, stack: Stack, target: str, connection: int, argv: list[str]) -> None:
        self._stack = stack
        self._target = target
        self._connection = connection
        self._argv = [*argv, f"/dev/fd/{connection}"]

    def serve(self, cgroup: str, claim: int) -> None:
        """Start fuse-overlayfs, and wait until it answers. Raises DachaError with what it says."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = self._fork(cgroup)
        if pid == 0:
            self._become(writer, claim)
        os.close(writer)
        os.close(self._connection)
        with os.fdopen(reader, "rb") as file:
            said = file.read().decode(errors="replace")
        # The process that was started ends when another, in the background, is ready.
        code = process.wait(pid)
        if code != 0:
            lines = [line for line in said.splitlines() if line.strip() and "ignored" not in line]
            reason = lines[-1] if lines else f"exit code {code}"
            raise DachaError(f"fuse-overlayfs does not serve the box's files: {reason}")

    def _fork(self, cgroup: str) -> int:
        if not cgroup:
            return os.fork()
        fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return namespaces.fork_into_cgroup(fd)
        finally:
            os.close(fd)

    def _become(self, errors: int, claim: int) -> None:
        """In the child: the server. Never returns."""
        try:
            os.dup2(errors, 2)
            for fd in (self._connection, claim) if claim >= 0 else (self._connection,):
                os.set_inheritable(fd, True)
            namespaces.unshare(namespaces.NEWNS)
            mounts.umount(self._target, mounts.MNT_DETACH)
            os.chdir(self._stack.store)
            # Who ends the box by signals to all of it must not end this before the last file is written.
            signals.ignore(signals.SIGHUP, signals.SIGINT, signals.SIGTERM)
            environment = {"PATH": os.environ.get("PATH", os.defpath), "DACHA_BOX": self._stack.path}
            os.execve(self._argv[0], self._argv, environment)  # noqa: S606  (no shell is wanted)
        except OSError as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(127)
