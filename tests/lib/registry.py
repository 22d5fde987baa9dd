"""A real registry on loopback, for as long as a test session; with TLS and logins if so wished."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

USER, PASSWORD = "ada", "c:o rrect"
# bcrypt of the password, made once with `htpasswd -nbB`: so that tests need not have that program.
_HTPASSWD = "ada:$2y$05$AFDPIylwipKDUNIGnyvoG.vaUPODIvT2iKUE9y4c.bLTMSInZGs8S\n"


class Registry:
    """A running docker-registry. `host` is HOST:PORT; `store` is where its blobs lie."""

    def __init__(self, host: str, store: Path, *, authority: Path | None, has_logins: bool) -> None:
        self.host = host
        self.store = store
        self.authority = authority  # the certificate that its own is signed by
        self.has_logins = has_logins

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://{self.host}"

    def copy_layout(self, layout: Path, tag: str, name: str) -> str:
        """Push an image of a layout with skopeo; its full name here."""
        full = f"{self.host}/{name}"
        login = ["--dest-creds", f"{USER}:{PASSWORD}"] if self.has_logins else []
        skopeo("copy", "-q", "--dest-tls-verify=false", *login, f"oci:{layout}:{tag}", f"docker://{full}")
        return full

    def blob(self, digest: str) -> Path:
        """Where a blob lies, to be damaged."""
        encoded = digest.removeprefix("sha256:")
        return self.store / "docker/registry/v2/blobs/sha256" / encoded[:2] / encoded / "data"


def skopeo(*args: str) -> str:
    """Run skopeo, which accepts all images whatever the machine's policy says."""
    command = ["skopeo", "--insecure-policy", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running_registry(
    directory: Path, *, has_tls: bool = False, has_logins: bool = False
) -> Iterator[Registry]:
    """Start a registry that keeps everything in `directory`, and end it."""
    program = shutil.which("docker-registry", path="/usr/bin:/usr/local/bin:/usr/sbin")
    assert program, "docker-registry is not installed: scripts/packages/test"
    directory.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    http: dict[str, object] = {"addr": host, "secret": "test"}
    authority = None
    if has_tls:
        authority, certificate, key = write_certificates(directory)
        http["tls"] = {"certificate": str(certificate), "key": str(key)}
    settings: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "store")}, "delete": {"enabled": True}},
        "http": http,
    }
    if has_logins:
        (directory / "htpasswd").write_text(_HTPASSWD)
        settings["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    (directory / "config.yml").write_text(json.dumps(settings))  # JSON is YAML
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", str(directory / "config.yml")],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    registry = Registry(host, directory / "store", authority=authority, has_logins=has_logins)
    try:
        _wait(registry, process, directory / "log")
        yield registry
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait(registry: Registry, process: subprocess.Popen[bytes], log: Path) -> None:
    context = ssl.create_default_context(cafile=registry.authority) if registry.authority else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(f"{registry.url}/v2/", timeout=2).close()
        except urllib.error.HTTPError as error:
            error.close()
            return  # it asks for a login
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the registry does not answer:\n{log.read_text()}")


def write_certificates(directory: Path, names: Sequence[str] = ("127.0.0.1",)) -> tuple[Path, Path, Path]:
    """An authority of the test's own, and the certificate and key of a server that it vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017  (datetime.UTC reads no better)
    pem = serialization.Encoding.PEM

    def build(title: str, public: ec.EllipticCurvePublicKey, issuer: str) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = (
        build("test authority", root_key.public_key(), "test authority")
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(name)) for name in names]
    leaf = (
        build("test registry", key.public_key(), "test authority")
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    authority, certificate, key_file = (directory / name for name in ("ca.crt", "server.crt", "server.key"))
    authority.write_bytes(root.public_bytes(pem))
    certificate.write_bytes(leaf.public_bytes(pem))
    key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return authority, certificate, key_file
