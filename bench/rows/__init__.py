"""What is measured, one file a subject, each with its experiments."""

from __future__ import annotations

from bench.rows import completion, crowd, images, lifecycle, login, memory, sessions
from bench.rows.base import Experiment

ALL: tuple[Experiment, ...] = (
    *sessions.EXPERIMENTS,
    *lifecycle.EXPERIMENTS,
    *completion.EXPERIMENTS,
    *crowd.EXPERIMENTS,
    *memory.EXPERIMENTS,
    *images.EXPERIMENTS,
)
LOGIN: tuple[Experiment, ...] = login.EXPERIMENTS
