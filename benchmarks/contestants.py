# SPDX-License-Identifier: MIT
"""Those who work: the bare loop, and huey_green's own command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.app import SUMMARY, App, build
from benchmarks.keys import IN_FLIGHT_KEY, QUEUE_KEY, RESULTS_KEY, SUMMARY_KEY, new_message
from benchmarks.runner import Bench, Child, Family

#: Messages sent in one pipeline by those that enqueue in bulk.
PIPELINED = 1000


class Floor:
    """The bare loop of ``benchmarks.floor``."""

    def __init__(
        self,
        bench: Bench,
        *,
        workers: int = 500,
        results: bool = False,
        reuse: bool = False,
        seconds: float = 0.0,
    ) -> None:
        self.redis = bench.redis
        self.results = results
        self._arguments = [
            *("drain", "--url", bench.url, "--workers", str(workers), "--seconds", str(seconds)),
            *(["--results"] if results else []),
            *(["--reuse"] if reuse else []),
        ]

    def fill(self, count: int) -> None:
        """Enqueue ``count`` messages."""
        push_floor_messages(self.redis, count)

    def start(self) -> Child:
        return floor_child(self._arguments)

    def waiting(self) -> int:
        return int(self.redis.llen(QUEUE_KEY))

    def left(self, total: int) -> int:
        if self.results:
            return total - int(self.redis.hlen(RESULTS_KEY))
        return self.waiting() or int(self.redis.hlen(IN_FLIGHT_KEY))

    def executed(self) -> int:
        return int(floor_summary(self.redis)["executed"])


class Ours:
    """``python -m huey_green`` as a user starts it.

    ``quiet`` is the option -q; otherwise what INFO logs goes to a file. For ``observed`` see
    ``build``.
    """

    def __init__(
        self,
        bench: Bench,
        *,
        workers: int = 500,
        queue: str = "list",
        results: bool = False,
        quiet: bool = True,
        observed: bool = False,
        at_most_once: bool = False,
        serializer: str = "pickle",
        cron_tasks: int = 0,
        processes: int = 1,
    ) -> None:
        self.app: App = build(bench.url, queue, results, serializer=serializer)
        self.results = results
        logging = ("-q",) if quiet else ("-l", str(bench.directory / "consumer.log"))
        self._arguments = (
            *("-m", "huey_green", "benchmarks.served.huey", "-w", str(workers)),
            *logging,
            *(("--processes", str(processes)) if processes > 1 else ()),
        )
        self._environment = {
            "BENCHMARK_URL": bench.url,
            "BENCHMARK_QUEUE": queue,
            "BENCHMARK_RESULTS": "1" if results else "0",
            "BENCHMARK_OBSERVED": "1" if observed else "0",
            "BENCHMARK_AT_MOST_ONCE": "1" if at_most_once else "0",
            "BENCHMARK_SERIALIZER": serializer,
            "BENCHMARK_CRON_TASKS": str(cron_tasks),
        }

    def command(self) -> tuple[Sequence[str], dict[str, str]]:
        """Return what a child is started with: its arguments and its environment."""
        return self._arguments, self._environment

    def start(self) -> Child:
        return Child("the consumer", *self.command())

    def waiting(self) -> int:
        return len(self.app.huey)

    def left(self, total: int) -> int:
        storage = self.app.huey.storage
        if self.results:
            # A result is stored in the same step that settles its task.
            return total - int(storage.result_store_size())
        # Twice, in case one was on its way from here to there.
        return any(storage.queue_size() or storage.in_flight() for _ in range(2))

    def executed(self) -> int:
        return int(self.app.summary().get("executed", 0))


class Several(Ours):
    """Ours in so many ``processes``; each result that is stored is of one task that has run."""

    def __init__(self, bench: Bench, processes: int, **options: Any) -> None:
        super().__init__(bench, results=True, processes=processes, **options)

    def start(self) -> Family:
        return Family("the consumers", *self.command())

    def executed(self) -> int:
        # Each process leaves a summary of its own, in place of the one before.
        storage = self.app.huey.storage
        return sum(key != SUMMARY for key in storage.result_items())


class Flow(Ours):
    """Ours with ``first`` messages that make ``total`` runs: follow-ups, callbacks, retries."""

    def __init__(self, bench: Bench, first: int, total: int, **options: Any) -> None:
        super().__init__(bench, **options)
        self._first, self._total = first, total

    def waiting(self) -> int:
        waiting = super().waiting()
        return self._total if waiting == self._first else waiting

    def left(self, total: int) -> int:
        storage = self.app.huey.storage
        # What follows is enqueued in the step that settles what it follows.
        return any(storage.queue_size() or storage.in_flight() for _ in range(2))


def push_floor_messages(redis: Any, count: int) -> None:
    """Enqueue ``count`` messages for the floor, pipelined."""
    for start in range(0, count, PIPELINED):
        with redis.pipeline(transaction=False) as pipe:
            for _ in range(start, min(count, start + PIPELINED)):
                pipe.lpush(QUEUE_KEY, new_message())
            pipe.execute()


def floor_child(arguments: Sequence[str]) -> Child:
    """Start ``benchmarks.floor``."""
    return Child("the floor", ("-m", "benchmarks.floor", *arguments))


def floor_summary(redis: Any) -> dict[str, Any]:
    """Return what the floor that stopped last has counted."""
    summary: dict[str, Any] = json.loads(redis.get(SUMMARY_KEY) or b"{}")
    return summary
