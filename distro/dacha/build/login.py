"""See whether a registry takes a login, before it is kept."""

from __future__ import annotations

from dacha.config.certificates import certificates_for
from dacha.config.credentials import Credentials
from dacha.config.registries import load_registries
from dacha.registry.remote.errors import UnauthorizedError
from dacha.registry.remote.session import Session
from dacha.registry.remote.site import Site


def check_login(
    host: str, login: Credentials, *, verifies_tls: bool | None = None, cert_dir: str = ""
) -> None:
    """Ask HOST[:PORT] for its API as `login`. Raises RegistryError where it does not let us in.

    Where the command line does not say whether to verify TLS (None), registries.conf does.
    """
    registry = load_registries().find(host)
    is_insecure = registry is not None and registry.insecure if verifies_tls is None else not verifies_tls
    site = Site(host, is_insecure, certificates_for(host, cert_dir=cert_dir), login)
    session = Session(site)
    try:
        session.read(session.request("GET", "/v2/", what="its API"))
    except UnauthorizedError as error:
        raise UnauthorizedError(
            f"{host} does not accept the login of '{login.username}'",
            hint="is the name right? the password? Some registries want an access token in its place",
        ) from error
