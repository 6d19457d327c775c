# SPDX-License-Identifier: MIT
"""What one Redis spends on a task: CPU, commands and bytes, by how the queue is used.

A core of the server carries as many tasks a second as their CPU time goes into a second. Enqueueing
is measured with no consumer beside it and running without a producer, since on a machine with two
cores there is no room for both; then both come together, one call at a time, as in a web
application that asks for each result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.contestants import Ours
from benchmarks.report import Figure, Table
from benchmarks.runner import PATIENCE, Bench, Scale, drain

#: What INFO counts of commands are none of a task's: ours, to look.
_LOOKS = ("info", "config|resetstat", "llen", "zcard", "hlen", "zcount", "time", "hkeys")

Spent = Mapping[str, float]


def run(bench: Bench, scale: Scale) -> list[Table]:
    cases: dict[str, Callable[[], Spent]] = {}
    for queue in ("list", "zset"):
        name = queue.upper()
        cases[f"{name}, enqueued in bulk"] = _enqueueing(bench, queue, scale.tasks, in_bulk=True)
        cases[f"{name}, one by one"] = _enqueueing(bench, queue, scale.one_by_one, in_bulk=False)
        for results in (False, True):
            kept = "results kept" if results else "no results"
            cases[f"{name}, run, {kept}"] = _running(bench, queue, scale.tasks, results)
        cases[f"{name}, called and answered"] = _answering(bench, queue, scale.samples)
    spent: dict[str, list[Spent]] = {label: [] for label in cases}
    for _ in range(scale.rounds):
        for label, measure in cases.items():
            bench.clear()
            spent[label].append(measure())
    figures = [_figure(label, found) for label, found in spent.items()]
    title = f"what one server spends on a task, {scale.rounds} rounds"
    return [Table("server", title, figures)]


def _figure(label: str, found: list[Spent]) -> Figure:
    def of(name: str) -> float:
        return median(one[name] for one in found)

    notes: dict[str, float | str] = {
        "carries tasks/s": 1e6 / of("us"),
        "commands": of("commands"),
        "bytes in": of("in"),
        "bytes out": of("out"),
    }
    return Figure(label, "us CPU", [one["us"] for one in found], notes=notes)


@contextmanager
def _counted(bench: Bench, tasks: int) -> Iterator[dict[str, float]]:
    """Fill in what the server has spent on each of so many tasks inside of the block."""
    spent: dict[str, float] = {}
    began = bench.cpu()
    bench.redis.config_resetstat()
    yield spent
    cpu, calls, after = bench.cpu() - began, bench.calls(), bench.redis.info("stats")
    spent["us"] = cpu / tasks * 1e6
    spent["commands"] = sum(n for name, n in calls.items() if name not in _LOOKS) / tasks
    spent["in"] = after["total_net_input_bytes"] / tasks
    spent["out"] = after["total_net_output_bytes"] / tasks


def _enqueueing(bench: Bench, queue: str, tasks: int, in_bulk: bool) -> Callable[[], Spent]:
    def measure() -> Spent:
        noop = Ours(bench, queue=queue).app.noop
        with _counted(bench, tasks) as spent:
            if in_bulk:
                noop.map([()] * tasks)
            else:
                for _ in range(tasks):
                    noop()
        return spent

    return measure


def _running(bench: Bench, queue: str, tasks: int, results: bool) -> Callable[[], Spent]:
    def measure() -> Spent:
        ours = Ours(bench, queue=queue, results=results)
        ours.app.noop.map([()] * tasks)
        with _counted(bench, tasks) as spent:
            drain(bench, ours, tasks)
        return spent

    return measure


def _answering(bench: Bench, queue: str, calls: int) -> Callable[[], Spent]:
    def measure() -> Spent:
        ours = Ours(bench, queue=queue, results=True)
        with ours.start() as child:
            _ask(ours.app.echo, 20)
            with _counted(bench, calls) as spent:
                _ask(ours.app.echo, calls)
            child.stop()
        ours.app.huey.storage.close()
        return spent

    return measure


def _ask(echo: Any, calls: int) -> None:
    ends_at = time.monotonic() + PATIENCE + calls
    for value in range(calls):
        left = ends_at - time.monotonic()
        if echo(value).get(blocking=True, timeout=left) != value:
            raise RuntimeError("a wrong answer")
