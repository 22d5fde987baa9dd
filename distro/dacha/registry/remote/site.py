"""What is known of a registry before it is asked: how far to trust its line, and who we are there."""

from __future__ import annotations

from typing import NamedTuple

from dacha.config.certificates import Certificates
from dacha.config.credentials import Credentials
from dacha.registry.image_name import DOCKER

_DOCKER_API = "registry-1.docker.io"  # where docker.io has its API


class Site(NamedTuple):
    """A registry. With `is_insecure`, plain HTTP and any certificate will do."""

    host: str
    is_insecure: bool = False
    certificates: Certificates = Certificates()
    login: Credentials | None = None

    @property
    def api_host(self) -> str:
        """Where its API answers, with the port if it has one."""
        return _DOCKER_API if self.host == DOCKER else self.host
