"""The verbs of `dacha system`."""

from __future__ import annotations

from dacha.fast.grammar import FLAG, TEXT, Option, Verb

SUMMARY = "The host, and dacha on it: the store, its driver, policies."

VERBS = (
    Verb(
        "check",
        "Look for damage and leftovers in the store and the runtime directory; exit code 1 if there are any.",
        "dacha.cli.care:check",
        (
            Option("--repair", FLAG, "Mend what can be mended. What a box has changed is never deleted."),
            Option("--json", FLAG, "As JSON."),
        ),
        most=0,
        examples=("dacha system check", "dacha system check --repair"),
    ),
    Verb(
        "df",
        "Show what images, boxes and volumes take on the disk, and what could be freed.",
        "dacha.cli.usage:show_usage",
        (
            Option("-v --verbose", FLAG, "Each image, box and volume."),
            Option("--json", FLAG, "As JSON."),
        ),
        most=0,
        examples=("dacha system df", "dacha system df -v"),
    ),
    Verb(
        "reset",
        "Remove all boxes, images and volumes, the store and what runs of it. Homes stay.",
        "dacha.cli.reset:reset_store",
        (Option("-f --force", FLAG, "Do not ask."),),
        most=0,
        examples=("dacha system reset",),
    ),
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
