# SPDX-License-Identifier: MIT
"""What consumers say of themselves, and what ``huey.consumers()`` makes of it."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from typing import Any

import pytest

from huey_green import Consumer, Huey, MemoryHuey, RedisHuey, SqliteHuey
from huey_green.consumer import reporter
from huey_green.report import (
    MOST_NAMED,
    ConsumerState,
    RunningTask,
    decode_report,
    encode_report,
)
from huey_green.testing.concurrency import eventually

LONG = 1000.0


@pytest.fixture(params=["memory", "sqlite", "redis"])
def huey(request, tmp_path, redis_server):
    if request.param == "memory":
        made: Huey = MemoryHuey("reports")
    elif request.param == "sqlite":
        made = SqliteHuey("reports", filename=str(tmp_path / "queue.db"))
    else:
        made = RedisHuey(f"reports{os.getpid()}", url=redis_server.url)
    yield made
    made.flush()
    made.storage.close()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports come as fast as they can."""
    monkeypatch.setattr("huey_green.consumer.heartbeat.EVERY", 0.01)


def test_a_consumer_says_what_it_runs_and_since_when(huey, often):
    gate = threading.Event()

    @huey.task()
    def waits(n):
        gate.wait(30)

    assert huey.consumers() == huey.running() == []
    consumer = Consumer(huey, workers=3)
    before = huey.storage.time()
    consumer.start()
    try:
        first = eventually(lambda: huey.consumers()[0].told_at, "the first report")
        assert first >= before - 0.1
        results = [waits(n) for n in range(5)]

        def said() -> ConsumerState | None:
            [state] = huey.consumers()
            return state if state.running == 3 else None

        state = eventually(said, "three running tasks")
        assert (state.name, state.host, state.pid) == (
            consumer.name,
            socket.gethostname(),
            os.getpid(),
        )
        assert state.workers == 3
        assert state.holds == state.running + state.ready
        assert state.lease_ends_at > huey.storage.time()
        assert 0 <= state.lag < 30
        assert before - 0.1 <= state.started_at <= state.told_at
        running = huey.running()
        assert sorted(one.id for one in running) == sorted(one.id for one in results[:3])
        assert {one.name for one in running} == {f"{__name__}.waits"}
        assert {(one.attempt, one.consumer) for one in running} == {(1, consumer.name)}
        moments = [one.started_at for one in running]
        assert moments == sorted(moments)
        assert before - 0.1 <= moments[0] <= moments[-1] <= huey.storage.time() + 0.1
        # Another report may tell the moment a millisecond apart.
        assert [one.id for one in huey.running(limit=1)] == [running[0].id]
        counts = huey.counts()
        assert counts.waiting + counts.in_flight == 5
        gate.set()
        eventually(lambda: huey.consumers()[0].running == 0, "a report that they have ended")
        assert huey.running() == []
    finally:
        gate.set()
        consumer.stop(graceful=True)
    assert huey.consumers() == []
    assert huey.storage.reports([consumer.name]) == {}


def test_of_a_consumer_that_says_nothing_the_lease_is_known(huey):
    huey.storage.extend("host:1f:402:7:99:aa", LONG)
    huey.storage.extend("somebody", LONG)
    huey.storage.enqueue(b"x")
    huey.storage.fetch("somebody", 1, lease=LONG)
    silent, other = huey.consumers()
    assert (silent.host, silent.pid, silent.told_at, silent.holds) == ("host", 7, None, 0)
    assert (other.host, other.pid, other.told_at, other.holds) == ("somebody", None, None, 1)
    assert huey.running() == []


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"told_at":1,"tasks":[[1]]}'])
def test_a_report_that_cannot_be_read_counts_as_not_said(data):
    state = ConsumerState("one", 1.0, 2)
    assert decode_report(state, data) == state


def test_a_report_of_a_later_version_is_read_as_far_as_it_is_known():
    data = encode_report(100.0, 50.0, 8, 1, 2, 0.0012, [("id", "app.add", 3.5, 2)])
    fields = json.loads(data)
    fields["new"] = 1
    fields["tasks"][0].append("new")
    state = decode_report(ConsumerState("one", 1.0), json.dumps(fields).encode())
    assert state == ConsumerState(
        "one", 1.0, 0, 100.0, 50.0, 8, 1, 2, 0.0012, (RunningTask("id", "app.add", 96.5, 2, "one"),)
    )


class Recorder:
    """A storage that takes reports."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def put_report(self, consumer: str, data: bytes, ttl: float) -> None:
        self.said.append(json.loads(data))


class Registry:
    def task_to_string(self, task_class: Any) -> str:
        return "app.add"


class Idle:
    busy = waiting = 0
    running: dict[Any, Any] = {}


class Loop:
    """An event loop that turns, or not."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.turns = False

    def run_callback_threadsafe(self, callback: Any) -> None:
        self.asked.append(callback)
        if self.turns:
            callback()


@pytest.fixture
def told(monkeypatch):
    """A reporter of an idle consumer, the storage that it tells, and its event loop."""
    storage, loop, state = Recorder(), Loop(), Idle()
    made = reporter.Reporter("me", state, state, Registry(), 8, time.time)  # type: ignore[arg-type]
    hub = type("Hub", (), {"loop": loop})
    monkeypatch.setattr(reporter, "get_hub", lambda: hub)
    made.start()
    return made, storage, loop, state


def test_an_idle_consumer_says_so_seldom_and_leaves_its_event_loop_alone(told, monkeypatch):
    made, storage, loop, state = told
    loop.turns = True
    now = 1000.0
    monkeypatch.setattr(reporter.clock, "monotonic", lambda: now)
    for _ in range(10):
        made.tell(storage)
    assert len(storage.said) == len(loop.asked) == 1
    now += reporter.WHEN_IDLE
    made.tell(storage)
    assert len(storage.said) == 2
    state.busy = 1
    made.tell(storage)
    made.tell(storage)
    state.busy = 0
    made.tell(storage)  # That it has ended is said at once.
    made.tell(storage)
    assert len(storage.said) == 5


def test_an_event_loop_that_does_not_turn_is_told_of(told, monkeypatch):
    made, storage, loop, state = told
    state.busy = 1
    now = 1000.0
    monkeypatch.setattr(reporter.clock, "monotonic", lambda: now)
    made.tell(storage)
    now += 7
    made.tell(storage)
    now += 2
    made.tell(storage)
    [answer] = loop.asked
    answer()
    now += 1
    made.tell(storage)
    loop.asked[-1]()
    assert [one["lag"] for one in storage.said] == [0.0, 7.0, 9.0, 0.0]
    loop.turns = True
    made.tell(storage)
    assert storage.said[-1]["lag"] == 0.0
    assert len(loop.asked) == 3


def test_a_report_names_those_that_run_for_longest(told):
    made, storage, _, state = told

    class Running:
        def __init__(self, n: int) -> None:
            self.task = type("Task", (), {"id": str(n)})
            self.delivery = type("Delivery", (), {"attempt": 1})
            self.since = float(n)

    state.busy = 500
    state.running = {n: Running(n) for n in range(500)}
    try:
        made.tell(storage)
    finally:
        state.running = {}
    [said] = storage.said
    assert said["running"] == 500
    assert [one[0] for one in said["tasks"]] == [str(n) for n in range(MOST_NAMED)]
