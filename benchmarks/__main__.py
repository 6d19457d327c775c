# SPDX-License-Identifier: MIT
"""The command: ``python -m benchmarks WORKLOAD [--quick] [--json FILE] [--rounds N]``.

``peers`` compares with other task queues (``benchmarks.peers.command``); it is also what runs
when there is an option ``--peers`` and no workload. ``check`` looks for what has become twice as
expensive (``benchmarks.check``).

Exit status 0 when everything was measured, whether or not a goal was met: a noisy machine is
no error. 1 when something under measurement failed, with the end of its log.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    backlog,
    cores,
    embedded,
    flows,
    http,
    idle,
    io,
    latency,
    payloads,
    report,
    scheduled,
    server,
    shards,
    start,
    throughput,
    waiting,
)
from benchmarks.check import main as check
from benchmarks.instructions import NoCounts
from benchmarks.peers.command import main as peers
from benchmarks.runner import Bench, ChildFailed, Scale, bench

WORKLOADS: dict[str, Callable[[Bench, Scale], list[report.Table]]] = {
    "throughput": throughput.run,
    "io": io.run,
    "latency": latency.run,
    "idle": idle.run,
    "backlog": backlog.run,
    "start": start.run,
    "payloads": payloads.run,
    "cores": cores.run,
    "server": server.run,
    "waiting": waiting.run,
    "flows": flows.run,
    "time": scheduled.run,
    "http": http.run,
    "embedded": embedded.run,
    "shards": shards.run,
}


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    arguments = sys.argv[1:]
    if arguments and arguments[0].startswith("--peers"):
        arguments = ["peers", *arguments]
    try:
        if arguments[:1] == ["peers"]:
            return peers(arguments[1:])
        if arguments[:1] == ["check"]:
            return check(arguments[1:])
        return _workloads()
    except (ChildFailed, NoCounts) as failure:
        print(f"benchmarks: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _workloads() -> int:
    options = _options()
    names = list(WORKLOADS) if options.workload == "all" else [options.workload]
    measured = _measure(names, _scale(options))
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    return 0


def _measure(names: list[str], scale: Scale) -> dict[str, Any]:
    """Run the workloads, print each as it ends, and return all of it as JSON values."""
    with bench() as redis:
        around = report.surroundings(redis.redis.info("server")["redis_version"])
        print(report.describe(around) + "\n", flush=True)
        tables = []
        for name in names:
            for table in WORKLOADS[name](redis, scale):
                print(table.as_text(), flush=True)
                tables.append(table.as_json())
    return {**around, "tables": tables}


def _scale(options: argparse.Namespace) -> Scale:
    if options.tasks:
        few = options.tasks
        return Scale(
            rounds=options.rounds,
            tasks=few,
            one_by_one=few,
            samples=few,
            idle_seconds=0.5,
            sleeps=[(few, 0.01, 50)],
            backlogs=(few, 2 * few),
            waiting=few,
            callers=few,
            scheduled=(few, 1.0),
            members=few,
            cron_tasks=0,
            computing=few,
        )
    if options.quick:
        return Scale(
            rounds=options.rounds,
            tasks=10_000,
            one_by_one=5_000,
            samples=500,
            idle_seconds=5.0,
            sleeps=[(2_000, 0.1, 500)],
            backlogs=(10_000, 100_000),
            waiting=5_000,
            callers=500,
            scheduled=(10_000, 6.0),
            members=1_000,
            cron_tasks=0,
            computing=3_000,
        )
    return Scale(
        rounds=options.rounds,
        tasks=100_000,
        one_by_one=20_000,
        samples=500,
        idle_seconds=10.0,
        sleeps=[(10_000, 0.1, 500), (20_000, 1.0, 5_000), (60_000, 1.0, 20_000)],
        backlogs=(10_000, 1_000_000),
        waiting=20_000,
        callers=2_000,
        scheduled=(100_000, 60.0),
        members=1_000,
        cron_tasks=1_000,
        computing=10_000,
    )


def _options() -> argparse.Namespace:
    """Read the command line; what could fail at the end is refused at the beginning."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workload", choices=(*WORKLOADS, "all"))
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=_positive, default=3, help="turns of each contestant")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE")
    # For the tests: this many of everything.
    parser.add_argument("--tasks", type=_positive, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: there is no directory {options.json.parent}")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
