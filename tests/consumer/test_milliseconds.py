# SPDX-License-Identifier: MIT
"""Delays and moments to the millisecond, where looking at the schedule would take an hour."""

from __future__ import annotations

import pytest
from hueys import KINDS, make
from patched import Records, eventually, patched

#: Seconds between two looks at the schedule: nothing here can be waiting for the next one.
NEVER = 3600.0


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_short_delay_is_as_short_as_it_says(kind, name, url, tmp_path):
    import time
    from datetime import datetime, timedelta, timezone

    huey = make(kind, name, url, tmp_path)

    @huey.task()
    def ran_at():
        return time.time()

    consumer = huey.create_consumer(workers=4, scheduler_interval=NEVER)
    consumer.start()
    assert ran_at().get(blocking=True, timeout=20)  # Its first look is behind it.
    begin = time.time()
    results = [
        ran_at.schedule(delay=0.05),
        ran_at.schedule(delay=timedelta(milliseconds=50)),
        ran_at.schedule(eta=datetime.fromtimestamp(begin + 0.05)),
        ran_at.schedule(eta=datetime.fromtimestamp(begin + 0.05, timezone.utc)),
        huey.enqueue(ran_at.s(delay=0.05)),
        *huey.enqueue_many([ran_at.s(delay=timedelta(milliseconds=50))]),
        ran_at.schedule(delay=3600).reschedule(delay=0.05),
    ]
    for result in results:
        # A datetime is cut off at the microsecond.
        assert result.get(blocking=True, timeout=20) >= begin + 0.05 - 0.001
    consumer.stop(graceful=True)


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_short_delay_before_a_retry_is_kept(kind, name, url, tmp_path):
    import time
    from itertools import pairwise

    huey = make(kind, name, url, tmp_path)
    tries = []

    @huey.task(retries=3, retry_delay=0.05)
    def fourth_time():
        tries.append(time.time())
        if len(tries) < 4:
            raise ValueError("not yet")

    consumer = huey.create_consumer(workers=4, scheduler_interval=NEVER)
    with Records():  # Errors are logged, with their tracebacks.
        consumer.start()
        fourth_time()
        eventually(lambda: len(tries) == 4, "the fourth try")
        consumer.stop(graceful=True)
    assert all(after - before >= 0.049 for before, after in pairwise(tries))
    assert huey.scheduled_count() == 0


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_hundred_tasks_five_milliseconds_apart_run_in_order_and_never_early(
    kind, name, url, tmp_path
):
    import time
    from datetime import datetime

    huey = make(kind, name, url, tmp_path)
    ran = []

    @huey.task()
    def note(number):
        ran.append((number, time.time()))

    # One at a time: what is due together begins in order, and ends in it.
    consumer = huey.create_consumer(workers=1, scheduler_interval=NEVER)
    consumer.start()
    # A machine in trouble may need longer to put all of them on the schedule.
    for lead in (1.0, 5.0, 15.0):
        ran.clear()
        begin = time.time() + lead
        moments = [begin + 0.005 * number for number in range(100)]
        for number in reversed(range(100)):
            note.schedule((number,), eta=datetime.fromtimestamp(moments[number]))
        eventually(lambda: not huey.pending_count(), "the consumer to have seen all")
        were_in_time = time.time() < begin and huey.scheduled_count() == 100
        eventually(lambda: len(ran) == 100, "all to run")
        if were_in_time:
            break
    assert were_in_time
    assert [number for number, _ in ran] == list(range(100))
    # A datetime is cut off at the microsecond.
    assert all(at >= moments[number] - 0.001 for number, at in ran)
    consumer.stop(graceful=True)


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_each_half_second_comes_once_with_two_consumers(kind, name, url, tmp_path):
    from collections import Counter

    from huey_green import every

    class Noting:
        """Stands before a storage and notes which occurrences were enqueued."""

        def __init__(self, storage):
            self._storage = storage

        def __getattr__(self, name):
            return getattr(self._storage, name)

        def enqueue_once(self, data, key, *args):
            accepted = self._storage.enqueue_once(data, key, *args)
            asked[key] += 1
            enqueued[key] += accepted
            return accepted

    first = make(kind, name, url, tmp_path)
    # Each has a storage of its own, unless that is memory.
    second = first if kind == "memory" else make(kind, name, url, tmp_path)
    asked, enqueued, ran = Counter(), Counter(), []
    hueys = [first] if kind == "memory" else [first, second]
    for huey in hueys:
        huey.storage = Noting(huey.storage)
        huey.periodic_task(every(seconds=0.5), name="tick")(lambda: ran.append(1))
    options = {"workers": 2, "scheduler_interval": NEVER}
    consumers = [one.create_consumer(**options) for one in (first, second)]
    for consumer in consumers:
        consumer.start()
    eventually(lambda: len(ran) >= 4, "four of them")
    for consumer in consumers:
        consumer.stop(graceful=True)
    assert set(enqueued.values()) == {1}, enqueued
    assert len(ran) + first.pending_count() == len(enqueued)
    # The moment is part of the key, in milliseconds.
    assert all(int(key.rpartition(":")[2]) % 500 == 0 for key in enqueued)
    assert sum(asked.values()) > len(asked), "both wanted to enqueue some"
