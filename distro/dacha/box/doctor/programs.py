"""The programs that dacha ties together, and their versions."""

from __future__ import annotations

import sys
from typing import NamedTuple

from dacha.box.doctor.base import Check, Verdict, failed, passed, warned
from dacha.box.doctor.host import Host


class Part(NamedTuple):
    """A program, and what it is for."""

    name: str
    meaning: str
    cost: str
    is_needed: bool = False
    must_say: str = ""  # what tells the right program of that name from others


_PARTS = (
    Part("crun", "Starts the init of a box.", "no box can start", is_needed=True),
    Part("catatonit", "Is the init of a box.", "no box can start", is_needed=True),
    Part(
        "tar",
        "Unpacks layers; it must be GNU tar, since others lose attributes.",
        "no image can be loaded",
        is_needed=True,
        must_say="GNU tar",
    ),
    Part(
        "mmdebstrap",
        "Makes images of Debian and its relatives from packages, without a registry.",
        "Debian and its relatives cannot be made from packages; tar: and oci: images can be loaded",
    ),
    Part(
        "conmon",
        "Holds terminals, logs and exit codes of containers.",
        "containers have no logs; boxes need none",
    ),
    Part(
        "pasta",
        "The network of a container of its own.",
        "containers have the host's network or none; boxes use the host's",
    ),
    Part("slirp4netns", "The same, the older way.", "nothing where pasta is there"),
    Part(
        "fuse-overlayfs",
        "Stacks layers where the kernel's overlayfs does not do, as on NFS.",
        "stores on such file systems cannot be used",
    ),
)


def version_in(output: str, name: str) -> str:
    """The first thing in a program's words that looks like a version, or an empty string.

    Other programs may have their say too; then the line with its own name counts.
    """
    lines = output.splitlines()
    own = [line for line in lines if name in line]
    for word in " ".join(own or lines).split():
        word = word.lstrip("v(").rstrip("),;:")
        if word[:1].isdigit() and "." in word:
            return word.partition("_")[0]
    return ""


def _python(_host: Host) -> Verdict:
    return passed(f"{sys.version.split()[0]}  {sys.executable}")


def _look(part: Part, host: Host) -> Verdict:
    program = host.answers.program(part.name)
    if program is None:
        lacks = failed if part.is_needed else warned
        if part.name == "slirp4netns" and host.answers.program("pasta") is not None:
            return passed("is not installed; pasta is there")
        return lacks("is not installed", host.distribution.install(part.name))
    if program.exit_code is None:
        return warned(f"{program.path} does not tell its version in time")
    if program.exit_code != 0:
        said = (program.output.strip().splitlines() or [f"it ends with {program.exit_code}"])[-1]
        broken = failed if part.is_needed else warned
        return broken(f"{program.path} is broken: {said}", host.distribution.install(part.name))
    if part.must_say not in program.output:
        return failed(f"{program.path} is not {part.must_say}", host.distribution.install(part.name))
    return passed(f"{version_in(program.output, part.name) or 'version unknown'}  {program.path}")


def _check(part: Part) -> Check:
    def look(host: Host) -> Verdict:
        return _look(part, host)

    return Check("programs", part.name, part.meaning, part.cost, look, stops=part.is_needed)


CHECKS = (
    Check("programs", "python", "What runs dacha.", "", _python),
    *(_check(part) for part in _PARTS),
)
