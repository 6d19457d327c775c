# SPDX-License-Identifier: MIT
"""The benchmarks run to their end and report every row; how fast anything was is not asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("psutil")
pytest.importorskip("redis")

ROWS = {
    "throughput": [
        "floor, new greenlets",
        "LIST",
        "ZSET",
        "LIST, logging INFO",
        "LIST, hooks and a receiver",
        "floor, reused greenlets",
        "floor, new greenlets, results",
        "LIST, results",
        "ZSET, results",
        "floor, reused greenlets, results",
        "logging INFO to not logging",
        "floor, LPUSH",
        "LIST, task()",
        "ZSET, task()",
        "floor, pipelined LPUSH",
        "LIST, task.map()",
        "ZSET, task.map()",
    ],
    "io": ["floor, new greenlets", "LIST, results", "floor, reused greenlets"],
    "latency": ["floor, BLMOVE, p50", "LIST, p50", "ZSET, p99", "floor, LPUSH and BLPOP, p50"],
    "payloads": ["pickle, 100 B", "json, 1 MB"],
    "backlog": ["LIST, 50 wait", "ZSET, 100 wait", "100 scheduled, nothing is due"],
    "start": ["import huey_green alone", "huey_green --help", "until a first task has run"],
    "waiting": ["each of them", "connections that they hold"],
    "flows": ["pipelines of 3", "chords of 50", "tasks that fail once"],
    "time": ["late, p50"],
    "http": ["makespan"],
    "embedded": ["no consumer, p50", "idle, p99", "1 ms of Python, p99"],
    "cores": ["1 process", "2 processes"],
    "server": ["LIST, enqueued in bulk", "ZSET, run, results kept", "LIST, called and answered"],
    "shards": ["no shards", "2 shards", "8 shards"],
    "idle": ["-w 5000, Redis commands", "-w 5000, connections", "-w 1, CPU", "-w 1, memory"],
}


@pytest.mark.parametrize("workload", ROWS)
def test_a_workload_reports_every_row(workload: str, tmp_path: Path) -> None:
    kept = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", workload, "--tasks", "50", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--json", str(kept)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(kept.read_text())
    labels = [figure["label"] for table in figures["tables"] for figure in table["figures"]]
    for row in ROWS[workload]:
        assert row in labels
        assert row in done.stdout
    assert {"machine", "versions"} <= figures.keys()
