"""Layers on their way from a registry into files, several at once, read while they grow.

A blob grows in a file that is named by its digest and locked by whoever fills it. What a killed
process or a broken line has left is gone on with (Range), here or in the next pull. Whoever
waited for the lock finds the blob whole.

Nothing is believed before its end: `read` gives out what has come so far, but ends well only
after the whole file had the right size and digest. A file that turns out wrong is removed.

Threads: one worker fills one file at a time, and holds no other lock meanwhile; the
unpacker reads. So pulls of the same layers in different orders cannot block one another.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from dacha.errors import BadImageError, DachaError
from dacha.linux.files import write_whole
from dacha.linux.lock import FileLock
from dacha.registry.digest import Hash, new_hash
from dacha.registry.manifest import Descriptor
from dacha.registry.remote.client import Client
from dacha.registry.remote.errors import RegistryError, RemoteImageNotFoundError, TransientError
from dacha.registry.remote.retry import wait_before

if TYPE_CHECKING:
    import urllib3

_CHUNK = 1 << 18
_PROGRESS_BYTES = 1 << 16  # a try that brought so much does not count as failed


class Listener(Protocol):
    """Hears how a download goes; called from its thread."""

    def reached(self, size_bytes: int) -> None:
        """So much of the blob is here."""
        ...

    def notice(self, text: str) -> None:
        """Something that a person may want to know."""
        ...


class CancelledError(DachaError):
    """The pull has failed elsewhere."""


class Download:
    """One blob on its way. Made by one thread, run by another, read by the first."""

    def __init__(
        self,
        client: Client,
        descriptor: Descriptor,
        directory: str,
        listener: Listener,
        is_needed: Callable[[], bool],
    ) -> None:
        algorithm, _, encoded = descriptor.digest.partition(":")
        self.descriptor = descriptor
        self._client = client
        self._path = f"{directory}/{algorithm}-{encoded}"
        self._listener = listener
        self._is_needed = is_needed
        self._state = threading.Condition()
        self._available = 0
        self.restarts = 0  # how often a beginning that an earlier pull had left turned out bad
        self._is_done = False
        self._is_cancelled = False
        self._error: Exception | None = None
        self._response: urllib3.BaseHTTPResponse | None = None
        self._fd = -1
        self._hash: Hash = new_hash(descriptor.digest)

    # --- the reader's side

    def wait_for_start(self) -> bool:
        """Wait until bytes come; false if the blob turned out not to be needed after all."""
        with self._state:
            self._state.wait_for(lambda: self._is_done or self._available)
            if self._error is not None:
                raise self._error
            return self._fd >= 0

    def open(self) -> Follower:
        """A reader of the file, from its beginning. The caller closes it."""
        return Follower(self, os.dup(self._fd))

    @property
    def fd(self) -> int:
        """The file, as long as the download is not released; -1 if the blob was not needed."""
        return self._fd

    def wait_for(self, offset: int) -> int:
        """Wait until there is more than `offset`; how much there is. Raises what has ended the download."""
        with self._state:
            self._state.wait_for(lambda: self._is_done or self._available > offset)
            if self._error is not None:
                raise self._error
            return self._available

    def wait_for_end(self, timeout_s: float | None = None) -> None:
        """Wait until nothing more comes. Raises what has ended the download before its time."""
        with self._state:
            self._state.wait_for(lambda: self._is_done, timeout_s)
            if self._error is not None:
                raise self._error

    def cancel(self) -> None:
        """End it soon; what has come stays for the next time."""
        self._is_cancelled = True
        response = self._response
        if response is not None:
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # it is over already
                response.shutdown()

    def discard(self) -> None:
        """Remove the file: what was in it is where it belongs."""
        with FileLock(self._path):
            os.unlink(self._path)

    def release(self) -> None:
        """Give up what is open; the file stays for the next time."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # --- the worker's side

    def run(self) -> None:
        """Fill the file; never raises: the reader is told."""
        try:
            with FileLock(self._path):
                if self._is_needed():
                    self._fill()
                else:
                    os.unlink(self._path)
        except Exception as error:
            self._error = error
        finally:
            with self._state:
                self._is_done = True
                self._state.notify_all()

    def _fill(self) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._fd = fd
            self._take_over(fd)
            is_fresh = self._available == 0
            try:
                self._download(fd)
                self._check()
            except BadImageError:
                if is_fresh:
                    raise
                self.restarts += 1
                self._restart(fd)
                self._download(fd)
                self._check()
        except OSError as error:
            os.unlink(self._path)  # a full disk gets its room back
            raise DachaError(
                f"cannot write the layer: {error.strerror}",
                hint="free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "",
            ) from error
        except BadImageError:
            os.unlink(self._path)
            raise

    def _take_over(self, fd: int) -> None:
        """Hash what is there already."""
        if os.fstat(fd).st_size > self.descriptor.size_bytes:
            os.ftruncate(fd, 0)
        size = 0
        while data := os.read(fd, _CHUNK):
            self._hash.update(data)
            size += len(data)
        self._announce(size)

    def _restart(self, fd: int) -> None:
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        self._hash = new_hash(self.descriptor.digest)
        self._announce(0)

    def _announce(self, available: int) -> None:
        with self._state:
            self._available = available
            self._state.notify_all()
        self._listener.reached(available)

    def _download(self, fd: int) -> None:
        session = self._client.session
        failures = 0
        while self._available < self.descriptor.size_bytes:
            before = self._available
            try:
                self._receive(fd)
                failures = 0
            except TransientError as error:
                if self._is_cancelled:
                    raise CancelledError("the pull was given up") from error
                failures = 1 if self._available - before >= _PROGRESS_BYTES else failures + 1
                wait_s = wait_before(failures, session.retry, error)
                if wait_s is None:
                    raise
                self._listener.notice(f"{error}; going on in {wait_s:.2g} s")
                session.sleep(wait_s)

    def _receive(self, fd: int) -> None:
        """Take in what one answer brings."""
        import urllib3

        response = self._open()
        try:
            if response.status == 416 or (response.status == 206 and not self._continues(response)):
                self._restart(fd)
                return
            if response.status == 200 and self._available:
                self._restart(fd)  # it knows no ranges, and sends everything again
            self._response = response
            while data := response.read1(_CHUNK):
                if self._is_cancelled:
                    raise CancelledError("the pull was given up")
                if self._available + len(data) > self.descriptor.size_bytes:
                    raise BadImageError(f"{self._what} is larger than its manifest says")
                write_whole(fd, data)
                self._hash.update(data)
                self._announce(self._available + len(data))
        except (urllib3.exceptions.HTTPError, TimeoutError) as error:
            raise self._client.session.as_error(error) from error
        finally:
            self._response = None
            response.close()
        if self._available < self.descriptor.size_bytes:
            raise TransientError(f"{self._what} ended early, after {self._available} bytes")

    def _open(self) -> urllib3.BaseHTTPResponse:
        try:
            return self._client.open_blob(self.descriptor, self._available)
        except (RemoteImageNotFoundError, RegistryError) as error:
            if not self.descriptor.urls or isinstance(error, TransientError):
                raise
            return self._client.open_blob(self.descriptor, self._available, self.descriptor.urls[0])

    def _continues(self, response: urllib3.BaseHTTPResponse) -> bool:
        """Whether it sends what we asked for: RFC 9110, 14.4."""
        unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
        start, _, total = rest.partition("-")[0], "", rest.partition("/")[2]
        return (
            unit.lower() == "bytes"
            and start == str(self._available)
            and total in ("*", str(self.descriptor.size_bytes))
        )

    def _check(self) -> None:
        digest = self.descriptor.digest
        if self._hash.hexdigest() != digest.partition(":")[2]:
            raise BadImageError(
                f"{self._what} is damaged: it is not what its digest says",
                hint="the registry or something on the way has changed it",
            )

    @property
    def _what(self) -> str:
        return f"layer {self.descriptor.digest[:19]}… of {self._client.name}"


class Follower:
    """Reads a file that grows; the end comes when all of it has been verified."""

    def __init__(self, download: Download, fd: int) -> None:
        self._download = download
        self._fd = fd
        self._offset = 0

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises what has ended the download."""
        while True:
            available = self._download.wait_for(self._offset)
            data = os.pread(self._fd, min(size, max(available - self._offset, 0)), self._offset)
            if data or available <= self._offset:
                break
        self._offset += len(data)
        return data

    def close(self) -> None:
        """Give up the file."""
        os.close(self._fd)


class Downloads:
    """Several downloads, in their order, by a few threads, inside a `with` block."""

    def __init__(self, downloads: Sequence[Download], workers: int) -> None:
        self._downloads = downloads
        self._queue: Iterator[Download] = iter(downloads)
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"download-{number}", daemon=True)
            for number in range(min(workers, len(downloads)))
        ]

    def __enter__(self) -> Downloads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with self._lock:
                self._queue = iter(())
            for download in self._downloads:
                download.cancel()
        for thread in self._threads:
            thread.join(timeout=5 if kind is not None else None)
        if not any(thread.is_alive() for thread in self._threads):
            for download in self._downloads:
                download.release()

    def _work(self) -> None:
        while True:
            with self._lock:
                download = next(self._queue, None)
            if download is None:
                return
            download.run()
