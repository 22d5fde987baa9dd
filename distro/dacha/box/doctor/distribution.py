"""Which distribution the host is, and how one installs something there."""

from __future__ import annotations

# By whose package manager a host is kept: os-release(5), ID and ID_LIKE.
_FAMILIES = {
    "apt": ("debian", "ubuntu"),
    "dnf": ("fedora", "rhel", "centos"),
    "pacman": ("arch",),
    "zypper": ("suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles"),
    "apk": ("alpine",),
}
_INSTALL = {
    "apt": "apt-get install",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "zypper": "zypper install",
    "apk": "apk add",
}
# Packages that are not called like what they bring; an empty name where there is none.
_PACKAGES = {
    "newuidmap": {
        "apt": "uidmap",
        "dnf": "shadow-utils",
        "pacman": "shadow",
        "zypper": "shadow",
        "apk": "shadow-subids",
    },
    **{
        f"qemu-{machine}-static": {
            "apt": "qemu-user-static",
            "dnf": f"qemu-user-static-{package}",
            "pacman": "qemu-user-static",
            "zypper": "qemu-linux-user",
            "apk": f"qemu-{machine}",
        }
        for machine, package in (("aarch64", "aarch64"), ("x86_64", "x86"))
    },
    "pasta": dict.fromkeys(_INSTALL, "passt"),
    "mmdebstrap": {"pacman": "", "zypper": "", "apk": ""},
}


class Distribution:
    """A distribution, from the text of its os-release; `sudo` is what comes before a command for root."""

    def __init__(self, text: str, *, sudo: str, is_ostree: bool) -> None:
        pairs = [line.strip().partition("=") for line in text.splitlines()]
        release = {key: value.strip("\"'") for key, _, value in pairs}
        self.title = release.get("PRETTY_NAME") or release.get("NAME") or "Linux"
        self.family = _family([release.get("ID", ""), *release.get("ID_LIKE", "").split()])
        self._sudo = sudo
        self._is_ostree = is_ostree

    def install(self, program: str) -> str:
        """The command that brings a program; an empty string where there is no package of it."""
        if not self.family:
            return f"install '{program}' with your package manager"
        package = _PACKAGES.get(program, {}).get(self.family, program)
        if not package:
            return ""
        if self._is_ostree and self.family == "dnf":
            return f"rpm-ostree install {package}"
        return f"{self._sudo}{_INSTALL[self.family]} {package}"


def _family(ids: list[str]) -> str:
    """The package manager of the first id that is known here, or an empty string."""
    for each in ids:
        for family, members in _FAMILIES.items():
            if each in members:
                return family
    return ""
