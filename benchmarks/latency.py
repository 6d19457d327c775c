# SPDX-License-Identifier: MIT
"""How soon an idle consumer begins a task, and how soon its caller has the result.

- Pick-up: from just before ``task(...)`` is called here to the first line of the task there, by
  the one clock of this machine; beside a bare ``BLMOVE`` loop that spawns a greenlet for each
  message. Each task is enqueued after a pause, when the consumer waits again. The machine is
  idle then too, and takes its time to wake up: a bare ``PING`` after the same pause shows it.
- Round trip: ``task().get(blocking=True)``, one after the other; beside a bare ``LPUSH`` that
  another process ``BLPOP``s and sends back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Any

from benchmarks.contestants import Ours, floor_child, floor_summary
from benchmarks.keys import LANDING_KEY, QUEUE_KEY, REPLY_KEY
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import PATIENCE, Bench, ChildFailed, Scale

#: Of p50, beside the bare loop's; and of a pick-up's p99, in milliseconds.
GOAL = Goal(1.5, of="ratio")
PICKUP_P99_GOAL = Goal(3.0)

#: Seconds between two tasks: long enough for the consumer to have settled and to wait again;
#: random, so that the samples do not fall into step with anything.
PAUSE = (0.005, 0.015)

#: Round trips before the clock runs: the first ones make connections and load scripts.
WARM_UP = 10

#: The rows that have a floor and a goal.
OURS = ("LIST", "ZSET")

#: Returns seconds, one for each sample.
Measure = Callable[[Bench, int], list[float]]


def run(bench: Bench, scale: Scale) -> list[Table]:
    pickup = _table(
        bench,
        scale,
        "pick-up by an idle consumer",
        {
            "floor, BLMOVE": _floor_pickup,
            "LIST": lambda bench, samples: _our_pickup(bench, "list", samples),
            "ZSET": lambda bench, samples: _our_pickup(bench, "zset", samples),
            "machine, PING": _ping,
        },
        PICKUP_P99_GOAL,
    )
    round_trip = _table(
        bench,
        scale,
        "round trip of a blocking result",
        {
            "floor, LPUSH and BLPOP": floor_round_trips,
            "LIST": lambda bench, samples: our_round_trips(bench, "list", samples),
            "ZSET": lambda bench, samples: our_round_trips(bench, "zset", samples),
        },
    )
    return [pickup, round_trip]


def _table(
    bench: Bench, scale: Scale, what: str, measures: dict[str, Measure], *p99_goals: Goal
) -> Table:
    """Measure all in turn; the first of ``measures`` is the floor."""
    p50: dict[str, list[float]] = {label: [] for label in measures}
    p99: dict[str, list[float]] = {label: [] for label in measures}
    for _ in range(scale.rounds):
        for label, measure in measures.items():
            bench.clear()
            cuts = quantiles(measure(bench, scale.samples), n=100, method="inclusive")
            p50[label].append(cuts[49] * 1000)
            p99[label].append(cuts[98] * 1000)
    bare = next(iter(measures))
    figures = []
    for label in measures:
        ours = label in OURS
        goals = [GOAL] if ours else []
        figures += [
            Figure(f"{label}, p50", "ms", p50[label], p50[bare] if ours else (), goals),
            Figure(
                f"{label}, p99",
                "ms",
                p99[label],
                p99[bare] if ours else (),
                p99_goals if ours else (),
            ),
        ]
    return Table("latency", f"{what}, {scale.samples} samples, {scale.rounds} rounds", figures)


def _our_pickup(bench: Bench, queue: str, samples: int) -> list[float]:
    ours = Ours(bench, queue=queue)
    with ours.start() as child:
        _send_and_wait(
            lambda: ours.app.stamp(time.time()),
            samples,
            lambda: ours.left(1) == 0,
        )
        child.stop()
    return _checked(ours.app.summary().get("delays", []), samples, child.title)


def _floor_pickup(bench: Bench, samples: int) -> list[float]:
    with floor_child(("pickup", "--url", bench.url)) as child:
        _send_and_wait(
            lambda: bench.redis.lpush(QUEUE_KEY, str(time.time())),
            samples,
            lambda: not bench.redis.exists(QUEUE_KEY, LANDING_KEY),
        )
        child.stop()
    return _checked(floor_summary(bench.redis).get("delays", []), samples, child.title)


def _ping(bench: Bench, samples: int) -> list[float]:
    seconds = []
    for _ in range(samples):
        time.sleep(random.uniform(*PAUSE))
        began_at = time.perf_counter()
        bench.redis.ping()
        seconds.append(time.perf_counter() - began_at)
    return seconds


def _send_and_wait(send: Callable[[], Any], samples: int, all_done: Callable[[], bool]) -> None:
    """Send one and wait until it is done, which shows that the consumer is up; then the rest."""
    ends_at = time.monotonic() + PATIENCE
    for count in (WARM_UP, samples):
        for _ in range(count):
            send()
            time.sleep(random.uniform(*PAUSE))
        while not all_done():
            if time.monotonic() > ends_at + samples * PAUSE[1]:
                raise ChildFailed(f"not picked up within {PATIENCE:g} s")
            time.sleep(0.01)


def _checked(delays: Sequence[float], samples: int, title: str) -> list[float]:
    if len(delays) != samples + WARM_UP:
        raise ChildFailed(f"{title} ran {len(delays)} tasks of {samples + WARM_UP}")
    return list(delays[WARM_UP:])


def our_round_trips(bench: Bench, queue: str, samples: int) -> list[float]:
    ours = Ours(bench, queue=queue, results=True)

    def call(value: int) -> int:
        answer: int = ours.app.echo(value).get(blocking=True, timeout=PATIENCE)
        return answer

    with ours.start() as child:
        seconds = _round_trips(call, samples)
        child.stop()
    return seconds


def floor_round_trips(bench: Bench, samples: int) -> list[float]:
    def call(value: int) -> int:
        bench.redis.lpush(QUEUE_KEY, value)
        popped = bench.redis.blpop([REPLY_KEY], PATIENCE)
        return int(popped[1]) if popped else -1

    with floor_child(("echo", "--url", bench.url)) as child:
        seconds = _round_trips(call, samples)
        child.stop()
    return seconds


def _round_trips(call: Callable[[int], int], samples: int) -> list[float]:
    seconds = []
    for value in range(WARM_UP + samples):
        began_at = time.perf_counter()
        answer = call(value)
        seconds.append(time.perf_counter() - began_at)
        if answer != value:
            raise ChildFailed(f"sent {value}, got {answer}")
    return seconds[WARM_UP:]
