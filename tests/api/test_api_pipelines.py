# SPDX-License-Identifier: MIT
"""One task after another. (Guide, "Task pipelines"; API reference, "then".)"""

import pytest
from driving import run_all, run_one, unread_results

from huey_green import Result, ResultGroup, TaskException


def test_each_task_gets_the_value_of_the_one_before(huey, add):
    pipeline = add.s(1, 2).then(add, 3).then(add, 4).then(add, 5)
    group = huey.enqueue(pipeline)
    assert isinstance(group, ResultGroup)
    assert len(huey) == 1, "the next one is enqueued when the one before has ended"
    assert run_all(huey) == 4
    assert group.get(blocking=True) == [3, 6, 10, 15]
    assert [result.get(blocking=True) for result in group] == [3, 6, 10, 15]
    assert unread_results(huey) == {}


def test_the_results_are_those_of_the_tasks(huey, add):
    pipeline = add.s(1, 2).then(add, 3)
    group = huey.enqueue(pipeline)
    assert [result.id for result in group] == [task.id for task in pipeline.pipeline()]
    assert all(isinstance(result, Result) for result in group)


def test_a_tuple_extends_the_arguments(huey):
    @huey.task()
    def fib(a, b=1):
        a, b = a + b, a
        return (a, b)

    group = huey.enqueue(fib.s(1).then(fib).then(fib).then(fib))
    run_all(huey)
    assert group(True) == [(2, 1), (3, 2), (5, 3), (8, 5)]


def test_a_dict_updates_the_keyword_arguments(huey):
    @huey.task()
    def step(a=0, b=0, **rest):
        return {"a": b, "b": a + b, "seen": sorted(rest)}

    group = huey.enqueue(step.s(a=1, b=1).then(step, b=100).then(step, other=5))
    run_all(huey)
    assert group() == [
        {"a": 1, "b": 2, "seen": []},
        {"a": 2, "b": 3, "seen": ["seen"]},
        {"a": 3, "b": 5, "seen": ["other", "seen"]},
    ]


def test_a_list_is_one_argument(huey):
    @huey.task()
    def grow(values, more=None):
        return [*values, len(values)]

    group = huey.enqueue(grow.s([]).then(grow).then(grow))
    run_all(huey)
    assert group() == [[0], [0, 1], [0, 1, 2]]


def test_none_adds_no_argument(huey):
    @huey.task()
    def count(*args):
        return None if len(args) < 2 else len(args)

    group = huey.enqueue(count.s(1).then(count, "a", "b"))
    run_all(huey)
    assert group() == [None, 2]


def test_a_value_comes_after_the_arguments_that_were_given(huey):
    # API reference: the value "is then passed (along with any parameters specified by args and
    # kwargs) to the child"; a tuple "extends the *args". So what was given comes first.
    @huey.task()
    def show(*args, **kwargs):
        return [args, kwargs]

    @huey.task()
    def give(value):
        return value

    groups = [
        huey.enqueue(give.s(value).then(show, "given", key="given"))
        for value in (1, (2, 3), {"key": "value", "other": "value"})
    ]
    run_all(huey)
    assert [list(group)[1]() for group in groups] == [
        [("given", 1), {"key": "given"}],
        [("given", 2, 3), {"key": "given"}],
        [("given",), {"key": "value", "other": "value"}],
    ]


def test_a_failure_ends_the_pipeline(huey, add):
    group = huey.enqueue(add.s(1, 2).then(add, "3").then(add, 4))
    assert run_all(huey) == 2
    first, second, third = group
    assert first() == 3
    with pytest.raises(TaskException, match="TypeError"):
        second()
    assert third() is None


def test_a_retry_that_succeeds_goes_on_with_the_pipeline(huey, add):
    runs = []

    @huey.task(retries=1)
    def flaky():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError
        return 10

    group = huey.enqueue(flaky.s().then(add, 1))
    assert run_all(huey) == 3
    assert group() == [10, 11]


def test_each_task_of_a_pipeline_may_have_an_error_task(huey, add):
    handled = []

    @huey.task()
    def handle(where, error):
        handled.append((where, type(error).__name__))

    second = add.s("x").error(handle, "second")
    huey.enqueue(add.s(1, 2).error(handle, "first").then(second))
    assert run_all(huey) == 3
    assert handled == [("second", "TypeError")]


def test_an_error_task_may_go_on_with_a_pipeline_of_its_own(huey, add):
    @huey.task()
    def fails():
        raise ValueError("x")

    @huey.task()
    def say(error):
        return str(error)

    repair = say.s().then(add, "repaired ")
    huey.enqueue(fails.s().error(repair))
    assert run_all(huey) == 3
    assert [huey.result(task.id) for task in repair.pipeline()] == ["x", "repaired x"]


def test_the_next_task_is_enqueued_with_its_own_priority(huey, add):
    huey.enqueue(add.s(1, 2).then(add.s(3, priority=7)))
    assert run_one(huey)
    [task] = huey.pending()
    assert task.priority == 7


def test_a_next_task_that_is_scheduled_waits_for_its_moment(huey, add, present):
    from driving import promote

    later = add.task_class((3,), eta=None)
    huey.enqueue(add.s(1, 2).then(later))
    run_all(huey)
    assert huey.result(later.id) == 6

    from huey_green import clock

    later = add.task_class((3,), eta=clock.as_eta(None, 60, huey.utc))
    huey.enqueue(add.s(1, 2).then(later))
    assert run_all(huey) == 2
    assert huey.result(later.id) is None
    present.advance(61)
    assert promote(huey) == 1
    run_all(huey)
    assert huey.result(later.id) == 6


def test_a_task_that_has_a_follower_may_be_run_again(huey, add):
    pipeline = add.s(1, 2).then(add, 3)
    for _ in range(2):
        group = huey.enqueue(pipeline)
        run_all(huey)
        assert group() == [3, 6]
