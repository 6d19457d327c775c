# SPDX-License-Identifier: MIT
"""Tasks that call a local server which answers after a while: what most tasks are like.

The server is a process of its own (``python -m benchmarks.answering``), on asyncio streams.
"""

from __future__ import annotations

import math

from benchmarks.contestants import Ours
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import Bench, Child, Run, Scale, drain

#: Seconds that the server takes to answer, and calls at once.
DELAY = 0.1
WORKERS = 500

#: Most calls.
CALLS = 5_000

#: Calls cost CPU of their own, some 0.4 ms each, most of it in ``urllib``.
GOAL = Goal(3.0)


def run(bench: Bench, scale: Scale) -> list[Table]:
    count = min(CALLS, scale.tasks)
    port_file = bench.directory / "port"
    arguments = ("-m", "benchmarks.answering", str(port_file), str(DELAY))
    runs: list[Run] = []
    with Child("the server", arguments) as server:
        while not port_file.exists():
            server.check()
        address = f"http://127.0.0.1:{port_file.read_text()}/"
        for _ in range(scale.rounds):
            bench.clear()
            ours = Ours(bench, workers=WORKERS, results=True)
            ours.app.fetch.map([address] * count)
            runs.append(drain(bench, ours, count))
    ideal = math.ceil(count / WORKERS) * DELAY
    figures = [
        Figure("makespan", "x ideal", [one.seconds / ideal for one in runs], goals=[GOAL]),
        Figure("CPU per call", "ms", [one.cpu / count * 1000 for one in runs]),
        Figure("memory", "MB", [one.rss / 1e6 for one in runs]),
    ]
    title = f"{count:,} HTTP calls of {DELAY:g} s at -w {WORKERS}, ideal {ideal:g} s"
    return [Table("http", f"{title}, {scale.rounds} rounds", figures)]
