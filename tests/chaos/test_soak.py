# SPDX-License-Identifier: MIT
"""Short soaks: nothing grows; and a soak that would not notice is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.soak_look import look_at, outside
from chaos.soak_verdict import MB, Row, compare, compare_runs, table
from huey_green import MemoryHuey

ROOT = Path(__file__).resolve().parents[2]

#: Seconds for a soak of some thousand tasks; only a machine in trouble needs them.
PATIENCE = 400.0


def soak(*options: str) -> str:
    """Run a soak; return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "soak", "--seed", "1", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_nothing_grows_while_thousands_of_tasks_of_all_kinds_run() -> None:
    assert "nothing grew" in soak("--tasks", "20000", "--parts", "3")


@pytest.mark.parametrize("kind", ["zset", "sqlite", "file"])
def test_nothing_grows_in_other_storages(kind: str) -> None:
    assert "nothing grew" in soak("--tasks", "3000", "--parts", "2", "--kind", kind)


def test_nothing_is_left_of_outages() -> None:
    assert "nothing grew" in soak("--outages", "2")


def test_nothing_is_left_of_consumers_that_came_and_went() -> None:
    assert "nothing grew" in soak("--cycles", "20")


def test_what_was_found_can_be_had_as_json() -> None:
    found = json.loads(soak("--tasks", "1000", "--parts", "1", "--json"))
    assert found["good"]
    assert {row["what"] for row in found["rows"]} > {"consumer: RSS, MB", "runs: plain"}


# What a soak sees, and what it makes of it.


def quiet(path: str = "", value: int = 0) -> dict[str, Any]:
    """Return what is found at a quiet moment; with a ``path``, like "consumer/objects", one value
    is another."""
    process = {
        "outside": {"rss": 50 * MB, "uss": 40 * MB, "fds": 10, "threads": 4},
        "greenlets": {"Slots._run": 3, "Fetcher._run": 1},
        "objects": 10_000,
        "held": {"Worker.running": 0},
    }
    storage = {"connections": {"consumer": 4}, "kept": {"huey.results.soak": 0}}
    whole = {"consumer": process, "producer": process, **storage, "storage": {"bytes": MB}}
    look: dict[str, Any] = json.loads(json.dumps(whole))
    *way, last = path.split("/")
    part = look
    for name in way:
        part = part[name]
    if path:
        part[last] = value
    return look


def bad(rows: list[Row]) -> list[str]:
    return [row.what for row in rows if not row.is_good]


def test_what_stays_as_it_was_is_good() -> None:
    assert bad(compare(quiet(), quiet(), workers=10)) == []


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("consumer/outside/rss", 70 * MB, "consumer: RSS, MB"),
        ("producer/outside/fds", 11, "producer: fds"),
        ("consumer/outside/threads", 5, "consumer: threads"),
        ("consumer/objects", 20_000, "consumer: objects"),
        ("consumer/greenlets/Slots._run", 11, "consumer: greenlets, Slots._run"),
        ("consumer/greenlets/Forgotten._run", 1, "consumer: greenlets, Forgotten._run"),
        ("consumer/held/Worker.running", 301, "consumer: in Worker.running"),
        ("connections/consumer", 5, "consumer: connections"),
        ("kept/huey.results.soak", 1, "kept: huey.results.soak"),
        ("kept/huey.once.soak", 1101, "kept: huey.once.soak"),
        ("storage/bytes", 9 * MB, "storage, MB"),
    ],
)
def test_what_grows_is_named(path: str, value: int, what: str) -> None:
    rows = compare(quiet(), quiet(path, value), workers=10)
    assert bad(rows) == [what]
    assert sum("GREW" in line for line in table(rows)) == 1


def test_a_task_that_did_not_run_as_often_as_it_had_to_is_named() -> None:
    began = {"plain": 10, "endless": 2, "silent": 9, "retried": 4}
    least = {"plain": 10, "endless": 0, "silent": 10, "retried": 3}
    most = {"plain": 10, "endless": 5, "silent": 10, "retried": 3}
    assert bad(compare_runs(began, least, most)) == ["runs: retried", "runs: silent"]


@pytest.fixture
def huey() -> Iterator[MemoryHuey]:
    huey = MemoryHuey("soak")
    yield huey
    huey.storage.close()


def test_a_look_sees_what_our_containers_hold(huey: MemoryHuey) -> None:
    before = look_at(huey)["held"]
    for number in range(50):
        huey.put(f"key-{number}", number)
    after = look_at(huey)["held"]
    grown = {name for name, count in after.items() if count >= before.get(name, 0) + 50}
    assert grown, (before, after)


def test_a_look_sees_open_files_and_memory_of_a_process() -> None:
    before = outside(os.getpid())
    files = [open(os.devnull) for _ in range(5)]  # noqa: SIM115 - to have them open
    try:
        after = outside(os.getpid())
    finally:
        for one in files:
            one.close()
    assert after["fds"] == before["fds"] + 5
    assert 0 < after["uss"] <= after["rss"]
