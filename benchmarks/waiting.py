# SPDX-License-Identifier: MIT
"""What waits costs: memory per task that waits, and callers that wait for results.

The callers are threads of one unpatched process, started as ``python -m benchmarks.callers``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.contestants import Ours
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import PATIENCE, Bench, Child, ChildFailed, Family, Scale

#: Kilobytes of a task that waits.
MEMORY_GOAL = Goal(10)

#: Connections on which any number of callers wait.
CALLERS_GOAL = Goal(1)

#: Seconds: longer than it takes to look.
NAP = 60.0


def run(bench: Bench, scale: Scale) -> list[Table]:
    return [_memory(bench, scale), _callers(bench, scale)]


def _memory(bench: Bench, scale: Scale) -> Table:
    count = scale.waiting
    idle, full, each = [], [], []
    for _ in range(scale.rounds):
        bench.clear()
        ours = Ours(bench, workers=count, results=True)
        storage = ours.app.huey.storage
        # Not to be waited for at the end: they nap on.
        with Family("the consumer", *ours.command()) as child:
            ours.app.echo(1).get(blocking=True, timeout=PATIENCE)
            before = child.rss()
            ours.app.nap.map([NAP] * count)
            _until(child, partial(_are_in_flight, storage, count))
            after = child.rss()
        idle.append(before / 1e6)
        full.append(after / 1e6)
        each.append((after - before) / count / 1e3)
    figures = [
        Figure("idle", "MB", idle),
        Figure(f"{count:,} tasks wait", "MB", full),
        Figure("each of them", "kB", each, goals=[MEMORY_GOAL]),
    ]
    title = f"memory at -w {count}, idle and with as many naps, {scale.rounds} rounds"
    return Table("memory", title, figures)


def _callers(bench: Bench, scale: Scale) -> Table:
    holding, seconds, megabytes = [], [], []
    total = 0
    for _ in range(scale.rounds):
        bench.clear()
        ours = Ours(bench, results=True)
        others = {client["id"] for client in bench.redis.client_list()}
        arguments = ("-m", "benchmarks.callers", bench.url, str(scale.callers))
        with Child("the callers", arguments) as callers:
            _until(callers, lambda: bench.redis.exists("callers-wait"))
            theirs = [one for one in bench.redis.client_list() if one["id"] not in others]
            total = len(theirs)
            holding.append(float(sum(_waits(client) for client in theirs)))
            megabytes.append(callers.rss() / 1e6)
            with ours.start() as child:
                _until(callers, lambda: bench.redis.exists("callers-done"))
                child.stop()
            seconds.append(float(json.loads(bench.redis.get("callers-done"))))
    figures = [
        Figure(
            "connections that they hold",
            "",
            holding,
            goals=[CALLERS_GOAL],
            notes={"open in all": str(total)},
        ),
        Figure("from the first answer to the last", "s", seconds),
        Figure("memory, threads included", "MB", megabytes),
    ]
    title = f"{scale.callers:,} threads of one process that wait for results"
    return Table("callers", f"{title}, {scale.rounds} rounds", figures)


def _waits(client: Mapping[str, str]) -> bool:
    """Say whether a connection is blocked in a command, or subscribed."""
    return "b" in client["flags"] or client["sub"] != "0"


def _are_in_flight(storage: Any, count: int) -> bool:
    return len(storage.in_flight()) == count


def _until(child: Child, is_so: object) -> None:
    assert callable(is_so)
    ends_at = time.monotonic() + 2 * PATIENCE
    while not is_so():
        child.check()
        if time.monotonic() > ends_at:
            raise ChildFailed(f"{child.title}: not within {2 * PATIENCE:g} s")
        time.sleep(0.05)
