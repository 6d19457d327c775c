# SPDX-License-Identifier: MIT
"""What the consumer is pointed at: ``python -m huey_green benchmarks.served.huey``.

The environment is the only way to tell an imported application what it is to be.
"""

from __future__ import annotations

import os

from benchmarks.app import build

huey = build(
    url=os.environ["BENCHMARK_URL"],
    queue=os.environ["BENCHMARK_QUEUE"],
    results=os.environ["BENCHMARK_RESULTS"] == "1",
    observed=os.environ["BENCHMARK_OBSERVED"] == "1",
    at_most_once=os.environ["BENCHMARK_AT_MOST_ONCE"] == "1",
    serializer=os.environ["BENCHMARK_SERIALIZER"],
    cron_tasks=int(os.environ["BENCHMARK_CRON_TASKS"]),
).huey
