"""`dacha system install-policy`: tell the host's security modules about dacha."""

from __future__ import annotations

import os
import sys

from dacha.box.policy import apparmor, base, selinux
from dacha.box.policy.base import Plan
from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line

_MODULES = ("apparmor", "selinux")


def install_policy(line: Line) -> int:
    """Install the policy, or remove it; print the commands where asked to, or where root is out of reach."""
    is_dry, is_removal = line.flag("dry_run"), line.flag("remove")
    modules = _modules(line.text("module"))
    plans = [_plan(module, is_removal=is_removal) for module in modules]
    for plan in plans:
        print(plan.title, file=sys.stderr)
    todo = [plan for plan in plans if plan.steps]
    if not plans:
        print("neither AppArmor nor SELinux is on: nothing to do", file=sys.stderr)
    if is_dry:
        _print_commands(todo)
        return 0
    if not todo:
        return 0
    _check(modules, is_removal=is_removal)
    prefix = base.way_to_root()
    if prefix is None:
        _print_commands(todo)
        raise DachaError("this needs root's rights", hint="have root run the commands above")
    for plan in todo:
        base.apply(plan, prefix)
    return 0


def _modules(asked: str) -> list[str]:
    """The module that was named, or those that are on."""
    if asked and asked not in _MODULES:
        raise UsageError(f"'{asked}' is no security module", hint=f"name one of {', '.join(_MODULES)}")
    if asked:
        return [asked]
    return [name for name, module in (("apparmor", apparmor), ("selinux", selinux)) if module.is_on()]


def _plan(module: str, *, is_removal: bool) -> Plan:
    if module == "apparmor":
        path = apparmor.launcher()
        return apparmor.remove(path) if is_removal else apparmor.install(path)
    known = selinux.known_equalities()
    return selinux.remove(known) if is_removal else selinux.install(known)


def _check(modules: list[str], *, is_removal: bool) -> None:
    """Find out before anything is changed what would fail."""
    if "apparmor" in modules and not is_removal:
        apparmor.check(apparmor.launcher())
    if "selinux" in modules:
        selinux.check()


def _print_commands(plans: list[Plan]) -> None:
    for plan in plans:
        for step in plan.steps:
            print(step.as_shell("" if os.geteuid() == 0 else "sudo "))
