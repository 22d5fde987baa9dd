"""Start a box: its root is stacked, its mounts are planned, crun makes it, and only its init stays.

Start holds the box's lock and looks for a live init before it mounts anything: a second mount
of the same upper would break the box that runs. All that needs privilege happens in a child,
which enters H and never comes back.
"""

from __future__ import annotations

import os
import sqlite3
from typing import NamedTuple

from dacha import paths
from dacha.box import definition, mount_points
from dacha.box.claim import INIT, claim
from dacha.box.definition import Box
from dacha.box.edits import Editor
from dacha.box.integrations import ALL, Context
from dacha.box.placement import STORAGE, Placement
from dacha.box.runtime import remove_runtime
from dacha.box.tree import LayerStack
from dacha.box.tree_edits import TreeEditor, withdraw
from dacha.box.volumes import fill_volumes
from dacha.engine import crun, emulation, state
from dacha.engine.emulation import Emulation
from dacha.engine.spec import Container, Mount
from dacha.engine.state import State
from dacha.errors import BoxNotFoundError, DachaError
from dacha.linux import account, binfmt, cgroup, child, mounts, namespaces, process
from dacha.linux.account import Account
from dacha.linux.lock import FileLock
from dacha.storage import database, delta, images, layers, volumes
from dacha.storage.drivers import choice
from dacha.storage.drivers.base import Driver, Stack
from dacha.storage.drivers.choice import Choice
from dacha.storage.layers import Layer
from dacha.storage.volumes import Volume
from dacha.userns import launcher, outer
from dacha.userns.outer import OuterMaps

_INIT_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)


def lock_box(name: str) -> FileLock:
    """The lock that whoever starts, stops or removes a box holds meanwhile."""
    directory = paths.make_runtime_root() + "/locks"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    return FileLock(f"{directory}/box-{name}")


def get_locked(connection: sqlite3.Connection, name: str, lock: FileLock) -> Box:
    """The box whose lock we hold. Raises BoxNotFoundError, and leaves no lock of a box that there is not."""
    try:
        return definition.get(connection, name)
    except BoxNotFoundError:
        os.unlink(lock.path)
        raise


def start(name: str) -> bool:
    """Start a box unless it runs; whether it had to be started.

    Raises BoxNotFoundError, and DachaError for all that keeps it from running.
    """
    with lock_box(name) as lock:
        connection = database.open_database()
        try:
            box = get_locked(connection, name, lock)
            if state.is_running(name):
                return False
            platform = emulation.platform_of(images.get(connection, box.image))
            stack = layers.of_image(connection, box.image)
            layers.require(stack, box.image_name)
            mounted = volumes.of_box(connection, box.id)
        finally:
            connection.close()
        caller = account.calling_account()
        maps = outer.outer_maps(caller, is_single=box.is_single)
        emulated = emulation.plan(platform, is_root=maps.is_initial)
        chosen = choice.choose(maps)
        state.forget(name)
        crun.delete(box.id)
        runtime = paths.box_runtime(name)
        for directory in ("root", "host"):
            os.makedirs(f"{runtime}/{directory}", mode=0o700, exist_ok=True)
        init = os.path.realpath(process.find_program("catatonit"))
        plan = _Launch(box, caller, maps, stack, chosen, runtime, init, emulated, claim(box), mounted)
        try:
            child.run_in_child(lambda: _launch(plan))
        except DachaError as error:
            crun.delete(box.id)
            remove_runtime(name)
            raise type(error)(f"box '{name}' does not start: {error}", hint=error.hint) from error
        finally:
            os.close(plan.claim)
        return True


def stack_of(box: Box, box_layers: list[Layer], caller: Account, maps: OuterMaps) -> Stack:
    """What a box's root is made of."""
    lowers = tuple(lower_directories(box_layers, caller, maps))
    return Stack(paths.data_root(), lowers, box.directory, maps.first)


def lower_directories(box_layers: list[Layer], caller: Account, maps: OuterMaps) -> list[str]:
    """The layers of an image as a box of this user stacks them, the top one first, relative to the store.

    Images list a layer twice (docker's empty one, above all); overlayfs takes each only once,
    and the topmost says all.
    """
    lowers = []
    for layer in dict.fromkeys(reversed(box_layers)):
        if maps.needs_deltas and delta.is_needed(layer, caller.uid, caller.gid):
            lowers.append(delta.directory(layer, caller.uid, caller.gid))
        lowers.append(layer.view(maps))
    return lowers


class _Launch(NamedTuple):
    """What a start hands to its child."""

    box: Box
    account: Account
    maps: OuterMaps
    layers: list[Layer]  # of the image, the lowest first
    choice: Choice  # of the storage driver
    runtime: str  # the box's runtime directory
    init: str  # the program that is the box's init
    emulation: Emulation | None  # how its programs are run, if the machine cannot run them
    claim: int  # the descriptor that says that the box runs
    volumes: dict[str, Volume]  # of the store, that it mounts


def _launch(plan: _Launch) -> bytes:
    """The child's work: into H, mount, plan, and let crun make the box."""
    box = plan.box
    placement = Placement(box.name, box.id)
    with launcher.launch(plan.maps, state.any_live_pid):
        _show_unified_tree()
        # The host's tree as it is before the root is mounted: all binds come from here,
        # so the box does not find its own root once more below /run/host.
        mounts.bind("/", f"{plan.runtime}/host", recursive=True)
        driver = choice.driver_of(plan.choice)
        stack = stack_of(box, plan.layers, plan.account, plan.maps)
        _restore_deltas(plan)
        driver.prepare(stack)
        context = _prepare_layers(plan, driver, stack)
        stack = stack._replace(lowers=(f"{box.directory}/integration", *stack.lowers))
        root = driver.mount(stack, f"{plan.runtime}/root")
        try:
            fill_volumes(context)
            placement.make()
            root.serve(placement.make_part(STORAGE) if driver.needs_server else "", plan.claim)
            state.write(_run(context, placement, plan.claim))
        except BaseException:
            placement.remove()
            raise
    return b""


def _restore_deltas(plan: _Launch) -> None:
    """`create` has made them; a layer that was lost and fetched again has none yet."""
    if not plan.maps.needs_deltas:
        return
    store = os.open(paths.data_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for layer in plan.layers:
            if delta.is_needed(layer, plan.account.uid, plan.account.gid):
                delta.build(store, layer, plan.account.uid, plan.account.gid)
    finally:
        os.close(store)


def _show_unified_tree() -> None:
    """crun refuses hybrid machines: in this mount namespace, the tree stands where it looks for it."""
    if cgroup.tree() == cgroup.HYBRID:
        mounts.bind(cgroup.HYBRID, cgroup.ROOT, recursive=True)


def _prepare_layers(plan: _Launch, driver: Driver, stack: Stack) -> Context:
    """Write what the host contributes to the box."""
    box, maps = plan.box, plan.maps
    has_mark_files = choice.has_mark_files(plan.choice)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    opened = [os.open(f"{stack.store}/{lower}", flags) for lower in stack.lowers]
    own = os.open(f"{box.path}/{driver.own}", flags)
    image = LayerStack(opened, has_mark_files=has_mark_files)
    integration = f"{box.path}/integration"
    if os.path.lexists(integration):
        if driver.own == "root":
            withdraw(integration, own, image)
        process.remove_tree(integration)
    os.mkdir(integration, 0o755)
    layer = os.open(integration, flags)
    context = Context(
        box=box,
        account=plan.account,
        maps=maps,
        stack=LayerStack([own, *opened] if driver.own == "upper" else [own], has_mark_files=has_mark_files),
        image=image,
        host=f"{plan.runtime}/host",
        hostname=box.hostname or os.uname().nodename,
        runtime=plan.runtime,
        runtime_directory="" if paths.is_rootful() else paths.session_directory(),
        init=plan.init,
        emulation=plan.emulation,
        volumes=plan.volumes,
    )
    edits = [edit for integration in ALL for edit in integration.edits(context)]
    editor = Editor if driver.own == "upper" else TreeEditor
    editor(image, own, layer, maps.first).carry_out(edits)
    os.close(layer)
    return context


def _run(context: Context, placement: Placement, stdin: int) -> State:
    box, caller, maps = context.box, context.account, context.maps
    own = namespaces.NEWNS | namespaces.NEWPID | namespaces.NEWUTS | namespaces.NEWCGROUP
    if not maps.is_initial:
        own |= namespaces.NEWUSER
    if maps.is_single and context.emulation is not None and context.emulation.is_own:
        binfmt.mount(f"{context.runtime}/{emulation.OUTER_PLACE}")
    environment: dict[str, str] = {}
    for each in ALL:
        environment.update(each.environment(context))
    planned = mount_plan(context)
    mount_points.record(box, [mount.target for mount in planned])
    container = Container(
        root=f"{context.runtime}/root",
        hostname=context.hostname,
        argv=INIT,
        environment=_INIT_ENVIRONMENT,
        mounts=planned,
        uids=maps.box_uids(caller.uid),
        gids=maps.box_gids(caller.gid),
        namespaces=own,
        cgroup=placement.init,
        user=(caller.uid, caller.gid) if maps.is_single else (0, 0),
    )
    pid = crun.run_detached(box.id, container, context.runtime, stdin)
    if context.emulation is not None and context.emulation.is_own:
        emulation.register(context.emulation, pid)
    return State(
        id=box.id,
        name=box.name,
        pid=pid,
        start_time=process.start_time(pid),
        namespaces=own,
        cgroup=placement.directory,
        user=caller.name,
        uid=caller.uid,
        gid=caller.gid,
        home=caller.home,
        shell=_shell(context),
        shared=[path for each in ALL for path in each.shared_paths(context)],
        environment=environment,
    )


def mount_plan(context: Context) -> tuple[Mount, ...]:
    """All mounts of the box, in order."""
    return tuple(mount for integration in ALL for mount in integration.mounts(context))


def _shell(context: Context) -> str:
    from dacha.box.integrations.account import choose_shell

    return choose_shell(context)
