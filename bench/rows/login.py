"""`enter` from a login session, whose processes no ordinary user may move elsewhere."""

from __future__ import annotations

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.rows.base import Experiment
from bench.rows.sessions import PAUSE_S, on_terminal, plain
from bench.series import Claim, Row, Samples, in_bursts, in_turns

_TIGHT = Row("login: enter, tight loop", claims=(Claim(22),))
_PAUSES = Row("login: enter, pauses", claims=(Claim(22),))
_TERMINAL = Row("login: enter on a terminal, pauses", claims=(Claim(22),))


def _measure(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    return {
        _TIGHT.name: in_bursts(plain(contenders), bench.count(60, 12)),
        _PAUSES.name: in_turns(plain(contenders), bench.count(25, 4), pause_s=PAUSE_S),
        _TERMINAL.name: in_turns(on_terminal(contenders), bench.count(25, 4), pause_s=PAUSE_S),
    }


EXPERIMENTS = (Experiment((_TIGHT, _PAUSES, _TERMINAL), _measure, programs=("dacha", "podman")),)
