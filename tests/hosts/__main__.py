"""Run in a host, with one argument: the plan of the visit. The last line that it prints is the outcome."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # `python -I` of a host that has nothing installed: all it needs is beside this file.
    root = __file__.removesuffix("/tests/hosts/__main__.py")
    sys.path[:0] = [root, f"{root}/distro", f"{root}/site"]
    from tests.hosts import visit

    visit.main(sys.argv[1])
