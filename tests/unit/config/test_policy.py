"""containers-policy.json(5): which requirements count, and that none is passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.config.policy import Policy, PolicyError, Requirement, load_policy, read_policy
from dacha.config.reading import ConfigError
from tests.unit.config.conftest import Host

ACCEPT = [{"type": "insecureAcceptAnything"}]
REJECT = [{"type": "reject"}]
GPG = [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k.gpg"}]
KEY = [{"type": "sigstoreSigned", "keyPath": "/k.pub", "signedIdentity": {"type": "matchRepository"}}]
SHA = "sha256:" + "c" * 64


def read(directory: Path, **content: Any) -> Policy:
    file = directory / "policy.json"
    file.write_text(json.dumps(content))
    return read_policy(str(file))


def scope_of(policy: Policy, transport: str, scope: str) -> str:
    return policy.requirements_for(transport, scope)[0].scope


def test_without_a_file_everything_is_accepted(host: Host) -> None:
    assert load_policy().decide("docker", "q.io/a:1") == ()


def test_the_users_file_goes_before_the_administrators(host: Host) -> None:
    host.write(host.system / "policy.json", json.dumps({"default": REJECT}))
    with pytest.raises(PolicyError, match=r"rejects 'docker:q\.io/a:1'") as caught:
        load_policy().decide("docker", "q.io/a:1")
    assert f"{host.system}/policy.json, default" in caught.value.hint
    host.write(host.user / "policy.json", json.dumps({"default": ACCEPT}))
    assert load_policy().decide("docker", "q.io/a:1") == ()


def test_a_policy_that_cannot_be_read_is_no_missing_one(host: Host) -> None:
    host.user.mkdir(parents=True)
    (host.user / "policy.json").symlink_to("/nowhere")
    with pytest.raises(ConfigError, match="does not exist"):
        load_policy()


def test_the_nearest_scope_of_docker_wins(tmp_path: Path) -> None:
    scopes = [
        "",
        "q.io",
        "q.io/ns",
        "q.io/ns/app",
        "q.io/ns/app:1",
        f"q.io/ns/app@{SHA}",
        "*.e.com",
        "*.a.e.com",
        "h.e.com:5000",
    ]
    policy = read(tmp_path, default=REJECT, transports={"docker": dict.fromkeys(scopes, ACCEPT)})
    for name, expected in (
        ("q.io/ns/app:1", "docker:q.io/ns/app:1"),
        (f"q.io/ns/app@{SHA}", f"docker:q.io/ns/app@{SHA}"),
        (f"q.io/ns/app:1@{SHA}", f"docker:q.io/ns/app@{SHA}"),
        ("q.io/ns/app:2", "docker:q.io/ns/app"),
        ("q.io/ns/apple:1", "docker:q.io/ns"),
        ("q.io/nsx/app:1", "docker:q.io"),
        ("q.io:443/ns/app:1", "docker:"),
        ("b.a.e.com/x:1", "docker:*.a.e.com"),
        ("a.e.com:5000/x:1", "docker:*.e.com"),
        ("h.e.com:5000/x:1", "docker:h.e.com:5000"),
        ("e.com/x:1", "docker:"),
    ):
        assert scope_of(policy, "docker", name) == expected
    assert scope_of(policy, "oci", "/x") == "default"


def test_scopes_of_stores_are_names_in_them_and_the_stores(tmp_path: Path) -> None:
    store = "[overlay@/var/store]"
    scopes = (f"{store}q.io/a/b:1", f"{store}q.io/a", store, "[/var/other]", "")
    policy = read(tmp_path, default=REJECT, transports={"containers-storage": dict.fromkeys(scopes, ACCEPT)})
    for scope, expected in (
        (f"{store}q.io/a/b:1", f"{store}q.io/a/b:1"),
        (f"{store}q.io/a/b:2", f"{store}q.io/a"),
        (f"{store}q.io/c", store),
        (store, store),
        ("[vfs@/var/other]q.io/a", "[/var/other]"),
        ("[vfs@/var/store]q.io/a", ""),
    ):
        assert scope_of(policy, "containers-storage", scope) == f"containers-storage:{expected}"


def test_scopes_of_paths_are_absolute_and_free_of_links(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "link").symlink_to("images")
    policy = read(tmp_path, default=REJECT, transports={"oci": {f"{tmp_path}/images": ACCEPT}})
    for path in ("images", "images/a", "link/a/b", "images/../images"):
        assert policy.decide("oci", f"{tmp_path}/{path}") == ()
    for path in ("imagesx", "images/.."):
        with pytest.raises(PolicyError):
            policy.decide("oci", f"{tmp_path}/{path}")
    with pytest.raises(PolicyError):
        policy.decide("dir", f"{tmp_path}/images")


def test_archives_have_only_their_default(tmp_path: Path) -> None:
    policy = read(tmp_path, default=REJECT, transports={"docker-archive": {"": ACCEPT}})
    assert policy.decide("docker-archive", "") == ()


def test_all_requirements_count(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="rejects"):
        read(tmp_path, default=[*ACCEPT, *KEY, *REJECT]).decide("docker", "q.io/a:1")
    found = read(tmp_path, default=[*ACCEPT, *KEY, *KEY]).decide("docker", "q.io/a:1")
    assert [each.key_files for each in found] == [("/k.pub",), ("/k.pub",)]
    assert found[0].identity.kind == "matchRepository"


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (GPG, r"a GPG signature \(signedBy\), which dacha cannot check"),
        ([{"type": "signedBaseLayer", "baseLayerIdentity": {}}], "signedBaseLayer"),
        ([{"type": "sigstoreSigned", "fulcio": {"caPath": "/ca"}, "rekorPublicKeyPath": "/r"}], "fulcio"),
        ([{"type": "sigstoreSigned", "pki": {}}], "pki"),
        ([{"type": "sigstoreSigned", "keyPath": "/k", "rekorPublicKeyPath": "/r"}], "Rekor"),
    ],
)
def test_what_cannot_be_checked_refuses_with_file_and_scope(
    tmp_path: Path, requirement: Any, message: str
) -> None:
    policy = read(tmp_path, default=ACCEPT, transports={"docker": {"q.io": requirement}})
    with pytest.raises(PolicyError, match=message) as caught:
        policy.decide("docker", "q.io/a:1")
    assert f"{tmp_path}/policy.json, docker:q.io" in caught.value.hint
    assert policy.decide("docker", "r.io/a:1") == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "'default' is missing"),
        ({"default": []}, "default: must list at least one requirement"),
        ({"default": {}}, "default: must be tables"),
        ({"default": [{"type": "accept"}]}, "'accept' is none of"),
        ({"default": [{}]}, r"default\[1\]\.type: is missing"),
        ({"default": [{"type": "reject", "why": "x"}]}, r"unknown: default\[1\]\.why"),
        ({"default": ACCEPT, "transport": {}}, "unknown: transport"),
        (
            {"default": ACCEPT, "transports": {"docker": {"q.io": []}}},
            r"transports\.docker\.q\.io: must list",
        ),
        ({"default": ACCEPT, "transports": {"oci": {"/": ACCEPT}}}, "is no scope"),
        ({"default": [{"type": "signedBy", "keyPath": "/k"}]}, "keyType: is missing"),
        ({"default": [{"type": "signedBy", "keyType": "GPGKeys"}]}, "needs exactly one of keyPath"),
        ({"default": [{"type": "sigstoreSigned"}]}, "needs exactly one of keyPath, keyPaths"),
        (
            {"default": [{"type": "sigstoreSigned", "keyPath": "/a", "keyData": "eA=="}]},
            "needs exactly one of",
        ),
        ({"default": [{"type": "sigstoreSigned", "keyData": "!"}]}, "keyData: is not base64"),
        ({"default": [{"type": "sigstoreSigned", "keyPaths": []}]}, "keyPaths: is empty"),
        (
            {"default": [{"type": "sigstoreSigned", "keyPath": "/k", "signedIdentity": {}}]},
            "type: is missing",
        ),
        (
            {
                "default": [
                    {"type": "sigstoreSigned", "keyPath": "/k", "signedIdentity": {"type": "matchAll"}}
                ]
            },
            "'matchAll' is none of",
        ),
        (
            {
                "default": [
                    {
                        "type": "sigstoreSigned",
                        "keyPath": "/k",
                        "signedIdentity": {"type": "matchExact", "x": 1},
                    }
                ]
            },
            r"unknown: default\[1\]\.signedIdentity\.x",
        ),
    ],
)
def test_mistakes_refuse_the_whole_file(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, **content)


def test_a_key_given_twice_refuses_the_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]}')
    with pytest.raises(ConfigError, match="'default' is there twice"):
        read_policy(str(file))


NAMES = st.lists(st.sampled_from(["a", "ab", "b"]), min_size=1, max_size=4).map(
    lambda each: "h.io/" + "/".join(each)
)


@given(NAMES, st.sets(NAMES, max_size=6))
def test_the_longest_scope_that_contains_a_name_wins(name: str, scopes: set[str]) -> None:
    table: dict[str, tuple[Requirement, ...]] = {each: (Requirement("reject", "f", each),) for each in scopes}
    default = (Requirement("reject", "f", ""),)
    found = Policy(default, {"docker": table}).requirements_for("docker", f"{name}:1")[0].scope
    containing = [each for each in scopes if name == each or name.startswith(f"{each}/")]
    assert found == max(containing, key=len, default="")
