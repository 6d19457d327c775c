# SPDX-License-Identifier: MIT
"""What each server of a queue with shards spends, and how evenly.

Each shard has a real redis-server of its own. What is measured is CPU time, as the servers tell
it: on a machine with fewer cores than servers nothing else says what they would carry, for they and
the consumer take turns there. Enqueueing, running and the result of each task are in it.

"carry" follows from the busiest server: so many tasks a second keep its core busy, and no other
server is busier. It holds for as many consumers as it takes, each with a core of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, NamedTuple

from redis import Redis

from benchmarks.report import Figure, Table
from benchmarks.runner import PATIENCE, Bench, Child, Scale
from benchmarks.sharded import URLS, build
from huey_green.testing.redis import PrivateRedis

#: How many shards, each on a server of its own; 1 is a queue without shards.
COUNTS = (1, 2, 4, 8)


class Run(NamedTuple):
    """What one turn took: seconds, CPU seconds of the consumer and of each server, connections."""

    seconds: float
    consumer: float
    servers: Sequence[float]
    connections: int


def run(bench: Bench, scale: Scale) -> list[Table]:
    runs: dict[int, list[Run]] = {count: [] for count in COUNTS}
    with ExitStack() as ending:
        servers = [ending.enter_context(PrivateRedis()) for _ in range(max(COUNTS))]
        for _ in range(scale.rounds):
            for count in COUNTS:
                runs[count].append(_turn([one.url for one in servers[:count]], scale.tasks))
    figures = [_figure(count, runs[count], scale.tasks) for count in COUNTS]
    title = f"{scale.tasks:,} no-op tasks with results at -w 500, {scale.rounds} rounds"
    return [Table("shards", title, figures)]


def _figure(count: int, runs: Sequence[Run], tasks: int) -> Figure:
    thousands = tasks / 1000

    def evenness(one: Run) -> float:
        return max(one.servers) * len(one.servers) / sum(one.servers)

    notes: dict[str, float | str] = {
        "busiest to mean": median(map(evenness, runs)),
        "carry tasks/s": median(tasks / max(one.servers) for one in runs),
        "consumer ms/1000": median(one.consumer for one in runs) * 1000 / thousands,
        "tasks/s here": median(tasks / one.seconds for one in runs),
        "connections to each": str(max(one.connections for one in runs)),
    }
    label = "no shards" if count == 1 else f"{count} shards"
    spent = [sum(one.servers) * 1000 / thousands for one in runs]
    return Figure(label, "server ms/1000", spent, notes=notes)


def _turn(urls: Sequence[str], tasks: int) -> Run:
    """Enqueue tasks and have them run, on servers that are empty before and after."""
    clients: list[Any] = [Redis.from_url(url) for url in urls]
    for client in clients:
        client.flushall()
    huey, noop = build(urls)
    spent = list(map(_cpu, clients))
    noop.map([()] * tasks)
    huey.result_count()  # Opens our own connections before they are counted.
    own = list(map(_connections, clients))
    arguments = ("-m", "huey_green", "benchmarks.sharded.huey", "-w", "500", "-q")
    with Child("the consumer", arguments, {URLS: " ".join(urls)}) as child:
        began_at, cpu = _begin(huey, child, tasks)
        _end(huey, child, tasks)
        seconds = time.perf_counter() - began_at
        consumer = child.cpu() - cpu
        servers = [now - before for now, before in zip(map(_cpu, clients), spent, strict=True)]
        opened = [now - before for now, before in zip(map(_connections, clients), own, strict=True)]
        child.stop()
    huey.storage.close()
    for client in clients:
        client.close()
    return Run(seconds, consumer, servers, max(opened))


def _begin(huey: Any, child: Child, tasks: int) -> tuple[float, float]:
    """Wait for the first task; return the time and the CPU seconds used until then."""
    ends_at = time.monotonic() + PATIENCE
    while huey.pending_count() == tasks:
        _expect(child, ends_at)
        time.sleep(0.002)
    return time.perf_counter(), child.cpu()


def _end(huey: Any, child: Child, tasks: int) -> None:
    """Wait until all results are there. To look costs the servers something: it is not often."""
    known, ends_at = 0, time.monotonic() + PATIENCE
    while known < tasks:
        time.sleep(0.05)
        stored = huey.result_count()
        if stored > known:
            known, ends_at = stored, time.monotonic() + PATIENCE
        _expect(child, ends_at)


def _expect(child: Child, ends_at: float) -> None:
    child.check()
    if time.monotonic() > ends_at:
        raise child.failure(f"made no progress within {PATIENCE:g} s")


def _cpu(client: Any) -> float:
    used = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _connections(client: Any) -> int:
    return int(client.info("clients")["connected_clients"])
