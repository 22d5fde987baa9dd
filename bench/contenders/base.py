"""What every program that is compared can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from bench.programs import Command, output
from bench.site import Site


class Contender(ABC):
    """The commands of one program, in one site. They are only made here, not run."""

    name: str

    def __init__(self, site: Site, archive: Path) -> None:
        self.site = site
        self.archive = archive
        self.main = self.box("main")  # there, and running, for the whole run

    def box(self, label: str) -> str:
        """A name for a box: podman and distrobox share a store, so each has names of its own."""
        return f"bench-{self.name}-{label}"

    @abstractmethod
    def version(self) -> Command:
        """Print the version."""

    @abstractmethod
    def load_image(self) -> Command:
        """Bring the root file system in the archive into the store."""

    @abstractmethod
    def pull(self, *images: str) -> Command:
        """Get images, by their full names, from a registry without TLS."""

    @abstractmethod
    def remove_image(self, image: str = "") -> Command:
        """Remove an image; by default that of the archive."""

    @abstractmethod
    def list_images(self) -> Command:
        """List the images in the store."""

    @abstractmethod
    def create(self, box: str, image: str = "") -> Command:
        """Make a box of an image; by default that of the archive."""

    @abstractmethod
    def start(self, box: str) -> Command:
        """Start a box."""

    @abstractmethod
    def stop(self, box: str) -> Command:
        """Stop a box, without waiting for its programs to agree."""

    @abstractmethod
    def remove(self, *boxes: str) -> Command:
        """Remove boxes, running or not."""

    @abstractmethod
    def enter(self, box: str, *words: str, on_terminal: bool = False) -> Command:
        """Run a program in a box that runs, as a person would."""

    @abstractmethod
    def listing(self) -> Command:
        """List all boxes, also those that do not run."""

    @abstractmethod
    def clean(self) -> list[Command]:
        """Remove all that is in the store."""

    def prepare_store(self) -> None:
        """Load the image. Raises ProgramError."""
        output(self.load_image())

    def prepare_box(self) -> None:
        """Create, start and warm up the main box. Raises ProgramError."""
        for command in (self.create(self.main), self.start(self.main), self.enter(self.main, "true")):
            output(command)
