# SPDX-License-Identifier: MIT
"""When the scheduler does what, by a clock that the test moves and a storage that counts."""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter
from datetime import datetime, timezone
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patched import eventually, patched

from huey_green import MemoryHuey, clock, crontab
from huey_green.cron import every
from huey_green.message import Promoted
from huey_green.task import PeriodicTask

#: A moment on a full hour, UTC.
NOON = datetime(2031, 5, 6, 12, tzinfo=timezone.utc).timestamp()


class Clock:
    """The time of this process, which stands still until a test moves it."""

    def __init__(self, at=NOON):
        self.moment = at
        self.passed = 1000.0

    def wall(self):
        return self.moment

    def monotonic(self):
        return self.passed

    def advance(self, seconds):
        self.moment += seconds
        self.passed += seconds


@pytest.fixture
def present(monkeypatch):
    present = Clock()
    monkeypatch.setattr(clock, "wall", present.wall)
    monkeypatch.setattr(clock, "monotonic", present.monotonic)
    return present


class Counting:
    """A storage that counts what it is asked, and whose clock is ``ahead`` of ours."""

    def __init__(self, storage, ahead=0.0):
        self.storage = storage
        self.ahead = ahead
        self.calls = Counter()
        self.keys = []

    def time(self):
        self.calls["time"] += 1
        return clock.wall() + self.ahead

    def promote(self, limit, priority_of):
        self.calls["promote"] += 1
        return self.storage.promote(limit, clock.wall() + self.ahead, priority_of)

    def enqueue_once(self, data, key, ttl, priority):
        self.calls["enqueue_once"] += 1
        assert 0 < ttl <= 3 * 3600
        self.keys.append(key)
        return self.storage.enqueue_once(data, key, ttl, priority)


@pytest.fixture
def huey():
    huey = MemoryHuey(f"test-{uuid4().hex}")
    yield huey
    huey.flush()


def scheduler_of(huey, storage=None, interval=1.0, periodic=True):
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.scheduler import Scheduler

    return Scheduler(huey, storage or huey.storage, Outage("a storage"), interval, periodic)


def live(present, seconds, *schedulers):
    """Let schedulers work as they do by themselves: each wakes up when it has something to do."""
    ends_at = present.moment + seconds
    for scheduler in schedulers:
        scheduler.tick()
    while True:
        first = min(schedulers, key=lambda one: one._until_work())
        pause = first._until_work()
        if present.moment + pause > ends_at + 1e-5:  # Floats of this size are not exact.
            present.advance(ends_at - present.moment)
            return
        # A timer is not exact; that nothing is done too early has to hold without it.
        present.advance(max(pause, 1e-6))
        first.tick()


def declare(huey, name, validator):
    """Declare a periodic task that runs when ``validator`` says so."""

    @huey.periodic_task(validator, name=name)
    def function():
        raise AssertionError

    if hasattr(validator, "occurrences"):
        function.task_class.validator = validator
        function.task_class.validate_datetime = PeriodicTask.validate_datetime
    return function


def enqueued(huey):
    """Return the names of the tasks in the queue, and empty it."""
    names = [huey.deserialize_task(body).name for body in huey.storage.enqueued_items()]
    huey.storage.flush_queue()
    return names


# Promotion.


def test_a_message_is_promoted_at_the_moment_that_was_expected(huey, present):
    scheduler = scheduler_of(huey, interval=60.0)
    live(present, 1, scheduler)
    at = present.moment + 0.25
    huey.storage.add_to_schedule(b"due", at)
    scheduler.expect(at)
    assert scheduler._until_work() == pytest.approx(0.25, abs=0.0011)
    present.advance(scheduler._until_work())
    scheduler.tick()
    assert huey.storage.enqueued_items() == [b"due"]


def put_by_others(huey, *moments):
    """Put messages on the schedule as another process does: no scheduler here expects them."""
    for at in moments:
        huey.storage.add_to_schedule(repr(at).encode(), at)


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -90.5])
def test_what_others_put_on_the_schedule_is_promoted_at_its_moment(huey, present, ahead):
    storage = Counting(huey.storage, ahead)
    scheduler = scheduler_of(huey, storage, interval=60.0, periodic=False)
    moments = [present.moment + ahead + seconds for seconds in (5.0, 5.5, 11.0)]
    put_by_others(huey, *reversed(moments))
    live(present, 1, scheduler)
    for count, at in enumerate(moments):
        live(present, at - ahead - present.moment - 0.001, scheduler)
        assert huey.storage.queue_size() == count
        live(present, 0.003, scheduler)
        assert huey.storage.queue_size() == count + 1
    assert storage.calls["promote"] == 1 + len(moments)


def test_what_is_known_from_others_and_expected_as_well_is_promoted_once(huey, present):
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage, interval=60.0, periodic=False)
    at = present.moment + 5.0005
    put_by_others(huey, at)
    live(present, 1, scheduler)
    scheduler.expect(at)
    live(present, 10, scheduler)
    assert huey.storage.queue_size() == 1
    assert storage.calls["promote"] == 2


def test_what_was_put_off_meanwhile_is_promoted_at_its_new_moment(huey, present):
    scheduler = scheduler_of(huey, interval=60.0)
    put_by_others(huey, first := present.moment + 5.0)
    live(present, 1, scheduler)
    huey.storage.flush_schedule()
    put_by_others(huey, first + 3.0)
    live(present, 6.99, scheduler)
    assert huey.storage.queue_size() == 0
    live(present, 0.02, scheduler)
    assert huey.storage.queue_size() == 1


def test_a_storage_that_does_not_tell_the_next_moment_is_looked_at_each_interval(huey, present):
    storage = Counting(huey.storage)
    promote = storage.promote
    storage.promote = lambda *args, **kwargs: Promoted(promote(*args, **kwargs).moved)
    scheduler = scheduler_of(huey, storage)
    put_by_others(huey, present.moment + 5.0)
    live(present, 4.99, scheduler)
    assert huey.storage.queue_size() == 0
    live(present, 1.2, scheduler)
    assert huey.storage.queue_size() == 1
    assert storage.calls["promote"] <= 6.2 / 0.9 + 1


def test_many_moments_cost_those_little_who_come_too_late(huey, present):
    """Two consumers know of each moment; the one that the clock shows them later finds nothing."""
    fast, slow = Counting(huey.storage, 0.010), Counting(huey.storage)
    put_by_others(huey, *(present.moment + 1.0 + n / 50 for n in range(1000)))
    live(present, 22.0, *(scheduler_of(huey, one, periodic=False) for one in (fast, slow)))
    assert huey.storage.queue_size() == 1000
    assert fast.calls["promote"] >= 990
    # So many at once, so many a second, and its own looks.
    assert slow.calls["promote"] <= 20 + 20 * 22 + 25


def test_who_was_too_late_is_in_time_again_when_the_faster_one_is_gone(huey, present):
    fast, slow = Counting(huey.storage, 0.010), Counting(huey.storage)
    schedulers = [scheduler_of(huey, one, periodic=False) for one in (fast, slow)]
    began = present.moment
    put_by_others(huey, *(began + 1.0 + n / 100 for n in range(1000)))
    live(present, 5.0, *schedulers)
    live(present, 1.5, schedulers[1])
    for seconds in (7.0, 8.0, 9.0):
        live(present, began + seconds - present.moment, schedulers[1])
        due = math.floor((present.moment - began - 1.0) * 100) + 1
        assert huey.storage.queue_size() >= due - 1


@pytest.mark.parametrize("at", [math.inf, 1e308])
def test_a_moment_that_never_comes_is_no_moment_to_look_at_the_schedule(huey, present, at):
    storage = Counting(huey.storage)
    put_by_others(huey, at)
    live(present, 60.0, scheduler_of(huey, storage, periodic=False))
    assert storage.calls["promote"] <= 60 / 0.9 + 1


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -90.5])
def test_what_counts_is_the_clock_of_the_storage(huey, present, ahead):
    storage = Counting(huey.storage, ahead)
    scheduler = scheduler_of(huey, storage, interval=60.0, periodic=False)
    scheduler.tick()
    at = present.moment + ahead + 20.0
    huey.storage.add_to_schedule(b"due", at)
    scheduler.expect(at)
    live(present, 19.9, scheduler)
    assert huey.storage.queue_size() == 0
    live(present, 0.11, scheduler)
    assert huey.storage.queue_size() == 1
    assert storage.calls["promote"] == 2
    assert storage.calls["time"] == 1


def test_a_promotion_that_came_too_early_is_repeated_right_then(huey, present):
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage, interval=30.0)
    live(present, 10, scheduler)
    before = storage.calls["promote"]
    storage.ahead = -0.030  # Its clock was slowed down since it was asked.
    huey.storage.add_to_schedule(b"due", present.moment + 1.0)
    scheduler.expect(present.moment + 1.0)
    live(present, 1.029, scheduler)
    assert huey.storage.queue_size() == 0
    live(present, 0.005, scheduler)
    assert huey.storage.queue_size() == 1
    assert storage.calls["promote"] - before <= 4


def test_what_was_left_behind_by_a_promotion_of_others_is_promoted_right_then(huey, present):
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage, interval=30.0)
    live(present, 10, scheduler)
    storage.ahead = -0.005  # Its clock was slowed down since it was asked.
    for at, body in [(1.0, b"first"), (1.01, b"second")]:
        huey.storage.add_to_schedule(body, present.moment + at)
        scheduler.expect(present.moment + at)
    present.advance(1.012)
    scheduler.tick()
    assert huey.storage.enqueued_items() == [b"first"]
    live(present, 0.01, scheduler)
    assert huey.storage.enqueued_items() == [b"first", b"second"]


def test_what_another_consumer_promoted_is_not_waited_for(huey, present):
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage, interval=30.0)
    scheduler.tick()
    for n in range(10):
        scheduler.expect(present.moment + 1 + n / 10)
    live(present, 10.0, scheduler)
    assert storage.calls["promote"] <= 1 + 2 * 10 + 1
    calls = storage.calls.total()
    live(present, 10.0, scheduler)
    assert storage.calls.total() == calls


def test_a_clock_that_stands_still_costs_little(huey, present):
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage)
    scheduler.tick()
    stands_at = present.moment
    storage.time = lambda: stands_at
    storage.promote = lambda *_, **__: storage.calls.update(["promote"]) or Promoted(0)
    scheduler.expect(stands_at + 5.0)
    live(present, 60.0, scheduler)
    assert storage.calls["promote"] <= 60 / 0.9 + 120


def test_a_clock_that_stands_still_costs_little_though_a_message_waits(huey, present):
    storage = Counting(huey.storage)
    stands_at = present.moment
    storage.time = lambda: stands_at
    told = Promoted(0, stands_at + 5.0)
    storage.promote = lambda *_, **__: storage.calls.update(["promote"]) or told
    live(present, 60.0, scheduler_of(huey, storage, periodic=False))
    assert storage.calls["promote"] <= 60 / 0.9 + 60 * 20 + 20


def test_moments_that_are_close_share_a_promotion(huey, present):
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage, interval=60.0)
    scheduler.tick()
    for n in range(10_000):
        at = present.moment + 1 + n / 100_000
        huey.storage.add_to_schedule(b"%d" % n, at)
        scheduler.expect(at)
    live(present, 1.2, scheduler)
    assert huey.storage.queue_size() == 10_000
    # Within a tenth of a second, 2 ms apart, and further calls for those that do not fit in one.
    assert storage.calls["promote"] <= 1 + 51 + 20


@pytest.mark.parametrize("at", [0.0, -5.0, NOON - 3600])
def test_what_is_due_already_is_promoted_at_once(huey, present, at):
    scheduler = scheduler_of(huey)
    scheduler.tick()
    present.advance(0.1)
    huey.storage.add_to_schedule(b"due", at)
    scheduler.expect(at)
    assert scheduler._until_work() <= 0
    scheduler.tick()
    assert huey.storage.queue_size() == 1


def test_a_moment_that_never_comes_is_not_waited_for(huey, present):
    scheduler = scheduler_of(huey)
    scheduler.tick()
    for at in (math.inf, -math.inf, math.nan):
        scheduler.expect(at)
    assert scheduler._until_work() > 0.8


def test_nothing_is_asked_in_between_when_there_is_nothing_to_do(huey, present):
    declare(huey, "yearly", crontab(month=1, day=1, hour=0, minute=0))
    declare(huey, "zoned", crontab(month=1, day=1, hour=0, minute=0, tz="Europe/Berlin"))
    storage = Counting(huey.storage)
    live(present, 600.0, scheduler_of(huey, storage))
    assert set(storage.calls) == {"promote", "time"}
    assert storage.calls["promote"] <= 600 / 0.9 + 1
    assert storage.calls["time"] <= 600 / 60 + 1


def test_the_clock_is_asked_once_a_minute_and_when_our_own_has_jumped(huey, present):
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage, periodic=False)
    live(present, 599.0, scheduler)
    assert storage.calls["time"] == 10
    present.moment += 3600
    live(present, 0.1, scheduler)
    assert storage.calls["time"] == 11


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_our_own_clock_moves_no_moment_of_the_storage(huey, present, jump):
    declare(huey, "cron", crontab())
    storage = Counting(huey.storage)
    scheduler = scheduler_of(huey, storage)
    live(present, 299, scheduler)
    assert len(enqueued(huey)) == 5
    present.moment += jump
    storage.ahead = -jump
    at = scheduler.clock.now()
    live(present, 300, scheduler)
    assert len(enqueued(huey)) == 5
    assert scheduler.clock.now() - at == pytest.approx(300, abs=1)


@given(
    st.lists(
        st.one_of(
            st.floats(0, 20, allow_nan=False).map(lambda at: ("add", at)),
            st.floats(0, 20, allow_nan=False).map(lambda until: ("take", until)),
        )
    )
)
@settings(deadline=None)
def test_moments_are_taken_once_in_order_and_never_early(steps):
    from huey_green.consumer.scheduler import Moments

    moments, kept = Moments(), set()
    for verb, at in steps:
        millisecond = math.ceil(at * 1000)
        if verb == "add":
            assert moments.add(at) == (millisecond < min(kept, default=math.inf))
            kept.add(millisecond)
        else:
            due = sorted(one for one in kept if one / 1000 <= at)
            assert moments.take(at) == [one / 1000 for one in due]
            kept -= set(due)
        assert moments.earliest == min(kept, default=math.inf) / 1000


def test_of_too_many_moments_the_later_ones_are_forgotten(monkeypatch):
    from huey_green.consumer.scheduler import Moments

    monkeypatch.setattr(Moments, "LIMIT", 100)
    moments = Moments()
    for at in itertools.chain(range(1000, 0, -1), range(1001, 2000)):
        moments.add(float(at))
        assert len(moments._heap) <= 100
    assert moments.take(50.0) == [float(at) for at in range(1, 51)]


# Periodic tasks.


def test_a_task_of_an_interval_runs_at_its_moments_whatever_the_interval_of_looks(huey, present):
    declare(huey, "often", every(seconds=15))
    storage = Counting(huey.storage)
    live(present, 120.5, scheduler_of(huey, storage, interval=60.0))
    assert enqueued(huey) == ["often"] * 9
    moments = [round((NOON + n * 15) * 1000) for n in range(9)]
    assert [int(key.rpartition(":")[2]) for key in storage.keys] == moments
    assert storage.calls["promote"] <= 4


def test_however_many_schedulers_there_are_each_moment_is_enqueued_once(huey, present):
    declare(huey, "often", every(seconds=7.5))
    declare(huey, "minute", crontab())
    declare(huey, "zoned", crontab(minute="*/2", tz="Asia/Kathmandu"))
    storages = [Counting(huey.storage, ahead) for ahead in (0.0, 0.3, -0.2)]
    present.advance(1)
    live(present, 600, *(scheduler_of(huey, storage) for storage in storages))
    # There it is a quarter to or past when it is the hour elsewhere.
    assert Counter(enqueued(huey)) == {"often": 81, "minute": 11, "zoned": 5}


def test_every_minute_is_on_the_minute(huey, present):
    declare(huey, "minute", crontab())
    scheduler = scheduler_of(huey, interval=60.0)
    present.advance(30)
    live(present, 29.999, scheduler)
    assert enqueued(huey) == []
    live(present, 0.002, scheduler)
    assert enqueued(huey) == ["minute"]


@pytest.mark.parametrize(
    ("started", "expected"),
    [(5.0, ["cron", "zoned", "often"]), (9.9, ["cron", "zoned", "often"]), (11, [])],
)
def test_a_restart_just_after_the_moment_loses_nothing(huey, present, started, expected):
    declare(huey, "cron", crontab(hour=12, minute=0))
    declare(huey, "zoned", crontab(hour=12, minute=0, tz="UTC"))
    declare(huey, "often", every(hours=1))
    present.advance(started)
    for _ in range(2):
        live(present, 1.0, scheduler_of(huey))
    assert enqueued(huey) == expected


def test_of_missed_minutes_each_is_made_up_for_and_of_an_interval_only_the_latest(huey, present):
    declare(huey, "cron", crontab(minute="*/10"))
    declare(huey, "zoned", crontab(minute="*/10", tz="UTC"))
    declare(huey, "often", every(seconds=15))
    scheduler = scheduler_of(huey)
    live(present, 11, scheduler)
    assert Counter(enqueued(huey)) == {"cron": 1, "zoned": 1, "often": 1}
    present.advance(30 * 60)
    scheduler.tick()
    assert Counter(enqueued(huey)) == {"cron": 3, "zoned": 3, "often": 1}
    present.advance(24 * 3600)
    scheduler.tick()
    assert Counter(enqueued(huey)) == {"cron": 7, "zoned": 7, "often": 1}


def test_after_the_clock_was_wrong_for_a_while_the_tasks_go_on(huey, present):
    declare(huey, "cron", crontab())
    declare(huey, "zoned", crontab(tz="UTC"))
    declare(huey, "often", every(seconds=15))
    scheduler = scheduler_of(huey)
    live(present, 61, scheduler)
    enqueued(huey)
    present.advance(365 * 86400)
    live(present, 61, scheduler)
    enqueued(huey)
    present.moment -= 365 * 86400
    live(present, 121, scheduler)  # From two seconds after the minute: it is as after a start.
    assert Counter(enqueued(huey)) == {"cron": 3, "zoned": 3, "often": 9}


def test_a_clock_that_is_set_back_a_little_repeats_nothing(huey, present):
    declare(huey, "cron", crontab())
    declare(huey, "often", every(seconds=15))
    scheduler = scheduler_of(huey)
    live(present, 300, scheduler)
    assert Counter(enqueued(huey)) == {"cron": 6, "often": 21}
    present.moment -= 120
    live(present, 125, scheduler)
    assert enqueued(huey) == []


@pytest.mark.parametrize(
    ("begins", "zone", "runs_at"),
    [
        ("2024-03-31T00:00", "Europe/Berlin", "2024-03-31T01:00"),
        ("2024-10-27T00:00", "Europe/Berlin", "2024-10-27T00:30"),
        ("2024-10-05T14:00", "Australia/Lord_Howe", "2024-10-05T15:30"),
        ("2024-04-06T14:00", "Australia/Lord_Howe", "2024-04-06T16:00"),
    ],
)
def test_a_night_in_which_the_clock_is_changed(huey, present, begins, zone, runs_at):
    began, runs = (
        datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()
        for text in (begins, runs_at)
    )
    present.moment = began + 30
    declare(huey, "backup", crontab.daily(2, 30, tz=zone))
    declare(huey, "often", crontab(minute="*/5", tz=zone))
    storages = [Counting(huey.storage), Counting(huey.storage)]
    live(present, 3 * 3600, *(scheduler_of(huey, one, interval=10.0) for one in storages))
    names = enqueued(huey)
    assert names.count("backup") == 1
    assert names.count("often") == 36
    [key] = {key for key in storages[0].keys if "backup" in key}
    assert key.endswith(f".backup:{int(runs // 60)}")


def test_any_function_of_a_datetime_is_asked_for_each_minute(huey, present):
    asked = []
    declare(huey, "plain", lambda moment: asked.append(moment) or moment.minute % 2)
    live(present, 300, scheduler_of(huey))
    assert asked == [datetime(2031, 5, 6, 12, minute) for minute in range(6)]
    assert enqueued(huey) == ["plain"] * 3


def test_a_class_that_decides_by_itself_is_asked_even_if_its_schedule_knows_its_moments(
    huey, present
):
    function = declare(huey, "often", every(seconds=1))
    function.task_class.validate_datetime = lambda self, moment: moment.minute == 2
    live(present, 300, scheduler_of(huey))
    assert enqueued(huey) == ["often"]


def test_a_schedule_of_ones_own_may_have_any_moments(huey, present):
    class Odd:
        def __call__(self, moment):
            raise AssertionError

        def occurrences(self, after, until):
            return [at for at in (NOON + 0.5, NOON + 60, NOON + 60.25) if after < at <= until]

    declare(huey, "odd", Odd())
    storage = Counting(huey.storage)
    live(present, 120, scheduler_of(huey, storage, interval=60.0))
    assert enqueued(huey) == ["odd"] * 3
    ends = [int(key.rpartition(":")[2]) for key in storage.keys]
    assert ends == [NOON * 1000 + 500, NOON // 60 + 1, NOON * 1000 + 60_250]


def test_a_schedule_that_fails_is_logged_once_a_minute_and_stops_no_other(huey, present, caplog):
    class Broken:
        def __call__(self, moment):
            raise AssertionError

        def occurrences(self, after, until):
            raise LookupError("no such moment")

    def fails(moment):
        raise ValueError("no such minute")

    declare(huey, "broken", Broken())
    declare(huey, "fails", fails)
    declare(huey, "often", every(seconds=1))
    with caplog.at_level(logging.ERROR, "huey_green"):
        live(present, 179.5, scheduler_of(huey))
    assert enqueued(huey) == ["often"] * 180
    said = Counter(str(record.exc_info[1]) for record in caplog.records)
    assert said == {"no such moment": 3, "no such minute": 3}


def test_a_task_that_is_declared_while_the_scheduler_runs_is_found(huey, present):
    scheduler = scheduler_of(huey)
    live(present, 30, scheduler)
    declare(huey, "late", every(seconds=15))
    live(present, 91, scheduler)
    assert enqueued(huey) == ["late"] * 5


# As it runs by itself.


@patched
def test_it_wakes_up_for_what_is_expected_and_stops_at_once():
    from huey_green import MemoryHuey, clock
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.scheduler import Scheduler

    huey = MemoryHuey("waking")
    for periodic in (True, False):
        scheduler = Scheduler(huey, huey.storage, Outage("a storage"), 3600.0, periodic)
        scheduler.start()
        # The later one first: the scheduler waits for that already.
        for delay in (3000.0, 0.05, 0.01):
            huey.storage.add_to_schedule(b"%f" % delay, clock.wall() + delay)
            scheduler.expect(clock.wall() + delay)
        eventually(lambda: huey.storage.queue_size() == 2, "the expected ones to be promoted")
        assert huey.storage.dequeue() == b"%f" % 0.01
        assert huey.storage.dequeue() == b"%f" % 0.05
        scheduler.stop()
        assert scheduler.join(5)
        scheduler.start()
        scheduler.stopping.set()
        assert scheduler.join(5)
        huey.storage.flush_schedule()


@patched
def test_it_wakes_up_for_what_it_saw_on_the_schedule_at_its_last_look():
    from huey_green import MemoryHuey, clock
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.scheduler import Scheduler

    huey = MemoryHuey("seen")
    for delay in (0.2, 0.1, 3000.0):
        huey.storage.add_to_schedule(b"%f" % delay, clock.wall() + delay)
    scheduler = Scheduler(huey, huey.storage, Outage("a storage"), 3600.0, False)
    scheduler.start()
    eventually(lambda: huey.storage.queue_size() == 2, "those that are due soon")
    assert huey.storage.enqueued_items() == [b"%f" % 0.1, b"%f" % 0.2]
    scheduler.stop()
    assert scheduler.join(5)


@patched
def test_a_task_of_a_tenth_of_a_second_runs_again_and_again_and_others_are_promoted():
    from huey_green import MemoryHuey, clock
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.scheduler import Scheduler
    from huey_green.cron import every
    from huey_green.task import PeriodicTask

    huey = MemoryHuey("ticking")

    @huey.periodic_task(every(seconds=0.1))
    def tick():
        return None

    tick.task_class.validator = every(seconds=0.1)
    tick.task_class.validate_datetime = PeriodicTask.validate_datetime
    scheduler = Scheduler(huey, huey.storage, Outage("a storage"), 0.05, True)
    scheduler.start()
    huey.storage.add_to_schedule(b"due", clock.wall())
    eventually(lambda: huey.storage.queue_size() >= 5, "some ticks")
    assert b"due" in huey.storage.enqueued_items()
    scheduler.stop()
    assert scheduler.join(5)


@patched
def test_an_outage_is_waited_for_with_pauses_and_nothing_is_lost():
    from huey_green import MemoryHuey, clock
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.scheduler import Scheduler
    from huey_green.exceptions import StorageUnavailable

    huey = MemoryHuey("away")
    storage, failures = huey.storage, []
    promote = storage.promote

    def away(*args, **kwargs):
        failures.append(clock.monotonic())
        raise StorageUnavailable("it is away")

    scheduler = Scheduler(huey, storage, Outage("a storage"), 3600.0, True)
    scheduler.start()
    scheduler.expect(clock.wall())
    storage.promote = away
    at = clock.wall() + 0.01
    storage.add_to_schedule(b"due", at)
    scheduler.expect(at)
    eventually(lambda: len(failures) >= 3, "it to fail")
    # What is expected meanwhile does not make it try more often.
    for n in range(100):
        scheduler.expect(clock.wall() + n / 1000)
    storage.promote = promote
    eventually(lambda: storage.queue_size() == 1, "it to be promoted")
    pauses = [later - earlier for earlier, later in itertools.pairwise(failures)]
    assert min(pauses) > 0.01
    scheduler.stop()
    assert scheduler.join(5)
