# SPDX-License-Identifier: MIT
"""What a consumer with nothing to do costs, with many workers and with one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.contestants import Ours
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import PATIENCE, Bench, Scale

WORKERS = (20_000, 5_000, 1)

#: Whatever -w is: connections, Redis commands a second, percent of a core.
MAX_CONNECTIONS = Goal(5)
MAX_COMMANDS = Goal(2.0)
MAX_CPU = Goal(0.5)

#: Seconds after the first task in which what is made once may still be made.
SETTLING = 1.0

#: Commands named in the report.
NAMED = 6


@dataclass(frozen=True)
class Idling:
    """One stretch of idling; ``commands`` by name, those inside scripts included."""

    seconds: float
    commands: Mapping[str, int]
    connections: int
    cpu: float
    rss: int


def run(bench: Bench, scale: Scale) -> list[Table]:
    stretches: dict[int, list[Idling]] = {workers: [] for workers in WORKERS}
    for _ in range(scale.rounds):
        for workers in WORKERS:
            stretches[workers].append(_idle(bench, workers, scale.idle_seconds))
    figures = [
        figure for workers in WORKERS for figure in _figures(f"-w {workers}", stretches[workers])
    ]
    return [Table("idle", f"{scale.idle_seconds:g} s of nothing, {scale.rounds} rounds", figures)]


def _idle(bench: Bench, workers: int, seconds: float) -> Idling:
    bench.clear()
    others = bench.connections()
    ours = Ours(bench, workers=workers, results=True)
    with ours.start() as child:
        # A task that has run shows that the consumer is up.
        ours.app.echo(1).get(blocking=True, timeout=PATIENCE)
        ours.app.huey.storage.close()  # Of this process: what is left more is the consumer's.
        time.sleep(min(SETTLING, seconds))
        calls, cpu, began_at = bench.calls(), child.cpu(), time.perf_counter()
        time.sleep(seconds)
        elapsed, cpu = time.perf_counter() - began_at, child.cpu() - cpu
        later = bench.calls()
        later["info"] -= 1  # Our own look at the beginning.
        commands = {name: count - calls.get(name, 0) for name, count in later.items()}
        idling = Idling(elapsed, commands, bench.connections() - others, cpu, child.rss())
        child.stop()
    return idling


def _figures(label: str, stretches: list[Idling]) -> list[Figure]:
    last = stretches[-1]
    busiest = sorted(last.commands.items(), key=lambda item: -item[1])[:NAMED]
    names = ", ".join(f"{name} {count / last.seconds:.1f}" for name, count in busiest if count)
    return [
        Figure(
            f"{label}, Redis commands",
            "1/s",
            [sum(one.commands.values()) / one.seconds for one in stretches],
            goals=[MAX_COMMANDS],
            notes={"which": names},
        ),
        Figure(
            f"{label}, connections",
            "",
            [one.connections for one in stretches],
            goals=[MAX_CONNECTIONS],
        ),
        Figure(
            f"{label}, CPU",
            "%",
            [one.cpu / one.seconds * 100 for one in stretches],
            goals=[MAX_CPU],
        ),
        Figure(f"{label}, memory", "MB", [one.rss / 1e6 for one in stretches]),
    ]
