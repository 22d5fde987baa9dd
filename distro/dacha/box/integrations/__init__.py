"""What makes a box feel like the host: each integration is data that the host contributes.

An integration is a small class: mounts, file edits and variables, computed as values from
a context. A new one is a new module and a line in `ALL`.
"""

from __future__ import annotations

from dacha.box.integrations.account import AccountIntegration
from dacha.box.integrations.base import Context, Integration
from dacha.box.integrations.clock import ClockIntegration
from dacha.box.integrations.devices import DevicesIntegration
from dacha.box.integrations.emulation import EmulationIntegration
from dacha.box.integrations.host_files import HostFilesIntegration
from dacha.box.integrations.identity import IdentityIntegration
from dacha.box.integrations.language import LanguageIntegration
from dacha.box.integrations.messages import MessagesIntegration
from dacha.box.integrations.names import NamesIntegration
from dacha.box.integrations.packages import PackagesIntegration
from dacha.box.integrations.sudo import SudoIntegration

# In the order of their mounts: what lies deeper comes later.
ALL: tuple[Integration, ...] = (
    DevicesIntegration(),
    HostFilesIntegration(),
    MessagesIntegration(),
    IdentityIntegration(),
    EmulationIntegration(),
    AccountIntegration(),
    SudoIntegration(),
    PackagesIntegration(),
    NamesIntegration(),
    ClockIntegration(),
    LanguageIntegration(),
)

__all__ = ["ALL", "Context", "Integration"]
