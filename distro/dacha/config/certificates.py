"""containers-certs.d(5): certificates for single registries, in directories named HOST[:PORT]."""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha.config import places
from dacha.config.reading import ConfigError


class Certificates(NamedTuple):
    """What TLS with a registry needs beyond the system's authorities; all may be empty.

    `client_cert` and `client_key` go together.
    """

    ca_files: tuple[str, ...] = ()
    client_cert: str = ""
    client_key: str = ""


def certificates_for(host_port: str, *, cert_dir: str = "") -> Certificates:
    """The certificates for a registry, from the nearest directory that has one named after it.

    `cert_dir` is what --cert-dir says: then that directory itself is read. The port counts as
    written: registry.example:443 has another directory than registry.example. Raises ConfigError
    for half a pair.
    """
    if cert_dir:
        return _read_directory(cert_dir)
    if "/" in host_port or host_port in ("", ".", ".."):
        return Certificates()
    for base in places.certificates():
        directory = f"{base}/{host_port}"
        if os.path.isdir(directory):
            return _read_directory(directory)
    return Certificates()


def _read_directory(directory: str) -> Certificates:
    """*.crt are authorities, NAME.cert and NAME.key a client's pair; of several the first by name."""
    try:
        names = sorted(os.listdir(directory))
    except PermissionError:
        return Certificates()  # another user's: podman passes over it too
    except OSError as error:
        raise ConfigError(directory, f"cannot be listed: {error.strerror}") from error
    authorities = tuple(f"{directory}/{name}" for name in names if name.endswith(".crt"))
    stems = sorted({name.rpartition(".")[0] for name in names if name.endswith((".cert", ".key"))})
    for stem in stems:
        for ending, other in ((".cert", ".key"), (".key", ".cert")):
            if f"{stem}{ending}" not in names:
                raise ConfigError(
                    f"{directory}/{stem}{other}",
                    f"has no {stem}{ending} beside it",
                    hint="a client's certificate is NAME.cert and NAME.key; an authority's is NAME.crt",
                )
    if not stems:
        return Certificates(authorities)
    return Certificates(authorities, f"{directory}/{stems[0]}.cert", f"{directory}/{stems[0]}.key")
