"""containers-auth.json(5): which credentials a repository needs, `login` and `logout`.

Files are searched in the order of `places.auth_files`; in each, the entry for the repository
itself comes first, then those for what it is in, then the host. Only one file is ever written,
as a whole and in one step, and keys that are not ours stay in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from dacha.config import places
from dacha.config.credentials import Credentials, decode_entry, encode_entry
from dacha.config.helpers import ask_helper, erase_from_helper, servers_of_helper, tell_helper
from dacha.config.names import enclosing
from dacha.config.reading import ConfigError, read_json
from dacha.config.registries import AUTH_FILES
from dacha.errors import DachaError, MissingProgramError, UsageError
from dacha.linux.files import replace_file
from dacha.linux.lock import lock_directory

_DOCKER = "docker.io"
_DOCKER_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
_DOCKER_URL = "https://index.docker.io/v1/"  # what docker calls its own registry


class NotLoggedInError(DachaError):
    """There is nothing to log out of."""


class _AuthFile(NamedTuple):
    """A file's credentials and all else in it; docker's old file has the former alone."""

    path: str
    content: dict[str, Any]
    is_legacy: bool

    @property
    def auths(self) -> dict[str, Any]:
        return self.content if self.is_legacy else _object(self.path, self.content, "auths")

    @property
    def helpers(self) -> dict[str, Any]:
        return {} if self.is_legacy else _object(self.path, self.content, "credHelpers")

    @property
    def store(self) -> str:
        """docker's `credsStore`: the helper that keeps what has no entry of its own."""
        name = "" if self.is_legacy else self.content.get("credsStore", "")
        if not isinstance(name, str):
            raise ConfigError(self.path, "credsStore: must be a string")
        return name

    def helper_of(self, host: str) -> str:
        """The helper that the file names for a host, or ""."""
        name = self.helpers.get(host, "")
        if not isinstance(name, str):
            raise ConfigError(self.path, f"credHelpers.{host}: must be a string")
        return name


def _object(path: str, content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(path, f"{key}: must be an object")
    return value


def _read(path: str) -> _AuthFile:
    return _AuthFile(path, read_json(path) or {}, os.path.basename(path) == ".dockercfg")


def find_credentials(
    repository: str, *, authfile: str = "", helpers: Sequence[str] = (AUTH_FILES,)
) -> Credentials | None:
    """The credentials for HOST[:PORT][/PATH], or None where nobody is logged in.

    `authfile` is what --authfile says; `helpers` are registries.conf's. Raises DachaError for a
    file or a helper that cannot be read.
    """
    _check_key(repository)
    host = repository.partition("/")[0]
    for helper in helpers:
        if helper != AUTH_FILES:
            found = ask_helper(helper, host)
        else:
            found = next(
                (each for path in places.auth_files(authfile) if (each := _find_in(_read(path), repository))),
                None,
            )
        if found is not None:
            return found
    return None


def _find_in(file: _AuthFile, repository: str) -> Credentials | None:
    host = repository.partition("/")[0]
    if helper := file.helper_of(host):
        return ask_helper(helper, host)
    for key in [host] if file.is_legacy else enclosing(repository):
        if key in file.auths:
            found = decode_entry(file.path, key, file.auths[key])
            if found is not None:
                return found
            break  # an empty entry: a helper has it
    else:
        for key, entry in file.auths.items():
            if _host_of_key(key) == _canonical(host):
                found = decode_entry(file.path, key, entry)
                if found is not None:
                    return found
    return _ask_store(file.store, host) if file.store else None


def _ask_store(helper: str, host: str) -> Credentials | None:
    """What docker's key ring knows. Without the program, as in a file from another machine, nothing."""
    servers = [host, _DOCKER_URL] if host in _DOCKER_NAMES else [host]
    try:
        return next((found for server in servers if (found := ask_helper(helper, server))), None)
    except MissingProgramError:
        return None


def _host_of_key(key: str) -> str:
    """The host of a key as docker has written it: a host, or the URL of one."""
    bare = key.removeprefix("http://").removeprefix("https://")
    return _canonical(bare.partition("/")[0] if bare != key else bare)


def _canonical(host: str) -> str:
    return _DOCKER if host in _DOCKER_NAMES else host


def _check_key(key: str) -> None:
    host, _, path = key.partition("/")
    if not host or "://" in key or "@" in key or ":" in path:
        raise UsageError(
            f"'{key}' names no registry or repository",
            hint="give HOST[:PORT][/PATH], without https:// and a tag",
        )


def store_credentials(
    key: str, credentials: Credentials, *, authfile: str = "", helpers: Sequence[str] = (AUTH_FILES,)
) -> str:
    """Keep credentials for HOST[:PORT][/PATH], and return where: a file's path or a helper's name.

    The first of `helpers` that can, has them. Raises DachaError.
    """
    _check_key(key)
    helper = helpers[0] if helpers else AUTH_FILES
    if helper != AUTH_FILES:
        return _tell(helper, key, credentials)
    file = _AuthFileEdit(places.auth_json(authfile))
    with file:
        named = file.data.helper_of(key) or file.data.store
        if named:
            place = _tell(named, key, credentials)
            if file.data.store:  # docker's own mark of who is logged in
                file.set_entry(key, {})
            return place
        file.set_entry(key, encode_entry(credentials))
    return file.path


def _tell(helper: str, key: str, credentials: Credentials) -> str:
    if "/" in key:
        raise DachaError(
            f"the credential helper '{helper}' keeps credentials for whole registries only",
            hint=f"log in to {key.partition('/')[0]}, or give --authfile",
        )
    tell_helper(helper, key, credentials)
    return f"docker-credential-{helper}"


def remove_credentials(key: str, *, authfile: str = "", helpers: Sequence[str] = (AUTH_FILES,)) -> None:
    """Forget the credentials for HOST[:PORT][/PATH]. Raises NotLoggedInError if there are none.

    Files that others write are left alone: `find_credentials` says whether one still has some.
    """
    _check_key(key)
    was_there = [_remove(key, helper, authfile) for helper in helpers or (AUTH_FILES,)]
    if not any(was_there):
        raise NotLoggedInError(f"not logged in to '{key}'", hint="dacha login --get-login HOST says who is")


def _remove(key: str, helper: str, authfile: str) -> bool:
    if helper != AUTH_FILES:
        return "/" not in key and erase_from_helper(helper, key)
    with _AuthFileEdit(places.auth_json(authfile)) as file:
        named = file.data.helper_of(key) or file.data.store
        was_kept = bool(named) and "/" not in key and erase_from_helper(named, key)
        return file.remove_entry(key) or was_kept


def remove_all_credentials(*, authfile: str = "", helpers: Sequence[str] = (AUTH_FILES,)) -> None:
    """Forget the credentials of all registries in the file we write and in the helpers. Raises DachaError."""
    for helper in helpers or (AUTH_FILES,):
        if helper != AUTH_FILES:
            for server in servers_of_helper(helper):
                erase_from_helper(helper, server)
            continue
        with _AuthFileEdit(places.auth_json(authfile)) as file:
            for host in file.data.helpers:
                erase_from_helper(file.data.helper_of(host), host)
            if file.data.store:
                for host in file.data.auths:
                    erase_from_helper(file.data.store, host)
            file.clear()


class _AuthFileEdit:
    """The file that is written, locked while it is changed, and replaced at the end if it was."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.data = _AuthFile(path, {}, is_legacy=False)
        self._is_changed = False
        self._lock = -1

    def __enter__(self) -> _AuthFileEdit:
        if os.path.basename(self.path) == ".dockercfg":
            raise ConfigError(
                self.path, "is docker's old format, which is only read", hint="give another --authfile"
            )
        # A link is followed: people keep such files elsewhere.
        self.path = os.path.realpath(self.path)
        directory = os.path.dirname(self.path)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            self._lock = lock_directory(directory)
        except OSError as error:
            raise ConfigError(self.path, f"cannot be written: {error.strerror}") from error
        try:
            self.data = _read(self.path)
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._is_changed:
                text = json.dumps(self.data.content, indent="\t", ensure_ascii=False)
                replace_file(self.path, text.encode() + b"\n")
        except OSError as error:
            raise ConfigError(self.path, f"cannot be written: {error.strerror}") from error
        finally:
            os.close(self._lock)

    def set_entry(self, key: str, entry: dict[str, str]) -> None:
        """Replace the entry of a registry or repository."""
        self.data.content["auths"] = self.data.auths | {key: entry}
        self._is_changed = True

    def remove_entry(self, key: str) -> bool:
        """Remove an entry; whether it was there."""
        rest = {each: entry for each, entry in self.data.auths.items() if each != key}
        was_there = len(rest) < len(self.data.auths)
        if was_there:
            self.data.content["auths"] = rest
            self._is_changed = True
        return was_there

    def clear(self) -> None:
        """Remove all entries, and who keeps the others."""
        self.data.content["auths"] = {}
        self.data.content.pop("credHelpers", None)
        self._is_changed = True
