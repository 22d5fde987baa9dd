"""podman, its containers as near to boxes as its own flags bring them: same user, same network."""

from __future__ import annotations

from bench.contenders.base import Contender
from bench.programs import Command

IMAGE = "localhost/dacha-bench:latest"


class Podman(Contender):
    """Containers of the debian archive, whose init is a sleep."""

    name = "podman"

    def version(self) -> Command:
        return self._podman("--version")

    def load_image(self) -> Command:
        return self._podman("import", "--quiet", str(self.archive), IMAGE)

    def pull(self, *images: str) -> Command:
        return self._podman("pull", "--quiet", "--tls-verify=false", *images)

    def remove_image(self, image: str = "") -> Command:
        return self._podman("rmi", "--force", image or IMAGE)

    def list_images(self) -> Command:
        return self._podman("images")

    def create(self, box: str, image: str = "") -> Command:
        flags = ("--userns=keep-id", "--network=host")
        return self._podman("create", f"--name={box}", *flags, image or IMAGE, "sleep", "infinity")

    def start(self, box: str) -> Command:
        return self._podman("start", box)

    def stop(self, box: str) -> Command:
        return self._podman("stop", "--time=0", box)

    def remove(self, *boxes: str) -> Command:
        return self._podman("rm", "--force", "--time=0", *boxes)

    def enter(self, box: str, *words: str, on_terminal: bool = False) -> Command:
        return self._podman("exec", *(["-it"] if on_terminal else []), box, *words)

    def listing(self) -> Command:
        return self._podman("ps", "--all")

    def clean(self) -> list[Command]:
        return [
            self._podman("rm", "--all", "--force", "--time=0"),
            self._podman("rmi", "--all", "--force"),
        ]

    def _podman(self, *words: str) -> Command:
        return self.site.command("podman", *words)
