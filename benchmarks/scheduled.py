# SPDX-License-Identifier: MIT
"""How late tasks begin that were scheduled, and those that a crontab makes due every minute."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from statistics import quantiles

from benchmarks.contestants import Ours
from benchmarks.report import Figure, Table
from benchmarks.runner import PATIENCE, Bench, Child, ChildFailed, Scale

#: Seconds until the first is due: all are scheduled by then, unless there are very many.
AHEAD = 2.0


def run(bench: Bench, scale: Scale) -> list[Table]:
    tables = [_scheduled(bench, scale)]
    if scale.cron_tasks:
        tables.append(_cron(bench, scale))
    return tables


def _scheduled(bench: Bench, scale: Scale) -> Table:
    count, window = scale.scheduled
    p50, p99, cpu = [], [], []
    for _ in range(scale.rounds):
        bench.clear()
        ours = Ours(bench)
        storage, app = ours.app.huey.storage, ours.app
        # Enqueueing them is not what is measured: they are all in the schedule before.
        first_at = time.time() + AHEAD + count / 10_000
        with bench.redis.pipeline(transaction=False) as pipe:
            for number in range(count):
                due_at = first_at + window * number / count
                moment = datetime.fromtimestamp(due_at, timezone.utc).replace(tzinfo=None)
                task = app.stamp.s(due_at)
                task.eta = moment
                pipe.zadd("huey.schedule.benchmark", {app.huey.serialize_task(task): due_at})
            pipe.execute()
        with ours.start() as child:
            _until_empty(ours, child, window + AHEAD + count / 10_000)
            cpu.append(child.cpu())
            child.stop()
        storage.close()
        cuts = quantiles(_delays(app.summary(), count), n=100, method="inclusive")
        p50.append(cuts[49] * 1000)
        p99.append(cuts[98] * 1000)
    figures = [
        Figure("late, p50", "ms", p50),
        Figure("late, p99", "ms", p99),
        Figure("CPU, start included", "s", cpu),
    ]
    title = f"{count:,} tasks due within {window:g} s, {scale.rounds} rounds"
    return Table("scheduled", title, figures)


def _cron(bench: Bench, scale: Scale) -> Table:
    """One minute's beginning with many periodic tasks."""
    bench.clear()
    ours = Ours(bench, cron_tasks=scale.cron_tasks)
    with ours.start() as child:
        time.sleep(60 - time.time() % 60 + 15)
        cpu = child.cpu()
        child.stop()
    delays = [delay * 1000 for delay in ours.app.summary().get("delays", [])]
    if len(delays) % scale.cron_tasks:
        raise ChildFailed(f"{len(delays):,} runs of {scale.cron_tasks:,} periodic tasks")
    figures = [
        Figure("first begins after", "ms", [min(delays)]),
        Figure("last begins after", "ms", [max(delays)]),
        Figure("CPU, start included", "s", [cpu]),
    ]
    return Table("cron", f"{scale.cron_tasks:,} periodic tasks of one minute", figures)


def _until_empty(ours: Ours, child: Child, seconds: float) -> None:
    ends_at = time.monotonic() + seconds + PATIENCE
    storage = ours.app.huey.storage
    while storage.schedule_size() or ours.left(1):
        child.check()
        if time.monotonic() > ends_at:
            raise child.failure(f"{storage.schedule_size():,} tasks are still scheduled")
        time.sleep(0.05)


def _delays(summary: dict[str, list[float]], count: int) -> list[float]:
    delays = summary.get("delays", [])
    if len(delays) != count:
        raise ChildFailed(f"{len(delays):,} tasks ran of {count:,} that were scheduled")
    return delays
