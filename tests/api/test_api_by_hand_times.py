# SPDX-License-Identifier: MIT
"""The schedule and the periodic tasks, read and driven by hand, without a consumer.

What is asserted of naive moments was compared with huey 3.5.4, in programs run with both.
"""

import time
from datetime import datetime, timedelta, timezone

import pytest

from huey_green import clock, crontab, every
from huey_green import signals as s

HOUR = timedelta(hours=1)


@pytest.fixture
def in_berlin(monkeypatch):
    """Local time is neither UTC nor always the same distance from it."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def names(sent):
    return [name for name, *_ in sent]


def run_all(huey):
    values = []
    while len(huey):
        values.append(huey.execute(huey.dequeue()))
    return values


# The schedule.


def test_a_task_with_a_time_or_without_is_put_on_the_schedule(huey, add, sent):
    plain, past, later = add.s(1, 2), add.s(3, 4), add.s(5, 6)
    now = clock.from_epoch(clock.wall(), huey.utc)
    past.eta, later.eta = now - HOUR, now + HOUR
    for task in (later, plain, past):
        huey.add_schedule(task)
    assert names(sent) == [s.SIGNAL_SCHEDULED] * 3
    assert (len(huey), huey.scheduled_count()) == (0, 3)
    assert {task.id for task in huey.read_schedule()} == {plain.id, past.id}
    assert huey.scheduled() == [later]
    assert huey.read_schedule(now + 2 * HOUR) == [later]


@pytest.mark.parametrize("utc", [True, False])
def test_naive_moments_are_those_of_the_huey_and_aware_ones_are_what_they_say(
    make_huey, in_berlin, utc
):
    huey = make_huey(utc=utc)

    @huey.task()
    def add(a, b):
        return a + b

    due = datetime(2030, 7, 1, 12, 30, tzinfo=timezone.utc)
    naive = datetime(2030, 7, 1, 12, 30) if utc else datetime(2030, 7, 1, 14, 30)
    minute = timedelta(minutes=1)
    for moment in (naive, due, due.astimezone(timezone(timedelta(hours=-5)))):
        add.schedule((1, 2), eta=due)
        task = huey.dequeue()
        assert task.eta == naive
        assert not huey.ready_to_run(task, moment - minute)
        assert huey.ready_to_run(task, moment)
        assert huey.execute(task, moment - minute) is None
        assert huey.read_schedule(moment - minute) == []
        assert huey.read_schedule(moment) == [task]
        assert huey.execute(task, moment) == 3


def test_a_task_without_a_time_is_always_ready(huey, add):
    assert huey.ready_to_run(add.s(1, 2))
    assert huey.ready_to_run(add.s(1, 2), datetime(1980, 1, 1))


# Periodic tasks.


def periodic_names(huey, *moment, **zone):
    return sorted(task.name for task in huey.read_periodic(datetime(*moment, **zone)))


def test_the_periodic_tasks_of_a_minute_are_read_and_run(huey):
    ran = []

    @huey.periodic_task(crontab(minute="*/5"))
    def fives():
        ran.append("fives")
        return 5

    @huey.periodic_task(lambda moment: moment.minute == 7)
    def seven():
        ran.append("seven")

    assert periodic_names(huey, 2024, 5, 5, 3, 5, 59) == ["fives"]
    assert periodic_names(huey, 2024, 5, 5, 3, 7) == ["seven"]
    assert periodic_names(huey, 2024, 5, 5, 3, 8) == []
    [task] = huey.read_periodic(datetime(2024, 5, 5, 3, 10))
    assert huey.ready_to_run(task)
    assert huey.execute(task) == 5
    assert huey.all_results() == {}, "the value of a periodic task is not stored"
    assert ran == ["fives"]
    assert len(huey) == 0


def test_what_is_due_now_is_read_without_a_moment(huey):
    @huey.periodic_task(crontab())
    def always():
        """Runs in every minute."""

    @huey.periodic_task(lambda moment: False)
    def never():
        """Runs in none."""

    assert [task.name for task in huey.read_periodic()] == ["always"]


def test_a_failing_periodic_task_is_retried(huey):
    @huey.periodic_task(crontab(), retries=1)
    def broken():
        raise ValueError

    [task] = huey.read_periodic()
    assert huey.execute(task) is None
    assert run_all(huey) == [None]
    assert huey.all_results() == {}


@pytest.mark.parametrize("utc", [True, False])
def test_a_crontab_reads_the_clock_of_the_huey_or_that_of_its_zone(make_huey, in_berlin, utc):
    huey = make_huey(utc=utc)

    @huey.periodic_task(crontab(minute="30", hour="12"))
    def noon():
        """At half past twelve by the Huey's clock."""

    @huey.periodic_task(crontab(minute="30", hour="12", tz="Asia/Tokyo"))
    def in_tokyo():
        """At half past twelve in Tokyo: 03:30 UTC."""

    plus_two = timezone(timedelta(hours=2))
    assert periodic_names(huey, 2024, 7, 1, 12, 30) == ["noon"]
    assert periodic_names(huey, 2024, 7, 1, 3 if utc else 5, 30) == ["in_tokyo"]
    assert periodic_names(huey, 2024, 7, 1, 5, 30, tzinfo=plus_two) == ["in_tokyo"]
    assert periodic_names(huey, 2024, 7, 1, 14 if utc else 12, 30, tzinfo=plus_two) == ["noon"]
    assert periodic_names(huey, 2024, 7, 1, 12, 31) == []


def test_every_so_many_seconds_is_due_in_each_minute_in_which_it_comes(huey):
    @huey.periodic_task(every(seconds=15))
    def often():
        """Four times a minute."""

    @huey.periodic_task(every(minutes=3))
    def threes():
        """Each third minute of the hour."""

    found = [periodic_names(huey, 2024, 5, 5, 3, minute) for minute in range(4)]
    assert found == [["often", "threes"], ["often"], ["often"], ["often", "threes"]]


def test_a_revoked_periodic_task_is_read_and_not_run(huey, sent):
    @huey.periodic_task(crontab())
    def always():
        return 1

    always.revoke()
    [task] = huey.read_periodic()
    assert huey.execute(task) is None
    assert names(sent) == [s.SIGNAL_REVOKED]
    always.restore()
    assert huey.execute(task) == 1
