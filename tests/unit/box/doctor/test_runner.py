"""The checks together: on this host, on one where nothing is as it should be, and with a bug in one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dacha.box.doctor import ALL, box, probes, runner, trials
from dacha.box.doctor.base import STATUSES, Check, Verdict
from dacha.box.doctor.host import Host
from dacha.box.doctor.patient import Patient
from dacha.box.doctor.probes import LiveAnswers
from dacha.errors import DachaError
from dacha.linux import account, sockets
from dacha.linux.probe import Steps
from dacha.linux.sockets import Reply
from tests.lib.hosts import ALEX, NOT_REACHED, HostMaker, place, refused


def test_names_are_unique_and_every_check_is_told() -> None:
    names = [(check.subject, check.name) for check in (*ALL, *box.CHECKS)]
    assert len(set(names)) == len(names)
    assert all(check.meaning.endswith(".") for check in ALL)


def test_a_host_in_good_order_has_no_failure(host: HostMaker) -> None:
    findings = runner.examine(host.make())
    assert [(finding.subject, finding.name) for finding in findings] == [
        (check.subject, check.name) for check in ALL
    ]
    assert not runner.has_failed(findings)


@pytest.mark.parametrize("nothing", [NOT_REACHED, refused("Operation not permitted")])
def test_nothing_is_raised_where_nothing_is_there(host: HostMaker, nothing: object) -> None:
    for file in list(host.base.rglob("*")):
        if file.is_file():
            file.unlink()
    answers = host.answers
    answers.trials = dict.fromkeys(answers.trials, nothing)  # type: ignore[arg-type]  # both are trials
    answers.places = dict.fromkeys(answers.places)
    answers.programs = {}
    host.environment = {"DISPLAY": ":0", "SSH_AUTH_SOCK": "x", "DBUS_SESSION_BUS_ADDRESS": ";;unix:"}
    host.patient = Patient("work", error="gone")
    findings = runner.examine(host.make())
    assert runner.has_failed(findings)
    assert not [finding for finding in findings if "could not be checked" in finding.detail]
    assert all(finding.status in STATUSES for finding in findings)
    assert all(finding.cost for finding in findings if finding.status in ("warn", "fail"))


def test_a_bug_in_a_check_hides_no_other(host: HostMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_host: Host) -> Verdict:
        raise ValueError("a bug")

    check = Check("kernel", "broken", "It breaks.", "", broken)
    (found,) = runner.examine(host.make(), [check])
    assert (found.status, found.detail) == ("warn", "could not be checked: ValueError: a bug")
    monkeypatch.setenv("DACHA_DEBUG", "1")
    with pytest.raises(ValueError, match="a bug"):
        runner.examine(host.make(), [check])


def test_the_worst_status_is_the_whole() -> None:
    assert runner.worst([]) == "pass"


@pytest.fixture
def live(store: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """This host, with a store of the test's own."""
    store.mkdir()
    monkeypatch.delenv("DACHA_DEBUG", raising=False)
    return runner.this_host()


def test_this_host_is_examined_in_time_and_left_as_it_was(live: Host, store: Path) -> None:
    started = time.monotonic()
    findings = runner.examine(live)
    assert time.monotonic() - started < 5
    assert not [finding for finding in findings if "could not be checked" in finding.detail]
    assert [path.name for path in store.rglob("*")] in ([], ["staging"])


def test_a_user_nobody_knows_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> account.Account:
        raise DachaError("no account has the user id 4711")

    monkeypatch.setattr(account, "calling_account", unknown)
    host = runner.this_host(is_eager=False)
    assert host.account_error == "no account has the user id 4711"
    assert host.account.uid == os.getuid()


def test_without_a_store_the_place_where_it_will_be_is_tried(tmp_path: Path) -> None:
    answers = LiveAnswers(account.calling_account(), f"{tmp_path}/a/b/store", f"{tmp_path}/run")
    assert answers.trial("directory").works
    assert answers.trial("xattr").was_done
    place = answers.place("store")
    assert place is not None
    assert (place.exists, place.real) == (False, os.path.realpath(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_a_place_that_is_closed_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("is for an ordinary user: nothing is closed to root")
    tmp_path.chmod(0o500)
    answers = LiveAnswers(account.calling_account(), f"{tmp_path}/store", f"{tmp_path}/run")
    assert answers.trial("directory").error == "Permission denied"
    assert not answers.trial("overlay").was_done
    tmp_path.chmod(0o700)


def test_everything_that_hangs_ends_at_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("crun", "conmon", "tar"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho tells nothing\nexec sleep 60\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    started = time.monotonic()
    answers = LiveAnswers(ALEX, f"{tmp_path}/store", f"{tmp_path}/run", timeout_s=0.3)
    answers.start()
    for name in ("crun", "conmon", "tar"):
        program_found = answers.program(name)
        assert program_found is not None
        assert program_found.exit_code is None
    assert time.monotonic() - started < 3


def test_a_file_server_that_is_gone_holds_nothing_up(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object) -> Steps:
        yield "runtime", tuple(place("/run"))
        time.sleep(60)

    monkeypatch.setattr(probes, "look_at_places", hang)
    monkeypatch.setattr(trials, "try_store", hang)
    monkeypatch.setattr(LiveAnswers.__init__, "__defaults__", (0.3,))
    started = time.monotonic()
    host = runner.this_host(box="work")
    assert host.patient is not None
    assert host.patient.error == f"{store} does not answer"
    findings = {f"{each.subject}: {each.name}": each.status for each in runner.examine(host)}
    assert time.monotonic() - started < 3
    assert findings["store: directory"] == findings["box: record"] == "fail"
    assert findings["store: overlayfs"] == "info"


def test_helpers_rights_are_read_from_their_files() -> None:
    answers = LiveAnswers(ALEX, "/nowhere", "/nowhere")
    for name in ("newuidmap", "newgidmap"):
        found = answers.program(name)
        if found is None:
            pytest.skip(f"needs {name}")
        assert found.is_setuid_root or found.capabilities
    assert answers.program("no-such-program") is None


@pytest.mark.parametrize(
    ("text", "address"), [("/tmp/x", "/tmp/x"), ("@x", "\0x"), ("tcp:6010", ("127.0.0.1", 6010))]
)
def test_addresses_of_sockets(monkeypatch: pytest.MonkeyPatch, text: str, address: object) -> None:
    asked: list[object] = []

    def ask(where: object, _data: bytes, *, wants_reply: bool, timeout_s: float) -> Reply:
        asked.append((where, wants_reply))
        assert 0 < timeout_s <= 1
        return Reply("")

    monkeypatch.setattr(sockets, "ask", ask)
    LiveAnswers(ALEX, "/nowhere", "/nowhere").reply(text)
    assert asked == [(address, False)]
