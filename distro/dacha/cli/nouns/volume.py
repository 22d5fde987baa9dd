"""The verbs of `dacha volume`."""

from __future__ import annotations

from dacha.fast.grammar import FLAG, LIST, TEXT, Option, Verb

SUMMARY = "Volumes: directories that outlive the boxes they are mounted in."

_MANY = 1 << 16
_FILTER = Option(
    "--filter", LIST, "Only those that fit: name=, label=, label!=, driver=, dangling=, until=.", "FILTER"
)
_FORMAT = Option("--format", TEXT, "json, or a Go template: '{{.Name}} {{.Mountpoint}}'.", "TEMPLATE")

VERBS = (
    Verb(
        "create",
        "Make a volume and print its name.",
        "dacha.cli.volumes:create",
        (
            Option("-l --label", LIST, "A label: KEY=VALUE. May be repeated.", "LABEL"),
            Option("-o --opt", LIST, "An option: type=, device=, o=, nocopy. May be repeated.", "OPTION"),
            Option("-d --driver", TEXT, "Only local.", "DRIVER"),
            Option("--ignore", FLAG, "No failure if there is one of that name."),
        ),
        operand="NAME",
        examples=(
            "dacha volume create data",
            "dacha volume create scratch -o type=tmpfs -o o=size=100m",
            "dacha volume create src -o type=none -o o=bind,ro -o device=/srv/src",
        ),
    ),
    Verb(
        "ls",
        "List the volumes.",
        "dacha.cli.volumes:list_volumes",
        (_FILTER, _FORMAT, Option("-q --quiet", FLAG, "Only the names.")),
        most=0,
        examples=("dacha volume ls", "dacha volume ls --filter dangling=true --format json"),
    ),
    Verb(
        "inspect",
        "Show all that is known of volumes, as JSON.",
        "dacha.cli.volumes:inspect",
        (_FORMAT,),
        operand="VOLUME...",
        least=1,
        most=_MANY,
        examples=("dacha volume inspect data", "dacha volume inspect data --format '{{.Mountpoint}}'"),
    ),
    Verb(
        "rm",
        "Remove volumes and what is in them. A box that uses one keeps it.",
        "dacha.cli.volumes:remove",
        (
            Option("-a --all", FLAG, "All volumes that no box uses."),
            Option("-f --force", FLAG, "A missing volume is no failure."),
        ),
        operand="VOLUME...",
        most=_MANY,
        examples=("dacha volume rm data",),
    ),
    Verb(
        "prune",
        "Remove the volumes that no box uses.",
        "dacha.cli.volumes:prune",
        (Option("-f --force", FLAG, "Ask nothing."), _FILTER),
        most=0,
        examples=("dacha volume prune", "dacha volume prune --force --filter until=24h"),
    ),
    Verb(
        "exists",
        "End with 0 if there is a volume of that name, else with 1.",
        "dacha.cli.volumes:exists",
        operand="VOLUME",
        least=1,
        examples=("dacha volume exists data || dacha volume create data",),
    ),
    Verb(
        "export",
        "Write what is in a volume as a tar.",
        "dacha.cli.volumes:export",
        (Option("-o --output", TEXT, "The file (default: standard output).", "FILE"),),
        operand="VOLUME",
        least=1,
        examples=("dacha volume export data -o data.tar", "dacha volume export data | tar t"),
    ),
    Verb(
        "import",
        "Put what is in a tar into a volume; of two files with one name the tar's stays.",
        "dacha.cli.volumes:import_archive",
        operand="VOLUME FILE",
        least=2,
        most=2,
        examples=("dacha volume import data data.tar.gz", "tar c . | dacha volume import data -"),
    ),
)
