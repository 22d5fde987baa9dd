"""What the user has been told once and need not be told again: keys that dacha does not use."""

from __future__ import annotations

import os

from dacha.config import places
from dacha.config.reading import read_bytes
from dacha.linux.files import replace_file

_MOST = 1000  # lines that are remembered


def take_untold(notes: tuple[str, ...]) -> tuple[str, ...]:
    """Those notes that were not taken before; from now on they count as told.

    Where nothing can be remembered (a read-only home), they are new each time.
    """
    new = list(dict.fromkeys(notes))
    if not new:
        return ()
    stamp = places.told()
    told = (read_bytes(stamp) or b"").decode(errors="replace").split("\n")
    new = [each for each in new if _as_line(each) not in told]
    if new:
        lines = [*told, *(_as_line(each) for each in new)][-_MOST:]
        try:
            os.makedirs(os.path.dirname(stamp), mode=0o700, exist_ok=True)
            replace_file(stamp, "\n".join(filter(None, lines)).encode())
        except OSError:
            pass  # told again next time, which does no harm
    return tuple(new)


def _as_line(note: str) -> str:
    return note.replace("\n", "\\n").encode(errors="replace").decode()
