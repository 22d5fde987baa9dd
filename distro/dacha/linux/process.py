"""Start helper programs and watch processes.

`subprocess` costs 10 ms to import, so helpers on the way to a box are started with
posix_spawn(3). Their stdin is /dev/null unless given, and argv is a list, never a shell.
"""

from __future__ import annotations

import os

from dacha.errors import CommandError, MissingProgramError

# Which Debian package brings a helper: for the hint of MissingProgramError.
_PACKAGES = {
    "crun": "crun",
    "newuidmap": "uidmap",
    "newgidmap": "uidmap",
    "mmdebstrap": "mmdebstrap",
    "catatonit": "catatonit",
    "tar": "tar",
    "zstd": "zstd",
    "apparmor_parser": "apparmor",
}


def find_program(name: str) -> str:
    """The absolute path of a helper. Raises MissingProgramError."""
    for directory in (*os.environ.get("PATH", os.defpath).split(":"), "/usr/sbin", "/sbin"):
        path = os.path.join(directory, name)
        if directory.startswith("/") and os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise MissingProgramError(name, package=_PACKAGES.get(name, ""))


def spawn(
    argv: list[str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    env: dict[str, str] | None = None,
) -> int:
    """Start a program and return its pid; the caller waits for it.

    A stream that is None is /dev/null (stdin, stdout) or ours (stderr).
    """
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = []
    for fd, target, flags in ((stdin, 0, os.O_RDONLY), (stdout, 1, os.O_WRONLY), (stderr, 2, -1)):
        if fd is not None:
            actions.append((os.POSIX_SPAWN_DUP2, fd, target))
        elif flags >= 0:
            actions.append((os.POSIX_SPAWN_OPEN, target, "/dev/null", flags, 0))
    path = argv[0] if "/" in argv[0] else find_program(argv[0])
    try:
        return os.posix_spawn(
            path,
            argv,
            os.environ if env is None else env,
            file_actions=actions,
            setsigdef=(13, 25),  # SIGPIPE and SIGXFSZ: Python ignores them, helpers must not
        )
    except FileNotFoundError as error:
        raise MissingProgramError(argv[0]) from error


def wait(pid: int) -> int:
    """Wait for a child; its exit code as a shell has it (128+n for a death by signal n)."""
    return exit_code(os.waitpid(pid, 0)[1])


def exit_code(status: int) -> int:
    """A wait status as a shell's exit code."""
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def run(argv: list[str], *, stdin: int | None = None) -> bytes:
    """Run a helper to its end and return its stdout.

    Raises CommandError, with what it wrote to stderr, where it fails.
    """
    code, output, errors = complete(argv, stdin=stdin)
    if code != 0:
        raise CommandError(os.path.basename(argv[0]), code, errors.decode(errors="replace"))
    return output


def complete(argv: list[str], *, stdin: int | None = None) -> tuple[int, bytes, bytes]:
    """Run a program to its end: its exit code, its stdout and its stderr."""
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    try:
        pid = spawn(argv, stdin=stdin, stdout=out_write, stderr=err_write)
    except BaseException:
        os.close(out_read)
        os.close(err_read)
        raise
    finally:
        os.close(out_write)
        os.close(err_write)
    output, errors = _read_both(out_read, err_read)
    return wait(pid), output, errors


def consult(argv: list[str], question: bytes) -> tuple[int, bytes, bytes]:
    """As `complete`, with `question` on stdin: it may be secret, and is on no disk and no command line."""
    stdin = os.memfd_create("question", os.MFD_CLOEXEC)
    try:
        os.write(stdin, question)  # to memory, so all at once
        os.lseek(stdin, 0, os.SEEK_SET)
        return complete(argv, stdin=stdin)
    finally:
        os.close(stdin)


def _read_both(first: int, second: int) -> tuple[bytes, bytes]:
    """Drain two pipes together, so that neither can fill up while the other is awaited."""
    import select

    poll = select.poll()
    data: dict[int, list[bytes]] = {first: [], second: []}
    for fd in data:
        poll.register(fd, select.POLLIN)
    still_open = 2
    while still_open:
        for fd, _ in poll.poll():
            chunk = os.read(fd, 65536)
            if chunk:
                data[fd].append(chunk)
            else:
                poll.unregister(fd)
                os.close(fd)
                still_open -= 1
    return b"".join(data[first]), b"".join(data[second])


def start_time(pid: int) -> str:
    """When `pid` was started, in clock ticks since boot (proc(5), field 22 of stat).

    With the pid it names a process for good. A zombie counts as gone: ProcessLookupError.
    """
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rsplit(b")", 1)[1].split()
    if fields[0] in (b"Z", b"X"):
        raise ProcessLookupError
    return fields[19].decode()


def has_no_new_privileges() -> bool:
    """Whether set-uid programs give us nothing (prctl(2), PR_GET_NO_NEW_PRIVS)."""
    with open("/proc/self/status", "rb") as file:
        return b"\nNoNewPrivs:\t1\n" in file.read()


def has_terminal(pid: int) -> bool:
    """Whether `pid` has a controlling terminal (proc(5), field 7 of stat). Raises ProcessLookupError."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[4] != b"0"
    except FileNotFoundError as error:
        raise ProcessLookupError from error


def remove_tree(*paths: str) -> None:
    """rm -rf: also of trees whose directories forbid it to their owner's group; never across mounts."""
    if paths:
        run(["rm", "-rf", "--one-file-system", "--", *paths])


def in_pid_namespace_of(init: int) -> list[int]:
    """The processes in the pid namespace of `init` (as we number them), without `init` itself."""
    try:
        wanted = os.stat(f"/proc/{init}/ns/pid")
    except OSError:
        return []
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == init:
            continue
        try:
            if os.stat(f"/proc/{name}/ns/pid").st_ino == wanted.st_ino:
                start_time(int(name))  # a zombie has ended
                found.append(int(name))
        except OSError:
            continue
    return found
