"""Whether images for other kinds of machines can be used here."""

from __future__ import annotations

from dacha.box.doctor.base import Check, Verdict, noted, passed, warned
from dacha.box.doctor.host import Host
from dacha.engine.architectures import ARCHITECTURES
from dacha.linux import binfmt
from dacha.registry.platform import host_platform

# Whoever has qemu for one of these has it for all: packages bring it for many at once.
_COMMON = ("arm64", "amd64")


def _foreign(host: Host) -> Verdict:
    name = next(each for each in _COMMON if each != host_platform().architecture)
    program = f"qemu-{ARCHITECTURES[name].qemu}-static"
    install = host.distribution.install(program)
    handlers = binfmt.read_handlers(host.path(binfmt.HOST_DIRECTORY))
    by_machine = [each.name for each in handlers if each.serves_boxes and each.name.startswith("qemu-")]
    if not host.is_root:
        qemu, mount = host.answers.program(program), host.answers.trial("binfmt_misc")
        if qemu is not None and mount.works:
            return passed(f"run by {qemu.path}, in boxes alone")
        if not by_machine and qemu is not None and not mount.was_done:
            return noted("could not be tried: no user namespace")
    if by_machine:
        return passed(f"run by what is registered with the machine: {len(by_machine)} handlers")
    if host.answers.program(program) is None:
        return warned(f"{program} is not installed", install)
    why = "root's boxes need that" if host.is_root else f"Linux {host.kernel} lets no user have their own"
    register = host.sudo("systemctl restart systemd-binfmt")
    fix = register if host.has_systemd else f"{install} binfmt-support"
    return warned(f"nothing is registered with the machine, and {why}", fix)


CHECKS = (
    Check(
        "programs",
        "foreign platforms",
        "qemu's user mode runs images for other machines, such as `linux/arm64`. From Linux 6.7 on a box"
        " registers it for itself alone; before, and for root, it must be registered with the machine.",
        "images for other kinds of machines (`--platform`) cannot be used",
        _foreign,
    ),
)
