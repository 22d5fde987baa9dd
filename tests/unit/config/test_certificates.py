"""containers-certs.d(5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.config.certificates import Certificates, certificates_for
from dacha.config.reading import ConfigError
from tests.unit.config.conftest import Host


def fill(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).touch()
    return directory


def test_without_a_directory_there_is_nothing(host: Host) -> None:
    for name in ("my.com:5000", "", "..", "a/../b"):
        assert certificates_for(name) == Certificates()


def test_the_directory_of_the_manual_page(host: Host) -> None:
    found = fill(
        host.system / "certs.d/my.com:5000", "client.cert", "client.key", "ca.crt", "b.crt", "README"
    )
    assert certificates_for("my.com:5000") == Certificates(
        (f"{found}/b.crt", f"{found}/ca.crt"), f"{found}/client.cert", f"{found}/client.key"
    )
    assert certificates_for("my.com") == Certificates()


def test_the_nearest_directory_alone_counts(host: Host) -> None:
    docker = fill(host.system.parent / "docker/certs.d/r.io", "d.crt")
    assert certificates_for("r.io").ca_files == (f"{docker}/d.crt",)
    fill(host.system / "certs.d/r.io", "s.crt")
    own = fill(host.user / "certs.d/r.io", "u.crt")
    assert certificates_for("r.io") == Certificates((f"{own}/u.crt",))


def test_a_directory_can_be_named(host: Host) -> None:
    named = fill(host.home / "certs", "ca.crt")
    assert certificates_for("r.io", cert_dir=str(named)).ca_files == (f"{named}/ca.crt",)
    with pytest.raises(ConfigError, match="cannot be listed"):
        certificates_for("r.io", cert_dir=str(host.home / "none"))


@pytest.mark.parametrize(("there", "missing"), [("client.cert", "client.key"), ("client.key", "client.cert")])
def test_half_a_pair_is_an_error(host: Host, there: str, missing: str) -> None:
    fill(host.user / "certs.d/r.io", there)
    with pytest.raises(ConfigError, match=f"has no {missing} beside it"):
        certificates_for("r.io")
