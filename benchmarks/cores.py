# SPDX-License-Identifier: MIT
"""Tasks that compute: what a second process adds (``--processes``), with a core for each."""

from __future__ import annotations

import time

from benchmarks.contestants import Several
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import Bench, Scale, drain

#: Of one process.
GOAL = Goal(1.8, of="ratio", at_least=True)

#: Seconds of pure Python in each task.
EACH = 0.001

#: Rounds of the loop that are timed, and how often, to find out how many take that long.
TRIED, TRIES = 100_000, 20


def run(bench: Bench, scale: Scale) -> list[Table]:
    rates: dict[int, list[float]] = {1: [], 2: []}
    rounds = _rounds_in(EACH)
    for _ in range(scale.rounds):
        for processes, found in rates.items():
            bench.clear()
            ours = Several(bench, processes)
            ours.app.burn.map([(rounds,)] * scale.computing)
            found.append(scale.computing / drain(bench, ours, scale.computing).seconds)
    one, two = rates[1], rates[2]
    figures = [
        Figure("1 process", "tasks/s", one),
        Figure("2 processes", "tasks/s", two, floor=one, goals=[GOAL]),
    ]
    title = f"{scale.computing:,} tasks of 1 ms of Python each, {scale.rounds} rounds"
    return [Table("cores", title, figures)]


def _rounds_in(seconds: float) -> int:
    def timed() -> float:
        began_at = time.perf_counter()
        value = 0
        for _ in range(TRIED):
            value ^= 1
        return time.perf_counter() - began_at

    return round(TRIED * seconds / min(timed() for _ in range(TRIES)))
