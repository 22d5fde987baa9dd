"""Care for the store, as a user gives it: check, df, reset, and the names and history of images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha
from tests.lib.images import RealImages
from tests.lib.oci import Entry, Layer, write_layout


@pytest.fixture(scope="module")
def layout(images: RealImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alpine with one file of 1000 bytes on top, which belongs to the tester's number."""
    uid = os.getuid()
    top: Layer = [Entry("opt/file", data=b"x" * 1000, uid=uid), Entry("opt/empty")]
    config = {"Labels": {"kind": "test"}}
    return write_layout(
        tmp_path_factory.mktemp("care"),
        [images.alpine_tar.read_bytes(), top],
        compression="none",
        config=config,
    )


@pytest.fixture(scope="module")
def installation() -> Iterator[Dacha]:
    """One for all tests here: a layer takes a second to get onto a busy disk."""
    dacha = Dacha()
    try:
        yield dacha
    finally:
        dacha.close()


@pytest.fixture
def store(installation: Dacha, layout: Path) -> Dacha:
    """The image `top` and a box of it that has changed something; what the last test has left is mended."""
    installation.run("image", "load", f"oci:{layout}", "--name", "top", check=True)
    if installation.run("list", "--quiet", check=True).stdout != b"work\n":
        installation.run("rm", "--all", "--force", check=True)
        installation.run("create", "work", "--image", "top", check=True)
        installation.run("run", "work", "--", "sudo", "cp", "/opt/file", "/kept", check=True)
    installation.run("stop", "work", check=True)
    return installation


def _root(dacha: Dacha) -> Path:
    return dacha.data / "containers" / "dacha"


def _mapped(*words: str) -> None:
    """Do something to files of subordinate ids."""
    mapped = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
    subprocess.run([*mapped, *words], check=True)


def _check(dacha: Dacha, *flags: str) -> tuple[int, list[str]]:
    done = dacha.run("system", "check", *flags)
    assert done.stderr == b""
    return done.returncode, done.stdout.decode().splitlines()


def _layer_of(dacha: Dacha, path: str) -> Path:
    """Where a layer has that file, in its view, not in a delta."""
    return next(_root(dacha).glob(f"layers/*/[is]*/{path}"))


def test_damage_is_found_taken_away_and_fetched_again(store: Dacha, layout: Path) -> None:
    _mapped("rm", str(_layer_of(store, "opt/file")))
    code, lines = _check(store)
    assert code == 1
    assert "has 1 files, not 2" in lines[0]
    code, lines = _check(store, "--repair")
    assert code == 1, "the image is still to be fetched"
    assert "taken away" in lines[0]
    load = f"dacha image load oci:{layout} --name top"
    assert [line.partition(":")[0] for line in lines[1:]] == ["image top", "box work"]
    assert all(line.endswith(load) for line in lines[1:])

    done = store.run("start", "work")
    assert done.returncode == 125
    assert b"has lost a layer" in done.stderr
    assert store.run("create", "other", "--image", "top").returncode == 125
    store.run(*load.split()[1:], check=True)
    assert _check(store) == (0, [])
    assert store.run("run", "work", "--", "cat", "/kept", "/opt/file", check=True).stdout == b"x" * 2000


def test_create_fetches_a_lost_layer_from_where_it_says(store: Dacha, layout: Path) -> None:
    shutil.move(_layer_of(store, "opt/file").parents[2], _root(store) / "staging" / "lost")
    assert _check(store, "--repair")[0] == 1
    store.run("create", "other", "--image", f"oci:{layout}", check=True)
    assert _check(store) == (0, [])
    assert store.run("run", "work", "--", "cat", "/kept", check=True).stdout == b"x" * 1000


def test_a_box_whose_row_is_lost_is_never_deleted(store: Dacha) -> None:
    stray = _root(store) / "boxes" / "0123456789abcdef" / "upper"
    stray.mkdir(parents=True)
    (stray / "thesis").touch()
    for words in (["system", "check", "--repair"], ["rm", "--force", "work"], ["image", "rm", "--all"]):
        store.run(*words)
        assert (stray / "thesis").exists(), words
    code, lines = _check(store)
    assert (code, len(lines)) == (1, 1)
    assert "never deleted" in lines[0]
    shutil.rmtree(stray.parent)
    assert _check(store) == (0, [])


def test_settings_that_cannot_be_read_are_reset_and_files_stay(store: Dacha) -> None:
    import sqlite3

    with sqlite3.connect(_root(store) / "dacha.db") as connection:
        connection.execute("UPDATE boxes SET definition = '{broken'")
    connection.close()
    code, lines = _check(store, "--repair")
    assert (code, len(lines)) == (0, 1)
    assert "they were '{broken'" in lines[0]
    assert store.run("run", "work", "--", "cat", "/kept", check=True).stdout == b"x" * 1000


def test_findings_as_json(store: Dacha) -> None:
    (_root(store) / "layers" / "stray").mkdir()
    found = json.loads(store.run("system", "check", "--json").stdout)
    assert [(each["kind"], each["where"], each["mendable"]) for each in found["findings"]] == [
        ("stray-layer", "layers/stray", True)
    ]
    done = json.loads(store.run("system", "check", "--repair", "--json", check=True).stdout)
    assert (done["findings"], done["mended"][0]["did"]) == ([], "deleted")


def test_what_a_killed_box_leaves_is_cleared_away(store: Dacha) -> None:
    store.run("run", "work", "--", "sudo", "sh", "-c", "kill -KILL -1; kill -TERM 1")
    runtime = store.runtime / "dacha"
    (runtime / "locks" / "box-gone").touch()
    (runtime / "launches").mkdir(exist_ok=True)  # root launches without marks
    (runtime / "launches" / "4194305").write_text("1")  # more than the largest pid: proc(5), pid_max
    (runtime / "boxes" / "gone").mkdir()
    store.run("start", "nothing")  # leaves no lock
    code, lines = _check(store, "--repair")
    assert (code, len([line for line in lines if "gone" in line or "4194305" in line])) == (0, 3), lines
    assert _check(store) == (0, [])


def test_a_damaged_database_is_saved_and_boxes_keep_their_files(store: Dacha) -> None:
    database = _root(store) / "dacha.db"
    database.write_bytes(b"nonsense" * 1000)
    done = store.run("list")
    assert done.returncode == 125
    assert b"file is not a database" in done.stderr
    assert b"dacha system check --repair" in done.stderr
    assert _check(store)[0] == 1
    upper = next(_root(store).glob("boxes/*/upper"))
    code, lines = _check(store, "--repair")
    assert code == 1, "boxes without rows are left"
    assert "saved what can be read" in lines[0]
    assert any("boxes/" in line and "never deleted" in line for line in lines)
    assert upper.is_dir()
    assert list(_root(store).glob("dacha.db.damaged-*"))
    store.run("system", "reset", "--force", check=True)
    assert _check(store) == (0, [])


def test_df_counts_shared_layers_once(store: Dacha, images: RealImages) -> None:
    store.run("image", "load", f"tar:{images.alpine_tar}", "--name", "alpine", check=True)
    found = json.loads(store.run("system", "df", "--json", check=True).stdout)
    top, alpine = (
        next(image for image in found["images"] if image["names"] == [name]) for name in ("top", "alpine")
    )
    assert (top["unique_bytes"], top["shared_bytes"], alpine["unique_bytes"]) == (
        1000,
        alpine["size_bytes"],
        0,
    )
    totals = {total["kind"]: total for total in found["totals"]}
    assert totals["Images"]["size_bytes"] == top["size_bytes"]
    assert (totals["Images"]["total"], totals["Images"]["active"]) == (2, 1)
    assert (totals["Boxes"]["total"], totals["Boxes"]["active"]) == (1, 0)
    assert 1000 <= totals["Boxes"]["reclaimable_bytes"] < 100_000
    lines = store.run("system", "df", check=True).stdout.decode().splitlines()
    assert lines[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert "each layer is counted once" in lines[-1]
    assert b"UNIQUE SIZE" in store.run("system", "df", "-v", check=True).stdout


def test_reset_stops_what_runs_and_spares_the_home(store: Dacha) -> None:
    (store.home / "precious").touch()
    store.run("start", "work", check=True)
    done = store.run("system", "reset")
    assert done.returncode == 125
    assert b"--force" in done.stderr
    store.run("system", "reset", "--force", check=True)
    assert (store.home / "precious").exists()
    assert not list(_root(store).iterdir()) if os.geteuid() == 0 else not _root(store).exists()
    assert store.run("list", "--quiet", check=True).stdout == b""


def test_reset_asks_and_takes_enter_for_no(store: Dacha) -> None:
    child = store.spawn("system", "reset")
    child.expect("Remove all of it")
    child.sendline("")
    child.expect("$")
    child.wait()
    assert child.exitstatus == 1
    assert store.run("list", "--quiet", check=True).stdout == b"work\n"


def test_tag_untag_history_and_tree(store: Dacha) -> None:
    store.run("image", "tag", "top", "a", "b:1", check=True)
    names = json.loads(store.run("image", "list", "--json", check=True).stdout)[0]["names"]
    assert names == ["a", "b:1", "top"]
    store.run("image", "untag", "top", "a", "b:1", check=True)
    history = json.loads(store.run("image", "history", "top", "--json", check=True).stdout)
    assert (history[0]["created_by"], history[0]["size_bytes"]) == ("layer 2", 1000)
    head = store.run("image", "history", "top", check=True).stdout.decode().splitlines()[0]
    assert head.split("  ")[0] == "ID"
    tree = json.loads(store.run("image", "tree", "top", "--json", check=True).stdout)
    assert tree["layers"][1]["size_bytes"] == 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("image", "tag", "nothing", "x"), b"no image 'nothing'"),
        (("image", "tag", "top", "not a name"), b"is no image reference"),
        (("image", "tag", "top", "tar:x"), b"is no name for an image"),
        (("image", "untag", "top", "x"), b"no name of image 'top'"),
        (("image", "history", "nothing"), b"no image 'nothing'"),
        (("image", "tree", "../x"), b"no image '../x'"),
        (("image", "prune", "--filter", "size=1"), b"is no filter"),
    ],
)
def test_bad_input_changes_nothing(
    shared_dacha: Dacha, images: RealImages, words: tuple[str, ...], message: bytes
) -> None:
    before = shared_dacha.run("image", "list", "--json", check=True).stdout
    words = tuple("alpine-test" if word == "top" else word for word in words)
    done = shared_dacha.run(*words)
    assert done.returncode == 125
    assert message.replace(b"'top'", b"'alpine-test'") in done.stderr
    assert shared_dacha.run("image", "list", "--json", check=True).stdout == before


def test_prune_takes_what_has_no_name_and_no_box(store: Dacha, images: RealImages) -> None:
    store.run("image", "load", f"tar:{images.alpine_tar}", "--name", "alpine", check=True)
    store.run("image", "untag", "alpine", check=True)
    done = store.run("image", "prune")
    assert (done.returncode, b"--force" in done.stderr) == (125, True)
    done = store.run("image", "prune", "--force", check=True)
    assert done.stdout.splitlines()[-1] == b"freed 0 B"  # `top` stands on the same layer
    store.run("rm", "work", check=True)
    assert b"freed 0 B" in store.run("image", "prune", "--force", "--all", "--filter", "label!=kind").stdout
    done = store.run("image", "prune", "--force", "--all", "--filter", "label=kind=test", check=True)
    assert done.stdout.splitlines()[-1].endswith(b" MB")
    assert store.run("image", "list", "--quiet", check=True).stdout == b""


def test_a_box_stands_on_more_layers_than_a_page_of_options_names(
    empty_dacha: Dacha, images: RealImages, tmp_path: Path
) -> None:
    layers: list[Layer] = [images.alpine_tar.read_bytes()]
    layers += [[Entry(f"opt/{number}", data=b"x")] for number in range(150)]
    layout = write_layout(tmp_path, layers, compression="none")
    empty_dacha.run("create", "high", "--image", f"oci:{layout}", check=True)
    done = empty_dacha.run(
        "run", "high", "--", "sh", "-c", "ls /opt | wc -l; sudo touch /opt/mine", check=True
    )
    assert done.stdout == b"150\n"
