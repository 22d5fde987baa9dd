"""A stand-in for a box, for tests of its sudo: a user namespace with a root, users and one sudo.

It is this machine's root file system, where /etc, /run and root's home are replaced. Run by
root it makes do with a mount namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

HOOKS = Path(__file__).parents[2] / "hooks" / "sudo"
SHIM = HOOKS / f"sudo-{os.uname().machine}"
REAL_SUDO = Path("/usr/bin/sudo")
HOME = "/run/home/box"
SECURE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {
    "HOME": HOME,
    "LANG": "C.UTF-8",
    "LOGNAME": "box",
    "PATH": "/run/sudo:/usr/bin:/bin",
    "SHELL": "/bin/bash",
    "TERM": "xterm",
    "USER": "box",
}

# Arguments: the program, the script it runs if it is the shim, the shell at /bin/sh if not the usual.
_SETUP = r"""
set -eu
program=$1 script=$2 shell=$3
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/etc /run/sudo /run/dacha /run/plugins /run/home/root /run/home/box /run/home/other
chown 1000:1000 /run/home/box
chown 1001:1001 /run/home/other
chmod 700 /run/home/*

for name in alternatives ld.so.cache ld.so.conf ld.so.conf.d login.defs nsswitch.conf pam.d sudo.conf; do
    [ ! -e "/etc/$name" ] || cp -R "/etc/$name" /run/etc/
done
mkdir /run/etc/security
cp /etc/security/*.conf /run/etc/security/
cat >/run/etc/passwd <<END
root:x:0:0:root:/root:/bin/bash
+::::::
box:x:1000:1000:Box User,,,:/run/home/box:/bin/bash
other:x:1001:1001::/run/home/other:/bin/sh
END
printf %s 'nohome:x:1002:1002::/nonexistent:' >>/run/etc/passwd
cat >/run/etc/group <<END
root:x:0:
box:x:1000:
other:x:1001:
nohome:x:1002:
extra:x:2000:other,box
more:x:2001:another,other
END
echo "127.0.1.1 $(uname -n)" >/run/etc/hosts
sed -n 's/^\([a-z]*\):.*/\1:*:19000:0:99999:7:::/p' /run/etc/passwd >/run/etc/shadow
cat >/run/etc/sudoers <<END
Defaults env_reset, !use_pty
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) NOPASSWD: ALL
box ALL=(ALL:ALL) NOPASSWD: ALL
END
chmod 440 /run/etc/sudoers
[ ! -e /etc/sudo.conf ] || chmod 644 /run/etc/sudo.conf
mount --bind /run/etc /etc
mount --bind /run/home/root /root

cp "$program" /run/sudo/sudo
ln -s sudo /run/sudo/sudoedit
if [ -n "$script" ]; then
    cp "$script" /run/dacha/sudo.sh
    chgrp 1000 /run/sudo/sudo
    chmod 4750 /run/sudo/sudo
else
    # The real sudo insists that its plugins are root's.
    chmod 4755 /run/sudo/sudo
    cp /usr/libexec/sudo/*.so* /run/plugins/
    mount --bind /run/plugins /usr/libexec/sudo
fi
[ -z "$shell" ] || mount --bind "$shell" /bin/sh
echo ready
exec cat
"""


class SudoBox:
    """One such stand-in; its user is `box`, uid 1000, with the further group 2000."""

    def __init__(
        self,
        program: Path = SHIM,
        *,
        script: Path | None = HOOKS / "sudo.sh",
        shell: str = "",
    ) -> None:
        """Make one with `program` as its sudo: the shim with its `script`, or the real one (None)."""
        maps = [] if os.getuid() == 0 else ["--map-root-user", "--map-auto"]
        argv = ["unshare", *maps, "--mount", "sh", "-c", _SETUP, "sh", program, script or "", shell]
        self._holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._stdin, self._stdout = self._holder.stdin, self._holder.stdout
        if self._stdout.readline() != b"ready\n":
            self.close()
            raise AssertionError("the stand-in for a box could not be made; see above")
        self._enter = ["nsenter", f"--target={self._holder.pid}", "--mount"]
        if os.getuid() != 0:
            self._enter.append("--user")

    def __enter__(self) -> SudoBox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it. Nothing of it stays."""
        self._stdin.close()
        self._stdout.close()
        self._holder.wait()

    def run(
        self,
        *argv: str | bytes,
        user: int = 1000,
        env: Mapping[bytes, bytes] | Mapping[str, str] | None = None,
        cwd: str = HOME,
        restrict: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as `user`; `restrict` are options of setpriv(1)."""
        environment = {os.fsencode(name): os.fsencode(value) for name, value in ENVIRONMENT.items()}
        environment |= {os.fsencode(name): os.fsencode(value) for name, value in (env or {}).items()}
        groups = "--groups=1000,2000" if user == 1000 else "--clear-groups"
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", groups]
        if restrict:
            become = ["setpriv", *restrict, *become]
        entered = [*self._enter, *become, "env", f"--chdir={cwd}", *argv]
        program = shutil.which("nsenter")
        assert program is not None
        return subprocess.run(
            entered,
            executable=program,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def write(self, path: str, text: str, *, mode: int = 0o755) -> None:
        """Put a file into it, owned by its root."""
        script = 'printf %s "$2" >"$1" && chmod "$3" "$1"'
        done = self.run("sh", "-c", script, "sh", path, text, f"{mode:o}", user=0)
        assert done.returncode == 0, done.stderr
