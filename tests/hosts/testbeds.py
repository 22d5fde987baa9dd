"""How a visit gets into a host: the files it takes along, the user it is made by, and the testbed's script.

Nothing of the machine changes. Accounts, homes, /tmp and /run/user are private to each call.
"""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.hosts.hosts import BARE, SCOPE, VM, A, Account, Host
from tests.hosts.visit import Outcome, Plan
from tests.lib.images import RealImages

_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 580  # the virtual machine may have to be built
_BOX = "hosts-box"  # which a broken host had before

# What root prepares in a mount namespace: $1 has the files of /etc, and what becomes /home.
_PRIVATE = """
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=755 run /run/user
cp -r "$1/etc" /tmp/etc
for file in passwd group subuid subgid; do mount --bind "/tmp/etc/$file" "/etc/$file"; done
rm -r /tmp/etc
mount --bind "$1/home" /home
shift
exec "$@"
"""


class Visitor:
    """All that the hosts of one test run share."""

    def __init__(self, images: RealImages) -> None:
        # On a disk, where /tmp may not be: overlayfs stands on it.
        self.base = Path(tempfile.mkdtemp(prefix="dacha-hosts-", dir="/var/tmp"))
        self.base.chmod(0o755)
        self.archive = self.base / "data" / "alpine.tar"
        self.archive.parent.mkdir()
        shutil.copy(images.alpine_tar, self.archive)
        self.tree = self.base / "repo"
        self._copy_tree()
        self._prepared: Path | None = None

    def _copy_tree(self) -> None:
        """What a visit needs of the repository, where every user can read it."""
        for name in ("distro", "images", "hooks", "tests/hosts", "tests/testbed"):
            shutil.copytree(_ROOT / name, self.tree / name, symlinks=True)
        for module in ("pexpect", "ptyprocess"):
            found = importlib.util.find_spec(module)
            assert found is not None
            assert found.origin is not None
            shutil.copytree(Path(found.origin).parent, self.tree / "site" / module)
        compileall.compile_dir(self.tree, quiet=1)
        for path in (self.tree, *self.tree.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))

    def visit(self, host: Host) -> dict[str, Outcome]:
        """Make the checks in a host; what came of them, by their names."""
        plan = Plan(
            archive=os.fspath(self.archive),
            checks=host.columns,
            environment=dict(host.environment),
            umask=host.umask,
            doctor=host.doctor,
            keeps=False,
            box=_BOX if host.is_broken else "",
        )
        if host.testbed in (A, BARE):
            place = self._prepare(host.account) if host.is_broken else self._new_place(host.account)
            return self._enter(host, plan, place)
        if host.testbed == VM:
            return self._boot(VM, plan, "/data/alpine.tar", {"TESTBED_DATA": str(self.archive.parent)})
        home = self._new_place(host.account) / "home"
        shutil.copy(self.archive, home)
        environment = {"TESTBED_HOME": str(home)}
        wrapper = ["systemd-run", "--user", "--scope", "--quiet"] if host.testbed == SCOPE else []
        return self._boot("enter-b", plan, "/home/alpine.tar", environment, wrapper)

    def _new_place(self, account: Account) -> Path:
        """The files of /etc with the user in them, and a home."""
        place = Path(tempfile.mkdtemp(prefix="host-", dir=self.base))
        place.chmod(0o755)
        files = {name: Path("/etc", name).read_text() for name in ("passwd", "group")}
        files |= {"subuid": "", "subgid": ""}
        if account.uid:
            entry = f"{account.name}:x:{account.uid}:{account.gid}:Ada:{account.home}:/bin/sh\n"
            files["passwd"] += entry
            if f":{account.gid}:" not in files["group"]:
                files["group"] += f"{account.name}:x:{account.gid}:\n"
            for kind in ("subuid", "subgid"):
                rows = [f"{account.name}:{start}:{count}\n" for start, count in account.ranges]
                files[kind] = "".join(rows)
        (place / "etc").mkdir()
        for name, text in files.items():
            (place / "etc" / name).write_text(text)
        home = place / "home" / Path(account.home).name
        (place / "home").mkdir()
        if account.home.endswith("/link"):
            home.symlink_to("disk/ada")
            home = place / "home" / "disk" / "ada"
            home.parent.mkdir()
        home.mkdir(exist_ok=True)
        os.chown(home, account.uid, account.gid)
        return place

    def _prepare(self, account: Account) -> Path:
        """A place with an image and a stopped box, from the time before the host was broken."""
        if self._prepared is None:
            place = self._new_place(account)
            checks = ("load", "create", "enter")
            plan = Plan(os.fspath(self.archive), checks, {}, 0o022, ("", ""), keeps=True, box="")
            outcomes = self._enter(Host("before", "", account=account), plan, place)
            assert all(outcome.status == "works" for outcome in outcomes.values()), outcomes
            self._prepared = place
        return self._prepared

    def _enter(self, host: Host, plan: Plan, place: Path) -> dict[str, Outcome]:
        script = [f"{self.tree}/tests/testbed/{host.testbed}"]
        if host.testbed == A:
            script.append("-p")
        command = [
            *("unshare", "--mount", "--propagation", "private", "--"),
            *("sh", "-euc", _PRIVATE, "sh", os.fspath(place)),
            *(*script, host.account.name, *host.wrapper, *_python(self.tree), json.dumps(plan._asdict())),
        ]
        return _outcomes(command, {"TESTBED_SETUP": host.setup})

    def _boot(
        self,
        script: str,
        plan: Plan,
        archive: str,
        environment: dict[str, str],
        wrapper: list[str] | None = None,
    ) -> dict[str, Outcome]:
        there = plan._replace(archive=archive)
        command = [f"{self.tree}/tests/testbed/{script}", *(wrapper or [])]
        command += [*_python(Path("/repo")), json.dumps(there._asdict())]
        return _outcomes(command, {**environment, "TESTBED_REPO": os.fspath(self.tree)})

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self.base)


def _python(tree: Path) -> list[str]:
    return ["/usr/bin/python3", "-IB", f"{tree}/tests/hosts/__main__.py"]


def _outcomes(command: list[str], environment: dict[str, str]) -> dict[str, Outcome]:
    """Run a visit. Raises AssertionError if it does not come to an end."""
    done = subprocess.run(
        command,
        env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    output = done.stdout.decode(errors="replace")
    last = output.strip().splitlines()[-1:]
    assert done.returncode == 0, (
        f"exit code {done.returncode}:\n{output}{done.stderr.decode(errors='replace')}"
    )
    assert last, done.stderr.decode(errors="replace")
    found = json.loads(last[0])
    return {name: Outcome(*fields) for name, fields in found.items()}
