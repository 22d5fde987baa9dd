"""containers.conf(5)."""

from __future__ import annotations

import pytest

from dacha.config.containers import ContainersConfig, SubnetPool, load_containers_config
from dacha.config.reading import ConfigError
from tests.unit.config.conftest import Host

FULL = """
[containers]
annotations = ["run.oci.keep_original_groups=1"]
default_ulimits = ["nofile=1024:2048"]
init = true
label = false
log_size_max = -1
oom_score_adj = -500
pids_limit = 0
shm_size = "65536k"
umask = "0022"
userns = "keep-id"
userns_size = 65536
[network]
default_rootless_network_cmd = "pasta"
default_subnet_pools = [{"base" = "10.89.0.0/16", "size" = 24}, {base = "10.90.0.0/15", size = 24}]
pasta_options = ["-a", "10.0.2.0"]
[engine]
image_parallel_copies = 4
retry = 5
retry_delay = "1m30s"
runtimes = {crun = ["/usr/bin/crun"]}
stop_timeout = 3
events_logfile_max_size = "1m"
num_locks = 2048
[engine.runtimes]
runc = ["/usr/bin/runc"]
[secrets]
driver = "pass"
opts = {key = "k"}
[machine]
cpus = 2
"""


def load(host: Host, text: str) -> ContainersConfig:
    host.write(host.user / "containers.conf", text)
    return load_containers_config()


def test_without_files_nothing_is_set(host: Host) -> None:
    assert load_containers_config() == ContainersConfig()


def test_values_have_their_types_and_units(host: Host) -> None:
    found = load(host, FULL.replace('runtimes = {crun = ["/usr/bin/crun"]}\n', ""))
    containers, engine, network = found.containers, found.engine, found.network
    assert containers.annotations == ("run.oci.keep_original_groups=1",)
    assert (containers.init, containers.label, containers.pids_limit) == (True, False, 0)
    assert (containers.log_size_max_bytes, containers.shm_size_bytes) == (-1, 64 << 20)
    assert (containers.umask, containers.userns, containers.userns_size) == ("0022", "keep-id", 65536)
    assert containers.env is None
    assert network.default_subnet_pools == (SubnetPool("10.89.0.0/16", 24), SubnetPool("10.90.0.0/15", 24))
    assert (engine.retry, engine.retry_delay_s, engine.stop_timeout_s) == (5, 90.0, 3.0)
    assert engine.runtimes == {"runc": ("/usr/bin/runc",)}
    assert engine.events_logfile_max_size_bytes == 1 << 20
    assert found.secrets == ("pass", {"key": "k"})
    assert found.unknown == ()


def test_files_are_read_in_order_and_merged_by_key(host: Host) -> None:
    files = [
        host.shipped / "containers.conf",
        host.system / "containers.conf",
        host.system / "containers.conf.d/a.conf",
        host.system / "containers.conf.d/b.conf",
        host.system / "containers.rootless.conf",
        host.system / "containers.rootless.conf.d/a.conf",
        host.system / "containers.rootless.conf.d/1000/a.conf",
        host.user / "containers.conf",
        host.user / "containers.conf.d/a.conf",
        host.user / "containers.conf.d/b.conf",
    ]
    for number, file in enumerate(files):
        host.write(file, f"[containers]\ntz = 'zone{number}'\ndns_options = ['o{number}', {{append=true}}]\n")
    host.write(host.system / "containers.rootless.conf.d/1001/a.conf", "[containers]\ntz = 'no'")
    host.write(host.user / "containers.conf.d/c.txt", "[containers]\ntz = 'no'")
    found = load_containers_config()
    assert found.files == tuple(map(str, files))
    assert found.containers.tz == "zone9"
    assert found.containers.dns_options == tuple(f"o{number}" for number in range(10))


def test_variables_and_modules(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(host.user / "containers.conf", "[containers]\ntz = 'user'\ninit = true")
    named = host.write(host.home / "named.conf", "[containers]\ntz = 'named'")
    last = host.write(host.home / "last.conf", "[containers]\numask = '077'")
    host.write(host.system / "containers.conf.modules/m.conf", "[containers]\ntz = 'module'\numask = '027'")
    assert load_containers_config(("m.conf",)).containers.tz == "module"
    host.write(host.user / "containers.conf.modules/m.conf", "[containers]\ntz = 'nearer'")
    assert load_containers_config(("m.conf",)).containers.tz == "nearer"
    monkeypatch.setenv("CONTAINERS_CONF_OVERRIDE", str(last))
    found = load_containers_config((str(named),)).containers
    assert (found.tz, found.init, found.umask) == ("named", True, "077")
    monkeypatch.setenv("CONTAINERS_CONF", str(named))
    found = load_containers_config().containers
    assert (found.tz, found.init, found.umask) == ("named", None, "077")
    monkeypatch.setenv("CONTAINERS_CONF", "/dev/null")
    assert load_containers_config().containers.tz is None
    with pytest.raises(ConfigError, match=r"none\.conf: is no module"):
        load_containers_config(("none.conf",))
    monkeypatch.setenv("CONTAINERS_CONF_OVERRIDE", "/nowhere")
    with pytest.raises(ConfigError, match=r"\$CONTAINERS_CONF_OVERRIDE names it"):
        load_containers_config()


def test_maps_are_merged(host: Host) -> None:
    host.write(host.user / "containers.conf", "[engine.runtimes]\na = ['/a']\nb = ['/b']")
    host.write(host.user / "containers.conf.d/x.conf", "[engine.runtimes]\nb = ['/c']")
    assert load_containers_config().engine.runtimes == {"a": ("/a",), "b": ("/c",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[containers]\nshm_size = 'big'", "containers.shm_size: 'big' is no size"),
        ("[containers]\numask = '9'", "containers.umask: '9' is no umask"),
        ("[containers]\ncgroups = 'on'", "'on' is none of enabled, disabled"),
        ("[containers]\noom_score_adj = 2000", "must be from -1000 to 1000, not 2000"),
        ("[containers]\nenv = 'A=1'", "containers.env: must be an array of strings"),
        ("[engine]\npull_policy = 'sometimes'", "engine.pull_policy: 'sometimes' is none of"),
        ("[engine]\nretry_delay = '5'", "engine.retry_delay: '5' is no duration"),
        ("[engine]\nretry = '3'", "engine.retry: must be a whole number, not '3'"),
        ("[engine.runtimes]\ncrun = '/usr/bin/crun'", "engine.runtimes.crun: must be an array"),
        ("[network]\ndefault_subnet_pools = [{base = '10.0.0.0/8'}]", r"pools\[1\]\.size: is missing"),
        ("[network]\ndns_bind_port = 70000", "must be from 0 to 65535"),
        ("[secrets]\nopts = {a = 1}", "secrets.opts.a: must be a string"),
    ],
)
def test_mistakes_are_said_with_their_place(host: Host, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(host, text)
    assert str(caught.value).startswith(f"{host.user}/containers.conf: ")


def test_unknown_keys_are_returned_but_not_the_vendors(host: Host) -> None:
    host.write(host.shipped / "containers.conf", "[engine]\nnew = 1")
    found = load(host, "top = 1\n[containers]\ntzz = 'x'\n[engine]\nlock_type = 'shm'")
    assert found.unknown == (
        f"{host.user}/containers.conf: top",
        f"{host.user}/containers.conf: containers.tzz",
    )
