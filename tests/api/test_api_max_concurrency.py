# SPDX-License-Identifier: MIT
"""So many of a kind at once, in a process that gevent has not patched; what waits for it."""

import threading

import pytest
from driving import NAME, PATIENCE, run_all

from huey_green import ConfigurationError
from huey_green.testing.concurrency import eventually


@pytest.fixture
def limited(huey):
    """A task of which two run at once, and a place where they meet."""
    meeting = threading.Semaphore(2)
    most = []

    @huey.task(max_concurrency=2)
    def limited(number):
        most.append(meeting.acquire(blocking=False))
        threading.Event().wait(0.005)
        meeting.release()
        return number

    limited.most = most
    return limited


def park(huey, count):
    """Fetch messages of the limited task; return the deliveries that got a permit."""
    deliveries = huey.storage.fetch(NAME, count)
    key = "test_api_max_concurrency.limited"
    return [one for one in deliveries if huey.storage.admit(NAME, one, key, 2)]


def test_never_more_run_at_once_and_all_run(huey, start, limited):
    start(huey, workers=10)
    results = limited.map(range(50))
    assert results(blocking=True, timeout=PATIENCE) == [*range(50)]
    assert limited.most == [True] * 50


def test_those_that_wait_are_listed_in_order_and_are_not_in_the_queue(huey, limited):
    other = huey.task(name="other", max_concurrency=5)(limited.func)
    limited.map(range(5))
    assert len(park(huey, 5)) == 2
    assert [task.args for task in huey.parked()] == [(2,), (3,), (4,)]
    assert [task.args for task in huey.parked(limit=2)] == [(2,), (3,)]
    assert huey.parked(task=other) == []
    assert len(huey.parked(task=limited)) == 3
    assert (huey.pending_count(), len(huey)) == (0, 0)


@pytest.mark.parametrize("end", ["release", "leave", "reclaim"])
def test_when_a_permit_comes_back_another_one_runs(huey, limited, end):
    results = limited.map(range(5))
    [first, _] = park(huey, 5)
    storage = huey.storage
    {
        "release": lambda: storage.release(NAME, [first]),
        "leave": lambda: storage.leave(NAME),
        "reclaim": lambda: storage.reclaim(dead=[NAME]),
    }[end]()
    # Reclaiming looks after kinds of which none runs besides.
    assert len(huey.parked()) in {"release": (2,), "leave": (1,), "reclaim": (0, 1)}[end]
    # By hand nothing is admitted, but each end brings back another one.
    run_all(huey)
    assert huey.parked() == []
    if end == "release":
        storage.leave(NAME)
        run_all(huey)
    assert results() == [*range(5)]


def test_flushing_the_queue_deletes_those_that_wait(huey, limited):
    limited.map(range(5))
    park(huey, 5)
    huey.storage.flush_queue()
    assert huey.parked() == []


def test_what_was_parked_is_run_by_a_consumer_that_starts_later(huey, start, limited):
    results = limited.map(range(10))
    park(huey, 10)
    huey.storage.leave(NAME)
    start(huey)
    assert results(blocking=True, timeout=PATIENCE) == [*range(10)]
    assert limited.most == [True] * 10
    eventually(lambda: huey.storage.in_flight() == [], "all to be settled")


def test_it_cannot_be_had_without_leases(make_huey):
    huey = make_huey()
    with pytest.raises(ConfigurationError, match="at most once"):
        huey.task(max_concurrency=2, at_most_once=True)(len)
    for wrong in (0, -1, 1.5, "2", True):
        with pytest.raises(ConfigurationError, match="max_concurrency"):
            huey.task(max_concurrency=wrong)(len)
    once = make_huey(at_most_once=True)
    with pytest.raises(ConfigurationError, match="at_most_once"):
        once.task(max_concurrency=2)(len)
    assert once.task(max_concurrency=2, at_most_once=False, name="leased")(len)


def test_in_immediate_mode_one_runs_at_a_time_anyway(make_huey):
    huey = make_huey(immediate=True)

    @huey.task(max_concurrency=1)
    def limited(number):
        return number

    assert limited.map(range(3))() == [0, 1, 2]
