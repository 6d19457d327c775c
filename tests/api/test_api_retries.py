# SPDX-License-Identifier: MIT
"""Tasks that fail, and are tried again. (Guide, "Retrying tasks that fail".)"""

from datetime import datetime, timedelta, timezone

import gevent
import pytest
from driving import promote, run_all, run_one, unread_results

from huey_green import CancelExecution, RetryTask, TaskException, clock


@pytest.fixture
def runs():
    return []


def test_a_failing_task_is_tried_again_as_often_as_it_may(huey, runs):
    @huey.task(retries=2)
    def fails():
        runs.append(1)
        raise ValueError(f"failing {len(runs)}")

    result = fails()
    for left in (2, 1, 0):
        assert run_one(huey)
        result.reset()
        with pytest.raises(TaskException) as caught:
            result()
        assert caught.value.metadata["retries"] == left
        assert caught.value.metadata["error"] == f"ValueError('failing {len(runs)}')"
    assert not run_one(huey)
    assert len(runs) == 3


def test_a_retry_that_succeeds_gives_its_value(huey, runs):
    @huey.task(retries=2)
    def flaky():
        runs.append(1)
        if len(runs) < 3:
            raise ValueError
        return "OK"

    result = flaky()
    assert run_all(huey) == 3
    assert result() == "OK"


def test_a_retry_is_the_same_task_with_one_retry_less(huey):
    @huey.task(retries=2, priority=3)
    def fails(a, b=0):
        raise ValueError

    result = fails(1, b=2)
    [before] = huey.pending()
    run_one(huey)
    [after] = huey.pending()
    assert (before.retries, after.retries) == (2, 1)
    assert after == before
    assert after.id == result.id
    assert after.priority == 3


def test_a_retry_comes_after_its_delay(huey, present, runs):
    @huey.task(retries=2, retry_delay=10)
    def flaky():
        runs.append(1)
        if len(runs) < 3:
            raise ValueError
        return "OK"

    result = flaky()
    for count in (1, 2):
        assert run_all(huey) == 1
        assert len(runs) == count
        [task] = huey.scheduled()
        assert clock.to_epoch(task.eta, huey.utc) - clock.wall() == pytest.approx(10, abs=5)
        present.advance(5)
        assert promote(huey) == 0
        present.advance(6)
        assert promote(huey) == 1
    assert run_all(huey) == 1
    result.reset()
    assert result() == "OK"


def test_retry_task_retries_whatever_the_task_was_declared_with(huey, runs):
    @huey.task()
    def again():
        runs.append(1)
        if len(runs) < 5:
            raise RetryTask("not yet")
        return len(runs)

    result = again()
    for _ in range(4):
        assert run_one(huey)
        assert result() is None, "asking for another run is no failure"
    assert run_one(huey)
    assert result() == 5


def test_retry_task_leaves_the_remaining_retries_alone(huey, runs):
    @huey.task(retries=1)
    def again():
        runs.append(1)
        if len(runs) <= 3:
            raise RetryTask
        raise ValueError

    again()
    assert run_all(huey) == 5
    assert len(runs) == 5


@pytest.mark.parametrize("declared", [0, 100])
@pytest.mark.parametrize("kind", ["delay", "naive", "aware"])
@pytest.mark.parametrize("utc", [True, False])
def test_retry_task_says_when(make_huey, present, runs, declared, kind, utc):
    huey = make_huey(utc=utc)

    @huey.task(retry_delay=declared)
    def again():
        runs.append(1)
        if len(runs) > 1:
            return "OK"
        later = datetime.fromtimestamp(clock.wall() + 30)
        raise {
            "delay": RetryTask(delay=30),
            "naive": RetryTask(eta=later),
            "aware": RetryTask(eta=later.astimezone(timezone(timedelta(hours=7)))),
        }[kind]

    result = again()
    assert run_all(huey) == 1
    [task] = huey.scheduled()
    assert clock.to_epoch(task.eta, utc) - clock.wall() == pytest.approx(30, abs=5)
    present.advance(40)
    assert promote(huey) == 1
    assert run_all(huey) == 1
    assert result() == "OK"


def test_retry_task_without_a_moment_waits_for_the_declared_delay(huey, runs):
    @huey.task(retry_delay=50)
    def again():
        raise RetryTask

    again()
    assert run_all(huey) == 1
    [task] = huey.scheduled()
    assert clock.to_epoch(task.eta, huey.utc) - clock.wall() == pytest.approx(50, abs=5)


def test_cancel_execution_inside_a_task_decides_about_retries(huey, runs):
    @huey.task(retries=2)
    def cancels(retry):
        runs.append(retry)
        raise CancelExecution("no", retry=retry)

    cancels(False)
    assert run_all(huey) == 1
    cancels(None)
    assert run_all(huey) == 3


@pytest.mark.parametrize(
    "error",
    [SystemExit, GeneratorExit, gevent.Timeout, gevent.GreenletExit, BaseException],
)
def test_an_error_that_is_no_exception_is_a_failure_like_any_other(huey, error):
    @huey.task(retries=1)
    def fails():
        raise error

    result = fails()
    assert run_all(huey) == 2
    with pytest.raises(TaskException, match=error.__name__):
        result()


class TwoArguments(Exception):
    """Can be pickled, and not unpickled."""

    def __init__(self, one, two):
        super().__init__("said")
        self.one, self.two = one, two


class Unpicklable(Exception):
    def __init__(self):
        super().__init__("said")
        self.function = lambda: None


def test_the_error_task_runs_with_the_exception(huey):
    @huey.task()
    def fails(message):
        raise ValueError(message)

    @huey.task()
    def handle(label, error, more=None):
        return [label, error, more]

    task = fails.s("broken").error(handle, "label", more=1)
    result = huey.enqueue(task)
    assert run_all(huey) == 2
    with pytest.raises(TaskException):
        result()
    label, error, more = huey.result(task.on_error.id)
    assert (label, more) == ("label", 1)
    assert isinstance(error, ValueError)
    assert error.args == ("broken",)


def test_the_error_task_does_not_run_without_an_error(huey, add):
    task = add.s(1, 2).error(add, 5)
    result = huey.enqueue(task)
    assert run_all(huey) == 1
    assert result() == 3
    assert unread_results(huey) == {}


@pytest.mark.parametrize("kind", [TwoArguments, Unpicklable])
def test_the_error_task_of_an_error_that_cannot_travel_gets_what_is_known_of_it(huey, kind):
    @huey.task()
    def fails():
        raise kind(1, 2) if kind is TwoArguments else kind()

    @huey.task()
    def handle(error):
        return [type(error).__name__, str(error), error.metadata["task_id"]]

    task = fails.s().error(handle)
    result = huey.enqueue(task)
    assert run_all(huey) == 2
    said = huey.result(task.on_error.id)
    assert said == ["TaskException", f"{kind.__name__}('said')", result.id]
    assert huey.dead_letters() == []


def test_each_failing_attempt_calls_the_error_task(huey):
    handled = []

    @huey.task(retries=2)
    def fails():
        raise ValueError

    @huey.task()
    def handle(error):
        handled.append(error)

    huey.enqueue(fails.s().error(handle))
    run_all(huey)
    assert len(handled) == 3


def test_asking_for_another_run_calls_no_error_task(huey, runs):
    @huey.task()
    def again():
        runs.append(1)
        if len(runs) < 3:
            raise RetryTask

    @huey.task()
    def handle(error):
        raise AssertionError

    huey.enqueue(again.s().error(handle))
    assert run_all(huey) == 3
