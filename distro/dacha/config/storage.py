"""storage.conf(5): where and how layers are stored.

Whether a driver works here is `storage`'s business; this says only what was asked for. What is
not set is "", () or None: the default is the reader's.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from dacha.config import places
from dacha.config.amounts import parse_size
from dacha.config.arrays import Arrays
from dacha.config.reading import ConfigError, read_toml
from dacha.config.table import Table
from dacha.paths import is_rootful

DRIVERS = ("overlay", "vfs", "btrfs", "zfs")
_ROOTFUL_DRIVERS = ("zfs",)
_KEYS = ("mount_program", "mountopt", "ignore_chown_errors", "size", "inodes", "fsname")
_OPTIONS = "STORAGE_OPTS"  # the variable, and the name of its "file" in messages


class DriverOptions(NamedTuple):
    """Options of a driver; None is "not set".

    `size_bytes` and `inodes` limit a box's own layer; `fsname` is zfs's dataset.
    """

    mount_program: str | None = None
    mountopt: tuple[str, ...] | None = None
    ignore_chown_errors: bool | None = None
    size_bytes: int | None = None
    inodes: int | None = None
    fsname: str | None = None

    def over(self, base: DriverOptions) -> DriverOptions:
        """These options, and those of `base` that are not set here."""
        return base._replace(**{key: value for key, value in self._asdict().items() if value is not None})


class StorageConfig(NamedTuple):
    """All storage.conf files and the environment together. Paths are absolute.

    `graphroot` and `runroot` are podman's directories, beside which dacha's are. `unknown` has
    `FILE: KEY` for all that dacha does not use; vendor's files are not counted.
    """

    driver: str = ""
    driver_priority: tuple[str, ...] = ()
    graphroot: str = ""
    runroot: str = ""
    imagestore: str = ""
    additionalimagestores: tuple[str, ...] = ()
    auto_userns_min_size: int | None = None
    auto_userns_max_size: int | None = None
    unknown: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    # By the name of a driver, or "" for all: what the files say, and what STORAGE_OPTS says.
    file_options: dict[str, DriverOptions] = {}  # noqa: RUF012  (never changed)
    environment_options: dict[str, DriverOptions] = {}  # noqa: RUF012  (never changed)

    def for_driver(self, driver: str) -> DriverOptions:
        """The options of one driver: its own table goes before the general one, STORAGE_OPTS before both."""
        options = DriverOptions()
        for source in (self.file_options, self.environment_options):
            for name in ("", driver):
                options = source.get(name, DriverOptions()).over(options)
        return options


def load_storage_config() -> StorageConfig:
    """Read storage.conf, its drop-ins, STORAGE_DRIVER and STORAGE_OPTS. Raises ConfigError."""
    config = StorageConfig()
    arrays = Arrays()
    for file in places.storage_conf():
        content = read_toml(file)
        if content is not None:
            config = _merge(config, Table(file, content), arrays)
    driver = os.environ.get("STORAGE_DRIVER", "")
    if driver:
        config = config._replace(driver=_checked_driver("STORAGE_DRIVER", driver))
    config = _with_environment(config, os.environ.get(_OPTIONS, ""))
    if config.imagestore and config.imagestore == config.graphroot:
        raise ConfigError(config.files[-1], "storage.imagestore: must be another directory than graphroot")
    return config


def _checked_driver(place: str, name: str) -> str:
    known = "overlay" if name == "overlay2" else name
    if known not in DRIVERS:
        raise ConfigError(
            place, f"'{name}' is no storage driver of dacha", hint=f"there are {', '.join(DRIVERS)}"
        )
    return known


def _merge(before: StorageConfig, top: Table, arrays: Arrays) -> StorageConfig:
    """What a file says on top of what the files before it said."""
    table = top.table("storage")
    options = table.table("options")
    driver = table.text("driver") or ""
    if driver:
        driver = _checked_driver(f"{top.file}: storage.driver", driver)
    graphroot, runroot = _path(table, "graphroot"), _path(table, "runroot")
    imagestore, for_users = _path(table, "imagestore"), _path(table, "rootless_storage_path")
    if not is_rootful() and _is_also_roots(top.file):
        # What the administrator sets for root cannot be meant for us; podman does the same.
        graphroot, runroot, imagestore = for_users, "", ""
        driver = "" if driver in _ROOTFUL_DRIVERS else driver
    elif not is_rootful():
        graphroot = graphroot or for_users
    least, most = (
        options.number("auto-userns-min-size", least=1),
        options.number("auto-userns-max-size", least=1),
    )
    stores = arrays.merge(options, "additionalimagestores", before.additionalimagestores)
    # How podman pulls and mounts; nothing that is stored depends on it.
    options.ignore("pull_options", "disable-volatile", "skip_mount_home")
    file_options = _merge_options(before.file_options, options)
    is_vendors = top.file.startswith(places.SHIPPED + "/")
    return before._replace(
        driver=driver or before.driver,
        driver_priority=arrays.merge(table, "driver_priority", before.driver_priority) or (),
        graphroot=graphroot or before.graphroot,
        runroot=runroot or before.runroot,
        imagestore=imagestore or before.imagestore,
        additionalimagestores=tuple(
            _expanded(options, "additionalimagestores", each) for each in stores or ()
        ),
        auto_userns_min_size=before.auto_userns_min_size if least is None else least,
        auto_userns_max_size=before.auto_userns_max_size if most is None else most,
        file_options=file_options,
        files=(*before.files, top.file),
        unknown=before.unknown if is_vendors else before.unknown + top.unknown(),
    )


def _is_also_roots(file: str) -> bool:
    """Whether root reads that file too: the system's, but for what is there for users only."""
    return (
        file.startswith((places.SYSTEM + "/", places.SHIPPED + "/"))
        and "/storage.rootless.conf.d/" not in file
    )


def _path(table: Table, key: str) -> str:
    text = table.text(key) or ""
    return _expanded(table, key, text) if text else ""


def _expanded(table: Table, key: str, text: str) -> str:
    """A path with $HOME, $UID and other variables filled in."""
    path = os.path.expandvars(text.replace("$UID", str(places.UID)).replace("${UID}", str(places.UID)))
    if not path.startswith("/") or "$" in path:
        raise table.wrong(key, f"'{text}' is no absolute path")
    return os.path.normpath(path)


def _merge_options(before: dict[str, DriverOptions], options: Table) -> dict[str, DriverOptions]:
    merged = dict(before)
    for name in ("", *DRIVERS):
        found = _driver_options(options.table(name) if name else options)
        merged[name] = found.over(before.get(name, DriverOptions()))
    return merged


def _driver_options(table: Table) -> DriverOptions:
    """The options of one table. Empty strings are "not set", as podman has it."""
    mountopt, inodes, size = table.text("mountopt"), table.text("inodes"), table.text("size")
    table.ignore("skip_mount_home")
    return DriverOptions(
        mount_program=table.text("mount_program") or None,
        mountopt=_mount_options(mountopt) if mountopt else None,
        ignore_chown_errors=table.text_flag("ignore_chown_errors"),
        size_bytes=_amount(table, "size", size) if size else None,
        inodes=_amount(table, "inodes", inodes) if inodes else None,
        fsname=table.text("fsname") or None,
    )


def _mount_options(text: str) -> tuple[str, ...]:
    return tuple(each for part in text.split(",") if (each := part.strip()))


def _amount(table: Table, key: str, text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise table.wrong(key, str(error)) from error


def _with_environment(config: StorageConfig, text: str) -> StorageConfig:
    """Add STORAGE_OPTS: [DRIVER.]KEY=VALUE with commas between, as podman takes them."""
    by_driver: dict[str, dict[str, Any]] = {}
    stores: list[str] = []
    unknown: list[str] = []
    for driver, key, value in _split_options(text):
        if key == "imagestore":
            stores.append(value)
        elif key in _KEYS:
            by_driver.setdefault(driver, {})[key] = value
        else:
            unknown.append(f"{_OPTIONS}: {driver}.{key}".replace(" .", " "))
    return config._replace(
        additionalimagestores=(*config.additionalimagestores, *stores),
        environment_options={
            driver: _driver_options(Table(_OPTIONS, each, driver)) for driver, each in by_driver.items()
        },
        unknown=(*config.unknown, *unknown),
    )


def _split_options(text: str) -> list[tuple[str, str, str]]:
    """Driver, key and value of each option. What follows mountopt and is no option belongs to its list."""
    found: list[tuple[str, str, str]] = []
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        driver, dot, key = name.rpartition(".")
        if equals and key and (dot or key in (*_KEYS, "imagestore")):
            found.append((driver, key, value))
        elif found and found[-1][1] == "mountopt":
            found[-1] = (*found[-1][:2], f"{found[-1][2]},{part}")
        elif equals and key:
            found.append((driver, key, value))
        else:
            raise ConfigError(_OPTIONS, f"'{part}' must be [DRIVER.]KEY=VALUE", hint=f"mend ${_OPTIONS}")
    return found
