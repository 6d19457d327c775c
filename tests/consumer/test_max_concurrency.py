# SPDX-License-Identifier: MIT
"""So many of a kind at once over all consumers; those over it wait, and cost nothing meanwhile."""

from __future__ import annotations

import pytest
from hueys import KINDS, Calls, make
from patched import eventually, patched

PATIENCE = 60.0


class Together:
    """Counts how many are inside, and how many there were at most."""

    def __init__(self) -> None:
        self.inside = self.most = self.times = 0

    def __enter__(self) -> None:
        self.times += 1
        self.inside += 1
        self.most = max(self.most, self.inside)

    def __exit__(self, *error: object) -> None:
        self.inside -= 1


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_over_two_consumers_never_more_run_at_once_and_all_run(kind, name, url, tmp_path):
    import random

    import gevent

    chance = random.Random(kind)
    together, other = Together(), Together()
    huey = make(kind, name, url, tmp_path)
    # Memory belongs to one.
    hueys = [huey, *([] if kind == "memory" else [make(kind, name, url, tmp_path)])]
    for one in hueys:

        @one.task(max_concurrency=3, name="limited")
        def limited(seconds):
            with together:
                gevent.sleep(seconds)
            return "a value"

        @one.task(max_concurrency=2, name="other")
        def limited_too(seconds):
            with other:
                gevent.sleep(seconds)

    consumers = [
        one.create_consumer(workers=20, scheduler_interval=0.05) for one in (hueys * 2)[:2]
    ]
    for consumer in consumers:
        consumer.start()
    results = limited.map([(chance.uniform(0, 0.02),) for _ in range(100)])
    limited_too.map([(chance.uniform(0, 0.02),) for _ in range(50)])
    assert results(blocking=True, timeout=PATIENCE) == ["a value"] * 100
    eventually(lambda: other.times == 50 and not other.inside, "the others to run")
    for consumer in consumers:
        consumer.stop(graceful=True)
    assert (together.times, together.most) == (100, 3)
    assert (other.times, other.most) == (50, 2)
    assert huey.parked() == []
    assert huey.storage.in_flight() == []


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_those_over_it_leave_the_slots_to_others_and_ask_for_nothing(kind, name, url, tmp_path):
    from gevent.event import Event

    from huey_green import probe

    huey = make(kind, name, url, tmp_path)
    huey.storage = calls = Calls(huey.storage)
    enough, began, ticks = Event(), [], []

    @huey.task(max_concurrency=2)
    def limited(number):
        began.append(number)
        enough.wait()

    @huey.task()
    def plain(number):
        return number

    probe.install(lambda moment, detail: ticks.append(1) if moment == "scheduled" else None)
    consumer = huey.create_consumer(workers=4, scheduler_interval=0.1)
    consumer.start()
    limited.map(range(1002))
    eventually(lambda: len(huey.parked()) == 1000, "all others to be parked", PATIENCE)
    assert plain.map(range(100))(blocking=True, timeout=PATIENCE) == [*range(100)]
    assert len(began) == 2
    assert calls.counts["admit"] == 1002
    calls.counts.clear()
    seen = len(ticks)
    eventually(lambda: len(ticks) >= seen + 20, "two seconds to go by")
    assert "admit" not in calls.counts
    # A blocking fetch waits for seconds, one that polls waits longer and longer.
    assert calls.counts.get("fetch", 0) <= (2 if huey.storage.blocking else 20)
    enough.set()
    eventually(lambda: len(began) == 1002, "all to run")
    eventually(lambda: huey.storage.in_flight() == [], "all to end")
    consumer.stop()
    # Each came back once and was admitted then, but for those that the safety net let in early.
    assert 1000 <= calls.counts["admit"] <= 1050
    assert sorted(began) == [*range(1002)]


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_those_that_may_not_run_any_more_do_not_keep_others_waiting(kind, name, url, tmp_path):
    from gevent.event import Event

    from huey_green import clock
    from huey_green import signals as s

    huey = make(kind, name, url, tmp_path)
    enough, began, expired = Event(), [], []

    @huey.signal(s.SIGNAL_EXPIRED)
    def note(signal, task):
        expired.append(task)

    @huey.task(max_concurrency=1)
    def limited(number):
        began.append(number)
        enough.wait()
        return number

    consumer = huey.create_consumer(workers=4)
    consumer.start()
    results = [limited(0)]
    eventually(lambda: began == [0], "the first to begin")
    results += [limited.s(n, **({"expires": 0.1} if n % 4 == 1 else {})) for n in range(1, 20)]
    results[1:] = map(huey.enqueue, results[1:])
    # On a slow machine some expire on their way.
    eventually(lambda: len(huey.parked()) + len(expired) == 19, "all others to be parked")
    for number in range(2, 20, 4):
        results[number].revoke()
    for number in range(3, 20, 4):
        assert results[number].cancel() is True
    last = max(result.task.expires_resolved for result in results[1::4])
    eventually(lambda: clock.now(huey.utc) > last, "those to expire")
    enough.set()
    for number in range(0, 20, 4):
        assert results[number](blocking=True, timeout=PATIENCE) == number
    eventually(lambda: huey.parked() == [] and huey.storage.in_flight() == [], "all to end")
    consumer.stop()
    assert sorted(began) == [*range(0, 20, 4)]


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_retry_waits_without_a_permit_and_gets_one_again(kind, name, url, tmp_path):
    import gevent

    huey = make(kind, name, url, tmp_path)
    together, runs = Together(), []

    @huey.task(max_concurrency=2, retries=2, retry_delay=0.01)
    def limited(number):
        with together:
            runs.append(number)
            gevent.sleep(0.002)
            if runs.count(number) < 3:
                raise ValueError("once more")
            return number

    import logging

    logging.getLogger("huey_green").addHandler(logging.NullHandler())
    logging.getLogger("huey_green").propagate = False
    consumer = huey.create_consumer(workers=10, scheduler_interval=0.05)
    consumer.start()
    results = limited.map(range(30))
    eventually(lambda: len(runs) == 90, "all tries")
    eventually(lambda: huey.storage.in_flight() == [], "all to end")
    consumer.stop()
    assert together.most == 2
    for result in results:
        assert result() in range(30)


@pytest.mark.parametrize("limits", [(2, 6), (6, 2)], ids=["raised", "lowered"])
@pytest.mark.parametrize("kind", KINDS)
@patched
def test_the_limit_of_now_counts_for_those_that_wait(kind, limits, name, url, tmp_path):
    import gevent

    together, ran = Together(), set()
    huey = make(kind, name, url, tmp_path)

    def declare(limit, seconds):
        huey.registry._classes.clear()

        @huey.task(max_concurrency=limit, name="limited")
        def limited(number):
            with together:
                gevent.sleep(seconds)
                ran.add(number)

        return limited

    before, after = limits
    limited = declare(before, 3600)
    limited.map(range(60))
    consumer = huey.create_consumer(workers=20)
    consumer.start()
    eventually(lambda: together.inside == before, "some to begin")
    eventually(lambda: len(huey.parked()) == 60 - before, "the others to be parked")
    consumer.stop()
    assert together.most == before
    together.most = 0
    declare(after, 0.02)
    consumer = huey.create_consumer(workers=20)
    consumer.start()
    eventually(lambda: len(ran) == 60, "all to run")
    consumer.stop()
    assert together.most == after


@pytest.mark.parametrize("kind", ["memory", "zset", "sqlite", "file"])
@patched
def test_those_that_wait_go_on_by_priority(kind, name, url, tmp_path):
    import gevent
    from gevent.event import Event

    huey = make(kind, name, url, tmp_path)
    first, ran = Event(), []

    @huey.task(max_concurrency=1)
    def limited(number):
        if not ran:
            ran.append(number)
            first.wait()
        else:
            ran.append(number)

    consumer = huey.create_consumer(workers=1)
    consumer.start()
    limited("first")
    eventually(lambda: ran, "the first to begin")
    # Beside it there is no slot: these wait in the queue, with and without priorities.
    for number, priority in enumerate([None, 1, 5, 1, 9]):
        huey.enqueue(limited.s(number, priority=priority))
    first.set()
    eventually(lambda: len(ran) == 6, "all to run")
    consumer.stop()
    gevent.sleep(0)
    assert ran == ["first", 4, 2, 1, 3, 0]
