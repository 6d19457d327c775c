# SPDX-License-Identifier: MIT
"""The application that is measured: a few small tasks on a Huey made to order.

Producer (the benchmark) and consumer (``benchmarks.served``) call ``build`` with the same
arguments and so agree on names. What the consumer saw is left among its values when it stops.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from huey_green import Huey, JSONSerializer, PriorityRedisHuey, RedisHuey, Serializer, crontab

QUEUES: dict[str, Callable[..., Huey]] = {"list": RedisHuey, "zset": PriorityRedisHuey}

#: Where the consumer leaves what it counted.
SUMMARY = "benchmark-summary"


@dataclass(frozen=True)
class App:
    """A Huey and its tasks."""

    huey: Huey
    noop: Any
    nap: Any
    stamp: Any
    echo: Any
    carry: Any
    flaky: Any
    grow: Any
    total: Any
    fetch: Any
    burn: Any

    def summary(self) -> dict[str, Any]:
        """Return what the consumer that stopped last has counted; empty if there is nothing."""
        return cast("dict[str, Any]", self.huey.get(SUMMARY) or {})


def build(
    url: str,
    queue: str,
    results: bool,
    observed: bool = False,
    at_most_once: bool = False,
    serializer: str = "pickle",
    cron_tasks: int = 0,
) -> App:
    """Make a Huey on a ``list`` or a ``zset``, with or without results stored.

    ``observed``: with hooks before and after each task and a receiver of all signals, each of
    which does nothing. ``cron_tasks`` run every minute.
    """
    huey = QUEUES[queue](
        "benchmark",
        url=url,
        results=results,
        at_most_once=at_most_once,
        serializer=JSONSerializer() if serializer == "json" else Serializer(),
    )
    executed = 0
    delays: list[float] = []

    @huey.task()
    def noop() -> int:
        nonlocal executed
        executed += 1
        return 1

    @huey.task()
    def nap(seconds: float) -> int:
        nonlocal executed
        time.sleep(seconds)
        executed += 1
        return 1

    @huey.task()
    def stamp(made_at: float) -> None:
        delays.append(time.time() - made_at)

    @huey.task()
    def echo(value: int) -> int:
        return value

    @huey.task()
    def carry(payload: Any) -> int:
        nonlocal executed
        executed += 1
        return len(payload)

    @huey.task(retries=1, context=True)
    def flaky(task: Any = None) -> int:
        nonlocal executed
        executed += 1
        if task.retries:
            raise RuntimeError("the first try")
        return 1

    @huey.task()
    def grow(value: int) -> int:
        nonlocal executed
        executed += 1
        return value + 1

    @huey.task()
    def total(values: list[int]) -> int:
        nonlocal executed
        executed += 1
        return sum(values)

    @huey.task()
    def burn(rounds: int) -> int:
        nonlocal executed
        value = 0
        for _ in range(rounds):
            value ^= 1
        executed += 1
        return value

    @huey.task()
    def fetch(address: str) -> int:
        nonlocal executed
        with urllib.request.urlopen(address, timeout=30) as answer:
            size = len(answer.read())
        executed += 1
        return size

    def every_minute() -> None:
        # How long after the minute began.
        delays.append(time.time() % 60)

    for number in range(cron_tasks):
        huey.periodic_task(crontab(minute="*"), name=f"every_minute_{number}")(every_minute)

    @huey.on_shutdown()
    def leave_summary() -> None:
        huey.put(SUMMARY, {"executed": executed, "delays": delays})

    if observed:
        _observe(huey)
    return App(huey, noop, nap, stamp, echo, carry, flaky, grow, total, fetch, burn)


def _observe(huey: Huey) -> None:
    @huey.pre_execute()
    def before(task: Any) -> None:
        pass

    @huey.post_execute()
    def after(task: Any, value: Any, error: Any) -> None:
        pass

    @huey.signal()
    def receive(signal: str, task: Any, *details: Any) -> None:
        pass
