"""The real test images: a Debian and an Alpine of four layers each.

tests/testbed/images says what is in them and makes them on demand, once per
machine; two test runs that ask at once wait for each other there.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

TESTBED = Path(__file__).parents[1] / "testbed"


class RealImages(NamedTuple):
    """Where the real images lie. They are shared: read only."""

    debian_tar: Path  # a plain root file system, uncompressed
    alpine_tar: Path
    layout: Path  # an OCI layout with the tags debian-bookworm and alpine-3.23


def real_images() -> RealImages:
    """Find the images, or make them: half a minute, and the package mirrors are needed."""
    done = subprocess.run([TESTBED / "images", "build"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"testbed/images build failed:\n{done.stdout}{done.stderr}"
    directory = _directory()
    return RealImages(
        debian_tar=directory / "debian-bookworm.tar",
        alpine_tar=directory / "alpine-3.23.tar",
        layout=directory / "oci",
    )


def _directory() -> Path:
    """The same rule as in testbed/images."""
    if given := os.environ.get("TESTBED_IMAGES"):
        return Path(given)
    if os.geteuid() == 0:
        cache = Path("/var/cache")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "dacha-testbed" / "images"


def foreign_tar() -> Path:
    """Programs of Debian for another kind of machine, as a plain root file system."""
    done = subprocess.run([TESTBED / "images", "foreign"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"testbed/images foreign failed:\n{done.stdout}{done.stderr}"
    return _directory() / "debian-foreign.tar"
