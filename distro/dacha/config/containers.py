"""containers.conf(5): the engine's defaults, as typed values.

A field has the name of its key; where the value has a unit, the field says which (`_bytes`,
`_s`). None is "no file sets it": what then holds is the reader's business, not this file's.
A class is its table's schema: the annotations say what each key must be.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from dacha.config import places
from dacha.config.amounts import parse_duration, parse_size
from dacha.config.arrays import Arrays
from dacha.config.reading import read_toml
from dacha.config.table import Table

Texts = tuple[str, ...]


class SubnetPool(NamedTuple):
    """Where the subnets of new networks are taken from: those of `size` (a prefix length) in `base`."""

    base: str
    size: int


class Containers(NamedTuple):
    """[containers]: what a new container gets."""

    annotations: Texts | None = None
    apparmor_profile: str | None = None
    base_hosts_file: str | None = None
    cgroup_conf: Texts | None = None
    cgroupns: str | None = None
    cgroups: str | None = None
    container_name_as_hostname: bool | None = None
    default_capabilities: Texts | None = None
    default_sysctls: Texts | None = None
    default_ulimits: Texts | None = None
    devices: Texts | None = None
    dns_options: Texts | None = None
    dns_searches: Texts | None = None
    dns_servers: Texts | None = None
    env: Texts | None = None
    env_host: bool | None = None
    host_containers_internal_ip: str | None = None
    http_proxy: bool | None = None
    init: bool | None = None
    init_path: str | None = None
    interface_name: str | None = None
    ipcns: str | None = None
    keyring: bool | None = None
    label: bool | None = None
    log_driver: str | None = None
    log_path: str | None = None
    log_size_max_bytes: int | None = None  # negative: no limit
    log_tag: str | None = None
    mounts: Texts | None = None
    netns: str | None = None
    no_hosts: bool | None = None
    oom_score_adj: int | None = None
    pidns: str | None = None
    pids_limit: int | None = None  # 0 or less: no limit
    prepare_volume_on_create: bool | None = None
    privileged: bool | None = None
    read_only: bool | None = None
    seccomp_profile: str | None = None
    shm_size_bytes: int | None = None
    tz: str | None = None
    umask: str | None = None  # octal
    userns: str | None = None
    userns_size: int | None = None
    utsns: str | None = None
    volumes: Texts | None = None


class Network(NamedTuple):
    """[network]."""

    default_host_ips: Texts | None = None
    default_network: str | None = None
    default_rootless_network_cmd: str | None = None
    default_subnet: str | None = None
    default_subnet_pools: tuple[SubnetPool, ...] | None = None
    dns_bind_port: int | None = None
    firewall_driver: str | None = None
    netavark_plugin_dirs: Texts | None = None
    network_backend: str | None = None
    network_config_dir: str | None = None
    pasta_options: Texts | None = None


class Engine(NamedTuple):
    """[engine]: how the engine itself works."""

    add_compression: Texts | None = None
    cdi_spec_dirs: Texts | None = None
    cgroup_manager: str | None = None
    chown_copied_files: bool | None = None
    compat_api_enforce_docker_hub: bool | None = None
    compose_providers: Texts | None = None
    compose_warning_logs: bool | None = None
    compression_format: str | None = None
    compression_level: int | None = None
    conmon_env_vars: Texts | None = None
    conmon_path: Texts | None = None
    detach_keys: str | None = None
    enable_port_reservation: bool | None = None
    env: Texts | None = None
    events_container_create_inspect_data: bool | None = None
    events_logfile_max_size_bytes: int | None = None
    events_logfile_path: str | None = None
    events_logger: str | None = None
    exit_command_delay_s: float | None = None
    healthcheck_events: bool | None = None
    helper_binaries_dir: Texts | None = None
    hooks_dir: Texts | None = None
    image_copy_tmp_dir: str | None = None
    image_default_format: str | None = None
    image_default_transport: str | None = None
    image_parallel_copies: int | None = None
    image_volume_mode: str | None = None
    infra_command: str | None = None
    infra_image: str | None = None
    init_path: str | None = None
    kube_generate_type: str | None = None
    multi_image_archive: bool | None = None
    network_cmd_options: Texts | None = None
    network_cmd_path: str | None = None
    no_pivot_root: bool | None = None
    platform_to_oci_runtime: dict[str, str] | None = None
    pod_exit_policy: str | None = None
    pull_policy: str | None = None
    retry: int | None = None
    retry_delay_s: float | None = None
    runtime: str | None = None
    runtimes: dict[str, Texts] | None = None
    service_timeout_s: float | None = None
    stop_timeout_s: float | None = None
    volume_path: str | None = None
    volume_plugins: dict[str, str] | None = None


class Store(NamedTuple):
    """[secrets] and [configmaps]: which driver keeps them, and its options."""

    driver: str | None = None
    opts: dict[str, str] | None = None


class ContainersConfig(NamedTuple):
    """All containers.conf files together.

    `unknown` has `FILE: KEY` for all that dacha does not use; vendor's files are not counted.
    """

    containers: Containers = Containers()
    engine: Engine = Engine()
    network: Network = Network()
    secrets: Store = Store()
    configmaps: Store = Store()
    unknown: Texts = ()
    files: Texts = ()


# What can stand for a key, and nothing else.
_CHOICES: dict[str, Texts] = {
    "containers.cgroups": ("enabled", "disabled", "no-conmon", "split"),
    "containers.log_driver": (
        "",
        "k8s-file",
        "json-file",
        "journald",
        "none",
        "passthrough",
        "passthrough-tty",
    ),
    "engine.cgroup_manager": ("systemd", "cgroupfs"),
    "engine.compression_format": ("", "gzip", "zstd", "zstd:chunked"),
    "engine.events_logger": ("", "file", "journald", "none"),
    "engine.image_default_format": ("", "oci", "v2s2", "v2s1"),
    "engine.image_volume_mode": ("", "bind", "anonymous", "tmpfs", "ignore"),
    "engine.pod_exit_policy": ("", "continue", "stop"),
    "engine.pull_policy": ("", "always", "missing", "never", "newer", "ifnewer", "ifmissing", "ifnotpresent"),
    "network.default_rootless_network_cmd": ("", "pasta", "slirp4netns"),
    "network.firewall_driver": ("", "nftables", "iptables", "firewalld", "none"),
    "network.network_backend": ("", "netavark", "cni"),
}
_RANGES: dict[str, tuple[int, int]] = {
    "containers.oom_score_adj": (-1000, 1000),
    "containers.userns_size": (0, 1 << 32),
    "engine.image_parallel_copies": (0, 1000),
    "engine.retry": (0, 1000),
    "network.dns_bind_port": (0, 65535),
}
_SIZES = ("events_logfile_max_size", "shm_size")
# Of other programs: podman machine, its remote clients and its own database.
_OTHER_TABLES = ("machine", "farms", "podmansh")
_PODMANS_OWN = {
    "containers": ("label_users",),
    "network": ("cni_plugin_dirs",),
    "engine": (
        "active_service",
        "cgroup_check",
        "conmonrs_path",
        "database_backend",
        "image_build_format",
        "lock_type",
        "namespace",
        "num_locks",
        "podmansh_timeout",
        "remote",
        "remote_identity",
        "remote_uri",
        "runtime_path",
        "runtime_supports_json",
        "runtime_supports_kvm",
        "runtime_supports_nocgroup",
        "runtime_supports_nocgroups",
        "runtimes_flags",
        "service_destinations",
        "ssh_config",
        "static_dir",
        "tmp_dir",
        "volume_plugin_timeout",
    ),
}

_T = TypeVar("_T", Containers, Network, Engine, Store)


def load_containers_config(modules: Texts = ()) -> ContainersConfig:
    """Read containers.conf, its drop-ins and `modules` (what --module names). Raises ConfigError."""
    config = ContainersConfig()
    arrays = Arrays()
    for file in places.containers_conf(modules):
        content = read_toml(file)
        if content is not None:
            config = _merge(config, Table(file, content), arrays)
    return config


def _merge(before: ContainersConfig, top: Table, arrays: Arrays) -> ContainersConfig:
    """What a file says on top of what the files before it said."""
    top.ignore(*_OTHER_TABLES)
    merged = before._replace(
        containers=_merge_table(before.containers, top.table("containers"), arrays),
        engine=_merge_table(before.engine, top.table("engine"), arrays),
        network=_merge_table(before.network, top.table("network"), arrays),
        secrets=_merge_table(before.secrets, top.table("secrets"), arrays),
        configmaps=_merge_table(before.configmaps, top.table("configmaps"), arrays),
        files=(*before.files, top.file),
    )
    is_vendors = top.file.startswith(places.SHIPPED + "/")
    return merged if is_vendors else merged._replace(unknown=before.unknown + top.unknown())


def _merge_table(before: _T, table: Table, arrays: Arrays) -> _T:
    found: dict[str, Any] = {}
    for field, annotation in get_type_hints(type(before)).items():
        kind = next(each for each in get_args(annotation) if each is not NoneType)
        key = field.removesuffix("_bytes").removesuffix("_s") if kind in (int, float) else field
        if kind == Texts:
            value: Any = arrays.merge(table, key, getattr(before, field))
        else:
            value = _READERS[kind](table, key)
        if isinstance(value, dict):
            value = (getattr(before, field) or {}) | value
        if value is not None:
            found[field] = value
    table.ignore(*_PODMANS_OWN.get(table.name, ()))
    return before._replace(**found)


def _read_text(table: Table, key: str) -> str | None:
    text = table.text(key, choices=_CHOICES.get(table.full_key(key), ()))
    if key == "umask" and text and (set(text) - set("01234567") or len(text) > 4):
        raise table.wrong(key, f"'{text}' is no umask: write octal digits, such as 0022")
    return text


def _read_number(table: Table, key: str) -> int | None:
    """A number, or a size with its unit."""
    if key in _SIZES and table.is_text(key):
        text = table.text(key) or ""
        try:
            return parse_size(text) if text else None
        except ValueError as error:
            raise table.wrong(key, str(error)) from error
    least, most = _RANGES.get(table.full_key(key), (None, None))
    return table.number(key, least=least, most=most)


def _read_seconds(table: Table, key: str) -> float | None:
    """Seconds as a number, or a duration with its unit."""
    if not table.is_text(key):
        seconds = table.number(key, least=0)
        return None if seconds is None else float(seconds)
    text = table.text(key) or ""
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise table.wrong(key, str(error)) from error


def _read_pools(table: Table, key: str) -> tuple[SubnetPool, ...] | None:
    if key not in table:
        return None
    pools = []
    for each in table.tables(key):
        base, size = each.text("base"), each.number("size", least=1, most=128)
        if base is None or size is None:
            raise each.wrong("base" if base is None else "size", "is missing")
        pools.append(SubnetPool(base, size))
    return tuple(pools)


def _read_runtimes(table: Table, key: str) -> dict[str, Texts] | None:
    """[engine.runtimes]: for each runtime the paths it may have."""
    if key not in table:
        return None
    runtimes = table.table(key)
    return {name: runtimes.texts(name) or () for name in runtimes.names()}


_READERS: dict[Any, Callable[[Table, str], Any]] = {
    str: _read_text,
    bool: Table.flag,
    int: _read_number,
    float: _read_seconds,
    tuple[SubnetPool, ...]: _read_pools,
    dict[str, str]: Table.mapping,
    dict[str, Texts]: _read_runtimes,
}
