"""Package managers in a box whose only id is its user's.

What they give to other users is handled by the box's sudo (hooks/sudo/single_id.h). Here
is what else they must be told.
"""

from __future__ import annotations

from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration

_APT = "etc/apt/apt.conf.d"
# apt downloads as the user _apt, and looks whether it has become that one (apt.conf(5), APT::Sandbox).
_APT_SETTINGS = b"""\
// This box has no users but you and root (dacha's single-id mode).
APT::Sandbox::User "root";
"""


class PackagesIntegration(Integration):
    """apt shall not download as a user of its own. The others need nothing."""

    def edits(self, context: Context) -> list[Edit]:
        """Last in its directory, so that nothing overrides it."""
        if not context.maps.is_single or not context.stack.is_directory(_APT):
            return []
        return [Edit(f"{_APT}/zz-dacha-single-id", _APT_SETTINGS)]
