# SPDX-License-Identifier: MIT
"""Stopping a task wherever it is: ``result.cancel()``, ``huey.cancel(id)``."""

import threading

import pytest
from driving import NAME, PATIENCE, promote, run_all, run_one

from huey_green import SKIPPED, TaskException, chord, stopping
from huey_green import signals as s
from huey_green.testing.concurrency import eventually

HOUR = 3600


def ends_canceled(result):
    with pytest.raises(TaskException, match="TaskCanceled"):
        result(blocking=True, timeout=PATIENCE)
    return True


def has_marks(huey):
    """Say whether a consumer that fetches now would look for marks before each task."""
    huey.storage.fetch("somebody who looks", 0)
    huey.storage.leave("somebody who looks")
    return huey.storage.has_revocations()


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(huey, ran):
    """A task that leaves what it was given, and nothing as its value."""

    @huey.task()
    def note(value):
        ran.append(value)

    return note


def names(sent):
    return [name for name, *_ in sent]


# Where it waits.


def test_a_queued_task_does_not_run_and_its_result_says_that_it_was_canceled(huey, note, ran, sent):
    first, second = note("first"), note("second")
    assert first.cancel() is True
    run_all(huey)
    assert ran == ["second"]
    assert ends_canceled(first)
    assert second() is None
    assert names(sent).count(s.SIGNAL_CANCELED) == 1
    assert not has_marks(huey)


def test_it_is_canceled_by_its_id(huey, note, ran):
    result = note("never")
    assert huey.cancel(result.id) is True
    run_all(huey)
    assert ran == []
    assert ends_canceled(huey.result_handle(result.id))


def test_a_scheduled_task_is_off_the_schedule_at_once_and_its_result_is_there(
    huey, note, ran, sent, present
):
    result = note.schedule(("far",), delay=HOUR)
    other = note.schedule(("other",), delay=HOUR)
    run_all(huey)
    assert result.cancel() is True
    assert [task.id for task in huey.scheduled()] == [other.id]
    with pytest.raises(TaskException, match="TaskCanceled"):
        result()
    assert names(sent).count(s.SIGNAL_CANCELED) == 1
    assert not has_marks(huey)
    present.advance(HOUR + 1)
    promote(huey)
    run_all(huey)
    assert ran == ["other"]


def test_a_task_that_waits_for_its_retry_is_off_the_schedule_at_once(huey, sent):
    @huey.task(retries=3, retry_delay=HOUR)
    def fails():
        raise ValueError("once more")

    result = fails()
    run_all(huey)
    assert huey.scheduled_count() == 1
    assert result.cancel() is True
    assert huey.scheduled_count() == 0
    assert ends_canceled(result)
    assert not has_marks(huey)


def test_a_task_that_waits_for_its_retry_in_the_queue_is_not_tried_again(huey, ran):
    @huey.task(retries=3)
    def fails():
        ran.append("tried")
        raise ValueError("once more")

    result = fails()
    run_one(huey)
    assert result.cancel() is True
    run_all(huey)
    assert ran == ["tried"]
    assert ends_canceled(result)


def test_a_parked_task_is_canceled_when_its_turn_comes(huey, ran, sent):
    @huey.task(max_concurrency=1)
    def limited(value):
        ran.append(value)

    results = [limited(n) for n in range(3)]
    first, second, third = huey.storage.fetch(NAME, 3)
    key = "test_api_cancel.limited"
    assert huey.storage.admit(NAME, first, key, 1)
    assert not huey.storage.admit(NAME, second, key, 1)
    assert not huey.storage.admit(NAME, third, key, 1)
    assert results[1].cancel() is True
    assert huey.storage.release(NAME, [first]) == 1
    eventually(lambda: run_all(huey) == 0 and not huey.parked(), "all to run")
    assert ran == [0, 2]
    assert ends_canceled(results[1])
    assert not has_marks(huey)


def test_a_task_for_later_does_not_reach_the_schedule(huey, note, ran, sent):
    result = note.schedule(("far",), delay=HOUR)
    assert result.cancel() is True
    run_all(huey)
    assert huey.scheduled_count() == 0
    assert ends_canceled(result)
    assert s.SIGNAL_SCHEDULED not in names(sent)
    assert not has_marks(huey)


def test_a_revoked_task_for_later_waits_for_its_time(huey, note, ran):
    result = note.schedule(("far",), delay=HOUR)
    result.revoke()
    run_all(huey)
    assert huey.scheduled_count() == 1
    assert result.is_revoked()


def test_a_task_that_expires_after_it_was_canceled_says_that_it_was_canceled(
    huey, note, ran, present
):
    result = huey.enqueue(note.s("late", expires=60))
    assert result.cancel() is True
    present.advance(61)
    run_all(huey)
    assert ran == []
    assert ends_canceled(result)
    assert not has_marks(huey)


# Where it is no more.


@pytest.mark.parametrize("value", ["something", None])
def test_a_task_that_has_ended_is_not_canceled(huey, value, sent):
    @huey.task()
    def task():
        return value

    result = task()
    run_all(huey)
    assert result.cancel() is False
    assert huey.cancel(result.id) is False
    assert result() == value
    assert huey.cancel(result.id) is False
    assert s.SIGNAL_CANCELED not in names(sent)
    assert not has_marks(huey)


def test_a_task_that_failed_is_not_canceled(huey):
    @huey.task()
    def fails():
        raise ValueError("for good")

    result = fails()
    run_all(huey)
    assert result.cancel() is False
    with pytest.raises(TaskException, match="for good"):
        result()
    assert not has_marks(huey)


def test_what_never_existed_is_not_canceled_and_leaves_no_mark(huey, note):
    note("other")
    assert huey.cancel("never") is False
    assert not has_marks(huey)


@pytest.mark.parametrize("keep", [True, False])
def test_of_what_may_run_at_most_once_it_is_said_to_be_stopped_unless_its_result_is_there(
    make_huey, keep
):
    huey = make_huey(at_most_once=True)

    @huey.task()
    def task():
        return "a value" if keep else None

    result = task()
    assert result.cancel() is True
    run_all(huey)
    assert ends_canceled(result)
    result = task()
    [delivery] = huey.storage.fetch(NAME, 1, lease=None)
    huey._apply(delivery, huey.executor.run(delivery))
    assert result.cancel() is not keep
    assert not has_marks(huey)


def test_a_second_cancel_finds_a_queued_task_still_and_one_that_has_ended_no_more(huey, note, sent):
    queued, scheduled = note(1), note.schedule((2,), delay=HOUR)
    assert [queued.cancel(), queued.cancel()] == [True, True]
    run_all(huey)
    assert [queued.cancel(), scheduled.cancel(), scheduled.cancel()] == [False, True, False]
    assert ends_canceled(queued)
    assert queued.cancel() is False
    assert names(sent).count(s.SIGNAL_CANCELED) == 2
    assert not has_marks(huey)


# With others.


def test_what_follows_a_canceled_task_does_not_run(huey, note, ran):
    results = list(huey.enqueue(note.s("first").then(note, "second").then(note, "third")))
    assert results[0].cancel() is True
    run_all(huey)
    assert ran == []
    assert ends_canceled(results[0])
    assert [result.cancel() for result in results] == [False] * 3
    assert not has_marks(huey)


@pytest.mark.parametrize("delay", [None, 0.001])
def test_a_task_is_canceled_before_those_have_run_that_it_follows(huey, note, ran, delay):
    first = note.s("first") if delay is None else note.s("first", delay=delay)
    results = list(huey.enqueue(first.then(note, "second").then(note, "third")))
    assert results[1].cancel() is True
    eventually(lambda: promote(huey) + run_all(huey) >= 0 and ran, "the first to run")
    assert run_all(huey) == 0
    assert ran == ["first"]
    assert ends_canceled(results[1])
    assert results[1].cancel() is False
    assert not has_marks(huey)


def test_an_error_task_is_canceled_before_it_is_needed(huey, note, ran):
    @huey.task()
    def fails():
        raise ValueError("no good")

    task, handler = fails.s(), note.s("handled")
    huey.enqueue(task.error(handler))
    assert huey.cancel(handler.id) is True
    run_all(huey)
    assert ran == []
    assert ends_canceled(huey.result_handle(handler.id))


@pytest.mark.parametrize("delay", [None, HOUR])
def test_a_canceled_member_of_a_chord_is_skipped(huey, note, ran, delay):
    @huey.task()
    def double(number):
        return 2 * number

    members = [double.s(0), double.s(1) if delay is None else double.s(1, delay=delay), double.s(2)]
    result = huey.enqueue(chord(members, note.s()))
    if delay is not None:
        run_all(huey)
    assert list(result.results)[1].cancel() is True
    run_all(huey)
    assert ran == [[0, SKIPPED, 4]]
    assert not has_marks(huey)


def test_the_callback_of_a_chord_is_canceled_before_its_members_have_run(huey, note, ran):
    result = huey.enqueue(chord([note.s(1), note.s(2)], note.s()))
    assert result.callback.cancel() is True
    run_all(huey)
    assert ran == [1, 2]
    assert ends_canceled(result)
    assert not has_marks(huey)


@pytest.mark.parametrize("until", ["start", "end"])
def test_a_canceled_unique_task_makes_room_for_another(huey, ran, until):
    @huey.task(unique=True, unique_until=until)
    def unique(value):
        ran.append(value)

    first = unique(1)
    assert unique(1).id == first.id
    assert first.cancel() is True
    second = unique(1)
    assert second.id not in (first.id, unique(2).id)
    run_all(huey)
    assert ends_canceled(first)
    assert second() is None
    assert ran == [1, 2]
    far = unique.schedule((3,), delay=HOUR)
    assert far.cancel() is True
    far = unique.schedule((3,), delay=HOUR)
    run_all(huey)
    assert huey.scheduled_count() == 1
    assert far.cancel() is True
    unique(3)
    run_all(huey)
    assert ran == [1, 2, 3]


def test_a_task_of_unknown_kind_is_canceled_by_who_knows_it(huey, make_huey, note, ran):
    far = note.schedule(("far",), delay=HOUR)
    run_all(huey)
    kept = dict(huey.registry._classes)
    huey.registry._classes.clear()
    assert huey.cancel(far.id) is True
    assert huey.scheduled_count() == 1
    huey.registry._classes.update(kept)
    assert huey.cancel(far.id) is True
    assert huey.scheduled_count() == 0


def test_many_are_canceled_with_one_look(huey, note, ran):
    later = [note.schedule((n,), delay=HOUR) for n in range(20, 40)]
    run_all(huey)
    results = [*note.map(range(20)), *later]
    ids = [result.id for result in results]
    assert huey.cancel_many([*ids[5:35], "never"]) == {*ids[5:35]}
    assert huey.scheduled_count() == 5
    run_all(huey)
    assert ran == [0, 1, 2, 3, 4]
    assert not has_marks(huey)


def test_a_group_is_canceled_with_one_look(huey, note, ran):
    pipeline = huey.enqueue(note.s("one").then(note, "two"))
    results = note.map(range(10))
    assert list(results)[3].cancel() is True
    run_one(huey)
    run_one(huey)
    assert results.cancel() is True
    assert pipeline.cancel() is True
    run_all(huey)
    assert ran == ["one", 0]
    assert results.cancel() is False
    assert ends_canceled(list(results)[9])
    assert ends_canceled(list(pipeline)[1])
    assert not has_marks(huey)


def test_in_immediate_mode_only_what_is_scheduled_is_there_to_be_canceled(make_huey):
    huey = make_huey(immediate=True)

    @huey.task()
    def add(a, b):
        return a + b

    result, far = add(1, 2), add.schedule((3, 4), delay=HOUR)
    assert result.cancel() is False
    assert far.cancel() is True
    assert far.cancel() is False
    assert ends_canceled(far)


def test_compressed_messages_are_found_too(make_huey):
    huey = make_huey(compression=True)

    @huey.task()
    def add(a, b):
        return a + b

    far = add.schedule((3, 4), delay=HOUR)
    run_all(huey)
    queued = add(1, 2)
    assert [queued.cancel(), far.cancel()] == [True, True]
    assert huey.scheduled_count() == 0
    run_all(huey)
    assert ends_canceled(queued)
    assert ends_canceled(far)


@pytest.mark.parametrize("running", [True, False])
def test_a_task_that_runs_where_nothing_can_interrupt_it_goes_on(huey, start, running, caplog):
    """In a process that gevent has not patched."""
    began, enough = threading.Event(), threading.Event()

    @huey.task()
    def plain():
        began.set()
        enough.wait(PATIENCE)
        return "a value"

    start(huey)
    result = plain()
    began.wait(PATIENCE)
    assert result.cancel() is True
    if running:
        eventually(lambda: "it cannot be stopped" in caplog.text, "the warning")
    enough.set()
    assert result(blocking=True, timeout=PATIENCE) == "a value"
    eventually(lambda: not has_marks(huey), "the mark to go")


def test_in_a_long_queue_the_mark_alone_stops_it(huey, note, ran, monkeypatch):
    monkeypatch.setattr(stopping, "LOOK_THROUGH", 3)
    results = [note(str(number)) for number in range(5)]
    run_one(huey)
    assert results[3].cancel() is True
    run_all(huey)
    assert ran == ["0", "1", "2", "4"]
    assert ends_canceled(results[3])
    assert not has_marks(huey)
