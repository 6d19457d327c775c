# SPDX-License-Identifier: MIT
"""What follows what: pipelines, chords and retries, as runs a second beside plain no-ops."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from benchmarks.contestants import Flow, Ours
from benchmarks.report import Figure, Table
from benchmarks.runner import Bench, Contestant, Scale, drain
from huey_green import chord

#: Steps of a pipeline, and the runs of a task that fails once.
STEPS = 3
TRIES = 2

#: A scenario: its contestant once all is enqueued, and how many runs it makes.
Filled = tuple[Contestant, int]


def run(bench: Bench, scale: Scale) -> list[Table]:
    few = max(1, scale.tasks // 10)
    entries: dict[str, Callable[[], Filled]] = {
        "no-ops, results": lambda: _plain(bench, scale.tasks),
        f"pipelines of {STEPS}": lambda: _pipelines(bench, few),
        f"chords of {scale.members:,}": lambda: _chords(bench, scale.members),
        "tasks that fail once": lambda: _retries(bench, few),
    }
    rates: dict[str, list[float]] = {label: [] for label in entries}
    cpu: dict[str, list[float]] = {}
    runs = {}
    for _ in range(scale.rounds):
        for label, fill in entries.items():
            bench.clear()
            contestant, total = fill()
            took = drain(bench, contestant, total)
            rates[label].append(total / took.seconds)
            cpu.setdefault(label, []).append(took.cpu / total * 1e6)
            runs[label] = total
    plain = next(iter(entries))
    figures = [
        Figure(
            label,
            "runs/s",
            rates[label],
            floor=rates[plain] if label != plain else (),
            notes={"runs": f"{runs[label]:,}", "CPU ms/1000": median(cpu[label])},
        )
        for label in entries
    ]
    title = f"workflows at -w 500, the floor being plain no-ops, {scale.rounds} rounds"
    return [Table("flows", title, figures)]


def _plain(bench: Bench, count: int) -> Filled:
    ours = Ours(bench, results=True)
    ours.app.noop.map([()] * count)
    return ours, count


def _pipelines(bench: Bench, count: int) -> Filled:
    ours = Flow(bench, count, STEPS * count, results=True)
    app = ours.app
    for _ in range(count):
        app.huey.enqueue(app.carry.s("x").then(app.grow).then(app.grow))
    return ours, STEPS * count


def _chords(bench: Bench, members: int) -> Filled:
    several = 3
    ours = Flow(bench, several * members, several * (members + 1), results=True)
    for _ in range(several):
        tasks = [ours.app.noop.s() for _ in range(members)]
        ours.app.huey.enqueue(chord(tasks, ours.app.total))
    return ours, several * (members + 1)


def _retries(bench: Bench, count: int) -> Filled:
    ours = Flow(bench, count, TRIES * count, results=True)
    ours.app.flaky.map([()] * count)
    return ours, TRIES * count
