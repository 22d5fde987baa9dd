"""The rows: hosts as people have them, in good order and with one defect each.

A new host is an entry here. `setup` is what root does to the testbed before the user comes in:
in a private mount namespace, so the machine does not notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tests.hosts import checks

A, BARE, SESSION, SCOPE, VM = "enter-a", "enter-bare", "login session", "user scope", "enter-c"
# Where nothing is expected to work, only what creates or starts boxes is tried.
_ON_BROKEN_HOSTS = ("doctor", "load", "create", "enter", "codes")

_FIRST_ID = 1 << 29  # no account of a real machine is there


class Account(NamedTuple):
    """A user of the host. `home` is below /home; `ranges` are the subordinate ids."""

    uid: int = 21_000
    gid: int = 21_000
    ranges: tuple[tuple[int, int], ...] = ((_FIRST_ID, 65536),)
    home: str = "/home/ada"
    name: str = "ada"


class Host(NamedTuple):
    """A row."""

    name: str
    about: str
    testbed: str = A
    account: Account = Account()
    setup: str = ""
    environment: Mapping[str, str | None] = MappingProxyType({})  # None takes a variable away
    umask: int = 0o022
    wrapper: tuple[str, ...] = ()  # of what the user calls
    doctor: tuple[str, str] = ("", "")  # the status of a line, and which
    checks: tuple[str, ...] = ()  # if not all

    @property
    def is_broken(self) -> bool:
        """Whether no box can start there."""
        return self.doctor[0] == "fail"

    @property
    def columns(self) -> tuple[str, ...]:
        """The checks that are made."""
        return self.checks or (_ON_BROKEN_HOSTS if self.is_broken else checks.NAMES)


def _changed(path: str, by: str) -> str:
    """Change a program for this mount namespace alone, by an overlay over its directory."""
    return f"""
    program=$(readlink -f "$(command -v {path})"); directory=${{program%/*}}
    layer=$(mktemp -d); mount -t tmpfs layer "$layer"; mkdir "$layer/upper" "$layer/work"
    mount -t overlay -o "lowerdir=$directory,upperdir=$layer/upper,workdir=$layer/work" layer "$directory"
    {by} "$program"
    """


def _without_device(path: str) -> str:
    """A /dev like the machine's, but for one node."""
    return f"""
    dev=$(mktemp -d); mount -t tmpfs -o mode=755 dev "$dev"; mkdir "$dev/net" "$dev/pts" "$dev/shm"
    for name in null zero full random urandom tty fuse net/tun fd stdin stdout stderr; do
        [ /dev/$name = {path} ] || cp -a /dev/$name "$dev/$name"
    done
    for name in pts shm; do mount --rbind /dev/$name "$dev/$name"; done
    mknod -m 666 "$dev/ptmx" c 5 2; mount --rbind "$dev" /dev
    """


_STORE = "$home/.local/share/containers/dacha"
_OTHERS_RUNTIME = "install -d -m 700 -o 21001 /run/user/21001"
_HYBRID = """
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup; mkdir /sys/fs/cgroup/unified
mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
"""
# Of the package faketime; $LIB is the loader's own word for the directory of this machine type.
_FAKETIME = {"LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1"}
_AS_USER = 'setpriv --reuid="$uid" --regid="$gid" --clear-groups'
_NO_NAMESPACES = (
    'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all -- "$@"'
)

IN_ORDER = (
    Host("as it is", "cgroup v2, a delegated subtree, no systemd, shared mounts"),
    Host("no delegation", "hybrid cgroups as the machine has them, and none of them the user's", BARE),
    Host("login session", "a booted Debian 12 with systemd and D-Bus, in a session of logind", SESSION),
    Host("user scope", "the same, in a scope of the user's manager", SCOPE),
    Host(
        "virtual machine",
        "a kernel of Debian 12's own (6.1), pure cgroup v2 with all controllers, its crun and conmon",
        VM,
        checks=("doctor", "load", "create", "enter", "codes", "sudo", "stop", "rm"),
    ),
    Host(
        "root",
        "no user namespace at all",
        BARE,
        account=Account(0, 0, (), "/root", "root"),
        setup="""
        mount --bind /home/root /root; mkdir -p /home/store /var/lib/containers/dacha /run/dacha
        mount --bind /home/store /var/lib/containers/dacha; mount -t tmpfs -o mode=700 run /run/dacha
        """,
    ),
)

ACCOUNTS = (
    Host(
        "several ranges",
        "subordinate ids in three pieces, those of groups in other places than those of users",
        account=Account(
            ranges=((_FIRST_ID, 1000), (_FIRST_ID + 100_000, 50_000), (_FIRST_ID + 9000, 14_536))
        ),
        setup="printf 'ada:700000000:30000\\nada:800000000:40000\\n' >/etc/subgid",
    ),
    Host(
        "shared ranges",
        "another user has the same subordinate ids",
        setup=f"echo bert:{_FIRST_ID + 60_000}:65536 | tee -a /etc/subuid >>/etc/subgid",
        doctor=("warn", "ids, subordinate uids"),
    ),
    Host("uid above 65535", "as directories give them", account=Account(uid=1_345_678, gid=1_345_678)),
    Host("uid is not gid", "the primary group is `users`", account=Account(uid=21_000, gid=100)),
    Host(
        "known to NSS only",
        "the user is not in `/etc/passwd`, as with LDAP or SSSD; here libnss-extrausers knows them",
        setup="""
        for file in passwd group; do
            grep ^ada: /etc/$file >/tmp/$file; others=$(grep -v ^ada: /etc/$file); echo "$others" >/etc/$file
        done
        sed -E 's/^(passwd|group):.*/\\1: files extrausers/' /etc/nsswitch.conf >/tmp/nss.conf
        mount --bind /tmp/nss.conf /etc/nsswitch.conf
        mkdir -p /var/lib/extrausers; mount -t tmpfs -o mode=755 users /var/lib/extrausers
        cp /tmp/passwd /tmp/group /var/lib/extrausers; rm -r /tmp/passwd /tmp/group
        if grep -q ada /etc/passwd; then exit 1; fi
        getent passwd ada >/dev/null
        """,
    ),
)

PLACES = (
    Host("home is a link", "`/home/ada` leads to `/home/disk/ada`", account=Account(home="/home/link")),
    Host("closed home", "mode 0700", setup='chmod 700 "$home"'),
    Host(
        "home without exec",
        "mounted `noexec`, with the store on it",
        setup='mount --bind "$home" "$home"; mount -o remount,bind,noexec,nosuid,nodev "$home"',
        doctor=("pass", "store, mount options"),
    ),
    Host("/tmp without exec", "mounted `noexec`", setup="mount -o remount,noexec /tmp"),
    Host(
        "store in memory",
        "on a tmpfs",
        setup=f'{_AS_USER} mkdir -p "{_STORE}";'
        f' mount -t tmpfs -o "uid=$uid,gid=$gid,mode=700" store "{_STORE}"',
        doctor=("warn", "store, file system"),
    ),
    Host(
        "no runtime directory",
        "cron and su: `XDG_RUNTIME_DIR` is not set, and there is no `/run/user/UID`",
        setup="rmdir /run/user/$uid",
        environment={"XDG_RUNTIME_DIR": None},
        doctor=("warn", "places, runtime directory"),
    ),
    Host(
        "XDG_RUNTIME_DIR unset",
        "and `/run/user/UID` is there, as for a second login",
        environment={"XDG_RUNTIME_DIR": None},
        doctor=("info", "places, runtime directory"),
    ),
    Host(
        "another's runtime directory",
        "`su` without a dash: `XDG_RUNTIME_DIR` is still that of the user before",
        setup=_OTHERS_RUNTIME,
        environment={"XDG_RUNTIME_DIR": "/run/user/21001"},
        doctor=("info", "places, runtime directory"),
    ),
    Host(
        "private mounts",
        "`/` is not shared, as without systemd",
        setup="mount --make-rprivate /",
        doctor=("warn", "places, mounts below /"),
    ),
)

ENVIRONMENT = (
    Host("HOME unset", "as in some services", environment={"HOME": None}),
    Host("no TERM", "as from cron", environment={"TERM": None}),
    Host(
        "missing locale", "`LC_ALL` names one that is not installed", environment={"LC_ALL": "tlh_KX.UTF-8"}
    ),
    Host("umask 077", "nothing is for others", umask=0o077),
    Host(
        "clock far back",
        "2001, as after an empty battery",
        environment={**_FAKETIME, "FAKETIME": "@2001-02-03 04:05:06"},
        doctor=("warn", "clock, time"),
    ),
    Host(
        "clock far ahead",
        "2099",
        environment={**_FAKETIME, "FAKETIME": "@2099-02-03 04:05:06"},
    ),
)

KERNEL = (
    Host(
        "no /dev/fuse",
        "the module is not loaded",
        setup=_without_device("/dev/fuse"),
        doctor=("warn", "kernel, /dev/fuse"),
    ),
    Host(
        "no /dev/net/tun",
        "the module is not loaded",
        setup=_without_device("/dev/net/tun"),
        doctor=("warn", "kernel, /dev/net/tun"),
    ),
    Host(
        "hybrid cgroups",
        "version 1 beside version 2, with a delegated subtree in the latter",
        setup=_HYBRID,
        doctor=("warn", "cgroups, layout"),
    ),
    Host(
        "closed cgroups",
        "no cgroup can be written",
        setup="mount -o remount,bind,ro /sys/fs/cgroup",
        doctor=("warn", "cgroups, delegation"),
    ),
    Host(
        "no cgroups",
        "nothing is mounted at `/sys/fs/cgroup`",
        setup="mount -t tmpfs -o ro cgroup /sys/fs/cgroup",
        doctor=("warn", "cgroups, layout"),
    ),
)

# Boxes are made in single-id mode there and all checks hold (docs/boxes.md).
SINGLE = (
    Host(
        "no subordinate ids",
        "nothing in `/etc/subuid` and `/etc/subgid`",
        setup=": >/etc/subuid; : >/etc/subgid",
        doctor=("warn", "ids, subordinate uids"),
    ),
    Host(
        "no newuidmap",
        "the package uidmap is not installed",
        setup=_changed("newuidmap", "rm"),
        doctor=("warn", "ids, newuidmap"),
    ),
    Host(
        "powerless newuidmap",
        "neither set-uid root nor with a capability",
        setup=_changed("newuidmap", "chmod u-s"),
        doctor=("warn", "ids, newuidmap"),
    ),
    Host(
        "no_new_privs",
        "inside a sandbox: set-uid programs do nothing",
        wrapper=("setpriv", "--no-new-privs"),
        doctor=("warn", "security, no_new_privs"),
    ),
)

BROKEN = (
    Host("no crun", "not installed", setup=_changed("crun", "rm"), doctor=("fail", "programs, crun")),
    Host(
        "ranges that overlap",
        "the same id twice, which the kernel refuses",
        setup='row=$(cat /etc/subuid); echo "$row" >>/etc/subuid',
        doctor=("fail", "ids, subordinate uids"),
    ),
    Host(
        "no user namespaces",
        "`user.max_user_namespaces` is 0",
        wrapper=("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", _NO_NAMESPACES, "sh"),
        doctor=("fail", "kernel, user namespaces"),
    ),
    Host(
        "hidden /proc",
        "inside a container that masks parts of it",
        setup="mount -t tmpfs -o ro masked /proc/acpi",
        doctor=("fail", "kernel, proc in boxes"),
    ),
    Host(
        "read-only store",
        "its file system is mounted `ro`",
        setup=f'mount --bind "{_STORE}" "{_STORE}"; mount -o remount,bind,ro "{_STORE}"',
        doctor=("fail", "store, directory"),
    ),
    Host(
        "full store",
        "a file system on which no image has room",
        setup=f'mount -t tmpfs -o "size=10m,uid=$uid,gid=$gid,mode=700" small "{_STORE}"',
        doctor=("fail", "store, free space"),
        checks=("doctor", "load"),
    ),
    Host(
        "lost runtime directory",
        "`XDG_RUNTIME_DIR/dacha` belongs to another user",
        setup="install -d -m 700 -o 21001 /run/user/$uid/dacha",
        doctor=("fail", "places, runtime directory"),
    ),
    Host(
        "no home",
        "`HOME` names a directory that does not exist",
        environment={"HOME": "/home/gone", "XDG_DATA_HOME": "/home/ada/.local/share"},
        doctor=("fail", "places, home"),
    ),
)

GROUPS = (
    ("In good order", IN_ORDER),
    ("Users and their ids", ACCOUNTS),
    ("Places", PLACES),
    ("Environment", ENVIRONMENT),
    ("Kernel, devices and cgroups", KERNEL),
    ("One id alone: boxes in single-id mode", SINGLE),
    ("Broken: no box can be made or started", BROKEN),
)
ALL = tuple(host for _, members in GROUPS for host in members)
