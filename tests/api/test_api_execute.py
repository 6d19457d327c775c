# SPDX-License-Identifier: MIT
"""Driving tasks by hand: what the tests that run on huey too leave out, and bad input."""

from datetime import datetime, timedelta, timezone

import pytest
from driving import PATIENCE, promote, run_all

from huey_green import Consumer, Error, PeriodicTask, TaskException, clock, crontab, every
from huey_green import signals as s
from huey_green.exceptions import InvalidArgument, StorageUnavailable, UnreadableMessage
from huey_green.message import Outgoing


def test_what_was_dequeued_is_in_nobodys_hands(huey, add):
    result = add(1, 2)
    task = huey.dequeue()
    assert (len(huey), huey.storage.in_flight()) == (0, [])
    assert run_all(huey) == 0
    huey.enqueue(task)
    run_all(huey)
    assert result() == 3


def test_bytes_that_are_no_task_are_said_to_be_none_and_are_gone(huey, add):
    huey.storage.enqueue_many([Outgoing(b"nonsense")])
    with pytest.raises(UnreadableMessage):
        huey.dequeue()
    assert huey.dequeue() is None


def test_a_task_executed_by_hand_is_stored_retried_and_followed_as_ever(huey, add, sent):
    tries = []

    @huey.task(retries=1)
    def unsure(n):
        tries.append(n)
        if len(tries) == 1:
            raise ValueError(n)
        return n

    results = huey.enqueue(unsure.s(1).then(add, 10))
    assert huey.execute(huey.dequeue()) is None
    assert isinstance(next(iter(results)).get_raw_result(), Error)
    results.reset()
    assert huey.execute(huey.dequeue()) == 1
    assert huey.execute(huey.dequeue()) == 11
    assert results() == [1, 11]
    assert [name for name, *_ in sent] == [
        *(s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_ERROR, s.SIGNAL_RETRYING),
        *(s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE, s.SIGNAL_ENQUEUED),
        *(s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE),
    ]


def test_a_task_that_was_never_enqueued_can_be_executed(huey, add):
    task = add.s(1, 2)
    assert huey.execute(task) == 3
    assert huey.result(task.id) == 3


@pytest.mark.parametrize("utc", [True, False])
@pytest.mark.parametrize("aware", [True, False])
def test_a_moment_may_be_naive_or_aware(make_huey, utc, aware):
    huey = make_huey(utc=utc)

    @huey.task()
    def task():
        return "ran"

    result = task.schedule(delay=100)

    def moment(seconds):
        at = clock.wall() + seconds
        if aware:
            return datetime.fromtimestamp(at, timezone(timedelta(hours=5)))
        return clock.from_epoch(at, utc)

    waiting = huey.dequeue()
    assert not huey.ready_to_run(waiting, moment(90))
    assert huey.ready_to_run(waiting, moment(110))
    assert huey.execute(waiting, moment(90)) is None
    assert huey.read_schedule(moment(90)) == []
    [due] = huey.read_schedule(moment(110))
    assert huey.execute(due, moment(110)) == "ran"
    assert result() == "ran"


def test_a_task_without_a_moment_is_due_on_the_schedule_at_once(huey, add):
    huey.add_schedule(add.s(1, 2))
    assert huey.scheduled_count() == 1
    [task] = huey.read_schedule()
    assert huey.execute(task) == 3
    huey.add_schedule(add.s(3, 4))
    assert promote(huey) == 1


def test_what_cannot_be_read_on_the_schedule_is_a_dead_letter_and_takes_nothing_with_it(huey, add):
    huey.add_schedule(add.s(1, 2))
    huey.storage.add_to_schedule(b"nonsense", clock.wall() - 1)
    huey.add_schedule(add.s(3, 4))
    assert sorted(task.args for task in huey.read_schedule()) == [(1, 2), (3, 4)]
    [letter] = huey.dead_letters()
    assert letter.body == b"nonsense"


def test_periodic_tasks_are_read_for_their_minute(huey):
    @huey.periodic_task(crontab(minute="*/15"))
    def quarterly():
        return "ran"

    @huey.periodic_task(every(hours=1))
    def hourly():
        return "ran"

    @huey.task()
    def never():
        """No periodic task."""

    def names(minute):
        return sorted(task.name for task in huey.read_periodic(datetime(2024, 5, 6, 7, minute)))

    assert names(0) == ["hourly", "quarterly"]
    assert names(15) == ["quarterly"]
    assert names(16) == []
    tasks = huey.read_periodic(datetime(2024, 5, 6, 7, 0))
    assert all(isinstance(task, PeriodicTask) and task.is_periodic for task in tasks)
    assert [huey.execute(task) for task in tasks] == ["ran", "ran"]
    assert huey.result_count() == 0


def test_a_raw_result_is_waited_for_like_any_other(huey, start):
    @huey.task()
    def fails(value=None):
        if value is None:
            raise ValueError("broken")
        return value

    start(huey)
    raw = fails().get_raw_result(blocking=True, timeout=PATIENCE)
    assert isinstance(raw, Error)
    assert "broken" in repr(raw)
    assert fails(5).get_raw_result(True, PATIENCE) == 5


def test_a_storage_says_whether_it_knows_priorities(huey, add):
    low, high = add.s("low", "", priority=1), add.s("high", "", priority=9)
    huey.enqueue_many([low, high])
    first = huey.dequeue()
    assert first.id == (high.id if huey.storage.priority else low.id)


@pytest.mark.parametrize("graceful", [True, False])
def test_a_consumer_with_the_options_of_test_suites_starts_and_stops(huey, add, graceful):
    consumer = Consumer(
        huey, workers=2, initial_delay=0.001, max_delay=0.001, check_worker_health=False
    )
    for _ in range(3):
        consumer.start()
        consumer.start()
        assert add(1, 2)(blocking=True, timeout=PATIENCE) == 3
        consumer.stop(graceful=graceful)
        consumer.stop(graceful=graceful)
        assert not consumer.is_running
    assert huey.storage.in_flight() == []


def test_what_huey_options_say_of_processes_changes_nothing_but_a_warning(huey, add, caplog):
    consumer = Consumer(huey, workers=2, worker_type="thread", periodic=False, backoff=1.2)
    assert "thread" in caplog.text
    consumer.start()
    try:
        with pytest.raises(TaskException, match="TypeError"):
            add(1, None)(blocking=True, timeout=PATIENCE)
    finally:
        consumer.stop()


@pytest.mark.parametrize("wrong", [None, "task", 5, object()])
def test_what_is_no_task_is_not_executed(huey, wrong):
    for call in (huey.execute, huey.add_schedule, huey.ready_to_run, huey.enqueue):
        with pytest.raises(InvalidArgument, match=r"takes? a task.*, not "):
            call(wrong)


@pytest.mark.parametrize("wrong", ["now", [], object()])
def test_what_is_no_moment_is_refused(huey, add, wrong):
    for call in (
        lambda: huey.execute(add.s(1, 2), wrong),
        lambda: huey.read_schedule(wrong),
        lambda: huey.read_periodic(wrong),
        lambda: huey.ready_to_run(add.s(1, 2, delay=60), wrong),
    ):
        with pytest.raises(InvalidArgument, match="timestamp is a datetime, not "):
            call()


def test_a_storage_that_is_away_is_said_to_be(huey, add, monkeypatch):
    def away(*args, **kwargs):
        raise StorageUnavailable("it is away")

    monkeypatch.setattr(huey.storage, "dequeue", away)
    with pytest.raises(StorageUnavailable):
        huey.dequeue()
