"""One box: whether all that it is made of is there."""

from __future__ import annotations

import os

from dacha.box.doctor.base import Check, Verdict, failed, noted, passed
from dacha.box.doctor.host import Host
from dacha.box.doctor.patient import Patient

_UNKNOWN = "not known"


def _patient(host: Host) -> Patient:
    assert host.patient is not None  # noqa: S101  (these checks are only run for a box)
    return host.patient


def _record(host: Host) -> Verdict:
    patient = _patient(host)
    if patient.box is None:
        return failed(patient.error)
    return passed(f"{patient.box.id[:12]}, of {patient.box.image_name}")


def _state(host: Host) -> Verdict:
    patient = _patient(host)
    if patient.pid:
        return passed(f"running, init {patient.pid}")
    if patient.was_running:
        return noted("stopped; its last run did not end well, which its next start clears up")
    return passed("stopped")


def _image(host: Host) -> Verdict:
    patient = _patient(host)
    if patient.box is None:
        return noted(_UNKNOWN)
    if not patient.has_image:
        return failed(f"{patient.box.image_name} is gone", f"dacha image load {patient.box.image_name}")
    missing = [each for each in patient.lowers if not os.path.isdir(f"{host.store}/{each}")]
    if not missing:
        return passed(f"{patient.box.image_name}, layers: {len(patient.lowers)}")
    again = f"dacha create --name {patient.name}-2 --image {patient.box.image_name}"
    return failed(f"{len(missing)} of {len(patient.lowers)} layers are gone: {missing[0]}", again)


def _upper(host: Host) -> Verdict:
    patient = _patient(host)
    if patient.box is None:
        return noted(_UNKNOWN)
    if not os.path.lexists(f"{host.store}/{patient.box.directory}/{patient.own}"):
        return passed("comes with its first start")
    trial = host.answers.trial("box upper")
    if not trial.was_done:
        return noted("could not be looked at: see above for what keeps it from that")
    again = f"dacha rm {patient.name} && dacha create {patient.name} --image {patient.box.image_name}"
    if trial.error:
        return failed(trial.error, again)
    if trial.value != str(patient.root):
        return failed("belongs to ids that are not yours any more (see subordinate uids)", again)
    return passed("writable")


def _shell(host: Host) -> Verdict:
    patient = _patient(host)
    trial = host.answers.trial("box shell")
    if not trial.works:
        return noted(f"could not be looked for: {trial.reason}")
    if not trial.value:
        return failed("none", f"dacha run {patient.name} -- COMMAND", cost="no shell can be opened in it")
    wanted = host.account.shell
    if trial.value != wanted:
        return noted(f"{trial.value}, since {wanted} is not installed in it")
    return passed(trial.value)


def _volumes(host: Host) -> Verdict:
    patient = _patient(host)
    volumes = patient.box.volumes if patient.box is not None else ()
    missing = [volume.source for volume in volumes if not (volume.is_of_store or host.exists(volume.source))]
    if missing:
        return failed(f"gone: {', '.join(missing)}", f"mkdir -p {' '.join(missing)}")
    return passed(", ".join(volume.target for volume in volumes) or "none")


CHECKS = (
    Check("box", "record", "Whether the store knows the box.", "the box cannot be used", _record, stops=True),
    Check("box", "state", "Whether it runs.", "", _state),
    Check(
        "box",
        "image",
        "Whether its image and all layers are in the store, and your delta of them.",
        "the box cannot start",
        _image,
        stops=True,
    ),
    Check(
        "box",
        "upper layer",
        "What was changed in the box: it must be writable, and belong to the ids that you have now.",
        "the box cannot start, or its root cannot change it",
        _upper,
        stops=True,
    ),
    Check("box", "shell", "Your shell, or another that the box has.", "", _shell),
    Check(
        "box",
        "volumes",
        "Whether the sources of its volumes exist.",
        "the box cannot start",
        _volumes,
        stops=True,
    ),
)
