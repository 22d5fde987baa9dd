"""One box: whether all that it is made of is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dacha.box import definition
from dacha.box.definition import Box, Volume
from dacha.box.doctor import box, patient
from dacha.box.doctor.host import Trial
from dacha.box.doctor.patient import Patient
from dacha.errors import BoxNotFoundError
from dacha.storage import database
from tests.lib.hosts import ALEX, NOT_REACHED, HostMaker, refused

WORK = Box("0123456789abcdef", "work", "sha256:" + "1" * 64, "debian:trixie", 1.0, "", ())


@pytest.fixture
def work(host: HostMaker, tmp_path: Path) -> HostMaker:
    """A host with a box in good order."""
    store = tmp_path / "store"
    for directory in ("layers/a/shifted", "layers/b/shifted", f"boxes/{WORK.id}/upper"):
        (store / directory).mkdir(parents=True)
    host.store = str(store)
    host.patient = Patient(
        "work", box=WORK, has_image=True, lowers=("layers/b/shifted", "layers/a/shifted"), root=1
    )
    host.answers.trials["box upper"] = Trial(True, value="1")
    host.answers.trials["box shell"] = Trial(True, value="/bin/bash")
    return host


def change(host: HostMaker, **changes: object) -> None:
    assert host.patient is not None
    host.patient = host.patient._replace(**changes)  # type: ignore[arg-type]  # a test knows the fields


def test_a_whole_box_passes(work: HostMaker) -> None:
    assert {check.find(work.make()).status for check in box.CHECKS} == {"pass"}


def test_a_store_that_cannot_be_read_fails_and_raises_nowhere(work: HostMaker) -> None:
    work.patient = Patient("work", error="cannot open the store /x: database disk image is malformed")
    found = work.find(box.CHECKS, "record")
    assert (found.status, found.detail) == ("fail", work.patient.error)
    assert [check.find(work.make()).status for check in box.CHECKS].count("fail") == 1


def test_its_state_is_told(work: HostMaker) -> None:
    assert work.find(box.CHECKS, "state").detail == "stopped"
    change(work, was_running=True)
    assert work.find(box.CHECKS, "state").status == "info"
    change(work, pid=17)
    assert work.find(box.CHECKS, "state").detail == "running, init 17"


def test_missing_layers_are_counted(work: HostMaker) -> None:
    change(work, lowers=("layers/b/delta-1000-1000", "layers/b/shifted", "layers/a/shifted"))
    found = work.find(box.CHECKS, "image")
    assert (found.status, found.detail) == ("fail", "1 of 3 layers are gone: layers/b/delta-1000-1000")
    change(work, has_image=False)
    assert work.find(box.CHECKS, "image").fix == "dacha image load debian:trixie"


def test_the_upper_layer_must_be_ours_and_writable(work: HostMaker) -> None:
    work.answers.trials["box upper"] = Trial(True, value="65534")
    assert "ids that are not yours" in work.find(box.CHECKS, "upper layer").detail
    work.answers.trials["box upper"] = refused("Permission denied")
    assert work.find(box.CHECKS, "upper layer").status == "fail"
    work.answers.trials["box upper"] = NOT_REACHED
    assert work.find(box.CHECKS, "upper layer").status == "info"
    change(work, box=WORK._replace(id="f" * 16))
    assert work.find(box.CHECKS, "upper layer").detail == "comes with its first start"


def test_another_shell_does_and_none_does_not(work: HostMaker) -> None:
    work.answers.trials["box shell"] = Trial(True, value="/bin/sh")
    assert work.find(box.CHECKS, "shell").status == "info"
    work.answers.trials["box shell"] = Trial(True)
    assert work.find(box.CHECKS, "shell").status == "fail"


def test_volumes_that_are_gone_are_named(work: HostMaker) -> None:
    work.write("/srv/data/mark")
    volumes = (Volume("/srv/data", "/data"), Volume("/srv/gone", "/gone"))
    change(work, box=WORK._replace(volumes=volumes))
    found = work.find(box.CHECKS, "volumes")
    assert (found.status, found.detail, found.fix) == ("fail", "gone: /srv/gone", "mkdir -p /srv/gone")


def test_a_box_that_nobody_has_is_an_error_and_makes_no_store(store: Path) -> None:
    with pytest.raises(BoxNotFoundError):
        patient.call("work", ALEX)
    assert not store.exists()
    database.open_database().close()
    with pytest.raises(BoxNotFoundError):
        patient.call("work", ALEX)


def test_a_box_is_called_with_its_image_and_layers(store: Path) -> None:
    connection = database.open_database()
    with database.transaction(connection):
        connection.execute("INSERT INTO images VALUES (?, '{}', 'tar:x', 1.0)", (WORK.image,))
        definition.insert(connection, WORK)
    connection.close()
    found = patient.call("work", ALEX)
    assert (found.box, found.has_image, found.pid) == (WORK, True, 0)
    assert found.shells == ("/bin/bash", "/bin/sh")
    assert store.is_dir()


def test_a_damaged_database_is_a_finding(store: Path) -> None:
    store.mkdir()
    (store / "dacha.db").write_bytes(b"no database" * 1000)
    found = patient.call("work", ALEX)
    assert found.box is None
    assert "cannot open the store" in found.error
