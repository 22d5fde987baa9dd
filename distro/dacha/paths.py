"""Where files live: XDG base directories for a user, the system's own for root.

Source: XDG Base Directory Specification 0.8; the graph root's place is that of
containers-storage.conf(5), beside podman's.
"""

from __future__ import annotations

import os
import stat
import sys

from dacha.errors import DachaError

# Who we are outside: in a user namespace of ours, getuid(2) says 0.
_UID = os.getuid()
# Whether a directory is somebody else's, as it was seen first: before we entered such a namespace.
_is_strangers: dict[str, bool] = {}


def assume(uid: int) -> None:
    """Be that user, who we are outside: in a shell of `dacha unshare` everybody is 0."""
    global _UID
    _UID = uid
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    _is_strangers[base] = False  # as the one who entered has found out


def is_rootful() -> bool:
    """Whether root runs this, so that no outer user namespace is needed."""
    return _UID == 0


def _home() -> str:
    home = os.environ.get("HOME", "")
    if home.startswith("/"):
        return home
    import pwd

    try:
        return pwd.getpwuid(_UID).pw_dir  # expanduser(3) would ask for the user who we are in H: root
    except KeyError:
        return ""  # so that all is below the root


def data_root() -> str:
    """The store: images, layers, boxes and the database. Lasts."""
    if is_rootful():
        return "/var/lib/containers/dacha"
    base = os.environ.get("XDG_DATA_HOME", "")
    return (base if base.startswith("/") else _home() + "/.local/share") + "/containers/dacha"


def config_root() -> str:
    """The user's own settings of dacha."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (base if base.startswith("/") else _home() + "/.config") + "/dacha"


def cache_root() -> str:
    """What can be made again at any time, and only saves that work."""
    if is_rootful():
        return "/var/cache/dacha"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (base if base.startswith("/") else _home() + "/.cache") + "/dacha"


def runtime_root() -> str:
    """What lives until the next boot: state of running boxes, locks, crun's state."""
    if is_rootful():
        return "/run/dacha"
    base = session_directory()
    return base + "/dacha" if base else f"/tmp/dacha-{_UID}"  # noqa: S108  (its owner is checked)


def session_directory() -> str:
    """$XDG_RUNTIME_DIR with the sockets of the user's session, or where logind makes it; empty without one.

    One of another user does not count: su(1) hands it on.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base.startswith("/") and not _belongs_to_stranger(base):
        return base
    base = f"/run/user/{_UID}"
    return base if os.path.isdir(base) else ""


def _belongs_to_stranger(path: str) -> bool:
    """What does not exist belongs to nobody."""
    if path not in _is_strangers:
        try:
            _is_strangers[path] = os.stat(path).st_uid != _UID
        except OSError:
            return False
    return _is_strangers[path]


def box_runtime(name: str) -> str:
    """The runtime directory of a box."""
    return f"{runtime_root()}/boxes/{name}"


def make_runtime_root() -> str:
    """Make the runtime directory, 0700, and return it.

    Raises DachaError if somebody else owns it: in /tmp anybody could have made it first.
    """
    path = runtime_root()
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise DachaError(f"cannot make the runtime directory {path}: {error.strerror}") from error
    found = os.stat(path, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != _UID or found.st_mode & 0o022:
        raise DachaError(
            f"{path} belongs to somebody else or is open to others",
            hint="set XDG_RUNTIME_DIR to a directory of your own with mode 0700",
        )
    return path


def shipped(kind: str) -> str:
    """The directory of files shipped with dacha: 'images', 'hooks' or 'completion'.

    In a wheel they are package data; in a checkout they stand at its top.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    installed = f"{package}/data/{kind}"
    return installed if os.path.isdir(installed) else f"{os.path.dirname(os.path.dirname(package))}/{kind}"


def catalog_directories() -> list[str]:
    """Where files of the catalog are: the user's own, which win, and those that are shipped."""
    return [f"{config_root()}/images", shipped("images")]


def find_packages() -> None:
    """Make other projects' packages importable, which the launcher's `python -S` keeps from happening.

    Called right before the import of one that a quick verb needs only sometimes.
    """
    import site

    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    directory = f"{os.path.dirname(os.path.dirname(sys.executable))}/lib/{version}/site-packages"
    if directory not in sys.path:
        site.addsitedir(directory)
