# SPDX-License-Identifier: MIT
"""Tasks with arguments of 100 B, 10 kB and 1 MB, as pickle and as JSON, results not stored."""

from __future__ import annotations

from benchmarks.contestants import Ours
from benchmarks.report import Figure, Table
from benchmarks.runner import Bench, Run, Scale, drain

SIZES = {"100 B": 100, "10 kB": 10_000, "1 MB": 1_000_000}

#: Bytes of arguments in one backlog at most: Redis holds them all.
MOST_BYTES = 100_000_000


def run(bench: Bench, scale: Scale) -> list[Table]:
    runs: dict[str, list[Run]] = {}
    counts = {}
    for _ in range(scale.rounds):
        for name, size in SIZES.items():
            count = max(1, min(scale.tasks, MOST_BYTES // size))
            for serializer in ("pickle", "json"):
                label = f"{serializer}, {name}"
                ours = Ours(bench, serializer=serializer)
                bench.clear()
                payload = "x" * size
                # In parts: not all of them are in this process at once.
                for start in range(0, count, 100):
                    ours.app.carry.map([payload] * min(100, count - start))
                runs.setdefault(label, []).append(drain(bench, ours, count))
                counts[label] = count
    figures = [
        Figure(
            label,
            "tasks/s",
            [counts[label] / one.seconds for one in taken],
            notes={
                "tasks": f"{counts[label]:,}",
                "CPU ms/1000": min(one.cpu for one in taken) / counts[label] * 1e6,
                "RSS MB": max(one.rss for one in taken) / 1e6,
            },
        )
        for label, taken in runs.items()
    ]
    return [Table("payloads", f"arguments of some size, {scale.rounds} rounds", figures)]
