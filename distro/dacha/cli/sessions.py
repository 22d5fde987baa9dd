"""`dacha enter` and `run`, where the box does not run yet; the session is the fast lane's in the end."""

from __future__ import annotations

from dacha import paths
from dacha.box import definition
from dacha.box.start import start
from dacha.errors import BoxNotFoundError, DachaError
from dacha.fast import enter as fast
from dacha.fast.grammar import Line


def enter(line: Line) -> int:
    """Start the box, create it first if it is missing and that is wished, and open the session."""
    name = fast.box_name(line) or ("" if line.operands else _default_box())
    image = line.text("image") or name
    if ":" in name or "/" in name:  # `enter debian:trixie`: an image that names its box
        from dacha.registry import reference

        name = reference.parse(name).box_name
    definition.check_name(name)
    try:
        start(name)
    except BoxNotFoundError as missing:
        from dacha.cli.create import create_missing

        create_missing(name, image, missing, answers_yes=line.flag("yes"))
        start(name)
    line.options["name"] = name
    return _session(line, "enter", name)


def _default_box() -> str:
    """The box of `dacha enter` alone: the one named after the host's own distribution."""
    from dacha.cli.create import default_image
    from dacha.linux import files

    name = default_image()
    files.replace_file(paths.make_runtime_root() + "/default-box", name.encode())
    return name


def run(line: Line) -> int:
    """Start the box and run the command in it."""
    name = definition.check_name(line.operands[0])
    start(name)
    return _session(line, "run", name)


def _session(line: Line, verb: str, name: str) -> int:
    try:
        code: int = getattr(fast, verb)(line)
    except fast.NotRunningError as error:
        raise DachaError(f"box '{name}' stopped before the session began") from error
    return code
