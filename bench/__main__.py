"""The command line of bench/run, once an ordinary user runs it in a place where boxes work."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import host, report
from bench.bench import Bench
from bench.programs import ProgramError, output
from bench.rows import ALL, LOGIN
from bench.rows.base import Experiment
from bench.series import Load, Result, Row, Run

_OTHER_VERSIONS = {
    "crun": ("crun", "--version"),
    "Python": ("/usr/bin/python3", "--version"),
    "mmdebstrap": ("mmdebstrap", "--version"),
    "tar": ("tar", "--version"),
}


def _megabytes(text: str) -> int:
    """At least one. Raises ValueError, which argparse tells as an `invalid megabytes value`."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measure dacha beside podman and distrobox."
    )
    parser.add_argument("--quick", action="store_true", help="fewer samples, no slow rows, no distrobox")
    parser.add_argument(
        "--only", metavar="PATTERN", help="only rows whose name this regular expression finds"
    )
    parser.add_argument("--list", action="store_true", help="only name the rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all samples there")
    parser.add_argument("--markdown", action="store_true", help="print the table in markdown")
    parser.add_argument("--login", action="store_true", help="measure from a login session")
    parser.add_argument(
        "--large-layer", type=_megabytes, metavar="MB", help="how large it is (default: 512, quick: 64)"
    )
    # bench/run says where everything that is made goes, and removes it.
    for name in ("--state", "--runtime", "--archive", "--reader"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _chosen(options: argparse.Namespace) -> list[tuple[Experiment, list[Row]]]:
    """The experiments to make, each with the rows that are asked for."""
    chosen = []
    for experiment in LOGIN if options.login else ALL:
        pattern = options.only or ""
        rows = [row for row in experiment.rows if re.search(pattern, row.name, re.IGNORECASE)]
        if rows and not (experiment.is_slow and options.quick and not options.only):
            chosen.append((experiment, rows))
    return chosen


def _versions(bench: Bench) -> dict[str, str]:
    versions = dict(bench.versions)
    for name, argv in _OTHER_VERSIONS.items():
        try:
            versions[name] = output(bench.site.command(*argv)).splitlines()[0]
        except ProgramError:
            continue  # enter-b's Debian has no mmdebstrap
    return versions


def _measure(bench: Bench, chosen: list[tuple[Experiment, list[Row]]], *, in_login: bool) -> Run:
    run = Run(host.describe(bench.site.files))
    kind = "quick: few samples, no distrobox, no slow rows" if bench.is_quick else "full"
    run.host["run"] = f"{kind}, in a login session" if in_login else kind
    foreign = host.foreign_cpus()
    for experiment, rows in chosen:
        if experiment.needs_root and bench.reader is None:
            run.missing |= {row.name: "only root may see that" for row in rows}
            continue
        contenders = bench.contenders(*experiment.programs)
        bench.say("; ".join(row.name for row in rows))
        average = os.getloadavg()[0]
        try:
            samples = experiment.measure(bench, contenders)
        except ProgramError as error:
            bench.say(str(error))
            run.missing |= {row.name: str(error) for row in rows}
            run.has_failed = True
            continue
        foreign_after = host.foreign_cpus()
        load = Load(average, max(foreign, foreign_after))
        foreign = foreign_after
        run.results += [Result(row, samples[row.name], load) for row in rows]
    run.host |= bench.facts
    run.versions |= _versions(bench)
    run.missing |= bench.missing
    return run


def _die_once(*_: object) -> None:
    """The first signal ends the run; a second one must not keep it from cleaning up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: Sequence[str]) -> int:
    """Measure and print. The exit code says whether all could be measured, not whether claims held."""
    options = _parse(argv)
    chosen = _chosen(options)
    if options.list:
        print("\n".join(row.name for _, rows in chosen for row in rows))
        return 0
    if not chosen:
        print(f"bench: no row matches '{options.only}'; see bench/run --list", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _die_once)
    bench = Bench(
        options.state,
        options.runtime,
        options.archive,
        options.reader,
        is_quick=options.quick,
        large_layer_mb=options.large_layer,
    )
    os.chdir(bench.site.home)
    try:
        run = _measure(bench, chosen, in_login=options.login)
    except ProgramError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        os.chdir("/")
        bench.close()
    print(report.as_markdown(run) if options.markdown else report.as_text(run), end="")
    if options.json:
        options.json.write_text(json.dumps(run.as_json(), indent=2) + "\n")
    return int(run.has_failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
