"""Extract an archive from anywhere into a new directory, with owners as a box has them.

As for layers (`storage.unpack`), GNU tar only sees what `storage.archive.stream` has read, checked
and written anew, and starts in an empty directory.
"""

from __future__ import annotations

import os
import signal

from dacha.errors import DachaError
from dacha.linux import process
from dacha.storage.archive import stream
from dacha.storage.archive.buffer import Source
from dacha.storage.ownership import Ownership
from dacha.userns import outer
from dacha.userns.outer import OuterMaps


def extract(maps: OuterMaps, owners: Ownership, source: Source, path: str) -> None:
    """Extract into `path`, which is made.

    Raises BadImageError for a damaged or hostile archive, and DachaError.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    error_reader, error_writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(error_writer, False)  # a tar with more to say than a pipe holds must not wait for us
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        _extractor(maps, owners, path, reader, error_writer)
    os.close(reader)
    os.close(error_writer)
    try:
        limits = stream.Limits(has_whiteouts=False)
        if not maps.is_single:
            limits = limits._replace(max_id=max(maps.available - 1, owners.uid, owners.gid))
        stream.rewrite(source, writer, limits, squashes_owners=maps.is_single)
    except BrokenPipeError:
        pass  # tar has died: its own words say why
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(writer)
        with os.fdopen(error_reader, "rb") as file:
            errors = file.read().decode(errors="replace")
        code = process.wait(pid)
    if code != 0:
        lines = [line for line in errors.splitlines() if line.strip()]
        full = [line for line in lines if "No space left" in line]
        reason = (full or lines or [f"exit code {code}"])[0]
        raise DachaError(f"cannot unpack the archive: {reason}", hint="free some space" if full else "")


def _extractor(maps: OuterMaps, owners: Ownership, path: str, archive: int, errors: int) -> None:
    """The child's life: in H, then in a namespace with the box's ids; it never returns."""
    code = 1
    try:
        os.dup2(errors, 2)
        outer.enter(maps, None)
        os.mkdir(path, 0o755)
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        tar = process.find_program("tar")
        outer.enter_nested(maps, maps.box_uids(owners.uid), maps.box_gids(owners.gid))
        os.fchdir(root)
        pid = process.spawn([tar, *stream.TAR_EXTRACT_OPTIONS], stdin=archive, env=stream.TAR_ENVIRONMENT)
        os.close(archive)
        code = process.wait(pid)
    except Exception as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(code)
