"""`dacha unshare`, and `image mount` and `unmount`, which only make sense in it."""

from __future__ import annotations

import os
import signal
import sys

from dacha import paths
from dacha.engine import state
from dacha.errors import DachaError, MissingProgramError
from dacha.fast.grammar import Line
from dacha.linux import account, mountinfo, mounts, namespaces, process
from dacha.storage import database, images, layers, overlay
from dacha.storage.drivers import choice
from dacha.storage.layers import Layer
from dacha.userns import launcher, outer, single

_VARIABLE = "DACHA_UNSHARED"  # the user's number outside, and the view of layers inside: 1000:shifted
_NOT_FOUND = 127


def unshare(line: Line) -> int:
    """Run a command, or a shell, in the user's outer namespace with mounts of its own."""
    argv = [*line.operands, *(line.command or [])] or [os.environ.get("SHELL") or "/bin/sh"]
    umask = os.umask(0o022)
    maps = single.widest_maps(account.calling_account())
    uid = os.getuid()
    with launcher.launch(maps, state.any_live_pid):
        os.umask(umask)
        sys.stdout.flush()
        try:
            environment = {**os.environ, _VARIABLE: f"{uid}:{maps.view}"}
            pid = process.spawn(argv, stdin=0, stdout=1, env=environment)
        except MissingProgramError:
            sys.stderr.write(f"dacha: {argv[0]}: command not found\n")
            return _NOT_FOUND
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the command alone
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        return process.wait(pid)


def _view() -> str:
    """The view of layers that mounts show here. Raises DachaError where nothing can be mounted."""
    if namespaces.is_initial_user_namespace():
        if os.getuid() == 0:
            return outer.outer_maps(account.calling_account()).view
    else:
        uid, _, view = os.environ.get(_VARIABLE, "").partition(":")
        if uid.isdecimal() and view in (outer.SHIFTED, outer.SINGLE) and os.getuid() == 0:
            paths.assume(int(uid))
            return view
    raise DachaError(
        "images can be mounted only in a namespace of yours",
        hint="first: dacha unshare; then this again in it",
    )


def _target(image: images.Image) -> str:
    return f"{paths.runtime_root()}/images/{image.id.removeprefix('sha256:')[:24]}"


def _mounted() -> dict[str, str]:
    """The targets of mounted images, by the beginning of their ids."""
    base = f"{paths.runtime_root()}/images/"
    with open("/proc/self/mountinfo") as file:
        found = [each.target for each in mountinfo.parse(file.read())]
    return {target.removeprefix(base): target for target in found if target.startswith(base)}


def mount_image(line: Line) -> int:
    """Mount an image, read-only, and print where; without a name, list what is mounted."""
    view = _view()
    connection = database.open_database()
    try:
        if not line.operands:
            for image in images.listing(connection):
                target = _mounted().get(os.path.basename(_target(image)))
                if target:
                    print(f"{image.names[0] if image.names else image.id}  {target}")
            return 0
        image = images.get(connection, line.operands[0])
        lowers = _lowers(layers.of_image(connection, image.id), view)
    finally:
        connection.close()
    chosen = choice.recorded()
    if chosen is not None and choice.has_mark_files(chosen):
        raise DachaError(
            f"layers for {chosen.driver} cannot be mounted by the kernel",
            hint=f"look into a box instead: dacha create x --image {line.operands[0]}; dacha tar x | tar t",
        )
    target = _target(image)
    if target not in _mounted().values():
        empty = f"{paths.runtime_root()}/images/empty"
        os.makedirs(target, mode=0o700, exist_ok=True)
        os.makedirs(empty, mode=0o700, exist_ok=True)
        overlay.mount_readonly(paths.data_root(), target, lowers, empty)
    print(target)
    return 0


def _lowers(found: list[Layer], view: str) -> list[str]:
    """The layers of an image, the top one first, in this view, or in the one they all have."""
    for each in (view, outer.SINGLE):
        lowers = [f"layers/{layer.directory}/{each}" for layer in reversed(found)]
        if all(os.path.isdir(f"{paths.data_root()}/{lower}") for lower in lowers):
            break
    return list(dict.fromkeys(lowers))


def unmount_image(line: Line) -> int:
    """Take mounts of images away."""
    _view()
    connection = database.open_database()
    try:
        wanted = [images.get(connection, name) for name in line.operands]
    finally:
        connection.close()
    mounted = _mounted()
    targets = list(mounted.values()) if line.flag("all") else []
    for name, image in zip(line.operands, wanted, strict=True):
        if _target(image) not in mounted.values():
            raise DachaError(f"image '{name}' is not mounted here")
        targets.append(_target(image))
    for target in targets:
        mounts.umount(target)
        os.rmdir(target)
        print(target)
    return 0
