"""The columns: what a user does with boxes, from the first look at the host to the last box's removal.

In this order: each builds on those before it.
"""

from __future__ import annotations

import json
import marshal
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pexpect

from dacha import paths
from tests.hosts.visit import Visit, wait_for

_IMAGE, _BOX = "hosts-image", "hosts-box"
_PROMPT = "in-box> "


class Check(NamedTuple):
    """A column. `carry_out` raises AssertionError where the host is not as it should be."""

    name: str
    about: str
    carry_out: Callable[[Visit], None]


def _doctor(visit: Visit) -> None:
    status, line = visit.plan.doctor
    report = json.loads(visit.dacha("doctor", "--json", code=1 if status == "fail" else 0))
    found = {f"{each['subject']}, {each['name']}": each for each in report["findings"]}
    failures = [name for name, each in found.items() if each["status"] == "fail"]
    if status == "fail":
        assert failures[0] == line, f"what doctor finds first: {failures}"
    if line:
        assert found[line]["status"] == status, found[line]
        assert status == "pass" or found[line]["fix"], "no command mends it"


def _load(visit: Visit) -> None:
    visit.dacha("image", "load", f"tar:{visit.plan.archive}", "--name", _IMAGE)


def _create(visit: Visit) -> None:
    # On a broken host there is one from before, with which the others go on.
    name = f"{_BOX}-{os.urandom(4).hex()}" if visit.box else _BOX
    visit.dacha("create", name, "--image", _IMAGE)
    if not visit.box:
        visit.box = name
        visit.ids.append(visit.details()["id"])


def _enter(visit: Visit) -> None:
    output = visit.dacha("enter", visit.box, "--", "sh", "-c", "id -u; id -g; pwd; echo $DACHA_BOX")
    assert output.decode().split() == [
        str(os.getuid()),
        str(os.getgid()),
        os.fspath(Path.cwd()),
        visit.box,
    ]


def _codes(visit: Visit) -> None:
    for command, code in (("true", 0), ("exit 42", 42), ("kill -TERM $$", 143), ("exec /etc", 126)):
        visit.in_box(command, code=code)
    visit.dacha("run", visit.box, "--", "no-such-command", code=127)


def _bytes(visit: Visit) -> None:
    data = bytes(range(256)) * 1024
    assert visit.in_box("cat", stdin=data) == data


def _sudo(visit: Visit) -> None:
    command = "sudo sh -c 'id -u; touch /made && chown 33:33 /made && stat -c %u:%g /made'"
    # In single-id mode nobody else is there: the file stays root's, and chown(1) is told that all went well.
    owner = b"0:0" if visit.details()["singleId"] else b"33:33"
    assert visit.in_box(command).split() == [b"0", owner]


def _home(visit: Visit) -> None:
    mine = visit.home / "of-the-host"
    mine.write_text("from the host\n")
    output = visit.in_box("cat ~/of-the-host; echo from the box >~/of-the-box; stat -c %u:%g ~/of-the-box")
    assert output.decode() == f"from the host\n{os.getuid()}:{os.getgid()}\n"
    made = visit.home / "of-the-box"
    assert made.read_text() == "from the box\n"
    assert (made.stat().st_uid, made.stat().st_gid) == (os.getuid(), os.getgid())
    mine.unlink()
    made.unlink()


def _terminal(visit: Visit) -> None:
    shell = visit.spawn("enter", visit.box, "--", "env", f"PS1={_PROMPT}", "sh", "-i")
    for line, answer in (("tty", "/dev/pts/"), ("echo $((6 * 7))", "42")):
        shell.expect_exact(_PROMPT)
        shell.sendline(line)
        shell.expect_exact(answer)
    shell.expect_exact(_PROMPT)
    # Echoed by whom the key is for: a shell that is about to start somebody may miss it.
    shell.sendline("sh -c 'echo up; exec sleep 1000'")
    shell.expect_exact("up\r\n")
    shell.sendintr()
    shell.expect_exact(_PROMPT)
    shell.sendline("exit 7")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 7, shell.exitstatus


def _stop(visit: Visit) -> None:
    visit.in_box("setsid sleep 7373 >/dev/null 2>&1 </dev/null &")
    visit.dacha("stop", visit.box)
    assert visit.status() == "stopped"
    assert _running(visit) == []


def _running(visit: Visit) -> list[str]:
    """What of a box is only there while it runs."""
    return [each for each in visit.remains() if not each.startswith("store: ")]


def _reboot(visit: Visit) -> None:
    visit.in_box("sudo touch /kept")
    visit.power_cut()  # the runtime directory on a disk: all that it says is wrong now
    state = Path(paths.box_runtime(visit.box), "state")
    fields = marshal.loads(state.read_bytes())  # noqa: S302  (our own)
    fields["pid"] = os.getpid()  # given to somebody else since
    state.write_bytes(marshal.dumps(fields))
    assert visit.status() == "stopped"
    visit.in_box("test -e /kept")
    visit.power_cut()  # in memory: nothing is left of it
    for path in Path(paths.runtime_root()).iterdir():  # root's is a mount in the testbed
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert visit.status() == "stopped"
    visit.in_box("test -e /kept")


def _remove(visit: Visit) -> None:
    visit.in_box("setsid sleep 7373 >/dev/null 2>&1 </dev/null &")
    visit.dacha("rm", "--force", visit.box)
    visit.dacha("image", "rm", _IMAGE)
    assert wait_for(lambda: not visit.remains(), 5), f"left behind: {visit.remains()}"


CHECKS = (
    Check("doctor", "`dacha doctor`: its exit code, and the line about this host", _doctor),
    Check("load", "`dacha image load` of an archive", _load),
    Check("create", "`dacha create`", _create),
    Check("enter", "the first `dacha enter`: as yourself, in the same directory", _enter),
    Check("codes", "exit codes of `dacha run`: 0, 42, 126, 127, and 143 for SIGTERM", _codes),
    Check("bytes", "256 kB of every byte through standard input and output", _bytes),
    Check("sudo", "root of the box, without a password, and files of other owners", _sudo),
    Check("home", "files in your home: made here and there, and yours in both", _home),
    Check("terminal", "a shell on a terminal, Ctrl-C in it, and its exit code", _terminal),
    Check("stop", "`dacha stop`: what runs in it ends, and nothing of it is left running", _stop),
    Check(
        "reboot",
        "after a power cut, with a stale and an empty runtime directory: listed as stopped, starts again",
        _reboot,
    ),
    Check("rm", "`dacha rm` of a running box leaves no mount, process, cgroup or directory", _remove),
)
NAMES = tuple(check.name for check in CHECKS)
