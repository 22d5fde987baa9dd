"""Carry out a plan: the processes in which a package manager runs.

The *keeper* is a child of ours: it enters H, the sandbox and the shifted namespace, and waits for the
*init* of a pid namespace of its own. The init starts the programs of the plan one after the other,
reaps what they leave, and has tar write the new root file system to a pipe. Whoever dies, those
below die with it: a killed keeper kills the init, a killed init all else, and the kernel takes
the mounts. SIGTERM has the keeper end when all of that has happened.

What the programs say goes to a second pipe, along with lines of ours: `STEP` and a number for a step
that begins, `FAILED` and a reason where we fail ourselves.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import NamedTuple

from dacha.build.bootstrap import sandbox
from dacha.build.bootstrap.plan import HOME, ROOT, Binds, Plan
from dacha.errors import DachaError
from dacha.linux import namespaces, process, signals
from dacha.userns import outer
from dacha.userns.outer import OuterMaps

STEP = "\x1e"
FAILED = "\x1f"

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


class Worker(NamedTuple):
    """What runs: the keeper's pid, and descriptors to read the tar and the messages from."""

    keeper: int
    output: int
    messages: int


def start(maps: OuterMaps, place: str, plan: Plan, binds: Binds) -> Worker:
    """Start the work; `place` is an empty directory of the user's. The caller closes and waits."""
    parent = os.getpid()
    tar = [process.find_program("tar"), *_tar_options(plan)]
    output, output_writer = os.pipe2(os.O_CLOEXEC)
    messages, messages_writer = os.pipe2(os.O_CLOEXEC)
    keeper = os.fork()
    if keeper == 0:
        os.close(output)
        os.close(messages)
        _keep(parent, maps, place, plan, binds, tar, output_writer, messages_writer)
    os.close(output_writer)
    os.close(messages_writer)
    return Worker(keeper, output, messages)


def _tar_options(plan: Plan) -> list[str]:
    return [
        *("--create", "--file=-", "--format=posix", "--pax-option=delete=atime,delete=ctime"),
        *("--numeric-owner", "--sort=name", "--one-file-system", "--warning=no-file-ignored"),
        *("--xattrs", "--xattrs-include=security.capability", "--xattrs-include=user.*"),
        *("--anchored", "--wildcards", *(f"--exclude=./{name}" for name in plan.excluded)),
        *(f"--directory={ROOT}", "."),
    ]


def _keep(
    parent: int,
    maps: OuterMaps,
    place: str,
    plan: Plan,
    binds: Binds,
    tar: list[str],
    output: int,
    messages: int,
) -> None:
    """The keeper's life; it never returns."""
    code = 1
    try:
        # Until there is an init to kill, a wish that we end can wait.
        signals.pthread_sigmask(signals.SIG_BLOCK, [signals.SIGTERM])
        os.setsid()  # keys pressed at the terminal are for our parent, and nobody may ask there
        namespaces.set_parent_death_signal(signals.SIGKILL)
        if os.getppid() != parent:
            return
        outer.enter(maps, None)
        sandbox.enter(maps, place, binds)
        outer.enter_shifted(maps)
        namespaces.set_parent_death_signal(signals.SIGKILL)  # a change of ids has undone it: prctl(2)
        namespaces.unshare(namespaces.NEWPID | namespaces.NEWNS | namespaces.NEWIPC)
        alive, keeping = os.pipe2(os.O_CLOEXEC)
        init = os.fork()
        if init == 0:
            os.close(keeping)
            _init(alive, plan, tar, output, messages)
        os.close(output)
        signals.signal(signals.SIGTERM, lambda *_: os.kill(init, signals.SIGKILL))
        signals.pthread_sigmask(signals.SIG_SETMASK, [])
        code = process.wait(init)
    except (DachaError, OSError) as error:
        _tell(messages, FAILED, _words(error))
    finally:
        os._exit(code)


def _init(alive: int, plan: Plan, tar: list[str], output: int, messages: int) -> None:
    """The life of the pid namespace's init; it never returns, and all else there ends with it."""
    code = 1
    try:
        namespaces.set_parent_death_signal(signals.SIGKILL)
        poll = select.poll()
        poll.register(alive, 0)
        if poll.poll(0):
            return  # the keeper has died before it was asked to tell us
        signals.pthread_sigmask(signals.SIG_SETMASK, [])
        code = _work(plan, tar, output, messages)
    except (DachaError, OSError) as error:
        _tell(messages, FAILED, _words(error))
    finally:
        os._exit(code)


def _work(plan: Plan, tar: list[str], output: int, messages: int) -> int:
    sandbox.prepare(plan.work, plan.covers)
    if not plan.mounts_itself:
        sandbox.mount_root(plan.directories)
    environment = {
        **{name: os.environ[name] for name in (*_PROXIES, *map(str.upper, _PROXIES)) if name in os.environ},
        "PATH": _PATH,
        "HOME": HOME,
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        **dict(plan.environment),
    }
    for number, step in enumerate(plan.steps):
        _tell(messages, STEP, str(number))
        code = _run(step.argv, messages, messages, environment)
        if code != 0:
            return code
    if not plan.mounts_itself:
        sandbox.unmount_root()
    sandbox.write_root(plan.root)
    _tell(messages, STEP, str(len(plan.steps)))
    return _run(tar, output, messages, {"LC_ALL": "C"})


def _run(argv: list[str], output: int, messages: int, environment: dict[str, str]) -> int:
    """Run a program to its end, and meanwhile be the parent of every orphan."""
    pid = process.spawn(argv, stdout=output, stderr=messages, env=environment)
    while True:
        found, status = os.waitpid(-1, 0)
        if found == pid:
            return process.exit_code(status)


def _tell(messages: int, kind: str, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(messages, f"{kind}{text}\n".encode())


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
