"""Volumes, as a user has them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.dacha import Dacha

IMAGE = "alpine-test"
UID = os.getuid()


@pytest.fixture
def fresh(dacha: Dacha) -> Iterator[Dacha]:
    """An installation without volumes; none is left on disk."""
    yield dacha
    dacha.run("rm", "--all", "--force", check=True)
    dacha.run("volume", "prune", "--force", check=True)
    assert _directories(dacha) == []


def _directories(dacha: Dacha) -> list[str]:
    base = dacha.data / "containers" / "dacha" / "volumes"
    return sorted(path.name for path in base.iterdir()) if base.is_dir() else []


def _out(dacha: Dacha, *args: str, stdin: bytes = b"") -> str:
    return dacha.run(*args, check=True, stdin=stdin).stdout.decode()


def _sh(dacha: Dacha, box: str, script: str) -> str:
    return _out(dacha, "run", box, "--", "sh", "-c", script)


def _refused(dacha: Dacha, *args: str, says: str, stdin: bytes = b"") -> None:
    done = dacha.run(*args, stdin=stdin)
    assert (done.returncode, done.stdout) == (125, b""), done.stderr
    assert says in done.stderr.decode()


def _tar(*members: tuple[str, bytes, dict[str, object]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data, facts in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in facts.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_volume_outlives_its_boxes(fresh: Dacha) -> None:
    for box in ("one", "two"):
        _out(fresh, "create", box, "--image", IMAGE, "--volume", "data:/data")
        _sh(fresh, box, f"echo {box} >> /data/log")
        _out(fresh, "rm", "--force", box)
    _out(fresh, "create", "three", "--image", IMAGE, "--volume", "data:/data:ro")
    assert _sh(fresh, "three", "cat /data/log") == "one\ntwo\n"
    assert fresh.run("run", "three", "--", "touch", "/data/x").returncode != 0
    assert json.loads(_out(fresh, "volume", "inspect", "data"))[0]["Boxes"] == ["three"]


def test_first_use_copies_what_the_box_has_there(fresh: Dacha) -> None:
    _out(fresh, "create", "plain", "--image", IMAGE)
    look = "find . | sort | while read f; do stat -c '%n %u:%g %a %Y' $f; done"
    expected = _sh(fresh, "plain", f"cd /etc/apk && {look}")
    _out(
        fresh,
        "create",
        "work",
        "--image",
        IMAGE,
        "--volume",
        "apk:/etc/apk",
        "--volume",
        "no:/var/lib:nocopy",
    )
    assert _sh(fresh, "work", f"cd /etc/apk && {look}") == expected
    assert _sh(fresh, "work", "ls /var/lib; stat -c %u /var/lib") == "0\n"
    assert _out(fresh, "diff", "work") == ""


def test_where_the_image_has_nothing_it_belongs_to_the_user(fresh: Dacha) -> None:
    _out(fresh, "create", "work", "--image", IMAGE, "--volume", "new:/not/there")
    assert _sh(fresh, "work", "touch /not/there/x; stat -c %u /not/there") == f"{UID}\n"


def test_symbolic_link_at_the_mount_point_stays_inside(fresh: Dacha) -> None:
    """The copy is made by the host, which must not follow it to the host's files."""
    _out(fresh, "create", "source", "--image", IMAGE)
    _sh(fresh, "source", "sudo ln -s /../../../../etc/apk /out")
    _out(fresh, "commit", "source", "linked")
    _out(fresh, "create", "work", "--image", "linked", "--volume", "v:/out")
    assert "repositories" in _sh(fresh, "work", "ls /out/")


def test_volume_without_a_name_goes_with_its_box(fresh: Dacha) -> None:
    _out(fresh, "create", "work", "--image", IMAGE, "--volume", "/cache")
    _sh(fresh, "work", "echo x > /cache/x")
    [name] = _out(fresh, "volume", "ls", "-q").split()
    assert len(name) == 64
    assert _directories(fresh) == [name]
    _out(fresh, "rm", "--force", "work")
    assert _out(fresh, "volume", "ls", "-q") == ""
    assert _directories(fresh) == []


def test_options(fresh: Dacha, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host")
    _out(fresh, "volume", "create", "mem", "-o", "type=tmpfs", "-o", f"o=size=1m,uid={UID}")
    _out(fresh, "volume", "create", "bound", "-o", "type=none", "-o", "o=bind,ro", "-o", f"device={tmp_path}")
    _out(fresh, "volume", "create", "owned", "-o", "o=uid=7,gid=8")
    words = [word for name in ("mem", "bound", "owned") for word in ("--volume", f"{name}:/v/{name}")]
    _out(fresh, "create", "work", "--image", IMAGE, *words)
    script = "touch /v/mem/x && df -k /v/mem | tail -1; cat /v/bound/file; stat -c ' %u:%g' /v/owned"
    said = _sh(fresh, "work", script)
    assert " 1024 " in said
    assert said.endswith("host 7:8\n")
    assert fresh.run("run", "work", "--", "touch", "/v/bound/x").returncode != 0


def test_export_and_import_carry_all_over(fresh: Dacha, tmp_path: Path) -> None:
    _out(fresh, "create", "work", "--image", IMAGE, "--volume", "from:/from", "--volume", "to:/to")
    script = (
        "cd /from && echo mine > mine && sudo cp /bin/busybox . && sudo chown 7:8 busybox && sudo chmod 4711"
    )
    _sh(fresh, "work", f"{script} busybox && ln mine again && ln -s mine link && echo x > .wh.mine")
    _out(fresh, "volume", "export", "from", "-o", str(tmp_path / "v.tar"))
    _sh(fresh, "work", "echo old > /to/mine; echo kept > /to/kept")
    _out(fresh, "volume", "import", "to", str(tmp_path / "v.tar"))
    look = "for f in mine busybox again link .wh.mine; do stat -c '%n %u:%g %a %Y %h' $f; done"
    assert _sh(fresh, "work", f"cd /to && {look}") == _sh(fresh, "work", f"cd /from && {look}")
    assert _sh(fresh, "work", "cat /to/mine /to/again /to/kept") == "mine\nmine\nkept\n"
    _out(fresh, "volume", "create", "third")
    _out(fresh, "volume", "import", "third", "-", stdin=fresh.run("volume", "export", "from").stdout)
    assert fresh.run("volume", "export", "third").stdout == fresh.run("volume", "export", "from").stdout


def test_hostile_archive_reaches_nothing(fresh: Dacha, tmp_path: Path) -> None:
    _out(fresh, "volume", "create", "v")
    link: dict[str, object] = {"type": tarfile.SYMTYPE, "linkname": str(tmp_path)}
    for archive in (
        _tar(("../../escaped", b"x", {})),
        _tar(("a", b"", {"type": tarfile.LNKTYPE, "linkname": "../../../../../etc/passwd"})),
        b"no tar at all" * 100,
        _tar(("x", b"data" * 1000, {}))[:1500],
    ):
        _refused(fresh, "volume", "import", "v", "-", says="dacha: ", stdin=archive)
    assert _directories(fresh) in ([], ["v"])
    # A link of the archive is followed inside of the archive only.
    _out(fresh, "volume", "import", "v", "-", stdin=_tar(("out", b"", link), ("out/escaped", b"x", {})))
    _out(fresh, "volume", "import", "v", "-", stdin=_tar((f"{tmp_path}/../x/escaped", b"x", {})))
    assert list(tmp_path.iterdir()) == []


def test_link_in_the_volume_is_not_followed_by_an_import(fresh: Dacha, tmp_path: Path) -> None:
    _out(fresh, "create", "work", "--image", IMAGE, "--volume", "v:/v")
    _sh(fresh, "work", f"ln -s {tmp_path} /v/out")
    _out(fresh, "volume", "import", "v", "-", stdin=_tar(("out/escaped", b"x", {})))
    assert list(tmp_path.iterdir()) == []
    assert _sh(fresh, "work", "cat /v/out/escaped") == "x"


def test_mistakes_are_named(fresh: Dacha, tmp_path: Path) -> None:
    _out(fresh, "create", "work", "--image", IMAGE, "--volume", "used:/used")
    _refused(fresh, "volume", "rm", "used", says="in use by work")
    _refused(fresh, "volume", "rm", "nope", says="no volume named")
    _refused(fresh, "volume", "rm", says="name volumes")
    _refused(fresh, "volume", "inspect", "nope", says="no volume named")
    _refused(fresh, "volume", "create", "a/b", says="no name for a volume")
    _refused(fresh, "volume", "create", "used", says="already")
    _refused(fresh, "volume", "create", "x", "--driver", "nfs", says="no volume driver")
    _refused(fresh, "volume", "create", "x", "--opt", "type=ext4", says="cannot mount")
    _refused(fresh, "volume", "export", "nope", says="no volume named")
    _refused(fresh, "volume", "import", "used", str(tmp_path / "nope"), says="cannot read")
    _refused(fresh, "volume", "import", "used", str(tmp_path), says="irectory")
    _out(fresh, "volume", "create", "unused")
    _refused(fresh, "volume", "prune", says="nobody is there to be asked")
    _refused(fresh, "volume", "ls", "--filter", "x=y", says="no filter")
    _refused(fresh, "volume", "ls", "--format", "{{.Nope}}", says="Nope")
    _refused(fresh, "create", "other", "--image", IMAGE, "--volume", "x:/x:nocreate", says="no volume named")
    _refused(
        fresh, "create", "other", "--image", IMAGE, "--volume", "/x", "--volume", "/x", says="two volumes"
    )
    _out(fresh, "create", "file", "--image", IMAGE, "--volume", "f:/etc/passwd")
    _refused(fresh, "start", "file", says="/etc/passwd")
    assert fresh.run("volume", "exists", "nope").returncode == 1
    assert fresh.run("volume", "exists", "used").returncode == 0
    assert fresh.run("volume", "rm", "--force", "nope").returncode == 0


def test_list_in_many_forms(fresh: Dacha) -> None:
    _out(fresh, "volume", "create", "a", "--label", "k=v")
    _out(fresh, "volume", "create", "b")
    assert _out(fresh, "volume", "ls", "-q", "--filter", "label=k=v") == "a\n"
    assert _out(fresh, "volume", "ls", "--format", "{{.Name}}:{{.Driver}}") == "a:local\nb:local\n"
    assert _out(fresh, "volume", "ls", "--format", r"table {{.Name}}\t{{.Scope}}").split()[:2] == [
        "NAME",
        "SCOPE",
    ]
    assert [each["Name"] for each in json.loads(_out(fresh, "volume", "ls", "--format", "json"))] == [
        "a",
        "b",
    ]
    assert _out(fresh, "volume", "prune", "--force", "--filter", "label!=k") == "b\n"


@pytest.mark.parametrize("delay_s", [0.05, 0.12, 0.2, 0.3])
def test_kill_while_a_volume_is_filled_leaves_a_whole_one_or_none(fresh: Dacha, delay_s: float) -> None:
    _out(fresh, "create", "work", "--image", IMAGE, "--volume", "lib:/usr/share")
    command = [*fresh._command, "start", "work"]
    started = subprocess.Popen(command, env=fresh.env, start_new_session=True, stderr=subprocess.DEVNULL)
    time.sleep(delay_s)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    _out(fresh, "create", "plain", "--image", IMAGE)
    count = "find /usr/share | wc -l"
    assert _sh(fresh, "work", count) == _sh(fresh, "plain", count)
