"""containers-auth.json(5): finding, keeping and forgetting credentials."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.config import auth
from dacha.config.auth import (
    NotLoggedInError,
    find_credentials,
    remove_all_credentials,
    remove_credentials,
    store_credentials,
)
from dacha.config.credentials import Credentials, decode_entry, encode_entry
from dacha.config.helpers import CredentialHelperError
from dacha.config.reading import ConfigError
from dacha.errors import DachaError, MissingProgramError, UsageError
from tests.unit.config.conftest import Host

ADA = Credentials("ada", "pass:word")

# A key ring in a file, as the real ones speak; it notes its arguments.
HELPER = """#!/usr/bin/env python3
import json, os, sys
store = os.environ["RING"]
ring = json.load(open(store)) if os.path.exists(store) else {}
with open(store + ".argv", "a") as log:
    print(*sys.argv[1:], file=log)
verb, said = sys.argv[1], sys.stdin.read()
if verb == "store":
    new = json.loads(said)
    ring[new["ServerURL"]] = [new["Username"], new["Secret"]]
elif verb == "list":
    print(json.dumps({server: name for server, (name, _) in ring.items()}))
elif said.strip() == "broken.io":
    print("the key ring is locked")
    sys.exit(1)
elif said.strip() not in ring:
    print("credentials not found in native keychain")
    sys.exit(1)
elif verb == "get":
    name, secret = ring[said.strip()]
    print(json.dumps({"ServerURL": said.strip(), "Username": name, "Secret": secret}))
elif verb == "erase":
    del ring[said.strip()]
json.dump(ring, open(store, "w"))
"""


@pytest.fixture
def ring(host: Host, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper `ring` on PATH; the file in which it keeps what it is told."""
    program = host.write(host.home / "bin/docker-credential-ring", HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RING", str(host.home / "ring.json"))
    return host.home / "ring.json"


def write(path: Path, **content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def entry(name: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:pw-{name}".encode()).decode()}


def user_of(repository: str, **options: Any) -> str:
    found = find_credentials(repository, **options)
    return found.username if found else ""


def test_nobody_is_logged_in_without_files(host: Host) -> None:
    assert find_credentials("q.io/a/b") is None


def test_the_most_specific_key_wins(host: Host) -> None:
    write(
        host.user / "auth.json",
        auths={"my.local": entry("c"), "my.local/ns/user/image": entry("a"), "my.local/ns": entry("b")},
    )
    assert user_of("my.local/ns/user/image") == "a"
    assert user_of("my.local/ns/user") == "b"
    assert user_of("my.local/nsx/user") == "c"
    assert user_of("my.local") == "c"
    assert user_of("my.local:5000/ns") == ""


def test_files_are_searched_in_order(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        host.runtime / "containers/auth.json",
        host.user / "auth.json",
        host.home / ".docker/config.json",
    ]
    for number, file in enumerate(files):
        write(file, auths={f"only{number}.io": entry(f"u{number}"), "all.io": entry(f"u{number}")})
    write(host.home / ".dockercfg", **{"https://old.io/v1/": entry("old"), "all.io": entry("old")})
    assert [user_of(f"only{number}.io/x") for number in range(3)] == ["u0", "u1", "u2"]
    assert user_of("all.io/x") == "u0"
    assert user_of("old.io/x") == "old"
    found = find_credentials("all.io")
    assert found is not None
    assert found.origin == str(files[0])
    named = write(host.home / "named.json", auths={"named.io": entry("named")})
    assert user_of("named.io", authfile=str(named)) == "named"
    assert user_of("all.io", authfile=str(named)) == ""
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(named))
    assert user_of("named.io") == "named"
    assert user_of("all.io") == ""


def test_dockers_directory_can_be_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    write(host.home / "d/config.json", auths={"q.io": entry("d")})
    write(host.runtime / "containers/auth.json", auths={"q.io": entry("r"), "r.io": entry("r")})
    monkeypatch.setenv("DOCKER_CONFIG", str(host.home / "d"))
    assert user_of("q.io") == "d"
    assert user_of("r.io") == "r"


@pytest.mark.parametrize(
    "key",
    [
        "docker.io",
        "index.docker.io",
        "https://index.docker.io/v1/",
        "registry-1.docker.io",
        "http://docker.io",
    ],
)
def test_dockers_registry_goes_by_many_names(host: Host, key: str) -> None:
    write(host.home / ".docker/config.json", auths={"x.io": entry("x"), key: entry("a")})
    assert user_of("docker.io/library/debian") == "a"
    assert user_of("q.io") == ""


def test_an_identity_token_may_stand_alone(host: Host) -> None:
    write(host.user / "auth.json", auths={"q.io": {"identitytoken": "T0KEN"}, "r.io": {"auth": "", "x": 1}})
    found = find_credentials("q.io/a")
    assert found is not None
    assert (found.username, found.password, found.identity_token) == ("", "", "T0KEN")
    assert find_credentials("r.io") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"auths": {"q.io": {"auth": "!secret!"}}}, r"auths\.q\.io: 'auth' is not base64"),
        ({"auths": {"q.io": {"auth": "/////w=="}}}, r"auths\.q\.io: 'auth' is not base64"),
        ({"auths": {"q.io": {"auth": 7}}}, r"auths\.q\.io: 'auth' and 'identitytoken' must be strings"),
        ({"auths": {"q.io": "secret"}}, r"auths\.q\.io: must be an object"),
        ({"auths": ["secret"]}, "auths: must be an object"),
        ({"credHelpers": {"q.io": 1}}, r"credHelpers\.q\.io: must be a string"),
        ({"credsStore": 1}, "credsStore: must be a string"),
    ],
)
def test_damage_is_said_without_showing_secrets(host: Host, content: dict[str, Any], message: str) -> None:
    write(host.user / "auth.json", **content)
    with pytest.raises(ConfigError, match=message) as caught:
        find_credentials("q.io/a")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["https://q.io", "q.io/a:1", "q.io/a@sha256:1", "", "/a"])
def test_what_is_no_key_is_refused(host: Host, key: str) -> None:
    for act in (find_credentials, remove_credentials):
        with pytest.raises(UsageError, match="names no registry"):
            act(key)
    with pytest.raises(UsageError, match="names no registry"):
        store_credentials(key, ADA)


def test_what_is_stored_is_found_and_the_rest_of_the_file_stays(host: Host) -> None:
    file = write(
        host.runtime / "containers/auth.json", auths={"old.io": {**entry("o"), "email": "o@o"}}, psFormat="x"
    )
    file.chmod(0o644)
    assert store_credentials("q.io/team", ADA) == str(file)
    assert find_credentials("q.io/team/app") == ADA._replace(origin=str(file))
    assert find_credentials("q.io/other") is None
    content = json.loads(file.read_text())
    assert content["psFormat"] == "x"
    assert content["auths"]["old.io"]["email"] == "o@o"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["auth.json"]


def test_a_new_file_is_the_users_alone(host: Host) -> None:
    os.umask(os.umask(0))  # whatever it is
    target = host.home / "new/dir/auth.json"
    store_credentials("q.io", ADA, authfile=str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.parent.stat().st_mode & 0o077 == 0


def test_a_link_stays_one(host: Host) -> None:
    target = write(host.home / "dotfiles/auth.json", auths={})
    link = host.runtime / "containers/auth.json"
    link.parent.mkdir()
    link.symlink_to(target)
    store_credentials("q.io", ADA)
    assert link.is_symlink()
    assert "q.io" in target.read_text()


def test_a_damaged_file_is_not_overwritten(host: Host) -> None:
    file = host.write(host.runtime / "containers/auth.json", "{ broken")
    with pytest.raises(ConfigError, match="is not JSON"):
        store_credentials("q.io", ADA)
    assert file.read_text() == "{ broken"
    with pytest.raises(ConfigError, match="only read"):
        store_credentials("q.io", ADA, authfile=str(host.home / ".dockercfg"))


def test_where_there_is_no_place_to_write_it_is_said(host: Host) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        store_credentials("q.io", ADA, authfile="/proc/nothing/auth.json")


def test_logins_at_once_are_all_kept(host: Host) -> None:
    hosts = [f"h{number}.io" for number in range(8)]
    threads = [threading.Thread(target=store_credentials, args=(each, ADA)) for each in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [user_of(each) for each in hosts] == ["ada"] * 8


def test_logout_forgets_one_and_all(host: Host) -> None:
    for key in ("a.io", "b.io", "c.io/x"):
        store_credentials(key, ADA)
    remove_credentials("a.io")
    assert [user_of(key) for key in ("a.io", "b.io", "c.io/x")] == ["", "ada", "ada"]
    with pytest.raises(NotLoggedInError, match=r"not logged in to 'a\.io'"):
        remove_credentials("a.io")
    remove_all_credentials()
    assert user_of("b.io") == user_of("c.io/x") == ""


def test_others_files_are_left_alone_by_logout(host: Host) -> None:
    write(host.home / ".docker/config.json", auths={"q.io": entry("d")})
    with pytest.raises(NotLoggedInError):
        remove_credentials("q.io")
    assert user_of("q.io") == "d"


def test_a_helper_of_one_registry(host: Host, ring: Path) -> None:
    file = write(host.runtime / "containers/auth.json", credHelpers={"q.io": "ring"})
    assert find_credentials("q.io/a") is None
    assert store_credentials("q.io", ADA) == "docker-credential-ring"
    assert find_credentials("q.io/a/b") == ADA._replace(origin="docker-credential-ring")
    assert "auths" not in json.loads(file.read_text())
    with pytest.raises(DachaError, match="whole registries only"):
        store_credentials("q.io/a", ADA, helpers=("ring",))
    remove_credentials("q.io")
    assert find_credentials("q.io/a") is None
    assert set(Path(f"{ring}.argv").read_text().split()) == {"get", "store", "erase"}  # and no secret


def test_dockers_key_ring_keeps_all(host: Host, ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(host.home / "d"))
    file = write(host.home / "d/config.json", credsStore="ring")
    store_credentials("q.io", ADA)
    assert json.loads(file.read_text()) == {"credsStore": "ring", "auths": {"q.io": {}}}
    assert user_of("q.io/x") == "ada"
    ring.write_text(json.dumps({"https://index.docker.io/v1/": ["hub", "pw"]}))
    assert user_of("docker.io/library/debian") == "hub"
    store_credentials("q.io", ADA._replace(identity_token="T0K"))
    found = find_credentials("q.io")
    assert found is not None
    assert (found.username, found.identity_token) == ("", "T0K")
    remove_all_credentials()
    assert find_credentials("q.io") is None


def test_helpers_of_registries_conf_are_asked_in_order(host: Host, ring: Path) -> None:
    store_credentials("q.io", Credentials("file", "x"))
    store_credentials("q.io", Credentials("ring", "x"), helpers=("ring", "containers-auth.json"))
    assert user_of("q.io/a", helpers=("ring", "containers-auth.json")) == "ring"
    assert user_of("q.io/a", helpers=("containers-auth.json", "ring")) == "file"
    remove_credentials("q.io", helpers=("containers-auth.json", "ring"))
    assert user_of("q.io", helpers=("containers-auth.json", "ring")) == ""


def test_a_failing_helper_is_named(host: Host, ring: Path) -> None:
    write(host.user / "auth.json", credHelpers={"broken.io": "ring", "gone.io": "gone", "evil.io": "../x"})
    with pytest.raises(CredentialHelperError, match="docker-credential-ring get: the key ring is locked"):
        find_credentials("broken.io/a")
    with pytest.raises(MissingProgramError, match="docker-credential-gone"):
        find_credentials("gone.io/a")
    with pytest.raises(DachaError, match="is no name of a credential helper"):
        find_credentials("evil.io/a")


def test_a_key_ring_from_another_machine_is_no_obstacle(host: Host) -> None:
    write(host.home / ".docker/config.json", credsStore="desktop", auths={"q.io": entry("a")})
    assert user_of("q.io") == "a"
    assert user_of("r.io") == ""


def test_secrets_are_not_shown() -> None:
    full = Credentials("ada", "hunter2", "T0KEN", "f")
    for text in (repr(full), str(full), f"{full}", f"{[full]}"):
        assert "hunter2" not in text
        assert "T0KEN" not in text
        assert "ada" in text


@given(st.text(max_size=20).filter(lambda text: ":" not in text), st.text(max_size=20), st.text(max_size=20))
def test_entries_can_be_read_back(username: str, password: str, token: str) -> None:
    if password.strip("\0") != password:
        return  # docker pads with NUL
    credentials = Credentials(username, password, token)
    try:
        written = encode_entry(credentials)
    except UnicodeEncodeError:
        return
    assert decode_entry("f", "k", written) == credentials._replace(origin="f")


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=5),
    st.sets(st.integers(0, 5), min_size=1),
)
def test_the_nearest_of_any_keys_wins(parts: list[str], lengths: set[int]) -> None:
    repository = "/".join(["h.io", *parts])
    pieces = repository.split("/")
    keys = {"/".join(pieces[: length + 1]): entry(str(min(length, len(pieces) - 1))) for length in lengths}
    file = auth._AuthFile("f", {"auths": keys | {"h.io/zzz": entry("no")}}, is_legacy=False)
    found = auth._find_in(file, repository)
    assert found is not None
    assert found.username == max((min(each, len(pieces) - 1) for each in lengths), default=0).__str__()
