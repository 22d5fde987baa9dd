"""`dacha image pull`: what arrives, from good registries and bad ones."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lib.dacha import Dacha
from tests.lib.faulty import Fault, FaultyRegistry
from tests.lib.oci import Entry, compress, write_layout, write_tar
from tests.lib.registry import PASSWORD, USER, Registry, skopeo, write_certificates

INSECURE = ("--tls-verify=false",)
QUICK = (*INSECURE, "--retry-delay", "10ms")
_RANDOM = random.Random(5)  # noqa: S311  (no secret)
NOISE = _RANDOM.randbytes(3 << 20)  # does not compress, so that a layer has some length
LAYERS = [
    [Entry("etc/motd", data=b"hello"), Entry("usr/bin/big", mode=0o4755, uid=7, data=NOISE)],
    [Entry("etc/issue", data=b"world"), Entry("srv/more", data=NOISE[: 1 << 20])],
    [],
]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with a large layer, a small one and an empty one."""
    return write_layout(tmp_path_factory.mktemp("layouts") / "oci", LAYERS, tags=["one"])


@pytest.fixture(scope="module")
def pushed(registry: Registry, layout: Path) -> str:
    """Its name in the registry, without the host."""
    registry.copy_layout(layout, "one", "team/tools:1")
    return "team/tools:1"


@pytest.fixture
def faulty(registry: Registry) -> Iterator[FaultyRegistry]:
    with FaultyRegistry(registry.url) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def _no_images(pulling: Dacha) -> Iterator[None]:
    """Each test begins without images and without parts of blobs."""
    yield
    pulling.run("image", "rm", "--all", "--force", check=True)
    shutil.rmtree(_store(pulling) / "blobs", ignore_errors=True)


def _store(dacha: Dacha) -> Path:
    return dacha.data / "containers" / "dacha"


def _partial(dacha: Dacha) -> list[Path]:
    return list((_store(dacha) / "blobs/partial").glob("*"))


def _fails(done: subprocess.CompletedProcess[bytes], *words: str) -> str:
    """It failed as dacha fails, with one line and perhaps a hint behind what it told meanwhile."""
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (125, b""), said
    lines = said.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith("dacha: ")]
    assert len(starts) == 1, said
    assert [line.partition(":")[0] for line in lines[starts[0] + 1 :]] in ([], ["hint"]), said
    for word in words:
        assert word in "\n".join(lines[starts[0] :]), said
    return said


def _is_untouched(dacha: Dacha) -> bool:
    """No image, no layer, and nothing half made."""
    store = _store(dacha)
    listed = json.loads(dacha.run("image", "list", "--json", check=True).stdout)
    return not listed and not list(store.glob("layers/*")) and not list(store.glob("staging/*"))


def _manifest(layout: Path) -> dict[str, Any]:
    index = json.loads((layout / "index.json").read_text())
    value: dict[str, Any] = json.loads(_blob(layout, index["manifests"][0]["digest"]).read_text())
    return value


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


# --- what arrives -----------------------------------------------------------------------------------


def test_an_image_arrives_whole(pulling: Dacha, registry: Registry, pushed: str, layout: Path) -> None:
    name = f"{registry.host}/{pushed}"
    done = pulling.run("image", "pull", *INSECURE, name, check=True)
    image = json.loads(pulling.run("image", "list", "--json", check=True).stdout)[0]
    assert image["names"] == [name]
    assert image["id"] == done.stdout.decode().strip() == _manifest(layout)["config"]["digest"]
    assert image["size_bytes"] == sum(len(entry.data) for layer in LAYERS for entry in layer)
    assert _partial(pulling) == []


def test_what_is_there_is_not_downloaded_again(pulling: Dacha, faulty: FaultyRegistry, pushed: str) -> None:
    name = f"{faulty.host}/{pushed}"
    pulling.run("image", "pull", *INSECURE, name, check=True)
    faulty.forget()
    pulling.run("image", "pull", *INSECURE, name, check=True)
    layers = {request.path for request in faulty.requests("/blobs/")}
    assert len(layers) == 1, layers  # the configuration


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layers_come_in_every_compression(
    pulling: Dacha, registry: Registry, tmp_path: Path, compression: Any
) -> None:
    layout = write_layout(tmp_path / "oci", LAYERS, tags=["x"], compression=compression)
    name = registry.copy_layout(layout, "x", f"compressed/{compression}:1")
    pulling.run("image", "pull", *INSECURE, name, check=True)


def test_a_box_pulls_its_image_by_itself(pulling: Dacha, faulty: FaultyRegistry, pushed: str) -> None:
    settings = pulling.config / "containers"
    settings.mkdir(exist_ok=True)
    conf = settings / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "tools.example"\nlocation = "{faulty.host}"\ninsecure = true\n')
    try:
        done = pulling.run("create", "b", "--image", f"tools.example/{pushed}", check=True)
        assert b"pulling tools.example/team/tools:1: 3 layers, 4.2 MB" in done.stderr
        pulling.run("rm", "--force", "b", check=True)
    finally:
        conf.unlink()


def test_a_mirror_is_asked_first_and_its_absence_does_not_matter(
    pulling: Dacha, registry: Registry, faulty: FaultyRegistry, pushed: str
) -> None:
    settings = pulling.config / "containers"
    settings.mkdir(exist_ok=True)
    conf = settings / "registries.conf"
    conf.write_text(
        f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
        f'[[registry.mirror]]\nlocation = "127.0.0.1:1/none"\ninsecure = true\n'
        f'[[registry.mirror]]\nlocation = "{faulty.host}"\ninsecure = true\n'
    )
    try:
        pulling.run("image", "pull", "--retry", "0", f"{registry.host}/{pushed}", check=True)
        assert faulty.requests("/blobs/")
    finally:
        conf.unlink()


def test_the_policy_is_asked_before_anything_is_fetched(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str
) -> None:
    settings = pulling.config / "containers"
    settings.mkdir(exist_ok=True)
    policy = settings / "policy.json"
    policy.write_text(json.dumps({"default": [{"type": "reject"}]}))
    try:
        done = pulling.run("image", "pull", *INSECURE, f"{faulty.host}/{pushed}")
        _fails(done, "policy rejects", "policy.json")
        assert not faulty.seen
    finally:
        policy.unlink()


def test_progress_for_programs_is_json(pulling: Dacha, registry: Registry, pushed: str) -> None:
    done = pulling.run("image", "pull", *INSECURE, "--progress=json", f"{registry.host}/{pushed}", check=True)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    layers = {event["layer"] for event in events if "layer" in event}
    last = {event["layer"]: event for event in events if "layer" in event}
    assert len(layers) == 3
    assert {(event["state"], event["current"] == event["total"]) for event in last.values()} == {
        ("done", True)
    }


def test_quiet_is_quiet(pulling: Dacha, registry: Registry, pushed: str) -> None:
    done = pulling.run("image", "pull", "-q", *INSECURE, f"{registry.host}/{pushed}", check=True)
    assert done.stderr == b""


def test_the_progress_is_drawn_on_a_terminal(pulling: Dacha, registry: Registry, pushed: str) -> None:
    child = pulling.spawn("image", "pull", *INSECURE, f"{registry.host}/{pushed}")
    child.expect(r"sha256:[0-9a-f]{64}")
    drawn = (child.before or "") + (child.read() or "")
    assert "unpacking" in drawn or "done" in drawn
    child.close()
    assert child.exitstatus == 0


# --- several platforms ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def multi(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An index for amd64, arm64 and riscv64, each with other contents."""
    directory = tmp_path_factory.mktemp("multi")
    layout = directory / "oci"
    entries = []
    for architecture in ("amd64", "arm64", "riscv64"):
        write_layout(
            layout,
            [[Entry("arch", data=architecture.encode())]],
            tags=[architecture],
            architecture=architecture,
        )
    index = json.loads((layout / "index.json").read_text())
    for descriptor in index["manifests"]:
        architecture = descriptor.pop("annotations")["org.opencontainers.image.ref.name"]
        entries.append({**descriptor, "platform": {"os": "linux", "architecture": architecture}})
    inner = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        }
    ).encode()
    top = {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "annotations": {"org.opencontainers.image.ref.name": "multi"},
        **_add(layout, inner),
    }
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    skopeo(
        "copy", "--all", "-q", "--dest-tls-verify=false",
        f"oci:{layout}:multi", f"docker://{registry.host}/multi:1",
    )  # fmt: skip
    return f"{registry.host}/multi:1"


@pytest.mark.parametrize("platform", ["linux/amd64", "arm64", "linux/riscv64"])
def test_the_platform_can_be_chosen(pulling: Dacha, multi: str, platform: str) -> None:
    pulling.run("image", "pull", *INSECURE, "--platform", platform, multi, check=True)
    image = json.loads(pulling.run("image", "list", "--json", check=True).stdout)[0]
    assert image["size_bytes"] == len(platform.rpartition("/")[2])


def test_a_platform_that_is_missing_is_told_with_those_that_are_not(pulling: Dacha, multi: str) -> None:
    done = pulling.run("image", "pull", *INSECURE, "--platform", "s390x", multi)
    _fails(done, "nothing for linux/s390x", "linux/amd64, linux/arm64, linux/riscv64")


# --- logins and certificates ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secret(private_registry: Registry, layout: Path) -> str:
    return private_registry.copy_layout(layout, "one", "secret/tools:1")


def test_a_private_registry_wants_its_authority_and_a_login(
    pulling: Dacha, private_registry: Registry, secret: str, tmp_path: Path
) -> None:
    creds = ("--creds", f"{USER}:{PASSWORD}")
    said = _fails(pulling.run("image", "pull", *creds, secret), "certificate", "not to be trusted", "certs.d")
    assert PASSWORD not in said
    assert private_registry.authority is not None
    certificates = ("--cert-dir", str(tmp_path))
    shutil.copy(private_registry.authority, tmp_path / "ca.crt")
    _fails(pulling.run("image", "pull", *certificates, secret), "not logged in", "dacha login")
    wrong = pulling.run("image", "pull", *certificates, "--creds", f"{USER}:wrong", secret)
    _fails(wrong, f"'{USER}'", "dacha login")
    pulling.run("image", "pull", *certificates, *creds, secret, check=True)


def test_certificates_and_logins_are_found_where_podman_has_them(
    pulling: Dacha, private_registry: Registry, secret: str
) -> None:
    containers = pulling.config / "containers"
    certificates = containers / "certs.d" / private_registry.host
    certificates.mkdir(parents=True)
    assert private_registry.authority is not None
    shutil.copy(private_registry.authority, certificates / "ca.crt")
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (containers / "auth.json").write_text(json.dumps({"auths": {private_registry.host: {"auth": auth}}}))
    try:
        pulling.run("image", "pull", secret, check=True)
    finally:
        shutil.rmtree(certificates)
        (containers / "auth.json").unlink()


@pytest.mark.parametrize("login", ["", f"{USER}:{PASSWORD}"])
def test_tokens_are_asked_for_and_used(pulling: Dacha, registry: Registry, pushed: str, login: str) -> None:
    with FaultyRegistry(registry.url, token_login=login) as proxy:
        creds = ("--creds", login) if login else ()
        pulling.run("image", "pull", *INSECURE, *creds, f"{proxy.host}/{pushed}", check=True)
        tokens = proxy.requests("^/token")
        assert len(tokens) == 1, "one token serves the whole pull"
        shown = [each for each in proxy.seen if "authorization" in each.headers]
        assert len(shown) > 4


def test_a_token_that_runs_out_is_renewed(pulling: Dacha, registry: Registry, pushed: str) -> None:
    with FaultyRegistry(registry.url, token_login="") as proxy:
        proxy.token_life_s = 0.001
        pulling.run("image", "pull", *INSECURE, f"{proxy.host}/{pushed}", check=True)
        assert len(proxy.requests("^/token")) > 2


def test_a_wrong_password_is_told_by_the_token_server(
    pulling: Dacha, registry: Registry, pushed: str
) -> None:
    with FaultyRegistry(registry.url, token_login=f"{USER}:{PASSWORD}") as proxy:
        done = pulling.run("image", "pull", *INSECURE, "--creds", "eve:x", f"{proxy.host}/{pushed}")
        _fails(done, "does not accept the login: authentication required", "dacha login")


def test_credentials_do_not_follow_a_redirect(pulling: Dacha, registry: Registry, pushed: str) -> None:
    """Blobs lie elsewhere, as with all big registries: that host is shown no secret."""
    with (
        FaultyRegistry(registry.url) as elsewhere,
        FaultyRegistry(registry.url, token_login=f"{USER}:{PASSWORD}") as proxy,
    ):
        proxy.inject(Fault("GET", "/blobs/", times=0, redirect_to=f"http://{elsewhere.host}"))
        creds = ("--creds", f"{USER}:{PASSWORD}")
        pulling.run("image", "pull", *INSECURE, *creds, f"{proxy.host}/{pushed}", check=True)
        assert elsewhere.requests("/blobs/")
        assert not [each for each in elsewhere.seen if "authorization" in each.headers]


# --- bad lines --------------------------------------------------------------------------------------


def test_a_broken_layer_is_gone_on_with(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, layout: Path
) -> None:
    digest = _manifest(layout)["layers"][0]["digest"]
    faulty.inject(Fault("GET", digest, times=3, cut_after=700_000))
    pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)
    assert faulty.ranges(digest) == ["bytes=700000-", "bytes=1400000-", "bytes=2100000-"]


def test_a_registry_without_ranges_sends_it_again(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, layout: Path
) -> None:
    digest = _manifest(layout)["layers"][0]["digest"]
    faulty.inject(Fault("GET", digest, cut_after=700_000), Fault("GET", digest, times=0, ignores_ranges=True))
    pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)


def test_a_wrong_range_is_not_taken(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, layout: Path
) -> None:
    digest = _manifest(layout)["layers"][0]["digest"]
    faulty.inject(
        Fault("GET", digest, cut_after=700_000),
        Fault("GET", digest, status=206, headers={"Content-Range": "bytes 1-5/6"}, body=b"other"),
    )
    pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)


def test_the_next_pull_goes_on_where_a_killed_one_stopped(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, layout: Path
) -> None:
    digest = _manifest(layout)["layers"][0]["digest"]
    faulty.inject(Fault("GET", digest, stall_after=900_000, stall_s=60))
    command = [str(pulling.executable), "image", "pull", *QUICK, f"{faulty.host}/{pushed}"]
    if os.geteuid() == 0:
        pytest.skip("root's stores are mounted for one command")
    process = subprocess.Popen(command, env=pulling.env, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    partial = _store(pulling) / "blobs/partial" / digest.replace(":", "-")
    while not partial.exists() or partial.stat().st_size < 900_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    faulty.forget()
    pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)
    assert faulty.ranges(digest) == ["bytes=900000-"]
    assert _partial(pulling) == []


def test_what_an_earlier_pull_left_may_be_wrong(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, layout: Path
) -> None:
    digest = _manifest(layout)["layers"][0]["digest"]
    partial = _store(pulling) / "blobs/partial"
    partial.mkdir(parents=True)
    (partial / digest.replace(":", "-")).write_bytes(bytes(1000))
    pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)
    assert faulty.ranges(digest) == ["bytes=1000-"]
    assert len(faulty.requests(digest)) == 2


def test_two_pulls_at_once_download_once(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, layout: Path
) -> None:
    """By two names, so that only the layers are the same."""
    digest = _manifest(layout)["layers"][0]["digest"]
    if os.geteuid() == 0:
        pytest.skip("root's stores are mounted for one command")
    names = [f"{faulty.host}/{pushed}", f"{faulty.host.replace('127.0.0.1', 'localhost')}/{pushed}"]
    faulty.inject(Fault("GET", digest, stall_after=1_500_000, stall_s=1.0))
    command = [str(pulling.executable), "image", "pull", *QUICK]
    processes = [
        subprocess.Popen([*command, name], env=pulling.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in names
    ]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    starts = [each for each in faulty.requests(digest) if "range" not in each.headers]
    assert len(starts) == 1, "one of them has waited"
    images = json.loads(pulling.run("image", "list", "--json", check=True).stdout)
    assert sorted(images[0]["names"]) == sorted(names)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_failure_that_passes_is_waited_for(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, status: int
) -> None:
    faulty.inject(
        Fault("GET", "/manifests/", times=2, status=status), Fault("GET", "/blobs/", times=2, status=status)
    )
    done = pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)
    assert b"trying again in" in done.stderr


# --- bad registries ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("GET", "/manifests/", times=0, status=404), ["does not have team/tools:1"]),
        (Fault("GET", "/manifests/", times=0, status=403), ["forbids team/tools:1", "dacha login"]),
        (
            Fault("GET", "/manifests/", times=0, status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}),
            ["not logged in", "dacha login"],
        ),
        (
            Fault("GET", "/manifests/", times=0, status=401, headers={"WWW-Authenticate": "Negotiate"}),
            ["kind that is not known", "negotiate"],
        ),
        (Fault("GET", "/manifests/", times=0, status=500), ["failed with 500"]),
        (
            Fault("GET", "/manifests/", times=0, status=429, headers={"Retry-After": "7200"}),
            ["asked too often", "wait 2 hours", "dacha login"],
        ),
        (
            Fault("GET", "/manifests/", times=0, change=lambda body: body.replace(b"2", b"3", 1)),
            ["is damaged"],
        ),
        (
            Fault("GET", "/manifests/", times=0, body=b"{" * 5_000_000, drop=("docker-content-digest",)),
            ["more than 4194304 bytes"],
        ),
        (
            Fault("GET", "/manifests/", times=0, body=b"<html>", drop=("docker-content-digest",)),
            ["is no JSON"],
        ),
        (
            Fault(
                "GET", "/manifests/", times=0, body=b'{"schemaVersion": 1, "fsLayers": []}',
                drop=("docker-content-digest", "content-type"),
                headers={"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"},
            ),
            ["schema 1"],
        ),
        (
            Fault(
                "GET", "/manifests/", times=0,
                body=b'{"schemaVersion": 2, "manifests": [], "layers": [], "config": {}}',
                drop=("docker-content-digest",),
            ),
            ["two things at once"],
        ),
        (
            Fault("GET", "/manifests/", times=0, status=302, headers={"Location": "file:///etc/passwd"}),
            ["no address of a registry"],
        ),
        (
            Fault("GET", "/manifests/", times=0, status=302, headers={"Location": "/v2/x/manifests/1"}),
            ["without end"],
        ),
        (Fault("GET", "/blobs/", times=0, change=lambda body: body[:-1] + b"\0"), ["is damaged"]),
        (Fault("GET", "/blobs/", times=0, change=lambda body: body + b"more"), ["size|larger"]),
        (Fault("GET", "/blobs/", times=0, change=lambda body: body[:-50]), ["size|ended early"]),
        (Fault("GET", "/blobs/", times=0, status=404), ["does not have the blob"]),
        (Fault("GET", "/blobs/", times=0, cut_after=0), ["was cut"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_registry_does_wrong_is_said_in_a_line(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, fault: Fault, words: list[str]
) -> None:
    faulty.inject(fault)
    said = _fails(pulling.run("image", "pull", "--retry", "1", *QUICK, f"{faulty.host}/{pushed}"))
    for word in words:
        assert any(each in said for each in word.split("|")), said
    assert _is_untouched(pulling)
    faulty.forget()
    pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)


def _only_layers(layout: Path) -> str:
    """A pattern for the layers of the image, and not for its configuration."""
    return "|".join(layer["digest"] for layer in _manifest(layout)["layers"][:1])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda body: body[: len(body) // 2] + b"\0" + body[len(body) // 2 + 1 :], "is damaged"),
        (lambda body: body[:-100], "ended early"),
        (lambda body: compress(write_tar([Entry("evil")]), "gzip"), "ended early"),
        (lambda body: body + bytes(100), "is larger"),
    ],
)
def test_a_layer_that_is_not_what_was_promised_stays_out(
    pulling: Dacha, faulty: FaultyRegistry, pushed: str, layout: Path, change: Any, word: str
) -> None:
    faulty.inject(Fault("GET", _only_layers(layout), times=0, change=change))
    done = pulling.run("image", "pull", "--retry", "1", *QUICK, f"{faulty.host}/{pushed}")
    _fails(done, word)
    assert not json.loads(pulling.run("image", "list", "--json", check=True).stdout)
    assert not list(_store(pulling).glob("staging/*"))
    faulty.forget()
    pulling.run("image", "pull", *QUICK, f"{faulty.host}/{pushed}", check=True)


def test_a_wrong_diff_id_stays_out(pulling: Dacha, registry: Registry, tmp_path: Path) -> None:
    """All digests are right, but the configuration promises other layers."""
    layout = write_layout(tmp_path / "oci", [[Entry("x", data=b"x")]], tags=["bad"])
    index = json.loads((layout / "index.json").read_text())
    manifest = _manifest(layout)
    config = json.loads(_blob(layout, manifest["config"]["digest"]).read_text())
    config["rootfs"]["diff_ids"] = ["sha256:" + "0" * 64]
    manifest["config"] |= _add(layout, json.dumps(config).encode())
    index["manifests"][0] |= _add(layout, json.dumps(manifest).encode())
    (layout / "index.json").write_text(json.dumps(index))
    name = registry.copy_layout(layout, "bad", "bad/diff:1")
    _fails(pulling.run("image", "pull", *INSECURE, name), "not sha256:0000")
    assert _is_untouched(pulling)


def _add(layout: Path, data: bytes) -> dict[str, Any]:
    """Write a blob; the fields of its descriptor that depend on it."""
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def test_nobody_there(pulling: Dacha) -> None:
    done = pulling.run("image", "pull", *QUICK, "--retry", "1", "127.0.0.1:1/x:1")
    _fails(done, "cannot connect to 127.0.0.1:1", "refused")


def test_plain_http_is_not_spoken_unasked(pulling: Dacha, faulty: FaultyRegistry, pushed: str) -> None:
    done = pulling.run("image", "pull", "--creds", f"{USER}:{PASSWORD}", f"{faulty.host}/{pushed}")
    _fails(done, "plain HTTP", "--tls-verify=false")
    assert not faulty.seen


def test_a_certificate_for_another_host_is_not_taken(pulling: Dacha, tmp_path: Path) -> None:
    import http.server
    import ssl
    import threading

    authority, certificate, key = write_certificates(tmp_path, names=("127.0.0.9",))
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        (tmp_path / "certs").mkdir()
        shutil.copy(authority, tmp_path / "certs/ca.crt")
        port = server.server_address[1]
        done = pulling.run("image", "pull", "--cert-dir", str(tmp_path / "certs"), f"127.0.0.1:{port}/x:1")
        _fails(done, "not to be trusted", "127.0.0.1")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Team/Tools", ["is no name of an image", "did you mean 'team/tools'?"]),
        ("docker://", ["is no name of an image"]),
        ("host.example/x:ta g", ["tag"]),
        ("host.example/x@sha256:12", ["digest"]),
        ("host.example/../x", ["is no name of an image"]),
        ("host.example/" + "x" * 300, ["longer than 255"]),
    ],
)
def test_a_name_that_is_none_is_refused_at_once(pulling: Dacha, name: str, words: list[str]) -> None:
    _fails(pulling.run("image", "pull", name), *words)
