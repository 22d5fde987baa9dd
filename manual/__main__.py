"""Write all pages: `python -m manual DIRECTORY`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "distro"))

from manual.pages import write

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m manual DIRECTORY")
    for page in write(Path(sys.argv[1])):
        print(page)
