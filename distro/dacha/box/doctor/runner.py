"""Run checks on the host that this is."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dacha import paths
from dacha.box.doctor import ALL
from dacha.box.doctor.base import FAIL, STATUSES, WARN, Check, Finding
from dacha.box.doctor.host import Host
from dacha.box.doctor.probes import LiveAnswers
from dacha.errors import DachaError
from dacha.linux import account
from dacha.linux.account import Account


def this_host(*, box: str = "", is_eager: bool = True) -> Host:
    """The host, and the box of that name, if one is given. Raises BoxNotFoundError.

    `is_eager` starts all probes at once; without it each waits until a check needs it.
    """
    error = ""
    try:
        caller = account.calling_account()
    except DachaError as unknown:
        error, caller = str(unknown), _made_up_account()
    store, runtime = paths.data_root(), paths.runtime_root()
    answers = LiveAnswers(caller, store, runtime)
    if box:
        from dacha.box.doctor import patient

        if answers.place("store") is None:
            answers.patient = patient.Patient(box, error=f"{store} does not answer")
        else:
            answers.patient = patient.call(box, caller)
    if is_eager:
        answers.start()
    return Host(
        environment=os.environ,
        account=caller,
        account_error=error,
        store=store,
        runtime=runtime,
        answers=answers,
        patient=answers.patient,
    )


def _made_up_account() -> Account:
    uid, gid = os.getuid(), os.getgid()
    return Account(str(uid), uid, gid, str(gid), "", os.environ.get("HOME", "/"), "/bin/sh")


def examine(host: Host, checks: Iterable[Check] = ()) -> list[Finding]:
    """What the checks find; all that there are unless some are given. Raises nothing for a broken host."""
    chosen = tuple(checks)
    if not chosen:
        chosen = ALL
        if host.patient is not None:
            from dacha.box.doctor import box

            chosen += box.CHECKS
    return [_find(check, host) for check in chosen]


def _find(check: Check, host: Host) -> Finding:
    try:
        return check.find(host)
    except Exception as error:  # a bug of the check's must not hide what the others find
        if os.environ.get("DACHA_DEBUG"):
            raise
        detail = f"could not be checked: {type(error).__name__}: {error}"
        return Finding(check.subject, check.name, WARN, detail, "nothing is known about it", "")


def worst(findings: Iterable[Finding]) -> str:
    """The worst status of all."""
    return max((finding.status for finding in findings), key=STATUSES.index, default=STATUSES[0])


def has_failed(findings: Iterable[Finding]) -> bool:
    """Whether something keeps boxes from working."""
    return any(finding.status == FAIL for finding in findings)
