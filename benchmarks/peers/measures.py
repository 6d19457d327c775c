# SPDX-License-Identifier: MIT
"""One turn of one contestant: work off a backlog, pick up, answer, enqueue."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import quantiles

from benchmarks.peers.arena import FAREWELL, Arena, Tally, wait_for
from benchmarks.peers.catalogue import FLOOR, Entry
from benchmarks.runner import ChildFailed, Family

#: Tasks before those that count: they make connections and show that the worker is up.
WARM_UP = 10

#: Of no-ops, one in so many runs before the clock does.
AHEAD = 10

#: A worker that does nothing for so long is given up.
STALLED = 20.0

#: How often memory and connections are looked at, in seconds.
SAMPLING = 0.2


@dataclass(frozen=True)
class Work:
    """A backlog: ``count`` tasks that sleep ``seconds`` each, at most ``limit`` seconds long."""

    count: int
    seconds: float
    workers: int
    results: bool
    limit: float


@dataclass(frozen=True)
class Turn:
    """What a drain took; ``counted`` tasks ran while the clock did.

    CPU is in seconds, memory in bytes (the peak of samples). ``finished`` is whether all tasks
    ran within the limit; ``doubled`` ran more than once.
    """

    seconds: float
    counted: int
    cpu: float
    redis_cpu: float
    commands: int
    rss: int
    connections: int
    finished: bool
    doubled: int

    @property
    def rate(self) -> float:
        return self.counted / self.seconds


def drain(arena: Arena, entry: Entry, work: Work) -> Turn:
    """Let the contestant work off a backlog.

    The clock runs until the last task is seen to have run; of no-ops from when a tenth of them
    has, of sleeps from the beginning of the first one. So start and imports are not part of it,
    nor are, of no-ops, the connections that some open one by one for each worker. A task that
    was lost, or a result that is missing, is an error.
    """
    tally = Tally(arena.bench.directory, work.count)
    environment = arena.environment(entry, tally, work.workers, work.results, latency=False)
    arena.backlog(entry, environment, work.count, work.seconds)
    others = arena.bench.connections()
    with arena.work(entry, environment, "drain", work.seconds) as worker:
        turn = _watched(arena, worker, tally, work, others)
        if turn.finished and work.results:
            _expect_results(arena, entry, work.count)
        worker.end(FAREWELL)
    return turn


def _expect_results(arena: Arena, entry: Entry, count: int) -> None:
    """Wait for the results of tasks that have just run. Raises ``ChildFailed``."""
    ends_at = time.monotonic() + FAREWELL
    while (found := arena.results(entry)) < count:
        if time.monotonic() > ends_at:
            raise ChildFailed(f"{entry.name} stored {found:,} results of {count:,}")
        time.sleep(0.05)


def _watched(arena: Arena, worker: Family, tally: Tally, work: Work, others: int) -> Turn:
    bench = arena.bench
    ahead = 1 if work.seconds else max(1, work.count // AHEAD)
    wait_for(tally, ahead, worker, "waiting for the first tasks")
    began_at = time.perf_counter()
    first = last = tally.ran()
    moved_at = now = began_at
    cpu, redis_cpu, commands = worker.cpu(), bench.cpu(), _commands(arena)
    rss = connections = looks = 0
    sample_at = began_at
    while last < work.count and now - began_at < work.limit:
        now = time.perf_counter()
        time.sleep(min(0.02, max(0.001, (now - began_at) / 200)))
        if now >= sample_at:
            rss = max(rss, worker.rss())
            connections = max(connections, bench.connections() - others)
            looks += 1
            sample_at = time.perf_counter() + SAMPLING
        now = time.perf_counter()
        seen = tally.ran()
        if seen != last:
            last, moved_at = seen, now
        elif now - moved_at > STALLED + work.seconds:
            raise worker.failure(f"ran {last:,} of {work.count:,} tasks, then none for a while")
    ended_at = now if last == work.count else moved_at
    return Turn(
        # The first task to end began so many seconds before.
        seconds=max(ended_at - began_at + work.seconds, 1e-6),
        counted=last if work.seconds else max(last - first, 1),
        cpu=worker.cpu() - cpu,
        redis_cpu=bench.cpu() - redis_cpu,
        commands=_commands(arena) - commands - looks - 2,
        rss=max(rss, worker.rss()),
        connections=max(connections, bench.connections() - others),
        finished=last == work.count,
        doubled=tally.doubled(),
    )


def _commands(arena: Arena) -> int:
    return int(arena.bench.redis.info("stats")["total_commands_processed"])


def pick_ups(arena: Arena, entry: Entry, samples: int, rate: float, workers: int) -> list[float]:
    """Return how many seconds after its making each task began: at ``rate`` a second, or idle."""
    tally = Tally(arena.bench.directory, WARM_UP + samples)
    environment = arena.environment(entry, tally, workers, results=False, latency=True)
    arena.bench.redis.flushdb()
    with arena.work(entry, environment, "pickup") as worker:
        arena.drive(entry, environment, "pickups", 0, WARM_UP, 0)
        wait_for(tally, WARM_UP, worker, "warming up")
        arena.drive(entry, environment, "pickups", WARM_UP, samples, rate)
        wait_for(tally, WARM_UP + samples, worker, "picking up")
        worker.end(FAREWELL)
    return tally.delays(WARM_UP, samples)


def round_trips(arena: Arena, entry: Entry, samples: int, workers: int) -> list[float]:
    """Return the seconds from each call to its answer, one after the other."""
    tally = Tally(arena.bench.directory, WARM_UP)
    environment = arena.environment(entry, tally, workers, results=True, latency=True)
    arena.bench.redis.flushdb()
    with arena.work(entry, environment, "echo") as worker:
        if entry.peer.name != FLOOR:  # Whose echo knows no other task.
            arena.drive(entry, environment, "pickups", 0, WARM_UP, 0)
            wait_for(tally, WARM_UP, worker, "warming up")
        answered = arena.drive(entry, environment, "round_trips", WARM_UP, samples)
        worker.end(FAREWELL)
    return list(answered["seconds"])


def enqueueing(arena: Arena, entry: Entry, count: int, bulk: int) -> tuple[float, float]:
    """Return how many tasks a second one caller enqueues: one by one, and in bulk."""
    tally = Tally(arena.bench.directory, 1)
    environment = arena.environment(entry, tally, entry.variant.busy, False, latency=False)
    arena.bench.redis.flushdb()
    took = arena.drive(entry, environment, "enqueue", count, bulk)
    return count / took["singly"], bulk / took["bulk"]


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000
