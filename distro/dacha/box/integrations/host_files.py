"""The user's files: home, /tmp, the runtime directory with its sockets, volumes, and the host at /run/host.

Sockets come with their directories: X11 in /tmp/.X11-unix, Wayland, PulseAudio, PipeWire,
the session bus and the gpg and ssh agents in the runtime directory.
"""

from __future__ import annotations

import os

from dacha.box.definition import Volume
from dacha.box.integrations.base import Context, Integration, host_bind
from dacha.engine.spec import Mount
from dacha.errors import DachaError


class HostFilesIntegration(Integration):
    """The same files at the same paths."""

    def mounts(self, context: Context) -> list[Mount]:
        """Raises DachaError where the home or a volume does not exist."""
        run = Mount("/run", "tmpfs", "tmpfs", ("nosuid", "nodev", "mode=755"))
        shared = [host_bind(context, path) for path in self._paths(context)]
        volumes = [_mount(context, volume) for volume in context.box.volumes]
        return [run, host_bind(context, "/", "/run/host"), *shared, *volumes]

    def _paths(self, context: Context) -> list[str]:
        home = context.account.home
        if not os.path.isdir(home):
            raise DachaError(f"the home directory {home} does not exist", hint="create it, or set HOME")
        paths = ["/tmp"]  # noqa: S108  (the box shares it, sockets and all)
        # A home that is a symbolic link on the host is reached by both names.
        for path in (context.runtime_directory, os.path.realpath(home), home):
            if path and path not in paths and path != "/":
                paths.append(path)
        return paths

    def shared_paths(self, context: Context) -> list[str]:
        """What `mounts` shows at the host's own path."""
        volumes = [volume.target for volume in context.box.volumes if volume.source == volume.target]
        return self._paths(context) + volumes

    def environment(self, context: Context) -> dict[str, str]:
        """Where the runtime directory is, whatever the caller's environment says; and the host's terminal
        descriptions, for terminals that the image has never heard of (terminfo(5)).
        """
        # An empty entry is the place compiled in, which comes first.
        found = [
            f"/run/host{path}" for path in ("/usr/share/terminfo", "/lib/terminfo") if os.path.isdir(path)
        ]
        environment = {"TERMINFO_DIRS": ":".join(["", *found])} if found else {}
        if context.runtime_directory:
            environment["XDG_RUNTIME_DIR"] = context.runtime_directory
        return environment


def _mount(context: Context, volume: Volume) -> Mount:
    """Raises DachaError where what it shows does not exist."""
    source, options = volume.source, volume.mount_options
    if volume.is_of_store:
        stored = context.volumes[source]
        options = (*stored.flags, *options)
        if stored.is_tmpfs:
            kept = [word for word in stored.mount_options if "=" in word]
            return Mount(volume.target, "tmpfs", "tmpfs", (*kept, *options))
        source = stored.path
    if not os.path.exists(source):
        raise DachaError(
            f"box '{context.box.name}' has a volume {source}, which is gone", hint=f"mkdir -p {source}"
        )
    return host_bind(context, source, volume.target, *options)
