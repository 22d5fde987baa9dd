"""A shell on a terminal, and a box's shell in it: type a command, get what it prints.

with HostShell(dacha) as shell:
    shell.enter("debian")
    assert shell.run("tty").startswith("/dev/pts/")
"""

from __future__ import annotations

import re
from types import TracebackType

import pexpect

from tests.lib.dacha import Dacha

HOST, BOX = "on-host> ", "in-box> "
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]")


def plain(text: str) -> str:
    """Text without escape sequences and carriage returns."""
    return _ESCAPES.sub("", text).replace("\r", "")


class HostShell:
    """bash on a terminal of the host, with the environment of an installation, and `dacha` in PATH."""

    def __init__(
        self,
        dacha: Dacha,
        *,
        dimensions: tuple[int, int] = (24, 80),
        env: dict[str, str] | None = None,
        timeout: float = 30,
    ) -> None:
        path = f"{dacha.executable.parent}:{dacha.env['PATH']}"
        self.child: pexpect.spawn[str] = pexpect.spawn(
            # Without readline, which redraws what is typed, output is what follows the line.
            "/bin/bash",
            ["--norc", "--noediting", "-i"],
            env={"TERM": "xterm", **dacha.env, "PATH": path, "PS1": HOST, **(env or {})},
            cwd=str(dacha.home),
            timeout=timeout,
            dimensions=dimensions,
            encoding="utf-8",
            codec_errors="surrogateescape",
        )
        self.child.delaybeforesend = None
        self.prompt = HOST
        self.child.expect_exact(HOST)

    @property
    def pid(self) -> int:
        """The process on the terminal's host side."""
        assert self.child.pid is not None
        return self.child.pid

    def __enter__(self) -> HostShell:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.child.close(force=True)

    def run(self, command: str) -> str:
        """Type a command, wait for the prompt; what it has printed."""
        self.type(command)
        return self.read()

    def type(self, command: str) -> None:
        """Type a line, and see it echoed."""
        self.child.sendline(command)
        self.child.expect_exact(command)

    def read(self) -> str:
        """What comes before the next prompt."""
        self.child.expect_exact(self.prompt)
        return plain(self.child.before or "").strip()

    def enter(self, box: str, shell: str = "bash --norc --noediting -i") -> str:
        """Open a shell in a box, whose prompt counts from now on; what is printed before it."""
        # Quoted in the middle, so that its echo is not taken for the prompt.
        self.type(f"dacha enter {box} -- env PS1='{BOX[:3]}''{BOX[3:]}' {shell}")
        self.prompt = BOX
        return self.read()

    def leave(self, code: int = 0) -> None:
        """Leave the box's shell for the host's."""
        self.type(f"exit {code}")
        self.await_host()

    def await_host(self) -> str:
        """Wait for the host's prompt; what is printed before it."""
        self.prompt = HOST
        return self.read()
