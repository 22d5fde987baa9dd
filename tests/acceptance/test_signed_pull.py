"""Images that the policy wants signed, as cosign signs them; and registries that fall silent."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dacha.config.sigstore import PAYLOAD_TYPE, SIGNATURE_ANNOTATION
from dacha.registry.manifest import Descriptor, Document
from dacha.registry.remote.client import Client
from dacha.registry.remote.download import Download, Downloads
from dacha.registry.remote.session import Session
from dacha.registry.remote.site import Site
from dacha.registry.remote.transport import Patience
from dacha.registry.remote.upload import Uploader
from tests.lib.dacha import Dacha
from tests.lib.faulty import Fault, FaultyRegistry
from tests.lib.oci import Entry, write_layout
from tests.lib.registry import Registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def signed_only(pulling: Dacha, registry: Registry, key: ec.EllipticCurvePrivateKey) -> Iterator[None]:
    """A policy that takes only what this key has signed."""
    settings = pulling.config / "containers"
    (settings / "registries.d").mkdir(parents=True, exist_ok=True)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (settings / "key.pub").write_bytes(public)
    requirement = {"type": "sigstoreSigned", "keyPath": str(settings / "key.pub")}
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {registry.host: [requirement]}}}
    (settings / "policy.json").write_text(json.dumps(policy))
    (settings / "registries.d/x.yaml").write_text(
        f"docker:\n  {registry.host}:\n    use-sigstore-attachments: true\n"
    )
    yield
    (settings / "policy.json").unlink()
    (settings / "registries.d/x.yaml").unlink()


def _put(uploader: Uploader, data: bytes, media_type: str) -> dict[str, object]:
    descriptor = Descriptor(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    uploader.put_small(descriptor, data)
    return {"mediaType": media_type, "digest": descriptor.digest, "size": len(data)}


def _sign(name: str, key: ec.EllipticCurvePrivateKey) -> None:
    """Put a signature beside an image, as skopeo and podman do: for its name with the tag."""
    repository, _, tag = name.rpartition(":")
    host, _, path = repository.partition("/")
    client = Client(Session(Site(host, is_insecure=True)), path)
    digest = client.document(tag).descriptor.digest
    critical = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    payload = json.dumps({"critical": critical, "optional": None}).encode()
    signature = base64.b64encode(key.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()
    uploader = Uploader(client)
    layer = _put(uploader, payload, PAYLOAD_TYPE) | {"annotations": {SIGNATURE_ANNOTATION: signature}}
    config = _put(uploader, b"{}", CONFIG)
    value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    body = json.dumps(value).encode()
    descriptor = Descriptor(MANIFEST, f"sha256:{hashlib.sha256(body).hexdigest()}", len(body))
    uploader.put_manifest(Document(descriptor, body), f"{digest.replace(':', '-')}.sig")


def test_only_signed_images_come_in(
    pulling: Dacha, registry: Registry, signed_only: None, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    for tag in ("good", "bad", "none"):
        write_layout(tmp_path / "oci", [[Entry("x", data=tag.encode())]], tags=[tag])
    names = {
        tag: registry.copy_layout(tmp_path / "oci", tag, f"signed/{tag}:1") for tag in ("good", "bad", "none")
    }
    _sign(names["good"], key)
    _sign(names["bad"], ec.generate_private_key(ec.SECP256R1()))
    pull = ("image", "pull", "--tls-verify=false")
    pulling.run(*pull, names["good"], check=True)
    for tag, said in (("bad", "no signature"), ("none", "must be signed")):
        done = pulling.run(*pull, names[tag])
        assert (done.returncode, done.stdout) == (125, b"")
        assert said in done.stderr.decode()
    images = json.loads(pulling.run("image", "list", "--json", check=True).stdout)
    assert [image["names"] for image in images] == [[names["good"]]]
    assert pulling.run("image", "load", f"oci:{tmp_path}/oci:good", "--name", "x").returncode == 125
    pulling.run("image", "rm", "--all", check=True)


class _Listener:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def reached(self, size_bytes: int) -> None:
        """Not looked at."""

    def notice(self, text: str) -> None:
        self.notices.append(text)


def test_a_registry_that_falls_silent_is_left_and_asked_again(registry: Registry, tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "oci", [[Entry("x", data=random.Random(2).randbytes(1 << 20))]])  # noqa: S311  (no secret)
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads((layout / "blobs" / index["manifests"][0]["digest"].replace(":", "/")).read_text())
    registry.copy_layout(layout, "latest", "silent/x:1")
    layer = Descriptor(*(manifest["layers"][0][field] for field in ("mediaType", "digest", "size")))
    listener = _Listener()
    with FaultyRegistry(registry.url) as faulty:
        site = Site(faulty.host, is_insecure=True)
        session = Session(site, patience=Patience(stall_s=0.3), sleep=lambda _: None)
        faulty.inject(Fault("GET", "/blobs/", stall_after=100_000, stall_s=60))
        download = Download(Client(session, "silent/x"), layer, str(tmp_path), listener, lambda: True)
        with Downloads([download], workers=1):
            download.wait_for_end()
        assert faulty.ranges("/blobs/") == ["bytes=100000-"]
    assert "has sent nothing for 0.3 seconds" in listener.notices[0]
    (file,) = tmp_path.glob("sha256-*")
    assert file.read_bytes() == (layout / "blobs" / layer.digest.replace(":", "/")).read_bytes()
