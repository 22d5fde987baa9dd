"""distrobox on podman. Its first `enter` of a box installs packages, which takes a while."""

from __future__ import annotations

from bench.contenders.base import Contender
from bench.contenders.podman import IMAGE, Podman
from bench.programs import Command


class Distrobox(Contender):
    """Boxes in podman's store, which has the image already."""

    name = "distrobox"

    def version(self) -> Command:
        return self._distrobox("version")

    def load_image(self) -> Command:
        return Podman(self.site, self.archive).load_image()

    def pull(self, *images: str) -> Command:
        return Podman(self.site, self.archive).pull(*images)

    def remove_image(self, image: str = "") -> Command:
        return Podman(self.site, self.archive).remove_image(image)

    def list_images(self) -> Command:
        return Podman(self.site, self.archive).list_images()

    def create(self, box: str, image: str = "") -> Command:
        return self._distrobox("create", "--yes", "--name", box, "--image", image or IMAGE)

    def start(self, box: str) -> Command:
        return self.enter(box, "true")

    def stop(self, box: str) -> Command:
        return self._distrobox("stop", "--yes", box)

    def remove(self, *boxes: str) -> Command:
        return self._distrobox("rm", "--force", *boxes)

    def enter(self, box: str, *words: str, on_terminal: bool = False) -> Command:
        return self._distrobox("enter", box, "--", *words)

    def listing(self) -> Command:
        return self._distrobox("list", "--no-color")

    def clean(self) -> list[Command]:
        return []  # podman does it

    def prepare_store(self) -> None:
        pass  # podman has done it

    def _distrobox(self, *words: str) -> Command:
        command = self.site.command("distrobox", *words)
        return Command(command.argv, {**command.env, "DBX_CONTAINER_MANAGER": "podman"})
