"""The verbs of `dacha system`."""

from __future__ import annotations

from dacha.fast.grammar import FLAG, TEXT, Option, Verb

SUMMARY = "The host, and dacha on it: the store, its driver, policies."

VERBS = (
    Verb(
        "install-policy",
        "Tell AppArmor or SELinux about dacha, as root by sudo: needed where doctor says so.",
        "dacha.cli.policy:install_policy",
        (
            Option("-d --dry-run", FLAG, "Only print the commands that root would run."),
            Option("--remove", FLAG, "Undo it."),
            Option("--module", TEXT, "apparmor or selinux (default: those that are on).", "MODULE"),
        ),
        most=0,
        examples=(
            "dacha system install-policy",
            "dacha system install-policy --dry-run --module apparmor",
            "dacha system install-policy --remove",
        ),
    ),
    Verb(
        "info",
        "Show the store, its driver and why it has that, and the programs that dacha stands on.",
        "dacha.cli.system:show_info",
        (Option("--json", FLAG, "As JSON."),),
        most=0,
        examples=("dacha system info", "dacha system info --json"),
    ),
)
