# SPDX-License-Identifier: MIT
"""Whether the cost of a task grows with the number of those that wait, or are scheduled."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.contestants import PIPELINED, Ours
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import PATIENCE, Bench, ChildFailed, Scale

#: Within 10 %.
GOAL = Goal(0.9, at_least=True, of="ratio")

#: Looks at a schedule in which nothing is due.
LOOKS = 200

#: Seconds for which a long backlog is watched, once the consumer has begun.
WATCHED = 3.0


def run(bench: Bench, scale: Scale) -> list[Table]:
    return [_queued(bench, scale), _scheduled(bench, scale)]


def _queued(bench: Bench, scale: Scale) -> Table:
    figures = []
    for queue in ("list", "zset"):
        rates: dict[int, list[float]] = {length: [] for length in scale.backlogs}
        for length in scale.backlogs:
            bench.clear()
            _fill(Ours(bench, queue=queue), length)
            bench.keep(str(length))
        for _ in range(scale.rounds):
            for length in scale.backlogs:
                bench.restore(str(length))
                rates[length].append(_rate(Ours(bench, queue=queue), length))
        short, long = scale.backlogs
        figures += [
            Figure(f"{queue.upper()}, {short:,} wait", "tasks/s", rates[short]),
            Figure(f"{queue.upper()}, {long:,} wait", "tasks/s", rates[long], rates[short], [GOAL]),
        ]
        bench.drop_kept()
    return Table("backlog", f"no-ops at -w 500 by what waits, {scale.rounds} rounds", figures)


def _fill(ours: Ours, count: int) -> None:
    part = 10_000
    for start in range(0, count, part):
        ours.app.noop.map([()] * min(part, count - start))


def _rate(ours: Ours, total: int) -> float:
    """Return tasks a second, over the whole of a short backlog or the first of a long one."""
    with ours.start() as child:
        ends_at = time.monotonic() + PATIENCE
        while (first := ours.waiting()) == total:
            child.check()
            if time.monotonic() > ends_at:
                raise ChildFailed(f"nothing began within {PATIENCE:g} s")
            time.sleep(0.0005)
        began_at = now = time.perf_counter()
        left = first
        while left and now - began_at < WATCHED:
            child.check()
            time.sleep(0.001)
            left, now = ours.waiting(), time.perf_counter()
        child.stop()
    return max(first - left, 1) / max(now - began_at, 1e-3)


def _scheduled(bench: Bench, scale: Scale) -> Table:
    """Measure a look at the schedule, and the promotion of one that is due, by its length."""
    ours = Ours(bench)
    storage = ours.app.huey.storage
    looks: dict[int, list[float]] = {length: [] for length in scale.backlogs}
    moves: dict[int, list[float]] = {length: [] for length in scale.backlogs}
    for length in scale.backlogs:
        bench.clear()
        later = time.time() + 86_400
        for start in range(0, length, PIPELINED):
            with bench.redis.pipeline(transaction=False) as pipe:
                for number in range(start, min(length, start + PIPELINED)):
                    body = ours.app.huey.serialize_task(ours.app.noop.s())
                    pipe.zadd("huey.schedule.benchmark", {body: later + number})
                pipe.execute()
        for _ in range(scale.rounds):
            looks[length].append(_each(storage.promote, LOOKS))
            for _ in range(LOOKS):
                body = ours.app.huey.serialize_task(ours.app.noop.s())
                storage.add_to_schedule(body, time.time() - 1)
            moves[length].append(_each(lambda: storage.promote(1), LOOKS))
    short, long = scale.backlogs
    figures = []
    for title, found in (("nothing is due", looks), ("one is due", moves)):
        figures += [
            Figure(f"{short:,} scheduled, {title}", "us", found[short]),
            Figure(f"{long:,} scheduled, {title}", "us", found[long], found[short]),
        ]
    bench.clear()
    return Table("schedule", f"one promotion by what is scheduled, {LOOKS} of each", figures)


def _each(call: object, times: int) -> float:
    """Return the median microseconds of a call."""
    assert callable(call)
    took = []
    for _ in range(times):
        began_at = time.perf_counter()
        call()
        took.append(time.perf_counter() - began_at)
    return median(took) * 1e6
