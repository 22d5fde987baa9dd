"""dacha, as it is installed beside this directory."""

from __future__ import annotations

from pathlib import Path

from bench.contenders.base import Contender
from bench.programs import Command

_ROOT = Path(__file__).resolve().parents[2]
PROGRAM = _ROOT / ".venv/bin/dacha"
_IMAGE = "bench"


class Dacha(Contender):
    """Boxes of the debian archive."""

    name = "dacha"

    def version(self) -> Command:
        return self._dacha("version")

    def load_image(self) -> Command:
        return self._dacha("image", "load", f"tar:{self.archive}", "--name", _IMAGE, "--quiet")

    def unpack_layer(self) -> Command:
        """The unpacking alone, in seconds on stdout."""
        script = _ROOT / "bench/unpack.py"
        return self.site.command(PROGRAM.with_name("python"), "-IS", script, _ROOT / "distro", self.archive)

    def pull(self, *images: str) -> Command:
        return self._dacha("image", "pull", "--quiet", "--tls-verify=false", *images)

    def remove_image(self, image: str = "") -> Command:
        return self._dacha("image", "rm", image or _IMAGE)

    def list_images(self) -> Command:
        return self._dacha("image", "list")

    def create(self, box: str, image: str = "") -> Command:
        return self._dacha("create", box, "--image", image or _IMAGE)

    def start(self, box: str) -> Command:
        return self._dacha("start", box)

    def stop(self, box: str) -> Command:
        return self._dacha("stop", box)

    def remove(self, *boxes: str) -> Command:
        return self._dacha("rm", "--force", *boxes)

    def enter(self, box: str, *words: str, on_terminal: bool = False) -> Command:
        return self._dacha("enter", box, "--", *words)

    def run(self, box: str, *words: str) -> Command:
        """`run`, the verb for scripts."""
        return self._dacha("run", box, "--", *words)

    def listing(self) -> Command:
        return self._dacha("list")

    def inspect(self, box: str) -> Command:
        """All that is known of a box, as JSON."""
        return self._dacha("inspect", box)

    def doctor(self) -> Command:
        """A look at the whole host."""
        return self._dacha("doctor")

    def complete(self, *words: str) -> Command:
        """What a shell's completion asks at each Tab; the last word is being typed."""
        return self._dacha("__complete", "words", *words)

    def bootstrap(self, image: str) -> Command:
        """Make an image of the catalog from packages."""
        return self._dacha("image", "load", image, "--quiet")

    def clean(self) -> list[Command]:
        return [self._dacha("rm", "--all", "--force"), self._dacha("image", "rm", "--all", "--force")]

    def _dacha(self, *words: str) -> Command:
        return self.site.command(PROGRAM, *words)
