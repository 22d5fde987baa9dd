"""Where a name leads: the registries to ask for it, each with what we know of it.

The settings of the user and the host (registries.conf, certs.d, auth.json) are `config`'s;
what the command line says goes before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dacha.build.short_names import Choose
from dacha.config import names
from dacha.config.auth import find_credentials
from dacha.config.certificates import certificates_for
from dacha.config.credentials import Credentials
from dacha.config.registries import Endpoint, Registries, load_registries
from dacha.errors import UsageError
from dacha.registry import image_name
from dacha.registry.image_name import ImageName
from dacha.registry.platform import Platform
from dacha.registry.remote.client import Client
from dacha.registry.remote.retry import Retry
from dacha.registry.remote.session import Session
from dacha.registry.remote.site import Site


class Access(NamedTuple):
    """What the command line says of registries; what is empty or None, it leaves to the configuration."""

    authfile: str = ""
    login: Credentials | None = None
    verifies_tls: bool | None = None
    cert_dir: str = ""
    retry: Retry = Retry()
    platform: Platform | None = None
    notice: Callable[[str], None] = lambda _: None
    choose: Choose | None = None  # asks a person which of several names a short one means


def parse_login(text: str) -> Credentials | None:
    """Read USER:PASSWORD, as --creds has it. Raises UsageError."""
    if not text:
        return None
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise UsageError("--creds takes USER:PASSWORD", hint="to keep a password out of sight: dacha login")
    return Credentials(user, password, origin="--creds")


def endpoints(name: ImageName, access: Access) -> Iterator[tuple[Client, ImageName]]:
    """The places to ask for an image, in order, mirrors first, and what it is called there.

    Raises BlockedRegistryError and ConfigError.
    """
    settings = load_registries()
    for endpoint in settings.resolve(_asked(name)):
        there = image_name.parse(endpoint.location + endpoint.version)
        if endpoint.is_mirror:  # what the command line says is meant for the registry; and another is next
            retry = access.retry._replace(times=min(1, access.retry.times))
            chosen = access._replace(login=None, cert_dir="", retry=retry)
        else:
            chosen = access
        yield _client(there, chosen, settings, is_insecure=endpoint.insecure), there


def own_registry(name: ImageName, access: Access) -> tuple[Client, ImageName]:
    """Where to push to and ask for tags: the registry itself, never a mirror."""
    settings = load_registries()
    endpoint: Endpoint = settings.resolve(_asked(name))[-1]
    there = image_name.parse(endpoint.location + endpoint.version)
    return _client(there, access, settings, is_insecure=endpoint.insecure), there


def registry_of(host: str, access: Access) -> Client:
    """A whole registry, to search in it. Raises UsageError for what is no host."""
    if not names.is_host(host):
        raise UsageError(f"'{host}' is no registry", hint="give HOST[:PORT]")
    return own_registry(ImageName(host, "x", "latest"), access)[0]


def _asked(name: ImageName) -> str:
    """A name for its lookup; of a tag and a digest the digest counts."""
    return str(name._replace(tag="") if name.digest else name)


def _client(name: ImageName, access: Access, settings: Registries, *, is_insecure: bool) -> Client:
    if access.verifies_tls is not None:
        is_insecure = not access.verifies_tls
    login = access.login or find_credentials(
        name.repository, authfile=access.authfile, helpers=settings.credential_helpers
    )
    certificates = certificates_for(name.host, cert_dir=access.cert_dir)
    site = Site(name.host, is_insecure, certificates, login)
    return Client(Session(site, retry=access.retry, notice=access.notice), name.path)
