# SPDX-License-Identifier: MIT
"""No-op tasks a second, and how fast they are enqueued.

The consumer is the real command in a process of its own, with signals, hooks and revocation as
alive as ever. Its tasks wait for it, enqueued through the public API; see ``runner.drain`` for
what is timed, and ``runner.Run`` for what "queued" is. All contestants take their turn in every
round, on the same Redis.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from benchmarks.contestants import Floor, Ours, push_floor_messages
from benchmarks.keys import QUEUE_KEY, new_message
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import Bench, Contestant, Run, Scale, drain

#: As fast as the leased floor with a new greenlet per task; with results 0.8 of it.
GOAL = Goal(1.0, at_least=True, of="ratio")
RESULTS_GOAL = Goal(0.8, at_least=True, of="ratio")

#: Of a bare LPUSH, and of a bare pipelined one.
ENQUEUE_GOAL = Goal(0.8, at_least=True, of="ratio")
BULK_GOAL = Goal(0.25, at_least=True, of="ratio")

#: What leases may cost: 15 %.
LEASES_GOAL = Goal(0.85, at_least=True)

#: With the default log level, half of what there is without.
LOGGING_GOAL = Goal(0.5, at_least=True)

QUIET = "LIST"
AT_MOST_ONCE = "LIST, at most once"
LOGGING = "LIST, logging INFO"
OBSERVED = "LIST, hooks and a receiver"

#: What an application may do to itself: shown, without a goal beside the floor.
SLOWED = (LOGGING, OBSERVED)

#: Ratios of two contestants: what they are called, the two, and the goal.
COMPARED = [
    ("at least once to at most once", QUIET, AT_MOST_ONCE, LEASES_GOAL),
    ("logging INFO to not logging", LOGGING, QUIET, LOGGING_GOAL),
]


class Entry(NamedTuple):
    """A contestant, the backlog it works off, and the label of the floor it is compared with."""

    contestant: Contestant
    backlog: str
    floor: str | None = None


def run(bench: Bench, scale: Scale) -> list[Table]:
    return [_consuming(bench, scale), _enqueueing(bench, scale)]


def _consuming(bench: Bench, scale: Scale) -> Table:
    _fill_backlogs(bench, scale.tasks)
    entries = _entries(bench)
    runs: dict[str, list[Run]] = {label: [] for label in entries}
    for _ in range(scale.rounds):
        for label, entry in entries.items():
            bench.restore(entry.backlog)
            runs[label].append(drain(bench, entry.contestant, scale.tasks))

    def rates(label: str) -> list[float]:
        return [scale.tasks / run.seconds for run in runs[label]]

    figures = [
        Figure(
            label,
            "tasks/s",
            rates(label),
            floor=rates(entry.floor) if entry.floor else (),
            goals=_goals(label, entry.contestant),
            notes=_costs(runs[label], scale.tasks),
        )
        for label, entry in entries.items()
    ]
    for title, one, other, goal in COMPARED:
        ratios = [mine / theirs for mine, theirs in zip(rates(one), rates(other), strict=True)]
        figures.append(Figure(title, "x", ratios, goals=[goal]))
    title = f"{scale.tasks:,} no-op tasks at -w 500, {scale.rounds} rounds"
    return Table("throughput", title, figures)


def _goals(label: str, contestant: Contestant) -> list[Goal]:
    if not isinstance(contestant, Ours) or label in SLOWED:
        return []
    return [RESULTS_GOAL if contestant.results else GOAL]


def _entries(bench: Bench) -> dict[str, Entry]:
    """Return the contestants in the order of a round: each of ours soon after its floor."""
    bare, bare_results = "floor, new greenlets", "floor, new greenlets, results"
    return {
        bare: Entry(Floor(bench), "floor"),
        QUIET: Entry(Ours(bench), "list", bare),
        AT_MOST_ONCE: Entry(Ours(bench, at_most_once=True), "list", bare),
        "ZSET": Entry(Ours(bench, queue="zset"), "zset", bare),
        LOGGING: Entry(Ours(bench, quiet=False), "list", bare),
        OBSERVED: Entry(Ours(bench, observed=True), "list", bare),
        "floor, reused greenlets": Entry(Floor(bench, reuse=True), "floor", bare),
        bare_results: Entry(Floor(bench, results=True), "floor"),
        "LIST, results": Entry(Ours(bench, results=True), "list", bare_results),
        "ZSET, results": Entry(Ours(bench, queue="zset", results=True), "zset", bare_results),
        "floor, reused greenlets, results": Entry(
            Floor(bench, results=True, reuse=True), "floor", bare_results
        ),
    }


def _fill_backlogs(bench: Bench, count: int) -> None:
    for queue in ("list", "zset"):
        bench.clear()
        Ours(bench, queue=queue).app.noop.map([()] * count)
        bench.keep(queue)
    bench.clear()
    push_floor_messages(bench.redis, count)
    bench.keep("floor")


def _costs(runs: list[Run], tasks: int) -> dict[str, float | str]:
    def per_thousand(seconds: list[float]) -> float:
        return median(seconds) * 1000 / (tasks / 1000)

    return {
        "CPU ms/1000": per_thousand([run.cpu for run in runs]),
        "Redis ms/1000": per_thousand([run.redis_cpu for run in runs]),
        "queued %": median(run.queued / run.seconds for run in runs) * 100,
        "RSS MB": max(run.rss for run in runs) / 1e6,
        "connections": str(max(run.connections for run in runs)),
    }


def _enqueueing(bench: Bench, scale: Scale) -> Table:
    """Measure the producer: this very process, unpatched, one call after the other."""
    count = scale.one_by_one
    by_queue = {queue: Ours(bench, queue=queue).app for queue in ("list", "zset")}

    def repeat(call: Callable[[], Any]) -> Callable[[], Any]:
        def all_of_them() -> None:
            for _ in range(count):
                call()

        return all_of_them

    bare, bare_bulk = "floor, LPUSH", "floor, pipelined LPUSH"
    entries: dict[str, tuple[Callable[[], Any], str | None]] = {
        bare: (repeat(lambda: bench.redis.lpush(QUEUE_KEY, new_message())), None),
        "LIST, task()": (repeat(by_queue["list"].noop), bare),
        "ZSET, task()": (repeat(by_queue["zset"].noop), bare),
        bare_bulk: (lambda: push_floor_messages(bench.redis, count), None),
        "LIST, task.map()": (lambda: by_queue["list"].noop.map([()] * count), bare_bulk),
        "ZSET, task.map()": (lambda: by_queue["zset"].noop.map([()] * count), bare_bulk),
    }
    rates: dict[str, list[float]] = {label: [] for label in entries}
    for _ in range(scale.rounds):
        for label, (enqueue, _floor) in entries.items():
            bench.clear()
            began_at = time.perf_counter()
            enqueue()
            rates[label].append(count / (time.perf_counter() - began_at))
    figures = [
        Figure(
            label,
            "tasks/s",
            rates[label],
            floor=rates[floor] if floor else (),
            goals=[] if floor is None else [BULK_GOAL if floor == bare_bulk else ENQUEUE_GOAL],
        )
        for label, (_, floor) in entries.items()
    ]
    title = f"{count:,} tasks enqueued by one caller, {scale.rounds} rounds"
    return Table("enqueue", title, figures)
