# SPDX-License-Identifier: MIT
"""``rate_limit``: at most so many in any stretch of time, over all processes."""

import threading
import time

import pytest
from driving import PATIENCE, promote, run_all

from huey_green import MemoryHuey, RateLimitExceeded, TaskException, clock
from huey_green import signals as s
from huey_green.exceptions import ConfigurationError
from huey_green.testing.concurrency import eventually, together

LONG = 3600.0


@pytest.fixture
def ran():
    return []


@pytest.fixture
def ask(huey, ran):
    """A task of which two may run in an hour."""

    @huey.task()
    @huey.rate_limit("api", limit=2, per=LONG)
    def ask(n):
        """Ask somebody."""
        ran.append(n)
        return n

    return ask


def test_what_is_over_the_limit_is_scheduled_for_when_there_is_room(huey, ask, ran, sent):
    results = [ask(n) for n in range(3)]
    run_all(huey)
    assert ran == [0, 1]
    assert [result() for result in results] == [0, 1, None]
    [task] = huey.scheduled()
    assert task.id == results[2].id
    wait = clock.to_epoch(task.eta, huey.utc) - clock.wall()
    assert LONG - PATIENCE < wait <= LONG
    assert [name for name, one, *_ in sent if one.id == task.id] == [
        *(s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_RATE_LIMITED),
        *(s.SIGNAL_RETRYING, s.SIGNAL_SCHEDULED),
    ]
    assert (ask.__name__, ask.__doc__) == ("ask", "Ask somebody.")


def test_it_takes_no_retry_and_leaves_no_error_behind(huey, ran):
    limit = huey.rate_limit("api", 1, per=LONG)
    seen = []

    @huey.task(retries=3, retry_delay=7, no_retry_on=Exception)
    @limit
    def ask(n):
        ran.append(n)
        return n

    @huey.task()
    def tell(error):
        seen.append(error)

    result = [huey.enqueue(ask.s(n).error(tell)) for n in range(2)][1]
    run_all(huey)
    [task] = huey.scheduled()
    assert (task.retries, task.retry_delay) == (3, 7)
    assert not result.is_ready()
    limit.reset()
    [due] = huey.read_schedule(task.eta)
    huey.execute(due, due.eta)
    assert (ran, result(), seen) == ([0, 1], 1, [])


def test_without_retry_a_task_over_the_limit_has_failed(huey, ran, sent):
    seen = []

    @huey.task()
    @huey.rate_limit("api", 1, per=LONG, retry=False)
    def ask(n):
        ran.append(n)

    @huey.task()
    def tell(error):
        seen.append(error)

    ask(0)
    result = huey.enqueue(ask.s(1).error(tell))
    run_all(huey)
    assert ran == [0]
    assert (len(huey), huey.scheduled_count()) == (0, 0)
    with pytest.raises(TaskException, match="RateLimitExceeded") as caught:
        result()
    assert "api" in str(caught.value)
    [error] = seen
    assert isinstance(error, RateLimitExceeded)
    assert (error.key, error.retry) == ("api", False)
    assert LONG - PATIENCE < error.delay <= LONG
    names = [name for name, task, *_ in sent if task.id == result.id]
    assert names[2] == s.SIGNAL_RATE_LIMITED
    assert s.SIGNAL_ERROR not in names


def test_without_retry_it_is_retried_as_the_task_was_declared(huey, present, ran):
    @huey.task(retries=2, retry_delay=60)
    @huey.rate_limit("api", 1, per=LONG, retry=False)
    def ask(n):
        ran.append(n)

    ask(0)
    run_all(huey)
    ask(1)
    for left in (2, 1):
        run_all(huey)
        [task] = huey.scheduled()
        assert task.retries == left - 1
        present.advance(61)
        promote(huey)
    run_all(huey)
    assert ran == [0]
    assert huey.scheduled_count() == 0


def test_it_limits_a_block_too(huey, ran):
    limit = huey.rate_limit("api", limit=2, per=LONG)
    for n in range(2):
        with limit as entered:
            assert entered is limit
            ran.append(n)
    with pytest.raises(RateLimitExceeded, match="'api' is exceeded; there is room in") as e, limit:
        raise AssertionError
    assert LONG - PATIENCE < e.value.delay <= LONG
    assert (e.value.key, e.value.retry) == ("api", True)
    assert ran == [0, 1]


def test_a_block_inside_of_a_task_puts_the_task_off(huey, ran):
    @huey.task()
    def ask(n):
        with huey.rate_limit("api", 1, per=LONG):
            ran.append(n)

    ask.map([(0,), (1,)])
    run_all(huey)
    assert ran == [0]
    assert [task.args for task in huey.scheduled()] == [(1,)]


def test_what_was_counted_stays_counted_however_it_ends(huey):
    limit = huey.rate_limit("api", 2, per=LONG)
    with pytest.raises(KeyError), limit:
        raise KeyError
    assert limit.current_usage() == 1


def test_usage_is_counted_and_forgotten(huey):
    limit = huey.rate_limit("api", 3, per=LONG)
    assert limit.current_usage() == 0
    assert [limit.acquire() for _ in range(5)] == [True, True, True, False, False]
    assert limit.current_usage() == 3
    assert LONG - PATIENCE < limit.delay() <= LONG
    assert limit.current_usage() == 3, "who is refused is not counted"
    limit.reset()
    assert limit.current_usage() == 0
    assert limit.delay() == 0.0
    assert limit.current_usage() == 1


def test_limits_of_other_names_and_other_queues_are_others(huey, make_huey):
    assert huey.rate_limit("one", 1, per=LONG).acquire()
    assert huey.rate_limit("two", 1, per=LONG).acquire()
    assert make_huey().rate_limit("one", 1, per=LONG).acquire()
    assert not huey.rate_limit("one", 1, per=LONG).acquire()


def test_it_is_shared_by_all_who_have_its_name(make_huey):
    first, second = make_huey("shared"), make_huey("shared")
    if isinstance(first, MemoryHuey):
        second = first
    one = first.rate_limit("api", 3, per=LONG)
    two = second.rate_limit("api", 3, per=LONG)
    assert [limit.acquire() for limit in (one, two, one, two, one)] == [True] * 3 + [False] * 2
    assert one.current_usage() == two.current_usage() == 3
    two.reset()
    assert one.acquire()


def test_flushing_the_queue_forgets_it(huey):
    limit = huey.rate_limit("api", 1, per=LONG)
    assert limit.acquire()
    huey.flush()
    assert limit.acquire()


def test_fractions_of_a_second_are_a_time(huey):
    limit = huey.rate_limit("api", 1, per=0.05)
    assert limit.acquire()
    assert 0 <= limit.delay() <= 0.05
    eventually(limit.acquire)


def test_an_immediate_task_over_the_limit_is_scheduled(make_huey):
    huey = make_huey(immediate=True)

    @huey.task()
    @huey.rate_limit("api", 1, per=LONG)
    def ask(n):
        return n

    assert ask(1)() == 1
    assert ask(2)() is None
    assert [task.args for task in huey.scheduled()] == [(2,)]


# Exactness.


def too_many(spans, limit, per):
    """Return a moment from which more than ``limit`` hits came in less than ``per`` seconds.

    Each was counted some time between the start and the end of its call, by the storage's clock.
    """
    for start, _ in spans:
        inside = [one for one in spans if one[0] >= start and one[1] < start + per]
        if len(inside) > limit:
            return start, inside
    return None


def test_fifty_at_once_get_no_more_than_there_is(huey):
    limit = huey.rate_limit("api", 20, per=LONG)
    got = together(*[limit.acquire] * 50)
    assert (got.count(True), limit.current_usage()) == (20, 20)


def test_there_are_never_more_than_the_limit_in_any_window(make_huey):
    hueys = [make_huey("shared")]
    hueys += [hueys[0] if isinstance(hueys[0], MemoryHuey) else make_huey("shared")]
    limits = [huey.rate_limit("api", 10, per=0.3) for huey in hueys]
    spans = []
    enough = threading.Event()
    gives_up_at = time.monotonic() + PATIENCE

    def hit(limit):
        while not enough.is_set() and time.monotonic() < gives_up_at:
            start = time.monotonic()
            wait = limit.delay()
            if wait == 0.0:
                spans.append((start, time.monotonic()))
                if len(spans) >= 50:
                    enough.set()
            enough.wait(wait)

    together(*[lambda one=limit: hit(one) for limit in limits * 25])
    assert enough.is_set(), spans
    assert not too_many(sorted(spans), 10, 0.3)


def test_a_consumer_of_fifty_keeps_to_the_limit_and_loses_no_task(huey, start):
    limit = huey.rate_limit("api", 10, per=0.2)
    spans = []

    @huey.task()
    def ask(n):
        began = time.monotonic()
        with limit:
            spans.append((began, time.monotonic()))
            return n

    start(huey, workers=50)
    results = ask.map(range(40))
    assert results(blocking=True, timeout=PATIENCE) == list(range(40))
    assert len(spans) == 40
    assert not too_many(sorted(spans), 10, 0.2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"limit": 0}, "limit is a whole number from 1, not 0"),
        ({"limit": -1}, "limit is a whole number from 1, not -1"),
        ({"limit": 1.5}, "limit is a whole number from 1, not 1.5"),
        ({"limit": "10"}, "limit is a whole number from 1, not '10'"),
        ({"limit": True}, "limit is a whole number from 1, not True"),
        ({"per": 0}, "per is seconds above 0, not 0"),
        ({"per": "60"}, "per is seconds above 0, not '60'"),
        ({"per": float("nan")}, "per is seconds above 0, not nan"),
        ({"per": float("inf")}, "per is seconds above 0, not inf"),
        ({"per": None}, "per is seconds above 0, not None"),
        ({"name": ""}, "a rate limit has a name, not ''"),
        ({"name": None}, "a rate limit has a name, not None"),
    ],
)
def test_what_makes_no_sense_is_refused(huey, arguments, text):
    with pytest.raises(ConfigurationError) as caught:
        huey.rate_limit(**{"name": "api", "limit": 5, "per": 60, **arguments})
    assert str(caught.value) == text
