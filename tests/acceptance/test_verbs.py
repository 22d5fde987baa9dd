"""What each verb does, prints and ends with."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.lib import processes
from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import DIR, Entry, write_layout

IMAGE = "alpine-test"  # the smaller one: here the verbs matter, not the system


def _out(dacha: Dacha, *args: str, **options: Any) -> str:
    return dacha.run(*args, check=True, **options).stdout.decode()


def _names(dacha: Dacha) -> list[str]:
    return _out(dacha, "list", "--quiet").split()


def _status(dacha: Dacha, name: str) -> str:
    [status] = [box["status"] for box in json.loads(_out(dacha, "list", "--json")) if box["name"] == name]
    return str(status)


def _details(dacha: Dacha, name: str) -> dict[str, Any]:
    [details] = json.loads(_out(dacha, "inspect", name))
    assert isinstance(details, dict)
    return details


def _refused(dacha: Dacha, *args: str, says: str, **options: Any) -> None:
    """The command fails as dacha fails: 125, nothing on stdout, one line of what, and a hint."""
    done = dacha.run(*args, **options)
    assert (done.returncode, done.stdout) == (125, b"")
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("dacha: ")
    assert says in lines[0]
    assert len(lines) == 2, lines
    assert lines[1].startswith("hint: ")


# --- create ---------------------------------------------------------------------------------------


def test_create_prints_the_name(dacha: Dacha) -> None:
    assert _out(dacha, "create", "work", "--image", IMAGE) == "work\n"
    assert _names(dacha) == ["work"]
    assert _status(dacha, "work") == "stopped"


def test_create_takes_the_name_from_an_option_as_distrobox_does(dacha: Dacha) -> None:
    assert _out(dacha, "create", "-n", "work", "-i", IMAGE) == "work\n"


def test_create_names_the_box_after_its_image(dacha: Dacha) -> None:
    assert _out(dacha, "create", "--image", IMAGE) == f"{IMAGE}\n"
    assert _out(dacha, "enter", IMAGE, "--", "echo", "hello") == "hello\n"


def test_create_takes_the_image_that_is_called_like_the_box(dacha: Dacha) -> None:
    _out(dacha, "create", IMAGE)
    assert _details(dacha, IMAGE)["image"] == IMAGE


@pytest.mark.parametrize("name", ["a", "A1", "0x", "a.b_c-d", "x" * 63])
def test_box_may_be_called(dacha: Dacha, name: str) -> None:
    assert _out(dacha, "create", name, "--image", IMAGE) == f"{name}\n"
    assert _out(dacha, "run", name, "--", "echo", "up") == "up\n"


@pytest.mark.parametrize("name", ["", "x" * 64, ".a", "_a", "a/b", "..", "a b", "ä", "a\nb", "a:b", "$a"])
def test_box_may_not_be_called(dacha: Dacha, name: str) -> None:
    _refused(dacha, "create", name, "--image", IMAGE, says="is no name for a box")
    assert _names(dacha) == []


def test_create_refuses_a_name_too_many(dacha: Dacha) -> None:
    done = dacha.run("create", "one", "two", "--image", IMAGE)
    assert done.returncode == 125
    assert b"two" in done.stderr
    assert _names(dacha) == []


def test_create_with_a_host_name(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE, "--hostname", "dev.example")
    script = "uname -n; cat /etc/hostname; getent hosts dev.example"
    found = _out(dacha, "run", "work", "--", "sh", "-c", script).split()
    assert found[:2] == ["dev.example", "dev.example"]
    assert "dev.example" in found[2:]
    assert _details(dacha, "work")["hostname"] == "dev.example"


@pytest.mark.parametrize("name", ["a b", "-a", "a_b", "x" * 65, "ä"])
def test_create_refuses_what_is_no_host_name(dacha: Dacha, name: str) -> None:
    _refused(dacha, "create", "work", "--image", IMAGE, f"--hostname={name}", says="is no host name")


def test_create_with_volumes(dacha: Dacha, tmp_path: Path) -> None:
    for name in ("read", "write", "same"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(name)
    (tmp_path / "file").write_text("a file")
    volumes = [
        f"{tmp_path}/read:/data/read:ro",
        f"{tmp_path}/write:/data/write",
        f"{tmp_path}/same:{tmp_path}/same",
        f"{tmp_path}/file:/etc/from-host",
    ]
    options = [word for volume in volumes for word in ("--volume", volume)]
    _out(dacha, "create", "work", "--image", IMAGE, *options)
    script = "cat /data/read/text /data/write/text /etc/from-host; echo new > /data/write/text"
    assert _out(dacha, "run", "work", "--", "sh", "-c", script) == "readwritea file"
    assert (tmp_path / "write" / "text").read_text() == "new\n"
    for command in ("touch /data/read/x", "sudo touch /data/read/x"):
        done = dacha.run("run", "work", "--", "sh", "-c", command)
        assert done.returncode != 0
        assert b"Read-only file system" in done.stderr
    assert _out(dacha, "run", "work", "--", "cat", f"{tmp_path}/same/text") == "same"
    assert len(_details(dacha, "work")["volumes"]) == 4


@pytest.mark.parametrize(
    "volume",
    [
        "re/lative:/x",
        ":/x",
        "data:/",
        "data:/x:no-such-option",
        "/tmp:relative",
        "/no/such/path:/x",
        "/tmp:/x:no-such-option",
    ],
)
def test_create_refuses_what_is_no_volume(dacha: Dacha, volume: str) -> None:
    done = dacha.run("create", "work", "--image", IMAGE, "--volume", volume)
    assert (done.returncode, done.stdout) == (125, b"")
    assert volume.encode() in done.stderr
    assert _names(dacha) == []


def test_start_says_which_volume_is_gone(dacha: Dacha, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    _out(dacha, "create", "work", "--image", IMAGE, "--volume", f"{gone}:/data")
    gone.rmdir()
    _refused(dacha, "start", "work", says=str(gone))
    gone.mkdir()
    _out(dacha, "start", "work")


def test_dry_run_says_what_would_be_and_changes_nothing(dacha: Dacha, tmp_path: Path) -> None:
    options = ["--image", IMAGE, "--hostname", "dev", "--volume", f"{tmp_path}:/data:ro", "--dry-run"]
    said = _out(dacha, "create", "work", *options)
    for word in ("work", IMAGE, "dev", str(tmp_path), "/data", "ro"):
        assert word in said
    assert _names(dacha) == []


@pytest.mark.all_ids
def test_create_copies_nothing_of_the_image(dacha: Dacha) -> None:
    before = _disk_usage(dacha.data)
    for name in ("one", "two", "three"):
        _out(dacha, "create", name, "--image", "debian-test")
    assert _disk_usage(dacha.data) - before < 1_000_000


def _disk_usage(path: Path) -> int:
    mapped = ["unshare", "--map-root-user", "--map-auto"]
    done = subprocess.run([*mapped, "du", "-sB1", path], capture_output=True, check=True)
    return int(done.stdout.split()[0])


# --- list and inspect -------------------------------------------------------------------------------


def test_list_shows_names_states_and_images(dacha: Dacha) -> None:
    assert [each.strip() for each in _out(dacha, "list").split("|")] == ["ID", "NAME", "STATUS", "IMAGE"]
    for name in ("runs", "sleeps"):
        _out(dacha, "create", name, "--image", IMAGE)
    _out(dacha, "start", "runs")
    rows = [[cell.strip() for cell in line.split("|")] for line in _out(dacha, "list").splitlines()]
    assert [row[1:] for row in rows[1:]] == [["runs", "running", IMAGE], ["sleeps", "stopped", IMAGE]]
    assert all(re.fullmatch("[0-9a-f]{12}", row[0]) for row in rows[1:])
    assert _out(dacha, "ls", "-q") == "runs\nsleeps\n"


def test_list_as_json_is_for_programs(dacha: Dacha) -> None:
    assert json.loads(_out(dacha, "list", "--json")) == []
    _out(dacha, "create", "work", "--image", IMAGE)
    _out(dacha, "start", "work")
    [box] = json.loads(_out(dacha, "list", "--json"))
    assert set(box) == {"id", "name", "status", "image", "platform", "created", "pid"}
    assert (box["name"], box["status"], box["image"]) == ("work", "running", IMAGE)
    assert b"catatonit" in Path(f"/proc/{box['pid']}/cmdline").read_bytes()
    _out(dacha, "stop", "work")
    [box] = json.loads(_out(dacha, "list", "--json"))
    assert (box["status"], box["pid"]) == ("stopped", None)


def test_inspect_tells_more_of_a_running_box(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    stopped = _details(dacha, "work")
    assert stopped["imageId"].startswith("sha256:")
    _out(dacha, "start", "work")
    running = _details(dacha, "work")
    assert running["id"] == stopped["id"]
    assert running["home"] == str(dacha.home)
    assert running["user"] == os.environ["USER"]
    assert Path(running["directory"]).is_dir()


def test_inspect_of_a_missing_box(dacha: Dacha) -> None:
    _refused(dacha, "inspect", "missing", says="no box named 'missing'")


# --- start, stop, restart ---------------------------------------------------------------------------


def test_start_twice_is_as_good_as_once(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    assert _out(dacha, "start", "work") == "work\n"
    pid = _details(dacha, "work")["pid"]
    assert _out(dacha, "start", "work") == "work\n"
    assert _details(dacha, "work")["pid"] == pid


def test_stop_of_a_stopped_box_is_no_failure(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    for _ in range(2):
        assert _out(dacha, "stop", "work") == "work\n"
    _out(dacha, "start", "work")
    for _ in range(2):
        assert _out(dacha, "stop", "work") == "work\n"
    assert _status(dacha, "work") == "stopped"


def test_stop_ends_everything_whatever_it_ignores(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    word = processes.mark()
    script = f"trap '' HUP TERM INT; setsid sleep {word} & sudo setsid sleep {word} & sleep .1"
    _out(dacha, "run", "work", "--", "sh", "-c", f"({script}) >/dev/null 2>&1")
    processes.wait_for_sleepers(word, 2)
    assert _out(dacha, "stop", "--time", "0.2", "work") == "work\n"
    assert processes.sleepers(word) == [], "when stop returns, all is over"


@pytest.mark.parametrize("sudo", ["", "sudo "])
def test_stop_gives_programs_time_to_save_their_work(dacha: Dacha, sudo: str) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    place = dacha.home / f"{sudo.strip() or 'user'}-work"
    place.mkdir()
    place.chmod(0o777)
    save = f"trap 'sleep .2; echo saved > {place}/work; exit' TERM"
    script = f"{save}; touch {place}/ready; while :; do sleep .05; done"
    _out(dacha, "run", "work", "--", "sh", "-c", f'{sudo}setsid sh -c "{script}" >/dev/null 2>&1 &')
    assert processes.wait_for((place / "ready").exists)
    _out(dacha, "stop", "--time", "20", "work")
    assert (place / "work").read_text() == "saved\n"


def test_stop_ends_a_shell_on_a_terminal_at_once(dacha: Dacha) -> None:
    """An interactive shell ignores SIGTERM."""
    _out(dacha, "create", "work", "--image", "debian-test")
    child = dacha.spawn("enter", "work")
    child.sendline("echo $((40+2))")
    child.expect_exact("42")
    _out(dacha, "stop", "--time", "60", "work", timeout=30)
    child.expect(pexpect.EOF)
    child.close()


@pytest.mark.parametrize("time", ["soon", "-1", "inf", "nan"])
def test_stop_refuses_what_is_no_time(dacha: Dacha, time: str) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    done = dacha.run("stop", f"--time={time}", "work")
    assert (done.returncode, done.stdout) == (125, b"")
    assert time.encode() in done.stderr


def test_state_survives_stop_and_start(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", "debian-test")
    make = "sudo sh -c 'echo kept > /etc/kept; rm /etc/debian_version; rm -r /usr/share/doc; useradd eve'"
    _out(dacha, "run", "work", "--", "sh", "-c", make)
    _out(dacha, "stop", "work")
    _out(dacha, "start", "work")
    look = "cat /etc/kept; ls -d /etc/debian_version /usr/share/doc 2>/dev/null; id -un eve; id -un"
    assert _out(dacha, "run", "work", "--", "sh", "-c", look).split() == ["kept", "eve", os.environ["USER"]]


def test_what_one_box_writes_another_of_the_same_image_does_not_see(dacha: Dacha) -> None:
    for name in ("one", "two"):
        _out(dacha, "create", name, "--image", IMAGE)
    _out(dacha, "run", "one", "--", "sudo", "sh", "-c", "echo x > /etc/motd-of-one; rm -rf /opt /srv")
    assert dacha.run("run", "two", "--", "ls", "/etc/motd-of-one").returncode != 0
    assert _out(dacha, "run", "two", "--", "ls", "-d", "/opt", "/srv").split() == ["/opt", "/srv"]


def test_restart_makes_a_new_init(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    _out(dacha, "start", "work")
    pid = _details(dacha, "work")["pid"]
    assert _out(dacha, "restart", "work") == "work\n"
    assert _details(dacha, "work")["pid"] not in (pid, None)
    assert not Path(f"/proc/{pid}").exists() or processes.state(pid) == "Z"


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "rm"])
def test_missing_box_does_not_keep_others_from_their_turn(dacha: Dacha, verb: str) -> None:
    for name in ("one", "two"):
        _out(dacha, "create", name, "--image", IMAGE)
    done = dacha.run(verb, "one", "missing", "two")
    assert done.returncode == 125
    assert done.stdout == b"one\ntwo\n"
    assert b"no box named 'missing'" in done.stderr


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "rm"])
def test_verb_without_a_box_asks_for_one(dacha: Dacha, verb: str) -> None:
    _refused(dacha, verb, says="name a box")


def test_all_means_all(dacha: Dacha) -> None:
    for name in ("one", "two"):
        _out(dacha, "create", name, "--image", IMAGE)
    assert _out(dacha, "start", "--all") == "one\ntwo\n"
    assert [_status(dacha, name) for name in ("one", "two")] == ["running", "running"]
    assert _out(dacha, "stop", "--all") == "one\ntwo\n"
    assert _out(dacha, "rm", "--all") == "one\ntwo\n"
    assert _names(dacha) == []


def test_boxes_of_one_name_in_two_installations_do_not_disturb_each_other(
    dacha: Dacha, empty_dacha: Dacha, images: RealImages
) -> None:
    empty_dacha.run("image", "load", f"tar:{images.alpine_tar}", "--name", IMAGE, check=True)
    for installation in (dacha, empty_dacha):
        _out(installation, "create", "same", "--image", IMAGE)
        _out(installation, "start", "same")
    assert [_status(each, "same") for each in (dacha, empty_dacha)] == ["running", "running"]


# --- rm ---------------------------------------------------------------------------------------------


def _snapshot(top: Path) -> dict[str, tuple[object, ...]]:
    """All that is known of each file below `top`, outside of the store."""
    found: dict[str, tuple[object, ...]] = {}
    for parent, directories, files in os.walk(top):
        if Path(parent) == top / ".local" / "share":
            directories.clear()
            continue
        for name in (*directories, *files):
            path = Path(parent, name)
            status = path.lstat()
            is_file = stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK)
            data = path.read_bytes() if is_file else b""
            facts = (status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, data)
            found[str(path)] = facts
    return found


def test_rm_never_touches_the_home(dacha: Dacha) -> None:
    home = dacha.home
    private = home / "private-of-mine"
    private.mkdir(mode=0o700)
    (private / "diary").write_text("dear diary")
    (private / "locked").write_text("no rights")
    (private / "locked").chmod(0)
    (home / "link").symlink_to(private)
    _out(dacha, "create", "work", "--image", IMAGE)
    _out(
        dacha,
        "run",
        "work",
        "--",
        "sh",
        "-c",
        "mkdir ~/from-box; echo x > ~/from-box/file; sudo touch ~/by-root",
    )
    before = _snapshot(home)
    assert {str(home / "from-box" / "file"), str(home / "by-root"), str(private / "diary")} <= set(before)
    _out(dacha, "rm", "--force", "work")
    assert _snapshot(home) == before


def test_rm_leaves_nothing_of_the_box(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    _out(
        dacha,
        "run",
        "work",
        "--",
        "sudo",
        "sh",
        "-c",
        "mkdir -m 0 /locked /locked/deep; touch /locked/deep/x",
    )
    directory = Path(_details(dacha, "work")["directory"])
    assert _out(dacha, "rm", "--force", "work") == "work\n"
    assert not directory.exists()
    store = directory.parents[1]
    assert list((store / "staging").iterdir()) == []
    assert not (dacha.runtime / "dacha" / "boxes" / "work").exists()
    _refused(dacha, "rm", "work", says="no box named 'work'")
    _out(dacha, "create", "work", "--image", IMAGE)  # the name is free again


def test_rm_of_a_running_box_wants_force(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    _out(dacha, "start", "work")
    _refused(dacha, "rm", "work", says="is running")
    assert _status(dacha, "work") == "running"
    assert _out(dacha, "rm", "--force", "work") == "work\n"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 0), ("n", 1)])
def test_rm_of_a_running_box_asks_on_a_terminal(dacha: Dacha, answer: str, code: int) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    _out(dacha, "start", "work")
    child = dacha.spawn("rm", "work")
    child.expect_exact("[Y/n]")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert _names(dacha) == ([] if code == 0 else ["work"])


# --- enter ------------------------------------------------------------------------------------------


def test_enter_of_a_missing_box_in_a_script_says_how_to_create_it(dacha: Dacha) -> None:
    for name in ("missing", IMAGE):
        _refused(dacha, "enter", name, "--", "true", says=f"no box named '{name}'")
    hint = dacha.run("enter", IMAGE, "--", "true").stderr.decode().splitlines()[1]
    assert f"dacha create {IMAGE}" in hint
    assert _names(dacha) == []


def test_enter_of_a_missing_box_offers_to_create_it(dacha: Dacha) -> None:
    child = dacha.spawn("enter", IMAGE, "--", "sh", "-c", "echo in-$((40+2)); exit 5")
    child.expect_exact(f"There is no box '{IMAGE}'. Create it from the image '{IMAGE}'? [Y/n]")
    child.sendline("y")
    child.expect_exact("in-42")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5
    assert _names(dacha) == [IMAGE]


def test_enter_takes_no_for_an_answer(dacha: Dacha) -> None:
    child = dacha.spawn("enter", IMAGE)
    child.expect_exact("[Y/n]")
    child.sendline("n")
    child.expect_exact(f"no box named '{IMAGE}'")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 125
    assert _names(dacha) == []


def test_interrupt_at_the_question_creates_nothing(dacha: Dacha) -> None:
    child = dacha.spawn("enter", IMAGE)
    child.expect_exact("[Y/n]")
    child.sendcontrol("c")
    child.expect(pexpect.EOF)
    assert "Traceback" not in (child.before or "")
    child.close()
    assert child.exitstatus == 130 or child.signalstatus == 2
    assert _names(dacha) == []


def test_yes_creates_a_missing_box_without_a_question(dacha: Dacha) -> None:
    done = dacha.run("enter", "--yes", IMAGE, "--", "echo", "hello", check=True)
    assert done.stdout == b"hello\n"
    assert _names(dacha) == [IMAGE]


def test_enter_creates_a_box_of_the_image_that_is_named(dacha: Dacha) -> None:
    command = ["enter", "--yes", "--image", IMAGE, "work", "--", "cat", "/etc/alpine-release"]
    assert re.fullmatch(r"3\.23\.\d+\n", _out(dacha, *command))
    assert _details(dacha, "work")["image"] == IMAGE


def test_enter_starts_a_box_that_is_stopped(dacha: Dacha) -> None:
    _out(dacha, "create", "work", "--image", IMAGE)
    child = dacha.spawn("enter", "work", "--", "tty")
    child.expect(r"/dev/pts/\d+")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert _status(dacha, "work") == "running"


def test_enter_of_nothing_is_refused(dacha: Dacha) -> None:
    """As in `dacha enter "$UNSET"`."""
    _refused(dacha, "enter", "", "--", "true", says="'' is no name for a box")


# --- image ------------------------------------------------------------------------------------------


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A small image of two layers."""
    return write_layout(
        tmp_path / "layout", [[Entry("etc", DIR), Entry("etc/one")], [Entry("etc/two")]], tags=["small"]
    )


@pytest.fixture
def no_images(dacha: Dacha) -> Iterator[None]:
    """Images that the test loads are removed after it."""
    before = set(_image_ids(dacha))
    yield
    dacha.remove_boxes()
    for image in set(_image_ids(dacha)) - before:
        dacha.run("image", "rm", image, check=True)


def _image_ids(dacha: Dacha) -> list[str]:
    return [image["id"] for image in json.loads(_out(dacha, "image", "list", "--json"))]


@pytest.mark.usefixtures("no_images")
def test_image_load_prints_the_id_and_is_done_once(dacha: Dacha, layout: Path) -> None:
    loaded = _out(dacha, "image", "load", f"oci:{layout}:small", "--name", "small")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", loaded)
    [image] = [
        each for each in json.loads(_out(dacha, "image", "list", "--json")) if each["id"] + "\n" == loaded
    ]
    assert image["names"] == ["small"]
    assert len(image["layers"]) == 2
    assert _out(dacha, "image", "load", f"oci:{layout}:small", "--name", "small") == loaded
    table = _out(dacha, "image", "list").splitlines()
    assert table[0].split() == ["NAME", "ID", "CREATED", "SIZE"]
    assert [row.split()[1] for row in table if row.split()[0] == "small"] == [loaded[7:19]]
    assert loaded[7:19] in _out(dacha, "image", "list", "--quiet").split()


@pytest.mark.usefixtures("no_images")
def test_image_rm_takes_its_layers_with_it(dacha: Dacha, layout: Path) -> None:
    before = _layers(dacha)
    _out(dacha, "image", "load", f"oci:{layout}", "--name", "small")
    assert len(_layers(dacha)) == len(before) + 2
    assert _out(dacha, "image", "rm", "small") == "small\n"
    assert _layers(dacha) == before
    _refused(dacha, "image", "rm", "small", says="no image 'small'")
    _out(dacha, "image", "rm", "--force", "small")


def _layers(dacha: Dacha) -> set[str]:
    return {path.name for path in (dacha.data / "containers" / "dacha" / "layers").iterdir()}


@pytest.mark.usefixtures("no_images")
def test_image_that_boxes_stand_on_stays(dacha: Dacha, layout: Path) -> None:
    image = _out(dacha, "image", "load", f"oci:{layout}", "--name", "small").strip()
    _out(dacha, "create", "work", "--image", "small")
    _refused(dacha, "image", "rm", "small", says="in use by work")
    _refused(dacha, "image", "rm", image[7:19], says="in use by work")
    _out(dacha, "rm", "work")
    assert _out(dacha, "image", "rm", image[7:19]) == f"{image[7:19]}\n"


@pytest.mark.usefixtures("no_images")
def test_create_takes_images_from_files(dacha: Dacha, layout: Path, images: RealImages) -> None:
    assert _out(dacha, "create", "--image", f"oci:{layout}:small") == "layout-small\n"
    assert _out(dacha, "create", "--image", f"tar:{images.alpine_tar}") == "alpine-3-23\n"
    assert _out(dacha, "run", "alpine-3-23", "--", "id", "-un") == f"{os.environ['USER']}\n"


# --- the rest ---------------------------------------------------------------------------------------


def test_version_is_printed(dacha: Dacha) -> None:
    assert re.fullmatch(r"dacha \d+\.\d+\.\d+\S*\n", _out(dacha, "version"))
    assert _out(dacha, "--version") == _out(dacha, "version")


@pytest.mark.parametrize(
    "verb",
    [
        *("enter", "run", "create", "list", "start", "stop", "restart", "rm", "inspect", "version"),
        *("image list", "image load", "image rm"),
    ],
)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_each_verb_has_an_example(dacha: Dacha, verb: str, option: str) -> None:
    said = _out(dacha, *verb.split(), option)
    assert f"Usage: dacha {verb}" in said
    assert f"\nExamples:\n  dacha {verb}" in said


def test_help_names_all_verbs(dacha: Dacha) -> None:
    said = _out(dacha, "--help")
    for verb in (
        "enter",
        "run",
        "create",
        "list",
        "start",
        "stop",
        "restart",
        "rm",
        "inspect",
        "image",
        "version",
    ):
        assert re.search(rf"^\W*{verb}\s", said, re.MULTILINE), verb


@pytest.mark.parametrize(
    "line", [["no-such-verb"], ["list", "--no-such-option"], ["list", "extra"], ["inspect"]]
)
def test_line_that_means_nothing_ends_with_125(dacha: Dacha, line: list[str]) -> None:
    done = dacha.run(*line)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr != b""
    assert b"Traceback" not in done.stderr
