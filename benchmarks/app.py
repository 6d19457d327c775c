# SPDX-License-Identifier: MIT
"""The application that is measured: four small tasks on a Huey made to order.

Producer (the benchmark) and consumer (``benchmarks.served``) call ``build`` with the same
arguments and so agree on names. What the consumer saw is left among its values when it stops.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from huey_green import Huey, PriorityRedisHuey, RedisHuey

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

    def summary(self) -> dict[str, Any]:
        """Return what the consumer that stopped last has counted; empty if there is nothing."""
        return cast("dict[str, Any]", self.huey.get(SUMMARY) or {})


def build(
    url: str, queue: str, results: bool, observed: bool = False, at_most_once: bool = False
) -> App:
    """Make a Huey on a ``list`` or a ``zset``, with or without results stored.

    ``observed``: with hooks before and after each task and a receiver of all signals, each of
    which does nothing.
    """
    huey = QUEUES[queue]("benchmark", url=url, results=results, at_most_once=at_most_once)
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

    @huey.on_shutdown()
    def leave_summary() -> None:
        huey.put(SUMMARY, {"executed": executed, "delays": delays})

    if observed:
        _observe(huey)
    return App(huey, noop, nap, stamp, echo)


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
