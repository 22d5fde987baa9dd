"""D-Bus: the system bus. The session bus comes with the runtime directory."""

from __future__ import annotations

import os

from dacha.box.integrations.base import Context, Integration, host_bind
from dacha.engine.spec import Mount


class MessagesIntegration(Integration):
    """The host's system bus at its usual place."""

    def mounts(self, context: Context) -> list[Mount]:
        """The directory rather than the socket, which a restarted bus makes anew."""
        return [host_bind(context, "/run/dbus")] if os.path.isdir("/run/dbus") else []
