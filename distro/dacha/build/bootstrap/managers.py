"""Which manager carries out which tool's recipes."""

from __future__ import annotations

from dacha.build.bootstrap import apk, dnf, mmdebstrap, pacman, zypper
from dacha.build.bootstrap.plan import Manager

MANAGERS: dict[str, Manager] = {
    "mmdebstrap": mmdebstrap.MANAGER,
    "dnf": dnf.MANAGER,
    "pacman": pacman.MANAGER,
    "apk": apk.MANAGER,
    "zypper": zypper.MANAGER,
}
