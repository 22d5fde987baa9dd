"""A shell on a terminal whose completion of `dacha` is ours: press Tab as a person does.

What a line has become is told by a function named `dacha`, which the shell prefers to the
program when the line is entered; the completion itself calls the program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pexpect

from tests.lib.shell import plain

_READY = "ready> "
_STARTS = {
    "bash": ["--norc", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "-i"],
}
_SHOW = "dacha() { printf '<%s>' \"$@\"; echo; }"
_SETUPS = {
    "bash": ["bind 'set enable-bracketed-paste off'", 'eval "$(command dacha completion bash)"', _SHOW],
    "zsh": [
        "PROMPT_EOL_MARK= ZLE_RPROMPT_INDENT=0; unsetopt zle_bracketed_paste prompt_sp",
        "autoload -Uz compinit && compinit -D -u",
        'eval "$(command dacha completion zsh)"',
        _SHOW,
    ],
    "fish": [
        "set -g fish_autosuggestion_enabled 0; function fish_greeting; end",
        "command dacha completion fish | source",
        "function dacha; printf '<%s>' $argv; echo; end",
    ],
}
_PROMPTS = {
    "bash": f"PS1='{_READY[:3]}''{_READY[3:]}'",
    "zsh": f"PS1='{_READY[:3]}''{_READY[3:]}'",
    "fish": f"function fish_prompt; printf %s%s '{_READY[:3]}' '{_READY[3:]}'; end",
}


class TabShell:
    """bash, zsh or fish, 40 lines by 120 columns; `setup` are further commands typed at its start."""

    def __init__(self, shell: str, env: Mapping[str, str], program: Path, cwd: Path, *setup: str) -> None:
        variables: Any = {  # the stubs want os.environ's own class
            **env,
            "PATH": f"{program.parent}:{env['PATH']}",
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "SHELL": f"/bin/{shell}",
        }
        self.child: pexpect.spawn[str] = pexpect.spawn(
            shell,
            _STARTS[shell],
            env=variables,
            cwd=str(cwd),
            dimensions=(40, 120),
            timeout=30,
            encoding="utf-8",
            codec_errors="replace",
        )
        self.child.delaybeforesend = None
        for line in (*_SETUPS[shell], *setup, _PROMPTS[shell]):
            self.child.sendline(line)
        self.child.expect_exact(_READY)

    def __enter__(self) -> TabShell:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.child.close(force=True)

    def enter(self, keys: str) -> list[str]:
        """Type keys, where \\t is Tab, and Enter; the arguments that `dacha` was called with."""
        self.child.send(keys + "\r")
        self.child.expect(r"\n?((?:<[^<>\r\n]*>)+)\r?\n")
        assert isinstance(self.child.match, re.Match)
        words = re.findall("<([^<>]*)>", plain(str(self.child.match.group(1))))
        self.child.expect_exact(_READY)
        return list(words)

    def see(self, keys: str, *expected: str) -> None:
        """Type keys, wait until all of `expected` have been seen, in any order, and drop the line."""
        self.child.send(keys)
        missing = list(expected)
        while missing:
            missing.pop(self.child.expect_exact(missing))
        self.child.send("\x03")
        self.child.expect_exact(_READY)
