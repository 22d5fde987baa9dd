"""The user's locale, in images that have not generated it (locale(7)).

glibc's locale archive keeps its format over many releases, so the host's serves until the
image has one of its own.
"""

from __future__ import annotations

import os

from dacha.box.edits import Edit
from dacha.box.integrations.base import Context, Integration

_ARCHIVE = "usr/lib/locale/locale-archive"


class LanguageIntegration(Integration):
    """The host's locale archive, by a link that localedef(1) and package managers may replace."""

    def edits(self, context: Context) -> list[Edit]:
        """Only where the image has glibc's directory and no archive, and can read the host's."""
        if context.emulation is not None and not context.emulation.has_host_byte_order:
            return []
        has_place = context.image.is_directory("usr/lib/locale")
        if not has_place or context.image.find(_ARCHIVE) is not None or not os.path.isfile("/" + _ARCHIVE):
            return []
        return [Edit(_ARCHIVE, link=f"/run/host/{_ARCHIVE}")]
