"""What is measured, one file a subject, each with its experiments."""

from __future__ import annotations

from bench.rows import (
    completion,
    crowd,
    growth,
    hosts,
    images,
    lifecycle,
    login,
    memory,
    pull,
    sessions,
    store,
)
from bench.rows.base import Experiment

ALL: tuple[Experiment, ...] = (
    *sessions.EXPERIMENTS,
    *lifecycle.EXPERIMENTS,
    *hosts.EXPERIMENTS,
    *completion.EXPERIMENTS,
    *crowd.EXPERIMENTS,
    *memory.EXPERIMENTS,
    *images.EXPERIMENTS,
    *pull.EXPERIMENTS,
    *store.EXPERIMENTS,
    *growth.EXPERIMENTS,
    *store.REMOVAL,
)
LOGIN: tuple[Experiment, ...] = (*login.EXPERIMENTS, *hosts.IN_LOGIN)
