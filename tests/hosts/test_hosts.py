"""The same checks on all hosts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.hosts import hosts, page
from tests.hosts.hosts import Host
from tests.hosts.testbeds import Visitor
from tests.hosts.visit import REFUSED, WORKS, WRONG, Outcome
from tests.lib.images import RealImages

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="is for root: scripts/test runs it so"),
    pytest.mark.timeout(600),
]

Results = dict[str, dict[str, Outcome]]


@pytest.fixture(scope="session")
def visitor(images: RealImages) -> Iterator[Visitor]:
    """Who gets into every host."""
    made = Visitor(images)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def results() -> Results:
    """What has come of the visits so far, by the names of hosts and checks."""
    return {}


@pytest.mark.parametrize("host", hosts.ALL, ids=lambda host: host.name)
def test_host(host: Host, visitor: Visitor, results: Results) -> None:
    outcomes = results[host.name] = visitor.visit(host)
    assert tuple(outcomes) == host.columns
    wrong = {name: outcome for name, outcome in outcomes.items() if not _is_right(host, name, outcome)}
    assert not wrong, "\n".join(
        f"{name}: {outcome.status}: {outcome.said}" for name, outcome in wrong.items()
    )
    if host.is_broken:
        assert outcomes[host.columns[-1]].status == REFUSED


def test_the_page_says_what_came_of_it(results: Results) -> None:
    if set(results) != {host.name for host in hosts.ALL}:
        pytest.skip("not all hosts were visited")
    assert not any(outcome.status == WRONG for each in results.values() for outcome in each.values())
    page.assert_says(results)


def _is_right(host: Host, name: str, outcome: Outcome) -> bool:
    if outcome.status == REFUSED and name != "doctor" and host.is_broken:
        return outcome.said == host.doctor[1]
    return outcome.status == WORKS
