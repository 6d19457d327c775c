# SPDX-License-Identifier: MIT
"""When a failed task is tried again, at which errors, and which of them is seen."""

import math
from datetime import datetime, timedelta

import pytest
from driving import promote, run_all, run_one

from huey_green import CancelExecution, Error, RetryTask, TaskException, clock
from huey_green import signals as s


@pytest.fixture
def runs():
    return []


def waits(huey, present, number):
    """Run what is ready; return the seconds left before each of the next tries, rounded."""
    found = []
    for _ in range(number):
        run_all(huey)
        [task] = huey.scheduled()
        found.append(round(clock.to_epoch(task.eta, huey.utc) - clock.wall(), 1))
        present.advance(found[-1] + 0.5)
        promote(huey)
    return found


@pytest.mark.parametrize("how", ["task", "call", "schedule"])
def test_delays_grow_from_try_to_try(huey, present, how):
    options = {"retries": 5, "retry_delay": 2, "retry_backoff": 3}

    @huey.task(**(options if how == "task" else {}))
    def fails():
        raise ValueError

    if how == "schedule":
        fails.schedule(delay=0, **options)
    else:
        huey.enqueue(fails.s(**(options if how == "call" else {})))
    assert list(map(math.ceil, waits(huey, present, 5))) == [2, 6, 18, 54, 162]
    run_all(huey)
    assert (len(huey), huey.scheduled_count()) == (0, 0)


def test_delays_have_a_limit_and_a_spread(huey, present):
    @huey.task(retries=6, retry_delay=2, retry_backoff=3, retry_max_delay=20)
    def fails():
        raise ValueError

    @huey.task(retries=1, retry_delay=100, retry_jitter=0.1)
    def spreads():
        raise ValueError

    fails()
    assert list(map(math.ceil, waits(huey, present, 6))) == [2, 6, 18, 20, 20, 20]
    run_all(huey)
    spreads.map([()] * 30)
    run_all(huey)
    found = {clock.to_epoch(task.eta, huey.utc) - clock.wall() for task in huey.scheduled()}
    assert len(found) == 30
    assert all(85 < wait <= 110 for wait in found)


def test_a_retry_in_milliseconds_is_one(huey, present):
    @huey.task(retries=1, retry_delay=0.125)
    def fails():
        raise ValueError

    fails()
    before = clock.wall()
    run_all(huey)
    [task] = huey.scheduled()
    assert 0.124 < clock.to_epoch(task.eta, huey.utc) - before < 5


@pytest.mark.parametrize(
    ("options", "error", "tries"),
    [
        ({}, OSError, 3),
        ({}, SystemExit, 3),
        ({"retry_on": OSError}, ConnectionError, 3),
        ({"retry_on": (OSError, KeyError)}, ValueError, 1),
        ({"no_retry_on": OSError}, ConnectionError, 1),
        ({"no_retry_on": (OSError, KeyError)}, ValueError, 3),
        ({"retry_on": OSError, "no_retry_on": FileNotFoundError}, FileNotFoundError, 1),
        ({"retry_on": Exception}, SystemExit, 1),
    ],
)
def test_only_some_errors_are_tried_again(huey, runs, options, error, tries):
    @huey.task(retries=2, **options)
    def fails():
        runs.append(1)
        raise error

    result = fails()
    run_all(huey)
    assert len(runs) == tries
    result.reset()
    with pytest.raises(TaskException, match=error.__name__):
        result()


def test_what_is_not_tried_again_is_the_end_at_once(huey, sent):
    @huey.task(retries=2, no_retry_on=KeyError)
    def fails():
        raise KeyError("no such page")

    result = fails()
    run_all(huey)
    assert [name for name, *_ in sent] == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_ERROR]
    assert result.get_raw_result().metadata["retries"] == 2


# Which error is seen.


def test_each_error_is_stored_as_it_comes(huey, present, runs):
    @huey.task(retries=2, retry_delay=60)
    def fails():
        runs.append(1)
        raise ValueError(len(runs))

    result = fails()
    for number in (1, 2, 3):
        run_all(huey)
        error = result.get_raw_result()
        assert error.metadata["error"] == f"ValueError({number})"
        assert error.metadata["retries"] == 3 - number
        result.reset()
        present.advance(61)
        promote(huey)


def test_without_intermediate_errors_only_the_end_is_stored(make_huey, runs, present):
    huey = make_huey(store_intermediate_errors=False)

    @huey.task(retries=1, retry_delay=60)
    def fails(value=None):
        runs.append(1)
        if value is None or len(runs) == 1:
            raise ValueError(len(runs))
        return value

    for value in ("well", None):
        result = fails(value)
        assert run_one(huey)
        assert not result.is_ready()
        assert result() is None
        present.advance(61)
        assert promote(huey) == 1
        run_all(huey)
        assert result.is_ready()
        if value:
            assert result() == "well"
        else:
            assert isinstance(result.get_raw_result(), Error)
            assert result.get_raw_result().metadata["error"] == "ValueError(4)"


@pytest.mark.parametrize("store_none", [True, False])
def test_none_after_an_error_takes_the_place_of_the_error(make_huey, runs, store_none):
    huey = make_huey(store_none=store_none)

    @huey.task(retries=1)
    def unsure():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError

    result = unsure()
    run_all(huey)
    assert len(runs) == 2
    assert result.get(blocking=True, timeout=0) is None


def test_a_task_that_never_failed_stores_no_none(huey):
    @huey.task(retries=3)
    def nothing():
        """Nothing."""

    nothing()
    run_all(huey)
    assert huey.result_count() == 0


# What a task says itself.


@pytest.mark.parametrize(
    ("retry", "retries", "tries", "left"),
    [(None, 0, 1, 0), (None, 2, 3, 0), (False, 2, 1, 2), (True, 0, 4, 0), (True, 1, 4, 0)],
)
def test_a_task_that_cancels_itself_decides_whether_it_is_tried_again(
    huey, runs, sent, retry, retries, tries, left
):
    @huey.task(retries=retries, context=True)
    def gives_up(task=None):
        runs.append(task.retries)
        if len(runs) < 4:
            raise CancelExecution("not now", retry=retry)

    gives_up()
    run_all(huey)
    assert len(runs) == tries
    assert runs[-1] == left
    names = [name for name, *_ in sent]
    assert names.count(s.SIGNAL_CANCELED) == min(tries, 3)
    assert s.SIGNAL_ERROR not in names


def test_canceling_itself_runs_no_error_task(huey, runs):
    @huey.task()
    def gives_up():
        raise CancelExecution

    @huey.task()
    def tell(error):
        runs.append(error)

    huey.enqueue(gives_up.s().error(tell))
    run_all(huey)
    assert runs == []


@pytest.mark.parametrize(
    "delay", [90, 90.0, timedelta(seconds=90)], ids=["int", "float", "timedelta"]
)
def test_asking_for_another_run_takes_a_delay_in_any_form(huey, present, delay):
    @huey.task()
    def asks():
        raise RetryTask(delay=delay)

    asks()
    assert list(map(math.ceil, waits(huey, present, 2))) == [90, 90]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"delay": "soon"}, "delay is seconds from now or a timedelta, not 'soon'"),
        ({"delay": float("nan")}, "delay is seconds from now or a timedelta, not nan"),
        ({"eta": 60}, "eta is a datetime, not 60"),
        ({"eta": datetime(2030, 1, 1), "delay": 5}, "one of eta= and delay=, not both"),
    ],
)
def test_asking_for_another_run_at_no_time_is_a_failure_of_the_task(huey, runs, wrong, text):
    @huey.task(retries=1)
    def asks():
        runs.append(1)
        raise RetryTask(**wrong)

    result = asks()
    run_all(huey)
    assert len(runs) == 2
    assert huey.dead_letters() == []
    result.reset()
    with pytest.raises(TaskException, match="InvalidArgument") as caught:
        result()
    assert text in str(caught.value)


def test_a_task_may_change_its_own_next_delay(huey, present):
    @huey.task(retries=3, retry_delay=1, context=True)
    def fails(task=None):
        task.retry_delay = 10 * task.retries
        raise ValueError

    fails()
    assert list(map(math.ceil, waits(huey, present, 3))) == [30, 20, 10]
