"""Which configuration files there are, and in which order they are read.

Three directories: the user's ($XDG_CONFIG_HOME/containers), the administrator's
(/etc/containers) and the vendor's (/usr/share/containers). Sources: the FILES section of each
manual page; docs/configuration.md has the whole as a table.
"""

from __future__ import annotations

import os

from dacha.config.reading import ConfigError
from dacha.paths import is_rootful

SYSTEM = "/etc/containers"
SHIPPED = "/usr/share/containers"
DOCKER_CERTIFICATES = "/etc/docker/certs.d"

UID = os.getuid()  # in a user namespace of ours it would be 0


def home() -> str:
    """The user's home."""
    value = os.environ.get("HOME", "")
    return value if value.startswith("/") else os.path.expanduser("~")


def _base(variable: str, below_home: str) -> str:
    value = os.environ.get(variable, "")
    return value if value.startswith("/") else f"{home()}/{below_home}"


def user() -> str:
    """The user's directory of configuration files."""
    return _base("XDG_CONFIG_HOME", ".config") + "/containers"


def cache() -> str:
    """Where machines write what they remember: root's is apart from all users'."""
    return "/var/cache/containers" if is_rootful() else _base("XDG_CACHE_HOME", ".cache") + "/containers"


def told() -> str:
    """dacha's own note of what it has warned about."""
    return "/var/cache/dacha/told" if is_rootful() else _base("XDG_CACHE_HOME", ".cache") + "/dacha/told"


def _named(variable: str) -> str | None:
    """The file that an environment variable names. Raises ConfigError if it is not there."""
    path = os.environ.get(variable, "")
    if not path:
        return None
    if not os.path.exists(path):
        raise ConfigError(path, f"does not exist, but ${variable} names it", hint=f"unset {variable}")
    return path


def _in_directory(directory: str, ending: str = ".conf") -> list[str]:
    """The drop-in files of a directory by name; other names and directories do not count."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(ending))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(directory, f"cannot be listed: {error.strerror}") from error
    return [path for name in names if not os.path.isdir(path := f"{directory}/{name}")]


def registries_conf() -> list[str]:
    """registries.conf and its drop-ins, in the order in which later ones override earlier ones.

    With a file of the user's own, the administrator's files are not read at all.
    """
    own = f"{user()}/registries.conf"
    named = _named("CONTAINERS_REGISTRIES_CONF")
    if named is None and os.path.exists(own):
        return [own, *_in_directory(f"{own}.d")]
    main = named or f"{SYSTEM}/registries.conf"
    return [main, *_in_directory(f"{SYSTEM}/registries.conf.d"), *_in_directory(f"{own}.d")]


def short_name_aliases() -> str:
    """Where the choices of users among several registries are remembered."""
    return f"{cache()}/short-name-aliases.conf"


def registries_d() -> list[str]:
    """The YAML files about signatures: the user's directory, if there is one, else the administrator's."""
    own = f"{user()}/registries.d"
    return _in_directory(own if os.path.isdir(own) else f"{SYSTEM}/registries.d", ".yaml")


def policy_json() -> str | None:
    """The signature policy: the user's, else the administrator's, else None."""
    for path in (f"{user()}/policy.json", f"{SYSTEM}/policy.json"):
        if os.path.lexists(path):
            return path
    return None


def certificates() -> list[str]:
    """The directories in which those of single registries are looked for."""
    return [f"{user()}/certs.d", f"{SYSTEM}/certs.d", DOCKER_CERTIFICATES]


def _runtime_auth() -> str | None:
    """auth.json in the runtime directory, which the end of the last session removes; None without one."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base.startswith("/"):
        return f"{base}/containers/auth.json"
    if is_rootful():
        return "/run/containers/0/auth.json"
    return f"/run/user/{UID}/containers/auth.json" if os.path.isdir(f"/run/user/{UID}") else None


def auth_json(authfile: str = "") -> str:
    """The one file with credentials that `login` and `logout` write."""
    docker = os.environ.get("DOCKER_CONFIG", "")
    return (
        authfile
        or os.environ.get("REGISTRY_AUTH_FILE", "")
        or (f"{docker}/config.json" if docker else "")
        or _runtime_auth()
        or f"{user()}/auth.json"
    )


def auth_files(authfile: str = "") -> list[str]:
    """The files in which credentials are looked for, in order.

    A file named by option or variable is the only one (containers-auth.json(5)).
    """
    first = auth_json(authfile)
    if authfile or os.environ.get("REGISTRY_AUTH_FILE"):
        return [first]
    docker = os.environ.get("DOCKER_CONFIG", "") or f"{home()}/.docker"
    files = [first, _runtime_auth(), f"{user()}/auth.json", f"{docker}/config.json", f"{home()}/.dockercfg"]
    return list(dict.fromkeys(path for path in files if path))


def storage_conf() -> list[str]:
    """storage.conf and its drop-ins, in the order in which later ones override earlier ones.

    Only the nearest main file is read; a drop-in hides one of the same name further away.
    """
    named = _named("CONTAINERS_STORAGE_CONF")
    if named is not None:
        return [named]
    mains = [f"{directory}/storage.conf" for directory in (user(), SYSTEM, SHIPPED)]
    found = next((path for path in mains if os.path.exists(path)), None)
    drop_ins: dict[str, str] = {}
    for directory in (*_system_drop_ins("storage"), f"{user()}/storage.conf.d"):
        drop_ins |= {path.rpartition("/")[2]: path for path in _in_directory(directory)}
    return [*([found] if found else []), *(drop_ins[name] for name in sorted(drop_ins))]


def _system_drop_ins(stem: str) -> list[str]:
    directories = []
    for base in (SHIPPED, SYSTEM):
        directories.append(f"{base}/{stem}.conf.d")
        if is_rootful():
            directories.append(f"{base}/{stem}.rootful.conf.d")
        else:
            own = f"{base}/{stem}.rootless.conf.d"
            directories += [own, f"{own}/{UID}"]
    return directories


def containers_conf(modules: tuple[str, ...] = ()) -> list[str]:
    """containers.conf, drop-ins and modules, in the order in which later ones override earlier ones.

    Raises ConfigError for a module that is nowhere.
    """
    named = _named("CONTAINERS_CONF")
    override = _named("CONTAINERS_CONF_OVERRIDE")
    files = [named] if named is not None else _all_containers_conf()
    files += [_module(name) for name in modules]
    return [*files, override] if override is not None else files


def _all_containers_conf() -> list[str]:
    files = [f"{SHIPPED}/containers.conf", f"{SYSTEM}/containers.conf"]
    files += _in_directory(f"{SYSTEM}/containers.conf.d")
    if not is_rootful():
        files.append(f"{SYSTEM}/containers.rootless.conf")
        # The manual page has the first name, podman's code the second.
        for directory in (f"{SYSTEM}/containers.rootless.d", f"{SYSTEM}/containers.rootless.conf.d"):
            files += _in_directory(directory)
            files += _in_directory(f"{directory}/{UID}")
    files.append(f"{user()}/containers.conf")
    files += _in_directory(f"{user()}/containers.conf.d")
    return [path for path in files if os.path.exists(path)]


def _module(name: str) -> str:
    directories = [f"{base}/containers.conf.modules" for base in (user(), SYSTEM, SHIPPED)]
    candidates = [name] if name.startswith("/") else [f"{each}/{name}" for each in directories]
    for path in candidates:
        if os.path.exists(path):
            return path
    raise ConfigError(name, "is no module of containers.conf", hint=f"put it in {directories[0]}")
