"""The same configuration, read by dacha and by skopeo and podman: they must agree.

The registry is a few lines of ours on the loopback, since what counts is whom the programs ask
and with which password.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dacha.config import places
from dacha.config.auth import find_credentials, remove_credentials, store_credentials
from dacha.config.credentials import Credentials
from dacha.config.policy import PolicyError, read_policy
from dacha.config.registries import BlockedRegistryError, load_registries
from dacha.config.sigstore import Signature, verify
from tests.lib.small_registry import DIGEST, Start, small_registries

PASSWORD = "s3cret:with colon"


@pytest.fixture
def serve() -> Iterator[Start]:
    """Start registries; they end with the test."""
    with small_registries() as start:
        yield start


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, for all programs and for us."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"needs {argv[0]}")
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def run_podman(*argv: str) -> subprocess.CompletedProcess[str]:
    """podman with a store of its own. It allows only short names of directories."""
    with tempfile.TemporaryDirectory(prefix="p-", dir="/tmp") as directory:
        roots = [f"--root={directory}/s", f"--runroot={directory}/r", "--storage-driver=vfs"]
        return run("podman", *roots, *argv)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_login_with_skopeo_is_ours_and_ours_is_skopeos(home: Path, serve: Start) -> None:
    host = serve(password=PASSWORD).host
    done = run("skopeo", "login", "--tls-verify=false", "-u", "ada", "--password-stdin", host, stdin=PASSWORD)
    assert done.returncode == 0, done.stderr
    found = find_credentials(f"{host}/team/app")
    assert found is not None
    assert (found.username, found.password) == ("ada", PASSWORD)
    assert found.origin == f"{home}/run/containers/auth.json"
    remove_credentials(host)
    assert run("skopeo", "login", "--get-login", host).returncode != 0
    store_credentials(host, Credentials("ada", PASSWORD))
    assert run("skopeo", "login", "--get-login", host).stdout.strip() == "ada"
    assert (
        run("skopeo", "list-tags", "--tls-verify=false", f"docker://{host}/x").stderr.count("unauthorized")
        == 0
    )
    assert run("skopeo", "logout", host).returncode == 0
    assert find_credentials(host) is None


def test_skopeo_uses_the_password_we_keep_for_a_namespace(serve: Start) -> None:
    registry = serve(password=PASSWORD)
    store_credentials(f"{registry.host}/team", Credentials("ada", PASSWORD))
    store_credentials(registry.host, Credentials("ada", "wrong"))
    for repository, is_allowed in (("team/app", True), ("other/app", False)):
        registry.asked.clear()
        run("skopeo", "inspect", "--tls-verify=false", f"docker://{registry.host}/{repository}:1")
        assert (registry.asked != []) is is_allowed
        found = find_credentials(f"{registry.host}/{repository}")
        assert found is not None
        assert (found.password == PASSWORD) is is_allowed


def test_a_helper_is_asked_by_both(home: Path, serve: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    host = serve(password=PASSWORD).host
    program = write(
        home / "bin/docker-credential-fixed",
        f"#!/bin/sh\ncat > /dev/null\nprintf '%s' '{json.dumps({'Username': 'ada', 'Secret': PASSWORD})}'\n",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    write(home / "run/containers/auth.json", json.dumps({"credHelpers": {host: "fixed"}}))
    assert run("skopeo", "login", "--get-login", host).stdout.strip() == "ada"
    found = find_credentials(f"{host}/a")
    assert found is not None
    assert (found.username, found.password) == ("ada", PASSWORD)


def test_places_are_asked_in_the_order_of_skopeo(home: Path, serve: Start) -> None:
    registry = serve()
    host = registry.host
    write(
        home / ".config/containers/registries.conf",
        f"""
        [[registry]]
        prefix = "example.test/foo"
        location = "{host}/final"
        insecure = true
        mirror = [
          {{location = "{host}/one", insecure = true}},
          {{location = "{host}/digests", insecure = true, pull-from-mirror = "digest-only"}},
          {{location = "{host}/tags", insecure = true, pull-from-mirror = "tag-only"}},
        ]
        [[registry]]
        prefix = "example.test/foo/deep"
        location = "{host}/deeper"
        insecure = true
        [[registry]]
        prefix = "*.wild.test"
        location = "{host}/wild"
        insecure = true
        [[registry]]
        prefix = "example.test/blocked"
        location = "{host}/never"
        blocked = true
        """,
    )
    registries = load_registries()
    for name in (
        "example.test/foo/app:1",
        f"example.test/foo/app@{DIGEST}",
        "example.test/foo/deep/app:1",
        "a.b.wild.test/x/y:1",
        f"{host}/plain:1",
    ):
        registry.asked.clear()
        run("skopeo", "inspect", "--tls-verify=false", f"docker://{name}")
        ours = [
            f"{each.location}{each.version}".removeprefix(f"{host}/").replace("@", ":", 1)
            for each in registries.resolve(name)
        ]
        assert registry.asked == ours, name
    registry.asked.clear()
    done = run("skopeo", "inspect", "--tls-verify=false", "docker://example.test/blocked/x:1")
    assert "blocked" in done.stderr
    with pytest.raises(BlockedRegistryError):
        registries.resolve("example.test/blocked/x:1")


@pytest.mark.parametrize("named", [False, True])
def test_podman_merges_the_same_registries(home: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    user = home / ".config/containers"
    main = write(
        (home if named else user) / "registries.conf",
        "unqualified-search-registries = ['main.test']\n"
        "[[registry]]\nlocation = 'a.test'\ninsecure = true\n"
        "[[registry]]\nlocation = 'b.test'\nblocked = true\n",
    )
    if named:
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(main))
    write(
        user / "registries.conf.d/1.conf", "unqualified-search-registries = ['first.test', 'second.test']\n"
    )
    write(
        user / "registries.conf.d/2.conf",
        "[[registry]]\nlocation = 'a.test'\n[[registry]]\nprefix='c.test/x'\nlocation='d.test'\n",
    )
    done = run_podman("info", "--format", "json")
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)["registries"]
    ours = load_registries()
    assert list(ours.search) == theirs.pop("search")
    assert {each.prefix for each in ours.registries} == set(theirs)
    for each in ours.registries:
        found = theirs[each.prefix]
        assert (each.location, each.insecure, each.blocked) == (
            found["Location"],
            found["Insecure"],
            found["Blocked"],
        )


def test_policies_decide_as_skopeos(home: Path, serve: Start) -> None:
    registry = serve(has_image=True)
    host = registry.host
    accept, reject = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]
    scopes = {
        "": reject,
        f"{host}/ns": accept,
        f"{host}/ns/app": reject,
        f"{host}/ns/app:1": accept,
        f"{host}/ns/app@{DIGEST}": accept,
        f"{host}/lib": accept,
    }
    file = write(home / "policy.json", json.dumps({"default": accept, "transports": {"docker": scopes}}))
    policy = read_policy(str(file))
    verdicts = set()
    for name in (
        "ns/x:1",
        "ns/app:1",
        "ns/app:2",
        f"ns/app@{DIGEST}",
        "nsx/a:1",
        "lib/a/b:1",
        "libx:1",
        "a:1",
    ):
        done = run(
            "skopeo", "--policy", str(file), "copy", "--src-tls-verify=false",
            f"docker://{host}/{name}", f"dir:{home}/out",
        )  # fmt: skip
        is_rejected = "is rejected by policy" in done.stderr
        verdicts.add(is_rejected)
        assert _refuses(policy, "docker", f"{host}/{name}") is is_rejected, (name, done.stderr)
    assert verdicts == {True, False}


def _refuses(policy: Any, transport: str, scope: str) -> bool:
    try:
        policy.decide(transport, scope)
    except PolicyError:
        return True
    return False


@pytest.mark.parametrize("kind", [["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["RSA"]], ids=["ec", "rsa"])
def test_signatures_made_by_openssl_are_verified(home: Path, kind: list[str]) -> None:
    """Debian's skopeo has signatures of sigstore switched off, so the other side is openssl."""
    for name in ("key", "other"):
        assert run("openssl", "genpkey", "-algorithm", *kind, "-out", f"{home}/{name}").returncode == 0
    assert run("openssl", "pkey", "-in", f"{home}/key", "-pubout", "-out", f"{home}/key.pub").returncode == 0
    critical = {
        "identity": {"docker-reference": "q.test/a"},
        "image": {"docker-manifest-digest": DIGEST},
        "type": "cosign container image signature",
    }
    payload = json.dumps({"critical": critical, "optional": None})
    rule = {"type": "matchRepository"}
    requirement = {"type": "sigstoreSigned", "keyPath": f"{home}/key.pub", "signedIdentity": rule}
    file = write(home / "policy.json", json.dumps({"default": [requirement]}))
    needed = read_policy(str(file)).decide("docker", "q.test/a:1")[0]

    def sign(key: str) -> Signature:
        write(home / "payload", payload)
        argv = ["openssl", "dgst", "-sha256", "-sign", f"{home}/{key}", "-out", f"{home}/signature"]
        assert run(*argv, f"{home}/payload").returncode == 0
        return Signature(payload.encode(), base64.b64encode((home / "signature").read_bytes()).decode())

    verify(needed, "q.test/a:1", [DIGEST], [sign("key")])
    with pytest.raises(PolicyError, match="by none of the accepted keys"):
        verify(needed, "q.test/a:1", [DIGEST], [sign("other")])


def test_the_file_that_a_login_writes_is_podmans(home: Path, serve: Start) -> None:
    host = serve(password=PASSWORD).host
    where = store_credentials(host, Credentials("ada", PASSWORD))
    assert where == places.auth_json() == f"{home}/run/containers/auth.json"
    done = run_podman("login", "--get-login", host)
    assert done.stdout.strip() == "ada", done.stderr
