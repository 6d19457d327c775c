# SPDX-License-Identifier: MIT
"""Tasks that wait: how long many sleeps take against the ideal, and what they cost meanwhile.

The ideal is the number of sleeps that follow each other in one slot, times their length.
Results are stored, since that is what an application that fetches things does.
"""

from __future__ import annotations

import math
from statistics import median

from benchmarks.contestants import Floor, Ours, push_floor_messages
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import Bench, Contestant, Run, Scale, drain

#: Within 5 % of the ideal, 12 % with more workers than that, on at most 5 connections.
GOAL = Goal(1.05)
CROWDED_GOAL = Goal(1.12)
CROWD = 5_000
MAX_CONNECTIONS = Goal(5)


def run(bench: Bench, scale: Scale) -> list[Table]:
    return [
        _sleeps(bench, count, seconds, workers, scale.rounds)
        for count, seconds, workers in scale.sleeps
    ]


def _sleeps(bench: Bench, count: int, seconds: float, workers: int, rounds: int) -> Table:
    ours = Ours(bench, workers=workers, results=True)
    bench.clear()
    ours.app.nap.map([seconds] * count)
    bench.keep("naps")
    bench.clear()
    push_floor_messages(bench.redis, count)
    bench.keep("floor-naps")

    def floor(reuse: bool) -> Contestant:
        return Floor(bench, workers=workers, results=True, seconds=seconds, reuse=reuse)

    bare = "floor, new greenlets"
    entries: dict[str, tuple[Contestant, str]] = {
        bare: (floor(reuse=False), "floor-naps"),
        "LIST, results": (ours, "naps"),
        "floor, reused greenlets": (floor(reuse=True), "floor-naps"),
    }
    runs: dict[str, list[Run]] = {label: [] for label in entries}
    for _ in range(rounds):
        for label, (contestant, backlog) in entries.items():
            bench.restore(backlog)
            runs[label].append(drain(bench, contestant, count))

    ideal = math.ceil(count / workers) * seconds

    def shares(label: str) -> list[float]:
        return [run.seconds / ideal for run in runs[label]]

    figures = [
        Figure(
            label,
            "x ideal",
            shares(label),
            floor=shares(bare) if label != bare else (),
            goals=[CROWDED_GOAL if workers > CROWD else GOAL] if contestant is ours else (),
            notes={"CPU s": median(run.cpu for run in runs[label])},
        )
        for label, (contestant, _) in entries.items()
    ]
    for label, (contestant, _) in entries.items():
        figures += [
            Figure(f"peak memory: {label}", "MB", [run.rss / 1e6 for run in runs[label]]),
            Figure(
                f"connections: {label}",
                "",
                [run.connections for run in runs[label]],
                goals=[MAX_CONNECTIONS] if contestant is ours else (),
            ),
        ]
    title = f"{count:,} sleeps of {seconds:g} s at -w {workers}, ideal {ideal:g} s, {rounds} rounds"
    return Table("io", title, figures)
