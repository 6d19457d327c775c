# SPDX-License-Identifier: MIT
"""Tasks driven by hand, without a consumer, as applications' own tests do with huey.

What is asserted here was compared with huey 3.5.4, in programs run with both.
"""

from datetime import datetime, timedelta

import pytest

from huey_green import (
    CancelExecution,
    RetryTask,
    TaskException,
    chord,
    clock,
    group,
)
from huey_green import signals as s
from huey_green.exceptions import UnknownTask, UnreadableMessage
from huey_green.message import Place
from huey_green.wire import Error

HOUR = timedelta(hours=1)


@pytest.fixture
def fails(huey):
    @huey.task()
    def fails():
        raise ValueError("failing!")

    return fails


def names(sent):
    return [name for name, *_ in sent]


def run_next(huey, timestamp=None):
    return huey.execute(huey.dequeue(), timestamp)


def run_all(huey):
    values = []
    while len(huey):
        values.append(run_next(huey))
    return values


# Taking tasks from the queue.


def test_dequeue_takes_one_task_after_the_other_and_then_there_is_none(huey, add):
    first, second = add(1, 2), add(3, b=4)
    assert len(huey) == 2
    assert [huey.dequeue().id, len(huey), huey.dequeue().id] == [first.id, 1, second.id]
    assert huey.dequeue() is None
    assert huey.storage.in_flight() == []


def test_what_is_dequeued_is_the_task_that_was_enqueued(huey, add):
    task = add.s(1, b=[2], retries=3, retry_delay=4, priority=5)
    huey.enqueue(task)
    taken = huey.dequeue()
    assert (taken, type(taken)) == (task, add.task_class)
    assert (taken.retries, taken.retry_delay, taken.priority) == (3, 4, 5)
    assert taken.data == ((1,), {"b": [2]})


def test_the_storage_says_whether_it_knows_priorities_and_dequeue_follows(huey, add):
    for number, priority in enumerate([1, None, 5]):
        huey.enqueue(add.s(number, 0, priority=priority))
    order = [huey.dequeue().args[0] for _ in range(3)]
    assert order == ([2, 0, 1] if huey.storage.priority else [0, 1, 2])


def test_bytes_that_are_no_task_are_taken_and_the_error_says_what_they_are(huey, add):
    huey.storage.enqueue(b"garbage")
    add(1, 2)
    with pytest.raises(UnreadableMessage, match="deserialized"):
        huey.dequeue()
    assert run_all(huey) == [3]


def test_a_task_that_is_not_registered_is_named_when_it_is_dequeued(huey, add):
    add(1, 2)
    add.unregister()
    with pytest.raises(UnknownTask, match=r"conftest\.add"):
        huey.dequeue()


# Running them.


def test_execute_returns_the_value_and_stores_it(huey, add, sent):
    result = add(1, 2)
    task = huey.dequeue()
    assert not result.is_ready()
    assert huey.execute(task) == 3
    assert result.is_ready()
    assert result.get(preserve=True) == 3
    assert result() == 3
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE]


def test_a_task_that_was_never_enqueued_is_executed_too_and_as_often_as_wanted(huey, add):
    task = add.s(1, 2)
    assert [huey.execute(task), huey.execute(task)] == [3, 3]
    assert huey.result(task.id) == 3


def test_none_is_a_value_that_is_stored_only_where_it_is_asked_for(make_huey):
    for store_none in (False, True):
        huey = make_huey(store_none=store_none)
        result = huey.task(name="nothing")(lambda: None)()
        assert run_next(huey) is None
        assert result.is_ready() is store_none


def test_nothing_is_stored_by_a_huey_without_results(make_huey):
    huey = make_huey(results=False)

    @huey.task()
    def one():
        return 1

    assert one() is None
    assert run_next(huey) == 1
    assert huey.all_results() == {}


def test_a_failure_is_none_and_its_error_is_stored_with_what_is_known_of_it(huey, fails, sent):
    result = fails()
    assert run_next(huey) is None
    error = result.get_raw_result(preserve=True)
    assert isinstance(error, Error)
    assert error.metadata["error"] == "ValueError('failing!')"
    assert error.metadata["retries"] == 0
    assert error.metadata["task_id"] == result.id
    assert "raise ValueError" in error.metadata["traceback"]
    with pytest.raises(TaskException, match="failing!"):
        result()
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_ERROR]
    assert isinstance(sent[-1][2], ValueError)


def test_a_value_is_a_raw_result_as_well(huey, add):
    result = add(1, 2)
    assert result.get_raw_result() is None
    run_next(huey)
    assert result.get_raw_result() == 3


def test_wrong_arguments_are_the_tasks_failure(huey, add):
    result = add(1, 2, 3)
    assert run_next(huey) is None
    assert "TypeError" in result.get_raw_result().metadata["error"]


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
def test_what_would_end_a_program_is_a_failure_of_the_task(huey, error):
    @huey.task()
    def leaves():
        raise error

    result = leaves()
    assert run_next(huey) is None
    assert type(error).__name__ in result.get_raw_result().metadata["error"]


def test_a_task_itself_is_run_without_any_traces(huey, add, sent):
    assert add.s(1, b=2).execute() == 3
    assert huey.all_results() == {}
    assert sent == []


# Retries.


def test_a_retry_without_delay_is_enqueued_at_once(huey, sent):
    @huey.task(retries=2)
    def flaky():
        raise ValueError("again")

    result = flaky()
    assert run_next(huey) is None
    assert (len(huey), huey.scheduled_count()) == (1, 0)
    assert result.get_raw_result().metadata["retries"] == 2
    retry = huey.dequeue()
    assert (retry.id, retry.retries, retry.eta) == (result.id, 1, None)
    assert names(sent)[-3:] == [s.SIGNAL_ERROR, s.SIGNAL_RETRYING, s.SIGNAL_ENQUEUED]
    assert huey.execute(retry) is None
    assert run_next(huey) is None
    assert len(huey) == 0


def test_a_retry_with_a_delay_is_scheduled(huey, present, sent):
    @huey.task(retries=1, retry_delay=10)
    def flaky():
        raise ValueError("again")

    flaky()
    assert run_next(huey) is None
    assert (len(huey), huey.scheduled_count()) == (0, 1)
    assert names(sent)[-2:] == [s.SIGNAL_RETRYING, s.SIGNAL_SCHEDULED]
    assert huey.read_schedule() == []
    present.advance(11)
    [retry] = huey.read_schedule()
    assert retry.retries == 0
    # Who is told that it is scheduled is told for when.
    assert sent[-1][1].eta == retry.eta
    assert huey.execute(retry) is None
    assert (len(huey), huey.scheduled_count()) == (0, 0)


def test_a_task_asks_to_be_retried_now_or_later(huey, sent):
    @huey.task()
    def again(delay=None, eta=None):
        raise RetryTask(delay=delay, eta=eta)

    result = again()
    assert run_next(huey) is None
    assert result.get_raw_result() is None, "to ask for a retry is no failure"
    assert huey.dequeue().retries == 0
    again(delay=30)
    again(eta=datetime.now() + HOUR)
    run_all(huey)
    now = clock.from_epoch(clock.wall(), huey.utc)
    assert [len(huey.read_schedule(now + after)) for after in (HOUR / 2, HOUR / 2, 2 * HOUR)] == [
        *(1, 0, 1)
    ]


# Those that do not run.


def test_a_task_whose_time_has_not_come_goes_to_the_schedule(huey, add, sent):
    result = add.schedule((1, 2), delay=60)
    task = huey.dequeue()
    assert not huey.ready_to_run(task)
    assert huey.ready_to_run(task, task.eta)
    assert huey.execute(task) is None
    assert (len(huey), huey.scheduled_count(), result()) == (0, 1, None)
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_SCHEDULED]
    assert huey.read_schedule() == []
    assert huey.read_schedule(task.eta) == [task]
    assert huey.scheduled_count() == 0
    assert huey.execute(task, task.eta) == 3
    assert result() == 3


@pytest.mark.parametrize("once", [False, True])
def test_a_revoked_task_does_not_run(huey, add, sent, once):
    result = add(1, 2)
    huey.revoke(result.task, revoke_once=once)
    task = huey.dequeue()
    assert huey.is_revoked(task)
    assert huey.execute(task) is None
    assert names(sent)[1:] == [s.SIGNAL_REVOKED]
    assert huey.is_revoked(task) is not once, "one that is revoked once has used that up"
    assert huey.execute(task) == (3 if once else None)


def test_revoking_the_next_call_is_used_up_by_it(huey, add):
    add.revoke(revoke_once=True)
    add(1, 2)
    add(3, 4)
    assert run_all(huey) == [None, 7]
    assert not add.is_revoked()


def test_a_revocation_until_a_moment_holds_until_then(huey, add):
    add.revoke(revoke_until=datetime.now() + HOUR)
    add(1, 2)
    task = huey.dequeue()
    assert huey.execute(task) is None
    assert huey.execute(task, clock.from_epoch(clock.wall(), huey.utc) + 2 * HOUR) == 3


def test_an_expired_task_does_not_run(huey, sent):
    @huey.task(expires=10)
    def brief():
        return "ran"

    now = clock.from_epoch(clock.wall(), huey.utc)
    brief()
    task = huey.dequeue()
    assert huey.execute(task, now + timedelta(seconds=20)) is None
    assert names(sent)[1:] == [s.SIGNAL_EXPIRED]
    assert huey.execute(task, now + timedelta(seconds=5)) == "ran"


def test_a_locked_task_does_not_run(huey, sent):
    @huey.task()
    @huey.lock_task("lock")
    def locked():
        return "ran"

    result = locked()
    with huey.lock_task("lock"):
        assert run_next(huey) is None
    assert "TaskLockedException" in result.get_raw_result().metadata["error"]
    assert names(sent)[1:] == [s.SIGNAL_EXECUTING, s.SIGNAL_LOCKED]
    assert not huey.is_locked("lock")


# Hooks.


def test_hooks_are_called_and_one_before_may_cancel(huey, add, fails, sent):
    seen = []

    @huey.pre_execute()
    def before(task):
        seen.append(task.args)
        if task.args == (0, 0):
            raise CancelExecution

    @huey.post_execute()
    def after(task, value, error):
        seen.append((task.args, value, repr(error)))

    tasks = [add.s(0, 0), add.s(1, 2), fails.s()]
    assert [huey.execute(task) for task in tasks] == [None, 3, None]
    assert seen == [
        *((0, 0), (1, 2), ((1, 2), 3, "None")),
        *((), ((), None, "ValueError('failing!')")),
    ]
    assert names(sent)[:2] == [s.SIGNAL_EXECUTING, s.SIGNAL_CANCELED]
    assert huey.result(tasks[0].id) is None


def test_a_failing_hook_stops_nothing(huey, add):
    def broken(*args):
        raise ValueError

    huey.pre_execute("hook")(broken)
    huey.post_execute("hook")(broken)
    assert huey.execute(add.s(1, 2)) == 3


def test_a_task_that_cancels_itself_is_retried_if_it_says_so(huey, sent):
    @huey.task()
    def cancels(retry):
        raise CancelExecution(retry=retry)

    assert huey.execute(cancels.s(False)) is None
    assert len(huey) == 0
    assert huey.execute(cancels.s(True)) is None
    assert len(huey) == 1
    assert names(sent).count(s.SIGNAL_CANCELED) == 2


# What follows.


def test_the_next_step_of_a_pipeline_is_enqueued(huey, add):
    steps = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))
    assert run_next(huey) == 3
    [following] = huey.pending()
    assert following.data == ((3, 3), {})
    assert run_all(huey) == [6, 10]
    assert steps.get() == [3, 6, 10]


def test_the_error_task_is_enqueued_when_a_task_fails(huey, fails):
    @huey.task()
    def handle(about, error):
        return f"{about}: {error!r}"

    huey.enqueue(fails.s().error(handle, "it was"))
    assert run_all(huey) == [None, "it was: ValueError('failing!')"]


def test_groups_and_chords_are_driven_to_their_end(huey, add):
    @huey.task()
    def total(values):
        return sum(values)

    both = huey.enqueue(group([add.s(1, 2), add.s(3, 4)]))
    assert run_all(huey) == [3, 7]
    assert both.get() == [3, 7]
    whole = huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], total.s()))
    assert run_next(huey) == 3
    assert len(huey) == 1
    assert run_all(huey) == [7, 10]
    assert whole() == 10


def test_the_members_of_a_chord_know_their_place(huey, add):
    huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], add.s(5)))
    places = [huey.dequeue().chord for _ in range(2)]
    assert all(isinstance(place, Place) for place in places)
    assert [place.position for place in places] == [0, 1]


@pytest.mark.parametrize("until", ["start", "end"])
def test_a_unique_call_is_possible_again_when_the_first_has_run(huey, until):
    inside = []

    @huey.task(unique=True, unique_until=until)
    def only(number):
        if not inside:
            inside.append(only(number).id)
        return number

    first = only(1)
    assert only(1).id == first.id
    assert len(huey) == 1
    assert run_next(huey) == 1
    assert (inside[0] == first.id) is (until == "end"), "it called itself while it ran"
    run_all(huey)
    assert only(1).id not in (first.id, inside[0])


def test_a_unique_call_that_does_not_run_leaves_room_for_another(huey):
    @huey.task(unique=True)
    def only():
        return 1

    first = only()
    first.revoke()
    assert run_next(huey) is None
    assert only().id != first.id
