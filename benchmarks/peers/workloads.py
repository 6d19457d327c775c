# SPDX-License-Identifier: MIT
"""The workloads that all contestants share: each takes its turn in every round, A B C A B C.

A contestant that fails is left out from then on and reported; the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from benchmarks.peers.arena import Arena
from benchmarks.peers.catalogue import FLOOR, OURS, Entry
from benchmarks.peers.measures import (
    Turn,
    Work,
    drain,
    enqueueing,
    percentiles,
    pick_ups,
    round_trips,
)
from benchmarks.report import Figure, Table
from benchmarks.runner import ChildFailed

T = TypeVar("T")

#: A backlog is at least so long.
FEWEST = 200


@dataclass(frozen=True)
class Amount:
    """How much of everything.

    ``seconds`` is about how long a backlog of no-ops lasts, and ``tasks`` how long it is at most;
    no turn takes longer than ``limit`` seconds. ``sleeps``: (seconds, workers, turns of each
    worker). ``loaded`` is the part of what it can do at which a contestant is loaded.
    """

    rounds: int
    seconds: float
    tasks: int
    limit: float
    samples: int
    enqueued: int
    sleeps: Sequence[tuple[float, int, int]]
    loaded: float = 0.5


QUICK = Amount(1, 1.0, 30_000, 15.0, 100, 1_000, [(0.1, 500, 4)])
FULL = Amount(
    3,
    10.0,
    200_000,
    90.0,
    500,
    5_000,
    [
        (0.001, 10, 1000),
        (0.01, 100, 100),
        (0.1, 500, 20),
        (1.0, 500, 4),
        (1.0, 5_000, 4),
        (1.0, 20_000, 3),
    ],
)


@dataclass
class Contest:
    """Who takes part, how much is asked of them, and who has failed in what."""

    arena: Arena
    entries: Sequence[Entry]
    amount: Amount
    progress: Callable[[str], None] = print
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    #: Tasks a second that each was seen to make, by the name of the variant.
    rates: dict[str, float] = field(default_factory=dict)

    def turns(
        self, what: str, entries: Sequence[Entry], turn: Callable[[Entry], T]
    ) -> dict[str, list[T]]:
        """Let all take ``rounds`` turns; return those of the contestants that never failed."""
        taken: dict[str, list[T]] = {entry.name: [] for entry in entries}
        for number in range(self.amount.rounds):
            for entry in entries:
                if entry.name not in taken:
                    continue
                self.progress(f"{what}, round {number + 1}: {entry.name}")
                try:
                    taken[entry.name].append(turn(entry))
                except ChildFailed as failure:
                    self.failures.append((what, entry.name, str(failure)))
                    del taken[entry.name]
        return taken

    def count(self, entry: Entry) -> int:
        """Return how many no-ops last about as long as they should."""
        return max(FEWEST, min(self.amount.tasks, int(entry.variant.rate * self.amount.seconds)))


def no_ops(contest: Contest, results: bool) -> Table:
    """Work off no-op tasks; with ``results``, each leaves one."""
    what = f"no-op, {'with' if results else 'no'} results"

    def turn(entry: Entry) -> Turn:
        count, workers = contest.count(entry), entry.variant.busy
        work = Work(count, 0.0, workers, results, contest.amount.limit)
        return drain(contest.arena, entry, work)

    turns = contest.turns(what, contest.entries, turn)
    contest.arena.forget()
    rates = {name: [turn.rate for turn in taken] for name, taken in turns.items()}
    if not results:
        contest.rates.update((name, median(rate)) for name, rate in rates.items())
    figures = [
        _figure(entry, "tasks/s", rates, better=max, notes=_costs(turns[entry.name]))
        for entry in contest.entries
        if entry.name in turns
    ]
    return Table("results" if results else "noop", f"{what}, -w 500 where it can", figures)


def sleeps(contest: Contest, seconds: float, workers: int, rounds: int) -> Table | None:
    """Work off sleeps; returns None when nobody can run so many at once."""
    # A worker that reuses greenlets is no different here, and RQ runs one at a time.
    entries = [entry for entry in contest.entries if entry.variant.max_workers >= workers]
    count = workers * rounds
    ideal = math.ceil(count / workers) * seconds

    def turn(entry: Entry) -> Turn:
        limit = max(contest.amount.limit, 3 * ideal)
        return drain(contest.arena, entry, Work(count, seconds, workers, True, limit))

    what = f"{count:,} sleeps of {seconds:g} s at -w {workers}"
    turns = contest.turns(what, entries, turn)
    contest.arena.forget()
    # Of one that was cut off, how long it would have taken.
    shares = {
        name: [turn.seconds * count / max(turn.counted, 1) / ideal for turn in taken]
        for name, taken in turns.items()
    }
    figures = [
        _figure(entry, "x ideal", shares, better=min, notes=_costs(turns[entry.name]))
        for entry in entries
        if entry.name in turns
    ]
    if not figures:
        return None
    return Table(f"sleeps-{seconds:g}-{workers}", f"{what}, results, ideal {ideal:g} s", figures)


def latency(contest: Contest) -> Table:
    """Measure how soon an idle worker begins a task, and one that is loaded by half."""
    samples = contest.amount.samples

    def idle(entry: Entry) -> tuple[float, float]:
        return percentiles(pick_ups(contest.arena, entry, samples, 0, entry.variant.busy))

    def loaded(entry: Entry) -> tuple[float, float]:
        # The producer is one process that has to keep up.
        rate = min(contest.rates.get(entry.name, entry.variant.rate) * contest.amount.loaded, 500)
        several = max(samples, int(rate))
        return percentiles(pick_ups(contest.arena, entry, several, rate, entry.variant.busy))

    at_idle = contest.turns("pick-up, idle", contest.entries, idle)
    at_load = contest.turns("pick-up, loaded", contest.entries, loaded)
    p50 = {name: [one for one, _ in taken] for name, taken in at_idle.items()}
    figures = []
    for entry in contest.entries:
        if entry.name not in p50:
            continue
        loads = at_load.get(entry.name, [])
        notes: dict[str, float | str] = {
            "p99": median(p99 for _, p99 in at_idle[entry.name]),
            "loaded p50": median(one for one, _ in loads) if loads else "",
            "loaded p99": median(p99 for _, p99 in loads) if loads else "",
        }
        figures.append(_figure(entry, "ms, p50", p50, better=min, notes=notes))
    title = f"pick-up by an idle worker and by one at half load (500 a second at most), {samples}"
    return Table("pickup", f"{title} samples", figures)


def answers(contest: Contest) -> Table:
    """Measure how long a caller waits for the result of an ``echo``."""
    samples = contest.amount.samples
    entries = [entry for entry in contest.entries if entry.variant.key != "reused"]

    def turn(entry: Entry) -> tuple[float, float]:
        return percentiles(round_trips(contest.arena, entry, samples, entry.variant.busy))

    turns = contest.turns("round trip", entries, turn)
    p50 = {name: [one for one, _ in taken] for name, taken in turns.items()}
    figures = [
        _figure(
            entry,
            "ms, p50",
            p50,
            better=min,
            notes={"p99": median(p99 for _, p99 in turns[entry.name])},
        )
        for entry in entries
        if entry.name in p50
    ]
    return Table("roundtrip", f"round trip of a blocking result, {samples} samples", figures)


def enqueue(contest: Contest) -> Table:
    """Measure one caller that enqueues: one by one and, beside it, in bulk."""
    count = contest.amount.enqueued
    # Variants of a peer differ in their workers; one producer is enough.
    entries = [entry for entry in contest.entries if entry.variant is entry.peer.variants[0]]

    def turn(entry: Entry) -> tuple[float, float]:
        return enqueueing(contest.arena, entry, count, 4 * count)

    turns = contest.turns("enqueue", entries, turn)
    singly = {name: [one for one, _ in taken] for name, taken in turns.items()}
    bulk = {name: [many for _, many in taken] for name, taken in turns.items()}
    figures = []
    for entry in entries:
        if entry.name not in turns:
            continue
        notes: dict[str, float | str] = {
            "bulk": median(bulk[entry.name]),
            "bulk x floor": _ratio(bulk[entry.name], bulk.get(FLOOR, ())) or "",
        }
        figures.append(_figure(entry, "tasks/s", singly, better=max, notes=notes))
    return Table("enqueue", f"{count:,} enqueued one by one, {4 * count:,} in bulk", figures)


def _figure(
    entry: Entry,
    unit: str,
    samples: Mapping[str, Sequence[float]],
    better: Callable[..., float],
    notes: Mapping[str, float | str],
) -> Figure:
    """Return a row: its ratio to the floor, and how many times better ours is."""
    mine, ours = samples[entry.name], samples.get(OURS, ())
    times = _ratio(ours, mine) if better is max else _ratio(mine, ours)
    delivery = "" if entry.peer.name == FLOOR else entry.variant.delivery
    return Figure(
        entry.name,
        unit,
        mine,
        floor=samples.get(FLOOR, ()) if entry.name != FLOOR else (),
        notes={"ours is": f"{times:.2f} x" if times else "", **notes, "delivery": delivery},
    )


def _ratio(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return the median of the rounds' ratios."""
    if not one or not other:
        return None
    return median(mine / theirs for mine, theirs in zip(one, other, strict=True))


def _costs(turns: Sequence[Turn]) -> dict[str, float | str]:
    def per_thousand(total: Callable[[Turn], float]) -> float:
        return median(total(turn) / max(turn.counted, 1) * 1000 for turn in turns)

    doubled = max(turn.doubled for turn in turns)
    wrong = [] if all(turn.finished for turn in turns) else ["cut off"]
    wrong += [f"{doubled:,} ran twice"] if doubled else []
    return {
        "tasks": f"{turns[0].counted:,}",
        "CPU s/1000": f"{per_thousand(lambda turn: turn.cpu):.3f}",
        "Redis s/1000": f"{per_thousand(lambda turn: turn.redis_cpu):.3f}",
        "commands/task": per_thousand(lambda turn: turn.commands) / 1000,
        "MB": max(turn.rss for turn in turns) / 1e6,
        "connections": str(max(turn.connections for turn in turns)),
        "remarks": ", ".join(wrong),
    }


#: In the order in which they are run; what each is for says the report.
WORKLOADS: dict[str, Callable[[Contest], list[Table | None]]] = {
    "noop": lambda contest: [no_ops(contest, results=False)],
    "results": lambda contest: [no_ops(contest, results=True)],
    "sleeps": lambda contest: [sleeps(contest, *one) for one in contest.amount.sleeps],
    "pickup": lambda contest: [latency(contest)],
    "roundtrip": lambda contest: [answers(contest)],
    "enqueue": lambda contest: [enqueue(contest)],
}
