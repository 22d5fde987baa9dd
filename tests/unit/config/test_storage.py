"""storage.conf(5)."""

from __future__ import annotations

import pytest

from dacha.config import places
from dacha.config.reading import ConfigError
from dacha.config.storage import DriverOptions, StorageConfig, load_storage_config
from tests.unit.config.conftest import Host

FULL = """
[storage]
driver = "overlay"
graphroot = "$HOME/big/storage"
runroot = "/run/user/$UID/containers"
[storage.options]
additionalimagestores = ["/srv/images"]
size = "5G"
mountopt = "nodev"
ignore_chown_errors = "true"
[storage.options.overlay]
mount_program = "/usr/bin/fuse-overlayfs"
mountopt = "nodev, metacopy=on"
size = ""
[storage.options.pull_options]
enable_partial_images = "true"
"""


def load(host: Host, text: str) -> StorageConfig:
    host.write(host.user / "storage.conf", text)
    return load_storage_config()


def test_without_files_nothing_is_set(host: Host) -> None:
    assert load_storage_config() == StorageConfig()
    assert load_storage_config().for_driver("overlay") == DriverOptions()


def test_all_that_fits_is_read(host: Host) -> None:
    found = load(host, FULL)
    assert (found.driver, found.graphroot) == ("overlay", f"{host.home}/big/storage")
    assert found.runroot == "/run/user/1000/containers"
    assert found.additionalimagestores == ("/srv/images",)
    assert found.for_driver("overlay") == DriverOptions(
        "/usr/bin/fuse-overlayfs", ("nodev", "metacopy=on"), True, 5 << 30
    )
    assert found.for_driver("zfs") == DriverOptions(None, ("nodev",), True, 5 << 30)
    assert found.unknown == ()


def test_only_the_nearest_main_file_is_read_but_all_drop_ins(host: Host) -> None:
    host.write(host.shipped / "storage.conf", "[storage]\ndriver = 'btrfs'")
    assert load_storage_config().driver == "btrfs"
    host.write(host.system / "storage.conf", "[storage.options]\nsize = '1g'")
    assert load_storage_config().driver == ""
    host.write(
        host.shipped / "storage.conf.d/10.conf", "[storage]\ndriver = 'vfs'\n[storage.options]\nsize = '2g'"
    )
    host.write(
        host.system / "storage.rootless.conf.d/20.conf", "[storage]\ndriver = 'overlay'\ngraphroot = '/r'"
    )
    host.write(host.system / "storage.rootless.conf.d/1000/30.conf", "[storage]\ngraphroot = '/r/1000'")
    host.write(host.system / "storage.rootless.conf.d/1001/40.conf", "[storage]\ngraphroot = '/r/1001'")
    host.write(host.system / "storage.rootful.conf.d/50.conf", "[storage]\ngraphroot = '/root'")
    found = load_storage_config()
    assert (found.driver, found.graphroot, found.for_driver("vfs").size_bytes) == (
        "overlay",
        "/r/1000",
        2 << 30,
    )
    host.write(host.user / "storage.conf.d/10.conf", "")  # hides the vendor's of that name
    assert load_storage_config().for_driver("vfs").size_bytes == 1 << 30


def test_roots_directories_are_not_the_users(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(
        host.system / "storage.conf",
        "[storage]\ndriver = 'zfs'\ngraphroot = '/var/lib/containers/storage'\nrunroot = '/run/containers'\n"
        "rootless_storage_path = '/fast/$UID'",
    )
    found = load_storage_config()
    assert (found.driver, found.graphroot, found.runroot) == ("", "/fast/1000", "")
    for module in (places, __import__("dacha.config.storage", fromlist=["_"])):
        monkeypatch.setattr(module, "is_rootful", lambda: True)
    found = load_storage_config()
    assert (found.driver, found.graphroot, found.runroot) == (
        "zfs",
        "/var/lib/containers/storage",
        "/run/containers",
    )


def test_the_environment_goes_first(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(host.user / "storage.conf", FULL)
    monkeypatch.setenv("STORAGE_DRIVER", "vfs")
    monkeypatch.setenv(
        "STORAGE_OPTS",
        "overlay.mount_program=/bin/f,overlay.mountopt=nodev,ro,size=1m,.imagestore=/more,overlay.sync=filesystem",
    )
    found = load_storage_config()
    assert found.driver == "vfs"
    assert found.additionalimagestores == ("/srv/images", "/more")
    assert found.for_driver("overlay") == DriverOptions("/bin/f", ("nodev", "ro"), True, 1 << 20)
    assert found.unknown == ("STORAGE_OPTS: overlay.sync",)
    named = host.write(host.home / "s.conf", "[storage]\ndriver = 'btrfs'\ngraphroot = '/g'")
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(named))
    monkeypatch.delenv("STORAGE_DRIVER")
    assert load_storage_config().files == (str(named),)
    assert load_storage_config().driver == "btrfs"


def test_stores_can_be_appended(host: Host) -> None:
    host.write(host.user / "storage.conf", "[storage.options]\nadditionalimagestores = ['/a']")
    host.write(
        host.user / "storage.conf.d/1.conf",
        "[storage.options]\nadditionalimagestores = ['/b', {append=true}]",
    )
    assert load_storage_config().additionalimagestores == ("/a", "/b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[storage]\ndriver = 'aufs'", "'aufs' is no storage driver of dacha"),
        ("[storage]\ngraphroot = 'here'", "storage.graphroot: 'here' is no absolute path"),
        ("[storage]\ngraphroot = '$NOWHERE/x'", r"storage.graphroot: '\$NOWHERE/x' is no absolute path"),
        ("[storage.options]\nsize = 'big'", "storage.options.size: 'big' is no size"),
        ("[storage.options.overlay]\nignore_chown_errors = 'yes'", "ignore_chown_errors: must be"),
        ("[storage]\ngraphroot = '/a'\nimagestore = '/a'", "imagestore: must be another directory"),
        ("storage = 1", "storage: must be a table"),
    ],
)
def test_mistakes_are_said_with_their_place(host: Host, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(host, text)


@pytest.mark.parametrize("text", ["overlay", "=", ",", "overlay.size"])
def test_options_that_are_none_are_refused(host: Host, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STORAGE_OPTS", text)
    with pytest.raises(ConfigError, match="STORAGE_OPTS"):
        load_storage_config()


def test_unknown_keys_are_returned_but_not_the_vendors(host: Host) -> None:
    host.write(host.shipped / "storage.conf.d/v.conf", "[storage]\nnew = 1")
    found = load(host, "[storage]\ndrivr = 'vfs'\n[storage.options.overlay]\nforce_mask = '700'")
    assert found.unknown == (
        f"{host.user}/storage.conf: storage.drivr",
        f"{host.user}/storage.conf: storage.options.overlay.force_mask",
    )
