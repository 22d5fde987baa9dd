"""The box verbs, as people and scripts see them. Each takes a parsed line and returns an exit code."""

from __future__ import annotations

import os
import sqlite3
import sys

from dacha import __version__, paths
from dacha.box import definition
from dacha.box.definition import Box
from dacha.engine import state
from dacha.errors import BoxNotFoundError, DachaError, UsageError
from dacha.fast.grammar import Line
from dacha.storage import database
from dacha.storage.images import Image


def version(_line: Line) -> int:
    """Print the version."""
    print(f"dacha {__version__}")
    return 0


def _confirm(question: str) -> bool:
    """Ask on the terminal; yes is the default."""
    sys.stderr.write(f"{question} [Y/n] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    return answer.strip().lower() in ("", "y", "yes") and answer != ""


def _all_names() -> list[str]:
    connection = database.open_database()
    try:
        return [box.name for box in definition.listing(connection)]
    finally:
        connection.close()


def _targets(line: Line) -> list[str]:
    """The boxes that a line names. Raises UsageError if it names none."""
    if line.flag("all"):
        if line.operands:
            raise UsageError("give names or --all, not both")
        return _all_names()
    if not line.operands:
        raise UsageError("name a box", hint="see what there is: dacha list")
    return line.operands


def _for_each(names: list[str], work: str, line: Line) -> int:
    """Do `work` to every box; a failure does not keep the others from their turn."""
    from dacha.cli.report import report

    code = 0
    for name in names:
        try:
            _WORK[work](name, line)
        except DachaError as error:
            code = report(error)
        else:
            print(name)
    return code


# --- create -----------------------------------------------------------------------------------


def create(line: Line) -> int:
    """Create a box and print its name."""
    from dacha.box import remove
    from dacha.box.create import Request
    from dacha.registry import reference

    name = line.text("name") or (definition.check_name(line.operands[0]) if line.operands else "")
    image = line.text("image") or (name if _is_image(name) else "")
    if not image:
        image = _default_image()
    request = Request(
        name=definition.check_name(name or reference.parse(image).box_name),
        image=image,
        hostname=line.text("hostname"),
        volumes=tuple(definition.parse_volume(text) for text in line.texts("volume")),
    )
    if line.flag("dry_run"):
        hostname = request.hostname or os.uname().nodename
        print(f"box '{request.name}' of image '{request.image}', host name '{hostname}'")
        for volume in request.volumes:
            print(f"volume {volume.source} at {volume.target} {','.join(volume.options)}".rstrip())
        return 0
    _create(request, quiet=line.flag("quiet"))
    remove.sweep()
    print(request.name)
    return 0


def _create(request: object, *, quiet: bool = False) -> Box:
    from dacha.box.create import Request, create
    from dacha.storage import images

    assert isinstance(request, Request)  # noqa: S101
    connection = database.open_database()
    try:
        if definition.find(connection, request.name) is not None:
            raise definition.BoxExistsError(request.name)
        image = images.find(connection, request.image)
        if image is None:
            image = _obtain(connection, request.image, quiet=quiet)
    finally:
        connection.close()
    return create(request, image)


def _obtain(connection: sqlite3.Connection, reference: str, *, quiet: bool) -> Image:
    """Bring an image into the store, with progress."""
    from dacha.build.obtain import obtain
    from dacha.cli.progress import show_progress
    from dacha.linux import account
    from dacha.userns import outer

    maps = outer.outer_maps(account.calling_account())
    with show_progress(quiet=quiet) as progress:
        return obtain(connection, maps, reference, progress)


def _is_image(name: str) -> bool:
    """Whether a box's name is also the name of an image: `dacha create debian` means both."""
    from dacha.storage import images

    if not name:
        return False
    connection = database.open_database()
    try:
        if images.find(connection, name) is not None:
            return True
    finally:
        connection.close()
    from dacha.build import catalog

    return catalog.find(name) is not None


def _default_image() -> str:
    from dacha.build import catalog

    return catalog.default_name()


# --- enter and run, when the box does not run ----------------------------------------------------


def enter(line: Line) -> int:
    """Start the box, create it first if it is missing and that is wished, and open the session."""
    from dacha.fast import enter as fast

    name = fast.box_name(line) or ("" if line.operands else _default_box())
    image = line.text("image") or name
    if ":" in name or "/" in name:  # `enter debian:trixie`: an image that names its box
        from dacha.registry import reference

        name = reference.parse(name).box_name
    definition.check_name(name)
    try:
        _start(name, line)
    except BoxNotFoundError as missing:
        _create_missing(name, image, missing, answers_yes=line.flag("yes"))
        _start(name, line)
    line.options["name"] = name
    return _session(line, "enter", name)


def _default_box() -> str:
    """The box of `dacha enter` alone: the one named after the host's own distribution."""
    from dacha.linux import files

    name = _default_image()
    files.replace_file(paths.make_runtime_root() + "/default-box", name.encode())
    return name


def _create_missing(name: str, image: str, missing: BoxNotFoundError, *, answers_yes: bool) -> None:
    from dacha.box.create import Request
    from dacha.registry import reference

    if not reference.parse(image).transport and not _is_image(image):
        missing.hint = _suggestion(name) or missing.hint
        raise missing
    if not answers_yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise missing
        if not _confirm(f"There is no box '{name}'. Create it from the image '{image}'?"):
            raise missing
    _create(Request(name=name, image=image))


def _suggestion(name: str) -> str:
    """The box or image that somebody may have meant who wrote `name`."""
    import difflib

    from dacha.build import catalog

    close = difflib.get_close_matches(name, [*_all_names(), *catalog.entries()], n=1)
    return f"did you mean '{close[0]}'?" if close else ""


def run(line: Line) -> int:
    """Start the box and run the command in it."""
    name = definition.check_name(line.operands[0])
    _start(name, line)
    return _session(line, "run", name)


def _session(line: Line, verb: str, name: str) -> int:
    from dacha.fast import enter as fast

    try:
        code: int = getattr(fast, verb)(line)
    except fast.NotRunningError as error:
        raise DachaError(f"box '{name}' stopped before the session began") from error
    return code


# --- the others -------------------------------------------------------------------------------


def _start(name: str, _line: Line) -> None:
    from dacha.box.start import start

    start(name)


def _stop(name: str, line: Line) -> None:
    from dacha.box import stop

    stop.stop(name, grace_s=_grace(line))


def _restart(name: str, line: Line) -> None:
    _stop(name, line)
    _start(name, line)


def _remove(name: str, line: Line) -> None:
    from dacha.box import remove

    remove.remove(name, force=line.flag("force"))


_WORK = {"start": _start, "stop": _stop, "restart": _restart, "rm": _remove}


def _grace(line: Line) -> float:
    from dacha.box import stop

    text = line.text("time")
    if not text:
        return stop.GRACE_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"'{text}' is no number of seconds")
    return seconds


def start(line: Line) -> int:
    """Start boxes."""
    return _for_each(_targets(line), "start", line)


def stop(line: Line) -> int:
    """Stop boxes."""
    return _for_each(_targets(line), "stop", line)


def restart(line: Line) -> int:
    """Stop boxes and start them again."""
    return _for_each(_targets(line), "restart", line)


def remove(line: Line) -> int:
    """Remove boxes; asks first where one runs and somebody is there to ask."""
    names = _targets(line)
    running = [name for name in names if state.is_running(name)]
    if running and not line.flag("force") and sys.stdin.isatty() and not line.flag("yes"):
        if not _confirm(f"{', '.join(running)} still running. Stop and remove all the same?"):
            return 1
        line.options["force"] = True
    return _for_each(names, "rm", line)


def list_boxes(line: Line) -> int:
    """List the boxes: distrobox's columns, or JSON."""
    connection = database.open_database()
    try:
        boxes = definition.listing(connection)
    finally:
        connection.close()
    if line.flag("quiet"):
        print("".join(f"{box.name}\n" for box in boxes), end="")
        return 0
    if line.flag("json"):
        import json

        print(json.dumps([_summary(box) for box in boxes], indent=2))
        return 0
    rows = [("ID", "NAME", "STATUS", "IMAGE")]
    rows += [
        (box.id[:12], box.name, "running" if state.is_running(box.name) else "stopped", box.image_name)
        for box in boxes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print(" | ".join([*(row[column].ljust(widths[column]) for column in range(3)), row[3]]))
    return 0


def _summary(box: Box) -> dict[str, object]:
    running = state.open_running(box.name)
    if running is not None:
        os.close(running[1])
    return {
        "id": box.id,
        "name": box.name,
        "status": "running" if running else "stopped",
        "image": box.image_name,
        "created": box.created,
        "pid": running[0].pid if running else None,
    }


def inspect(line: Line) -> int:
    """Print all that is known of boxes, as a JSON list."""
    import json

    found = []
    connection = database.open_database()
    try:
        for name in line.operands:
            box = definition.get(connection, name)
            details: dict[str, object] = _summary(box)
            details["imageId"] = box.image
            details["hostname"] = box.hostname or os.uname().nodename
            details["volumes"] = [volume._asdict() for volume in box.volumes]
            details["directory"] = box.path
            running = state.read(box.name) if details["pid"] else None
            if running is not None:
                details["cgroup"] = running.cgroup
                details["user"] = running.user
                details["home"] = running.home
                details["shell"] = running.shell
            found.append(details)
    finally:
        connection.close()
    print(json.dumps(found, indent=2))
    return 0
