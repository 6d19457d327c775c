# SPDX-License-Identifier: MIT
"""What is told when. (Guide, "Signals"; API reference, "signal", "disconnect_signal".)"""

import pytest
from driving import promote, run_all

from huey_green import CancelExecution, RetryTask
from huey_green import signals as s


def names(sent):
    return [name for name, *_ in sent]


def test_a_task_that_succeeds(huey, add, sent):
    result = add(1, 2)
    assert names(sent) == [s.SIGNAL_ENQUEUED]
    run_all(huey)
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE]
    assert [task.id for _, task in sent] == [result.id] * 3


def test_a_task_that_fails(huey, sent):
    raised = ValueError("x")

    @huey.task()
    def fails():
        raise raised

    fails()
    run_all(huey)
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_ERROR]
    assert [len(one) for one in sent] == [2, 2, 3], "only an error comes with an exception"
    assert sent[-1][2] is raised


def test_a_task_that_is_retried_at_once(huey, sent):
    @huey.task(retries=1)
    def fails():
        raise ValueError

    fails()
    run_all(huey)
    run = [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_ERROR]
    assert names(sent) == [*run, s.SIGNAL_RETRYING, *run]


def test_a_task_that_is_retried_later(huey, sent, present):
    @huey.task(retries=1, retry_delay=10)
    def fails():
        raise ValueError

    fails()
    run_all(huey)
    first = [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_ERROR, s.SIGNAL_RETRYING]
    assert names(sent) == [*first, s.SIGNAL_SCHEDULED]
    del sent[:]
    present.advance(11)
    promote(huey)
    run_all(huey)
    assert names(sent) == [s.SIGNAL_EXECUTING, s.SIGNAL_ERROR]


def test_a_task_that_asks_for_another_run_has_not_failed(huey, sent):
    runs = []

    @huey.task()
    def again():
        runs.append(1)
        if len(runs) == 1:
            raise RetryTask

    again()
    run_all(huey)
    first = [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_RETRYING]
    assert names(sent) == [*first, s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE]


def test_a_task_that_is_scheduled(huey, add, sent):
    add.schedule((1, 2), delay=60)
    run_all(huey)
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_SCHEDULED]


def test_a_task_that_is_revoked(huey, add, sent):
    add(1, 2).revoke()
    run_all(huey)
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_REVOKED]


def test_a_task_that_cancels_itself(huey, sent):
    @huey.task()
    def cancels():
        raise CancelExecution

    cancels()
    run_all(huey)
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_CANCELED]


def test_a_task_whose_lock_is_held(huey, sent):
    @huey.task()
    @huey.lock_task("lock")
    def locked():
        raise AssertionError

    with huey.lock_task("lock"):
        locked()
        run_all(huey)
    assert names(sent) == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_LOCKED]
    assert len(sent[-1]) == 2


def test_a_pipeline(huey, add, sent):
    first = add.s(1, 2).then(add, 3)
    huey.enqueue(first)
    run_all(huey)
    run = [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE]
    assert sorted(names(sent)) == sorted(run * 2)
    for task in first.pipeline():
        assert [name for name, one in sent if one.id == task.id] == run


def test_a_map(huey, add, sent):
    group = add.map([(1, 2), (3, 4)])
    assert [(name, task.id) for name, task in sent] == [
        (s.SIGNAL_ENQUEUED, result.id) for result in group
    ]


def test_when_a_task_is_said_to_be_complete_its_result_is_there(huey, add):
    found = []

    @huey.signal(s.SIGNAL_COMPLETE)
    def complete(signal, task):
        found.append(huey.result(task.id, preserve=True))

    add(1, 2)
    run_all(huey)
    assert found == [3]


def test_a_receiver_gets_the_signals_that_it_names(huey, add):
    found = []

    @huey.signal(s.SIGNAL_EXECUTING, s.SIGNAL_ERROR)
    def note(signal, task, exc=None):
        found.append((signal, type(exc)))

    add(1, 2)
    add(1, "2")
    run_all(huey)
    nothing = type(None)
    executing = (s.SIGNAL_EXECUTING, nothing)
    assert found == [executing, executing, (s.SIGNAL_ERROR, TypeError)]


def test_a_disconnected_receiver_is_told_no_more(huey, add):
    found = []

    @huey.signal()
    def every(signal, task, exc=None):
        found.append(("every", signal))

    @huey.signal(s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE)
    def some(signal, task):
        found.append(("some", signal))

    huey.disconnect_signal(some, s.SIGNAL_EXECUTING)
    huey.disconnect_signal(every, s.SIGNAL_ENQUEUED, s.SIGNAL_COMPLETE)
    add(1, 2)
    run_all(huey)
    assert found == [("every", s.SIGNAL_EXECUTING), ("some", s.SIGNAL_COMPLETE)]
    del found[:]
    huey.disconnect_signal(every)
    huey.disconnect_signal(some)
    add(1, 2)
    run_all(huey)
    assert found == []


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_receiver_that_fails_stops_nothing(huey, add, caplog, error):
    @huey.signal()
    def fails(signal, task):
        raise error

    result = add(1, 2)
    run_all(huey)
    assert result() == 3
    assert caplog.text.count("signal receiver") == 3
