"""Progress of long work: drawn on a terminal, plain lines elsewhere, nothing if so wished."""

from __future__ import annotations

import sys
from types import TracebackType

from dacha.build.progress import Progress


class LineProgress(Progress):
    """A line for each step, for logs."""

    def step(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr, flush=True)


class DrawnProgress(Progress):
    """A spinner, the step, and how much has been read."""

    def __init__(self) -> None:
        import rich.console
        import rich.progress

        columns = rich.progress
        self._progress = rich.progress.Progress(
            columns.SpinnerColumn(),
            columns.TextColumn("{task.description}"),
            columns.FileSizeColumn(),
            columns.TimeElapsedColumn(),
            console=rich.console.Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)

    def step(self, text: str) -> None:
        """Show it in place of the last one."""
        self._progress.update(self._task, description=text)

    def advance(self, size_bytes: int) -> None:
        """Count it."""
        self._progress.advance(self._task, size_bytes)

    def start(self) -> None:
        """Begin to draw."""
        self._progress.start()

    def stop(self) -> None:
        """Take the drawing away."""
        self._progress.stop()


class show_progress:  # noqa: N801  (reads as the function that it is to its callers)
    """`with show_progress() as progress`: whatever fits where stderr goes. Draws with the first step."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._lazy: _LazyProgress | None = None

    def __enter__(self) -> Progress:
        if self._quiet:
            return Progress()
        if not sys.stderr.isatty():
            return LineProgress()
        self._lazy = _LazyProgress()
        return self._lazy

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._lazy is not None:
            self._lazy.stop()


class _LazyProgress(Progress):
    """Draws nothing, and imports nothing, for work that turns out to be none."""

    def __init__(self) -> None:
        self._drawn: DrawnProgress | None = None

    def step(self, text: str) -> None:
        if self._drawn is None:
            from dacha import paths

            paths.find_packages()
            self._drawn = DrawnProgress()
            self._drawn.start()
        self._drawn.step(text)

    def advance(self, size_bytes: int) -> None:
        if self._drawn is not None:
            self._drawn.advance(size_bytes)

    def stop(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()
