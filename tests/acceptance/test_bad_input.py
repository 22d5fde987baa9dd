"""Bad input, and things that happen behind our back: one line that says what to do, and nothing left over."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lib import processes
from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import CHARDEV, DIR, HARDLINK, SYMLINK, Entry, Layer, write_layout, write_tar

IMAGE = "alpine-test"
_RANDOM = random.Random(3)  # noqa: S311  (no secret)


def _fails(done: subprocess.CompletedProcess[bytes], *words: str) -> str:
    """The command failed as dacha fails: 125, nothing on stdout, and a line, with `words`; perhaps a hint.

    Where the host is to blame, a line of doctor's stands between them.
    """
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (125, b""), said
    lines = [line for line in said.splitlines() if not line.startswith(("unpacking ", "layer "))]
    assert lines[0].startswith("dacha: "), said
    kinds = [line.partition(":")[0] for line in lines[1:]]
    assert kinds in ([], ["hint"], ["doctor"], ["doctor", "hint"]), said
    for word in words:
        assert word in said
    return said


def _status(dacha: Dacha, name: str) -> str:
    boxes = json.loads(dacha.run("list", "--json", check=True).stdout)
    return {box["name"]: str(box["status"]) for box in boxes}[name]


def _init(dacha: Dacha, name: str) -> int:
    boxes = json.loads(dacha.run("list", "--json", check=True).stdout)
    return int({box["name"]: box["pid"] for box in boxes}[name])


def _inits(dacha: Dacha) -> list[int]:
    """The inits of all boxes of this installation, known to it or not: they show its home."""
    found = []
    for pid in processes.find("/run/dacha/catatonit", "-P"):
        if str(dacha.home) in Path(f"/proc/{pid}/mountinfo").read_text():
            found.append(pid)
    return found


def _store(dacha: Dacha) -> Path:
    return dacha.data / "containers" / "dacha"


def _stored(dacha: Dacha) -> set[str]:
    """All that the store has on disk, to two levels."""
    store = _store(dacha)
    top = [path for path in store.iterdir() if path.is_dir()]
    return {str(path.relative_to(store)) for directory in top for path in directory.iterdir()}


# --- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "meant"), [("debain", "debian"), ("debian:bookwrm", "debian:bookworm"), ("Debian", "debian")]
)
def test_unknown_image_brings_up_the_one_that_was_meant(dacha: Dacha, image: str, meant: str) -> None:
    said = _fails(dacha.run("create", "work", "--image", image), f"no image '{image}'")
    assert f"did you mean '{meant}'?" in said


def test_unknown_image_of_no_likeness_brings_up_the_catalog(dacha: Dacha) -> None:
    _fails(dacha.run("create", "work", "--image", "xyzzy-42"), "no image 'xyzzy-42'", "debian")
    _fails(dacha.run("image", "load", "xyzzy-42"), "no image 'xyzzy-42'", "debian")


@pytest.mark.parametrize(
    "ref", ["tar:/no/such/file", "oci:/no/such/layout", "oci:/etc", "tar:/", "tar:", "docker:x"]
)
def test_reference_that_leads_nowhere(dacha: Dacha, ref: str) -> None:
    for line in (
        ["image", "load", ref],
        ["create", "work", "--image", ref],
        ["enter", "-Y", "-i", ref, "work"],
    ):
        _fails(dacha.run(*line))
    assert json.loads(dacha.run("list", "--json", check=True).stdout) == []


def test_missing_tag_is_told_from_those_there_are(dacha: Dacha, tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout", [[Entry("x")]], tags=["one", "two"])
    _fails(dacha.run("image", "load", f"oci:{layout}:three"), "three", "one", "two")


def _damaged() -> dict[str, bytes]:
    tar = write_tar([Entry("etc", DIR), Entry("etc/data", data=_RANDOM.randbytes(100_000))])
    packed = gzip.compress(tar)
    return {
        "garbage": _RANDOM.randbytes(50_000),
        "text": b"hello\n" * 1000,
        "cut-off": tar[:60_000],
        "cut-off-header": tar[:700],
        "cut-off-gzip": packed[: len(packed) // 2],
        "broken-gzip": packed[:5000] + b"\0" * 100 + packed[5100:],
        "broken-header": tar[:600] + b"\xff" * 60 + tar[660:],
        "empty": b"",
    }


@pytest.mark.parametrize("kind", _damaged())
def test_damaged_archive_is_refused_and_nothing_of_it_stays(dacha: Dacha, tmp_path: Path, kind: str) -> None:
    before = _stored(dacha)
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(_damaged()[kind])
    for line in (["image", "load", f"tar:{archive}"], ["create", "work", "--image", f"tar:{archive}"]):
        _fails(dacha.run(*line))
        assert _stored(dacha) == before
    assert json.loads(dacha.run("list", "--json", check=True).stdout) == []


@pytest.mark.parametrize("damage", ["changed", "cut-off", "missing", "swapped"])
def test_damaged_layout_is_refused_and_nothing_of_it_stays(dacha: Dacha, tmp_path: Path, damage: str) -> None:
    before = _stored(dacha)
    layers: list[Layer] = [[Entry("only", data=b"b" * 5000)]]
    layout = write_layout(tmp_path / "layout", layers, compression="none")
    layer = max((layout / "blobs" / "sha256").iterdir(), key=lambda blob: blob.stat().st_size)
    data = layer.read_bytes()
    if damage == "missing":
        layer.unlink()
    else:
        changed = {
            "changed": data.replace(b"bbb", b"bxb", 1),
            "cut-off": data[: len(data) // 2],
            "swapped": write_tar([Entry("other", data=b"b" * 5000)]),
        }
        layer.write_bytes(changed[damage])
    _fails(dacha.run("image", "load", f"oci:{layout}"))
    assert _stored(dacha) == before


def _hostile(outside: Path) -> dict[str, list[Entry]]:
    up = "../" * 20
    target = str(outside)
    evil = b"evil\n"
    return {
        "up": [Entry(f"{up.rstrip('/')}{target}/evil", data=evil)],
        "up-inside": [Entry("a", DIR), Entry(f"a/{up}{target}/evil", data=evil)],
        "absolute": [Entry(f"{target}/evil", data=evil)],
        "symlink-absolute": [Entry("link", SYMLINK, linkname=target), Entry("link/evil", data=evil)],
        "symlink-up": [Entry("link", SYMLINK, linkname=f"{up}{target[1:]}"), Entry("link/evil", data=evil)],
        "symlink-chain": [
            Entry("one", SYMLINK, linkname="two"),
            Entry("two", SYMLINK, linkname=target),
            Entry("one/evil", data=evil),
        ],
        "symlink-then-file": [Entry("evil", SYMLINK, linkname=f"{target}/evil"), Entry("evil", data=evil)],
        "symlink-then-directory": [
            Entry("link", SYMLINK, linkname=target),
            Entry("link", DIR, mode=0o777),
            Entry("link/evil", data=evil),
        ],
        "hardlink-to-outside": [Entry("mine", HARDLINK, linkname=f"{up}{target[1:]}/precious")],
        "hardlink-through-symlink": [
            Entry("link", SYMLINK, linkname=target),
            Entry("mine", HARDLINK, linkname="link/precious"),
        ],
        "hardlink-then-write": [
            Entry("mine", HARDLINK, linkname=f"{target}/precious"),
            Entry("mine", data=evil),
        ],
        "chmod-through-symlink": [
            Entry("link", SYMLINK, linkname=target),
            Entry("link/.", DIR, mode=0o777, uid=7),
        ],
        "whiteout-up": [Entry("../../.wh.precious"), Entry(f"{up}{target[1:]}/.wh.precious")],
        "whiteout-through-symlink": [Entry("link", SYMLINK, linkname=target), Entry("link/.wh.precious")],
        "opaque-through-symlink": [Entry("link", SYMLINK, linkname=target), Entry("link/.wh..wh..opq")],
        "xattr-through-symlink": [
            Entry("link", SYMLINK, linkname=target),
            Entry("link/precious", xattrs={"user.evil": evil}, data=evil),
        ],
        "device": [Entry("dev-of-mine", CHARDEV, device=(1, 3), mode=0o666)],
        "dots": [Entry("..", DIR, mode=0o777, uid=7), Entry(".", DIR, mode=0o700)],
    }


@pytest.mark.parametrize("kind", _hostile(Path("/x")))
def test_hostile_archive_reaches_nothing_outside_of_its_layer(
    dacha: Dacha, images: RealImages, tmp_path: Path, kind: str
) -> None:
    """It may be refused or load, and then its box may start: the host's files stay as they are."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious\n")
    outside.chmod(0o755)
    before = _facts(outside)
    layers: list[Layer] = [images.alpine_tar.read_bytes(), _hostile(outside)[kind]]
    layout = write_layout(tmp_path / "layout", layers, compression="none")
    done = dacha.run("image", "load", f"oci:{layout}", "--name", "hostile")
    if done.returncode == 0:
        dacha.run("create", "hostile", check=True)
        dacha.run("start", "hostile", check=True)
        # Hard links and devices of the layer must not be doors either.
        shown = dacha.run("run", "hostile", "--", "sh", "-c", "cat /mine /dev-of-mine /evil 2>/dev/null")
        assert b"precious" not in shown.stdout
        dacha.run("rm", "--force", "hostile", check=True)
        dacha.run("image", "rm", "hostile", check=True)
    else:
        _fails(done)
    assert _facts(outside) == before
    assert not any(name.startswith("staging/") for name in _stored(dacha))
    assert not (_store(dacha).parent / "evil").exists()


def _facts(top: Path) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for path in (top, *sorted(top.rglob("*"))):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        names = tuple(os.listxattr(path))
        found.append((path.name, status.st_mode, status.st_uid, status.st_nlink, data, names))
    return found


def test_layer_with_more_links_than_the_kernel_follows_is_refused_or_harmless(
    dacha: Dacha, tmp_path: Path
) -> None:
    loop = [Entry("a", SYMLINK, linkname="b"), Entry("b", SYMLINK, linkname="a"), Entry("a/x", data=b"x")]
    layout = write_layout(tmp_path / "layout", [loop])
    _fails(dacha.run("image", "load", f"oci:{layout}"))


def test_image_without_a_shell_says_so(dacha: Dacha, tmp_path: Path) -> None:
    """Whatever it is, a box of it can be made and removed, and a command in it fails as a command does."""
    layout = write_layout(tmp_path / "layout", [[Entry("etc", DIR), Entry("etc/motd", data=b"hello\n")]])
    dacha.run("image", "load", f"oci:{layout}", "--name", "no-shell", check=True)
    dacha.run("create", "bare", "--image", "no-shell", check=True)
    assert dacha.run("run", "bare", "--", "sh").returncode == 127
    done = dacha.run("enter", "bare")
    assert done.returncode in (126, 127)
    assert b"sh" in done.stderr
    dacha.run("rm", "--force", "bare", check=True)
    dacha.run("image", "rm", "no-shell", check=True)


# --- boxes that change behind our back --------------------------------------------------------------


@pytest.fixture
def work(dacha: Dacha) -> str:
    """A running box."""
    dacha.run("create", "work", "--image", IMAGE, check=True)
    dacha.run("start", "work", check=True)
    return "work"


def test_taken_name_changes_nothing(dacha: Dacha, work: str) -> None:
    pid = _init(dacha, work)
    _fails(dacha.run("create", work, "--image", IMAGE), f"a box named '{work}' already")
    _fails(dacha.run("create", work, "--image", "debian-test"), f"a box named '{work}' already")
    assert _init(dacha, work) == pid


@pytest.mark.parametrize("verb", ["enter", "run"])
def test_box_whose_init_was_killed_starts_again(dacha: Dacha, work: str, verb: str) -> None:
    dacha.run("run", work, "--", "sudo", "touch", "/kept", check=True)
    for _ in range(3):
        pid = _init(dacha, work)
        os.kill(pid, signal.SIGKILL)
        assert dacha.run(verb, work, "--", "ls", "/kept", check=True).stdout == b"/kept\n"
        assert _init(dacha, work) != pid
        assert len(_inits(dacha)) == 1


def test_box_whose_init_was_killed_is_listed_as_stopped(dacha: Dacha, work: str) -> None:
    os.kill(_init(dacha, work), signal.SIGKILL)
    assert processes.wait_for(lambda: _status(dacha, work) == "stopped")
    dacha.run("stop", work, check=True)
    dacha.run("rm", work, check=True)


def test_session_ends_when_the_init_is_killed(dacha: Dacha, work: str) -> None:
    word = processes.mark()
    command = [str(dacha.executable), "run", work, "--", "sleep", word]
    with subprocess.Popen(command, env=dacha.env, stdin=subprocess.DEVNULL) as session:
        processes.wait_for_sleepers(word, 1)
        os.kill(_init(dacha, work), signal.SIGKILL)
        assert session.wait(30) == 137


def test_box_whose_runtime_directory_is_lost_can_be_entered_and_has_one_init(dacha: Dacha, work: str) -> None:
    dacha.run("run", work, "--", "sudo", "touch", "/kept", check=True)
    shutil.rmtree(dacha.runtime / "dacha")
    assert _status(dacha, work) == "stopped"
    assert dacha.run("run", work, "--", "ls", "/kept", check=True).stdout == b"/kept\n"
    assert len(_inits(dacha)) == 1


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xe9" * 1000])
def test_damaged_state_file_is_no_state(dacha: Dacha, work: str, data: bytes) -> None:
    dacha.run("stop", work, check=True)
    directory = dacha.runtime / "dacha" / "boxes" / work
    directory.mkdir(parents=True)
    (directory / "state").write_bytes(data)
    assert dacha.run("run", work, "--", "echo", "up", check=True).stdout == b"up\n"


@pytest.mark.all_ids
def test_box_whose_directory_is_gone_starts_afresh(dacha: Dacha, work: str) -> None:
    dacha.run("run", work, "--", "sudo", "touch", "/made", check=True)
    [details] = json.loads(dacha.run("inspect", work, check=True).stdout)
    dacha.run("stop", work, check=True)
    mapped = ["unshare", "--map-root-user", "--map-auto"]
    subprocess.run([*mapped, "rm", "-rf", details["directory"]], check=True)
    assert dacha.run("run", work, "--", "ls", "/made").returncode != 0
    assert dacha.run("run", work, "--", "echo", "up", check=True).stdout == b"up\n"


def test_box_that_the_database_has_forgotten_is_kept_until_its_user_says_otherwise(
    dacha: Dacha, work: str
) -> None:
    """It may hold years of work; a check names it, and nothing but its user deletes it."""
    [details] = json.loads(dacha.run("inspect", work, check=True).stdout)
    dacha.run("stop", work, check=True)
    with sqlite3.connect(_store(dacha) / "dacha.db") as connection:
        [row] = connection.execute("SELECT * FROM boxes WHERE name = 'work'")
        connection.execute("DELETE FROM boxes WHERE name = 'work'")
    connection.close()
    _fails(dacha.run("enter", work, "--", "true"), "no box named 'work'")
    dacha.run("create", "other", "--image", IMAGE, check=True)
    directory = Path(details["directory"])
    assert directory.exists()
    assert directory.name in dacha.run("system", "check").stdout.decode()
    with sqlite3.connect(_store(dacha) / "dacha.db") as connection:
        connection.execute(f"INSERT INTO boxes VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    connection.close()
    dacha.run("rm", work, check=True)
    assert not directory.exists()


def test_layer_that_is_gone_is_named_when_the_box_starts(
    dacha: Dacha, images: RealImages, tmp_path: Path
) -> None:
    layout = write_layout(tmp_path / "layout", [images.alpine_tar.read_bytes(), [Entry("mine", data=b"1")]])
    dacha.run("image", "load", f"oci:{layout}", "--name", "layered", check=True)
    dacha.run("create", "work", "--image", "layered", check=True)
    listed = json.loads(dacha.run("image", "list", "--json", check=True).stdout)
    [image] = [image for image in listed if "layered" in image["names"]]
    digest = image["layers"][-1].removeprefix("sha256:")
    [layer] = [path for path in (_store(dacha) / "layers").iterdir() if digest.startswith(path.name)]
    aside = layer.rename(tmp_path / "aside")
    _fails(dacha.run("start", "work"), f"image 'layered' has lost a layer: sha256:{digest}")
    assert _inits(dacha) == []
    aside.rename(layer)
    dacha.run("start", "work", check=True)
    dacha.run("rm", "--force", "work", check=True)
    dacha.run("image", "rm", "layered", check=True)


@pytest.mark.parametrize("data", [b"", b"no database, really\n" * 500])
def test_damaged_database_is_said_to_be_one(empty_dacha: Dacha, data: bytes) -> None:
    empty_dacha.run("list", check=True)
    database = _store(empty_dacha) / "dacha.db"
    saved = database.read_bytes()
    database.write_bytes(data)
    try:
        done = empty_dacha.run("list")
        if data:
            _fails(done, str(database.parent), "not a database")
        else:
            assert done.returncode == 0, "an empty file is a new database"
    finally:
        database.write_bytes(saved)


# --- what is missing on the host --------------------------------------------------------------------


def test_missing_home_is_said_before_anything_is_made(dacha: Dacha, work: str, tmp_path: Path) -> None:
    dacha.run("stop", work, check=True)
    environment = {"HOME": str(tmp_path / "gone"), "XDG_CONFIG_HOME": str(tmp_path)}
    _fails(dacha.run("create", "other", "--image", IMAGE, env=environment), f"{tmp_path}/gone")
    _fails(dacha.run("start", work, env=environment), f"{tmp_path}/gone")
    _fails(dacha.run("enter", work, "--", "true", env=environment), f"{tmp_path}/gone")
    assert not (tmp_path / "gone").exists()
    assert _inits(dacha) == []
    assert dacha.run("list", "--quiet", check=True).stdout == b"work\n"
    dacha.run("start", work, check=True)


@pytest.fixture
def few_programs(tmp_path: Path) -> Path:
    """A directory for PATH with all that dacha calls: a test takes something away."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("crun", "catatonit", "newuidmap", "newgidmap", "tar", "rm", "sh", "readlink"):
        found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert found is not None, name
        (directory / name).symlink_to(found)
    return directory


@pytest.mark.all_ids
@pytest.mark.parametrize(
    ("program", "package"),
    [("newuidmap", "uidmap"), ("newgidmap", "uidmap"), ("crun", "crun"), ("catatonit", "catatonit")],
)
def test_missing_program_is_named_with_its_package(
    dacha: Dacha, few_programs: Path, program: str, package: str
) -> None:
    dacha.run("create", "work", "--image", IMAGE, check=True)
    environment = {"PATH": str(few_programs)}
    (few_programs / program).unlink()
    for line in (["start", "work"], ["enter", "work", "--", "true"], ["run", "work", "true"]):
        _fails(
            dacha.run(*line, env=environment), f"'{program}' is not installed", f"apt-get install {package}"
        )
    assert _inits(dacha) == []
    dacha.run("start", "work", check=True)


def test_programs_that_dacha_calls_are_enough(dacha: Dacha, few_programs: Path) -> None:
    """What keeps the test above honest."""
    dacha.run("create", "work", "--image", IMAGE, check=True)
    for line in (["start", "work"], ["stop", "work"], ["rm", "work"]):
        dacha.run(*line, env={"PATH": str(few_programs)}, check=True)


@pytest.mark.all_ids
def test_image_without_newuidmap_leaves_nothing(
    empty_dacha: Dacha, few_programs: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "small.tar"
    archive.write_bytes(write_tar([Entry("etc", DIR)]))
    (few_programs / "newuidmap").unlink()
    environment = {"PATH": str(few_programs), "DACHA_USERNS": "full"}
    done = empty_dacha.run("image", "load", f"tar:{archive}", env=environment)
    _fails(done, "newuidmap", "uidmap")
    assert _stored(empty_dacha) == set()


def test_runtime_directory_that_is_open_to_others_is_not_used(dacha: Dacha, tmp_path: Path) -> None:
    (tmp_path / "dacha").mkdir(mode=0o777)
    (tmp_path / "dacha").chmod(0o777)
    dacha.run("create", "work", "--image", IMAGE, check=True)
    done = dacha.run("start", "work", env={"XDG_RUNTIME_DIR": str(tmp_path)})
    _fails(done, f"chmod 700 {tmp_path}/dacha")


def test_store_that_cannot_be_made_is_named(dacha: Dacha, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = dacha.run("list", env={"XDG_DATA_HOME": str(tmp_path / "file")})
    _fails(done, str(tmp_path / "file"))


# --- death in the middle ----------------------------------------------------------------------------


def _kill_in_the_middle(dacha: Dacha, words: Sequence[str], *, after_s: float, whole: bool) -> None:
    """Start a command, and end it after a while as `kill -9` does: dacha alone, or its helpers too."""
    with subprocess.Popen(
        [dacha.executable, *words],
        env=dacha.env,
        cwd=dacha.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        time.sleep(after_s)
        if whole:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _duration(dacha: Dacha, *words: str) -> float:
    begin = time.monotonic()
    dacha.run(*words, check=True)
    return time.monotonic() - begin


@pytest.mark.parametrize("whole", [False, True], ids=["dacha", "all"])
def test_kill_in_the_middle_of_a_start_leaves_a_box_that_works(dacha: Dacha, work: str, whole: bool) -> None:
    dacha.run("run", work, "--", "sudo", "touch", "/kept", check=True)
    dacha.run("stop", work, check=True)
    span = _duration(dacha, "start", work)
    for step in range(10):
        dacha.run("stop", work, check=True)
        moment = span * (step + _RANDOM.random()) / 10
        _kill_in_the_middle(dacha, ["start", work], after_s=moment, whole=whole)
        done = dacha.run("run", work, "--", "ls", "/kept", check=True)
        assert done.stdout == b"/kept\n"
        assert len(_inits(dacha)) == 1, f"killed after {moment:.3f} s"
    # The helpers of a dacha that was killed alone have ended by now, and left no mark.
    dacha.run("stop", work, check=True)
    assert _inits(dacha) == []
    assert processes.wait_for(lambda: not (dacha.runtime / "dacha" / "boxes" / work).exists())


@pytest.mark.parametrize("whole", [False, True], ids=["dacha", "all"])
def test_kill_in_the_middle_of_a_create_leaves_nothing(
    empty_dacha: Dacha, images: RealImages, tmp_path: Path, whole: bool
) -> None:
    """With the image on the way in, and files of the user's own number, which need a delta."""
    mine = [Entry("home/me", DIR, uid=os.getuid(), gid=os.getgid()), Entry("home/me/x", uid=os.getuid())]
    layout = write_layout(tmp_path / "layout", [images.alpine_tar.read_bytes(), mine], compression="none")
    create = ["create", "work", "--image", f"oci:{layout}"]
    span = _duration(empty_dacha, *create)
    whole_store = _stored(empty_dacha)
    for step in range(10):
        empty_dacha.run("rm", "work", "--force")
        empty_dacha.run("image", "rm", "--all", check=True)
        moment = span * (step + _RANDOM.random()) / 10
        _kill_in_the_middle(empty_dacha, create, after_s=moment, whole=whole)
        done = empty_dacha.run(*create)
        assert done.returncode == 0 or b"a box named 'work' already" in done.stderr, done.stderr.decode()
        assert empty_dacha.run("run", "work", "--", "id", "-u", check=True).stdout.split()[0] == (
            str(os.getuid()).encode()
        )
        left = {name for name in _stored(empty_dacha) if not name.startswith("boxes/")}
        assert left == {name for name in whole_store if not name.startswith("boxes/")}, (
            f"after {moment:.3f} s"
        )
        # The deltas too.
        for layer in (_store(empty_dacha) / "layers").iterdir():
            assert not [path for path in layer.iterdir() if path.name.endswith("~")]


# --- many at once -----------------------------------------------------------------------------------


def _at_once(dacha: Dacha, *lines: Sequence[str]) -> list[subprocess.CompletedProcess[bytes]]:
    """Run commands at the same time; what each of them printed."""
    begun = [
        subprocess.Popen(
            [dacha.executable, *line],
            env=dacha.env,
            cwd=dacha.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for line in lines
    ]
    done = []
    for process in begun:
        output, errors = process.communicate(timeout=120)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, output, errors))
    return done


def test_two_creates_of_one_name_at_once_make_one_box(dacha: Dacha) -> None:
    for _ in range(5):
        done = _at_once(dacha, *[["create", "work", "--image", IMAGE]] * 2)
        assert sorted(each.returncode for each in done) == [0, 125]
        [loser] = [each for each in done if each.returncode]
        _fails(loser, "a box named 'work' already")
        assert dacha.run("list", "--quiet", check=True).stdout == b"work\n"
        dacha.run("rm", "work", check=True)


def test_two_loads_of_one_image_at_once_make_one_layer(empty_dacha: Dacha, tmp_path: Path) -> None:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(write_tar([Entry("etc", DIR), Entry("etc/data", data=_RANDOM.randbytes(3_000_000))]))
    done = _at_once(empty_dacha, *[["create", name, "--image", f"tar:{archive}"] for name in ("one", "two")])
    assert [each.returncode for each in done] == [0, 0]
    assert len([name for name in _stored(empty_dacha) if name.startswith("layers/")]) == 1


def test_ten_enters_at_once_of_a_stopped_box_start_it_once(dacha: Dacha) -> None:
    dacha.run("create", "work", "--image", IMAGE, check=True)
    for _ in range(3):
        done = _at_once(dacha, *[["enter", "work", "--", "echo", "up"]] * 10)
        assert [(each.returncode, each.stdout) for each in done] == [(0, b"up\n")] * 10, done
        assert len(_inits(dacha)) == 1
        dacha.run("stop", "work", check=True)
        assert _inits(dacha) == []


@pytest.mark.all_ids
def test_twenty_boxes_start_at_once(dacha: Dacha) -> None:
    names = [f"box{number}" for number in range(20)]
    for name in names:
        dacha.run("create", name, "--image", IMAGE, check=True)
    done = _at_once(dacha, *[["run", name, "--", "sh", "-c", "echo $DACHA_BOX"] for name in names])
    assert [each.stdout.decode() for each in done] == [f"{name}\n" for name in names], done
    assert len(_inits(dacha)) == 20
    # All of them in one outer namespace, or they could not share layers and files.
    assert len({_parent_namespace(pid) for pid in _inits(dacha)}) == 1
    done = _at_once(dacha, *[["stop", name] for name in names])
    assert [each.returncode for each in done] == [0] * 20
    assert _inits(dacha) == []


def _parent_namespace(pid: int) -> int:
    import fcntl

    namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    try:
        parent = fcntl.ioctl(namespace, 0xB702)  # NS_GET_PARENT: ioctl_ns(2)
    finally:
        os.close(namespace)
    try:
        return os.fstat(parent).st_ino
    finally:
        os.close(parent)


def test_starts_stops_and_removals_at_once_get_along(dacha: Dacha) -> None:
    for name in ("one", "two"):
        dacha.run("create", name, "--image", IMAGE, check=True)
    for _ in range(5):
        lines = [[verb, name] for verb in ("start", "stop", "restart") for name in ("one", "two")]
        _RANDOM.shuffle(lines)
        done = _at_once(dacha, *lines)
        assert [each.returncode for each in done] == [0] * len(lines), done
    lines = [["start", "one"], ["rm", "--force", "one"], ["enter", "one", "--", "true"], ["rm", "-f", "one"]]
    for each in _at_once(dacha, *lines):
        assert (
            each.returncode == 0 or b"no box named 'one'" in each.stderr or b"stopped before" in each.stderr
        )
        assert b"Traceback" not in each.stderr
    assert "one" not in dacha.run("list", "--quiet", check=True).stdout.decode().split()
    dacha.run("run", "two", "--", "true", check=True)
    assert len(_inits(dacha)) == 1
