"""What dnf and zypper have in common: rpm underneath, and its settings."""

from __future__ import annotations

from dacha.build.bootstrap.plan import HOME, WORK, File, Request

# Where the distributions of today have it (Fedora since 36, EL 10, openSUSE); Debian's rpm has another idea.
DATABASE = "/usr/lib/sysimage/rpm"

# Debian's rpm refuses to work as the system's package manager unless it is told that this is no Debian.
ENVIRONMENT = (("RPM_FORCE_DEBIAN", "1"),)


def macros(request: Request) -> File:
    """The user's macros, which stand over all others (rpm(8), FILES)."""
    lines = (
        f"%_dbpath {request.recipe.rpm_database or DATABASE}",
        # The kernel owns what is mounted there: packages cannot change its owners.
        "%_netsharedpath /proc:/sys:/dev",
        "%__transaction_systemd_inhibit %{nil}",
    )
    return File(
        f"{HOME.removeprefix(WORK + '/')}/.rpmmacros", "".join(f"{line}\n" for line in lines).encode()
    )


def repository_sections(request: Request, *more: str) -> str:
    """The repositories as dnf and zypper read them (dnf.conf(5), REPO OPTIONS)."""
    checks = int(not request.recipe.unsigned)
    keys = " ".join(f"file://{path}" for path in request.key_paths)
    sections = []
    for name, url in request.recipe.repositories.items():
        lines = [f"[{name}]", f"name={name}", f"baseurl={url}", "enabled=1", f"gpgcheck={checks}", *more]
        if keys:
            lines.append(f"gpgkey={keys}")
        sections.append("".join(f"{line}\n" for line in lines))
    return "\n".join(sections)
