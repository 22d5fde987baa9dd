"""Progress of long work: drawn on a terminal, plain lines elsewhere, JSON for programs, or nothing."""

from __future__ import annotations

import json
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from dacha.build.progress import DONE, MOUNTED, PRESENT, Part, Progress, in_bytes
from dacha.errors import UsageError

if TYPE_CHECKING:
    import rich.progress

AUTO, PLAIN, JSON, NONE = "auto", "plain", "json", "none"
KINDS = (AUTO, PLAIN, JSON, NONE)

_FINAL = (DONE, PRESENT, MOUNTED)
_JSON_STEP_BYTES = 1 << 20  # no line for less


class LineProgress(Progress):
    """A line for each step, for logs."""

    def step(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr, flush=True)

    def notice(self, text: str) -> None:
        """Print it."""
        self.step(text)

    def part(self, name: str, size_bytes: int, state: str) -> Part:
        """A line when it is done, and for all that happens to it."""
        part = _LinePart(self, name, size_bytes)
        part.enter(state)
        return part


class _LinePart(Part):
    def __init__(self, progress: LineProgress, name: str, size_bytes: int) -> None:
        self._progress = progress
        self._title = f"layer {name}, {in_bytes(size_bytes)}"

    def notice(self, text: str) -> None:
        self._progress.step(f"{self._title}: {text}")

    def enter(self, state: str) -> None:
        if state in _FINAL:
            self._progress.step(f"{self._title}: {state}")


class JsonProgress(Progress):
    """A JSON object a line, on stderr: {"step": …}, {"notice": …}, {"layer": …, "state": …, "current": …}."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, **fields: object) -> None:
        """Write an object, whole, whichever thread it comes from."""
        with self._lock:
            print(json.dumps(fields), file=sys.stderr, flush=True)

    def step(self, text: str) -> None:
        """Write it."""
        self.write(step=text)

    def notice(self, text: str) -> None:
        """Write it."""
        self.write(notice=text)

    def part(self, name: str, size_bytes: int, state: str) -> Part:
        """A line for each state, and for each megabyte."""
        part = _JsonPart(self, name, size_bytes)
        part.enter(state)
        return part


class _JsonPart(Part):
    def __init__(self, progress: JsonProgress, name: str, size_bytes: int) -> None:
        self._progress = progress
        self._name = name
        self._size_bytes = size_bytes
        self._state = ""
        self._reached = 0
        self._written = 0

    def _write(self, **more: object) -> None:
        self._written = self._reached
        self._progress.write(
            layer=self._name, state=self._state, current=self._reached, total=self._size_bytes, **more
        )

    def reached(self, size_bytes: int) -> None:
        self._reached = size_bytes
        if size_bytes == self._size_bytes or abs(size_bytes - self._written) >= _JSON_STEP_BYTES:
            self._write()

    def notice(self, text: str) -> None:
        self._write(notice=text)

    def enter(self, state: str) -> None:
        self._state = state
        if state in _FINAL:
            self._reached = self._size_bytes
        self._write()


class DrawnProgress(Progress):
    """A spinner, the step, and how much has been read; below it a bar for each part."""

    def __init__(self) -> None:
        import rich.console
        import rich.progress

        columns = rich.progress
        console = rich.console.Console(stderr=True)
        self._progress = rich.progress.Progress(
            columns.SpinnerColumn(),
            columns.TextColumn("{task.description}"),
            columns.FileSizeColumn(),
            columns.TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)
        self._bars: rich.progress.Progress | None = None

    def step(self, text: str) -> None:
        """Show it in place of the last one."""
        self._progress.update(self._task, description=text)

    def advance(self, size_bytes: int) -> None:
        """Count it."""
        self._progress.advance(self._task, size_bytes)

    def notice(self, text: str) -> None:
        """Leave it above the drawing."""
        (self._bars or self._progress).console.print(text, markup=False, highlight=False)

    def part(self, name: str, size_bytes: int, state: str) -> Part:
        """Draw a bar; with the first one, they take the place of the spinner."""
        if self._bars is None:
            self._bars = self._make_bars()
            self._progress.stop()
            self._bars.start()
        return _DrawnPart(self._bars, name, size_bytes, state)

    def _make_bars(self) -> rich.progress.Progress:
        import rich.progress

        columns = rich.progress
        return rich.progress.Progress(
            columns.TextColumn("{task.description}"),
            columns.BarColumn(),
            columns.DownloadColumn(),
            columns.TransferSpeedColumn(),
            columns.TextColumn("{task.fields[state]}"),
            console=self._progress.console,
            transient=True,
        )

    def start(self) -> None:
        """Begin to draw."""
        self._progress.start()

    def stop(self) -> None:
        """Take the drawing away."""
        self._progress.stop()
        if self._bars is not None:
            self._bars.stop()


class _DrawnPart(Part):
    def __init__(self, bars: rich.progress.Progress, name: str, size_bytes: int, state: str) -> None:
        self._bars = bars
        self._size_bytes = size_bytes
        self._task = bars.add_task(name, total=size_bytes, state=state)
        self.enter(state)

    def reached(self, size_bytes: int) -> None:
        self._bars.update(self._task, completed=size_bytes)

    def notice(self, text: str) -> None:
        self._bars.update(self._task, state=text[:60])

    def enter(self, state: str) -> None:
        self._bars.update(self._task, state=state)
        if state in _FINAL:
            self._bars.update(self._task, completed=self._size_bytes)


class show_progress:  # noqa: N801  (reads as the function that it is to its callers)
    """`with show_progress() as progress`: whatever fits where stderr goes. Draws with the first step."""

    def __init__(self, *, quiet: bool = False, kind: str = "") -> None:
        self._kind = NONE if quiet else kind or AUTO
        if self._kind not in KINDS:
            raise UsageError(f"'{kind}' is no kind of progress", hint=f"it is one of {', '.join(KINDS)}")
        self._lazy: _LazyProgress | None = None

    def __enter__(self) -> Progress:
        if self._kind == NONE:
            return Progress()
        if self._kind == JSON:
            return JsonProgress()
        if self._kind == PLAIN or not sys.stderr.isatty():
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

    def _draw(self) -> DrawnProgress:
        if self._drawn is None:
            from dacha import paths

            paths.find_packages()
            self._drawn = DrawnProgress()
            self._drawn.start()
        return self._drawn

    def step(self, text: str) -> None:
        self._draw().step(text)

    def advance(self, size_bytes: int) -> None:
        if self._drawn is not None:
            self._drawn.advance(size_bytes)

    def notice(self, text: str) -> None:
        self._draw().notice(text)

    def part(self, name: str, size_bytes: int, state: str) -> Part:
        return self._draw().part(name, size_bytes, state)

    def stop(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()
