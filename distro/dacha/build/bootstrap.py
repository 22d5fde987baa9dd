"""Make a root file system from a distribution's packages, as an ordinary user, where no registry is.

The tool writes a tar to its stdout, which goes through the unpacker like any other layer.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable
from typing import IO

from dacha import paths
from dacha.build.catalog import Entry
from dacha.build.progress import Progress
from dacha.errors import DachaError, ImageNotFoundError
from dacha.linux import process

_KEPT_ACQUIRE = re.compile(
    r'^(Acquire::(?:https?::Proxy(?:::\S+)?|Check-Valid-Until|Force-IPv[46]) "[^"]+");$', re.I
)


class BootstrapError(DachaError):
    """The distribution's own tool failed."""


def _apt_sources(suite: str) -> list[str]:
    """The lines by which this host gets `suite`, if it does: a mirror that is known to be in reach."""
    form = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    try:
        text = process.run(["apt-get", "indextargets", "--format", form, "Identifier: Packages"]).decode()
    except DachaError:
        return []  # no apt here, or one without a configuration
    components: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        codename, component, uri = line.split(" ", 2)
        if codename == suite or codename.startswith(f"{suite}-"):
            known = components.setdefault((codename, uri), [])
            if component not in known:
                known.append(component)
    if not any(codename == suite for codename, _ in components):
        return []
    return [f"deb {uri} {codename} {' '.join(names)}" for (codename, uri), names in components.items()]


def _apt_options() -> list[str]:
    """The host's proxies, and whether its mirror is a frozen one: mmdebstrap reads neither itself."""
    try:
        text = process.run(["apt-config", "dump"]).decode()
    except DachaError:
        return []
    return [f"--aptopt={match[1]}" for line in text.splitlines() if (match := _KEPT_ACQUIRE.match(line))]


def _mmdebstrap(entry: Entry) -> list[str]:
    settings = entry.settings
    argv = [
        process.find_program("mmdebstrap"),
        f"--mode={'root' if paths.is_rootful() else 'unshare'}",
        f"--variant={settings.get('variant', 'minbase')}",
        *_apt_options(),
    ]
    if "components" in settings:
        argv.append(f"--components={settings['components']}")
    if "include" in settings:
        argv.append(f"--include={settings['include']}")
    return [*argv, entry.version, "-", *_apt_sources(entry.version)]


_TOOLS: dict[str, Callable[[Entry], list[str]]] = {"mmdebstrap": _mmdebstrap}
# What it says before the first of these is about itself.
_STEP = re.compile(
    r"^I: ((?:running apt-get|downloading|extracting|installing|cleaning|creating) .+?)(?:\.\.\.)?$"
)


class Bootstrap:
    """A bootstrap that runs: a stream to read the tar from, then `finish`."""

    def __init__(self, entry: Entry, progress: Progress) -> None:
        if not entry.tool:
            raise ImageNotFoundError(
                f"'{entry.name}' is {entry.image}, and dacha does not pull from registries yet",
                hint=f"bring it as an archive: skopeo copy docker://{entry.image} oci-archive:FILE;"
                f" dacha image load oci-archive:FILE --name {entry.name}",
            )
        tool = _TOOLS.get(entry.tool)
        if tool is None:
            raise BootstrapError(f"the recipe of '{entry.name}' wants {entry.tool}, which dacha cannot drive")
        self._entry = entry
        self._progress = progress
        self._messages: list[str] = []
        reader, writer = os.pipe2(os.O_CLOEXEC)
        error_reader, error_writer = os.pipe2(os.O_CLOEXEC)
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        try:
            self._pid = process.spawn(tool(entry), stdout=writer, stderr=error_writer, env=environment)
        finally:
            os.close(writer)
            os.close(error_writer)
        self._stream: IO[bytes] = os.fdopen(reader, "rb", buffering=0)
        self._listener = threading.Thread(target=self._listen, args=(error_reader,), daemon=True)
        self._listener.start()

    def read(self, size: int, /) -> bytes:
        """The next part of the tar."""
        return self._stream.read(size)

    def _listen(self, fd: int) -> None:
        with os.fdopen(fd, "r", errors="replace") as file:
            for line in file:
                text = line.strip()
                if match := _STEP.match(text):
                    self._progress.step(f"{self._entry.title}: {match[1]}")
                elif text and not text.startswith("I: "):
                    self._messages = [*self._messages[-20:], text]

    def finish(self) -> None:
        """Wait for the end of the tool. Raises BootstrapError, with its words, if it failed."""
        self._stream.close()
        code = process.wait(self._pid)
        self._listener.join()
        if code != 0:
            reasons = [text for text in self._messages if text.startswith("E: ")] or self._messages
            raise BootstrapError(
                f"{self._entry.tool} could not make {self._entry.title}:"
                f" {reasons[-1] if reasons else f'exit code {code}'}",
                hint="is the network up, and a mirror in reach? `apt-get update` tells more",
            )

    def abandon(self) -> None:
        """End the tool, which removes its own leftovers when it is asked to."""
        self._stream.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        process.wait(self._pid)
        self._listener.join()
