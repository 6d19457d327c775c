# SPDX-License-Identifier: MIT
"""Calling tasks, and what may be said about a call. (Guide; API reference, "task".)"""

import re

import pytest
from driving import run_all, run_one, takes_results

from huey_green import HueyException, Result, ResultGroup, Task, TaskException


def test_a_call_is_enqueued_and_not_run(huey, add):
    result = add(1, 2)
    assert isinstance(result, Result)
    assert len(huey) == 1
    assert result() is None
    assert run_all(huey) == 1
    assert result() == 3
    assert len(huey) == 0


def test_a_result_is_shown_with_the_id_of_its_task(huey, add):
    result = add(1, 2)
    assert re.fullmatch(r"<Result: task [0-9a-f-]{36}>", repr(result))
    assert repr(result) == f"<Result: task {result.id}>"


def test_a_task_made_with_s_is_the_call_once_it_is_enqueued(huey, add):
    task = add.s(1, b=2)
    assert len(huey) == 0
    result = huey.enqueue(task)
    assert result.id == task.id
    run_all(huey)
    assert result() == 3


def test_keyword_arguments_arrive(huey):
    @huey.task()
    def show(*args, **kwargs):
        return [args, kwargs]

    result = show(1, two=2, task=3, name="n", args=(4,))
    run_all(huey)
    assert result() == [(1,), {"two": 2, "task": 3, "name": "n", "args": (4,)}]


def test_call_local_calls_the_function_here(huey, add):
    assert add.call_local(3, 4) == 7
    assert len(huey) == 0


def test_a_decorator_called_as_a_function_is_the_same(huey):
    def _add(a, b):
        return a + b

    add = huey.task()(_add)
    result = add(1, 2)
    run_all(huey)
    assert result() == 3


def test_context_passes_the_task_as_a_keyword(huey):
    @huey.task(context=True)
    def show(message, task=None):
        return f"{message}: {task.id}"

    hello, goodbye = show("hello"), show("goodbye")
    run_all(huey)
    assert hello() == f"hello: {hello.id}"
    assert goodbye() == f"goodbye: {goodbye.id}"


def test_a_name_stands_for_the_function_in_messages(huey):
    @huey.task(name="named")
    def function():
        return 1

    result = function()
    [pending] = huey.pending()
    assert repr(pending) == f"{__name__}.named: {result.id}"
    run_all(huey)
    assert result() == 1


def test_map_calls_for_each_tuple_of_arguments(huey, add):
    group = add.map([(i, i**2) for i in range(10)])
    assert isinstance(group, ResultGroup)
    assert len(huey) == len(group) == 10
    run_all(huey)
    assert group.get(blocking=True) == [0, 2, 6, 12, 20, 30, 42, 56, 72, 90]


def test_map_takes_any_iterable_and_single_arguments(huey):
    @huey.task()
    def double(value):
        return 2 * value

    groups = [double.map(iter([1, 2])), double.map(["a", "b"]), double.map([]), double.map([[3]])]
    run_all(huey)
    assert [group.get() for group in groups] == [[2, 4], ["aa", "bb"], [], [6]]


def test_a_large_map_keeps_its_order(huey):
    @huey.task()
    def same(value):
        return value

    group = same.map(range(1201))
    assert len(huey) == 1201
    assert [task.args[0] for task in huey.pending()] == list(range(1201))
    assert len({result.id for result in group}) == 1201


def test_tasks_run_in_the_order_in_which_they_were_called(huey):
    ran = []

    @huey.task()
    def note(value):
        ran.append(value)

    for value in range(20):
        note(value)
    run_all(huey)
    assert ran == list(range(20))


def test_of_waiting_tasks_the_highest_priority_runs_first(huey):
    ran = []

    @huey.task()
    def plain(value):
        ran.append(value)

    @huey.task(priority=10)
    def urgent(value):
        ran.append(value)

    plain("plain 1")
    huey.enqueue(plain.s("low", priority=-5))
    urgent("urgent 1")
    huey.enqueue(plain.s("highest", priority=99))
    urgent("urgent 2")
    huey.enqueue(urgent.s("urgent made plain", priority=0))
    plain("plain 2")
    expected = ["highest", "urgent 1", "urgent 2", "plain 1", "urgent made plain", "plain 2", "low"]
    if not huey.storage.priority:
        expected = ["plain 1", "low", "urgent 1", "highest", "urgent 2"]
        expected += ["urgent made plain", "plain 2"]
    assert [task.args[0] for task in huey.pending()] == expected
    run_all(huey)
    assert ran == expected


def test_what_waits_and_what_is_scheduled_can_be_looked_at(huey, add):
    first, second = add(1, 2), add(3, b=4)
    pending = huey.pending()
    assert [task.id for task in pending] == [first.id, second.id]
    assert [task.data for task in pending] == [((1, 2), {}), ((3,), {"b": 4})]
    assert all(isinstance(task, Task) for task in pending)
    assert [task.id for task in huey.pending(limit=1)] == [first.id]
    assert huey.pending() == pending, "looking takes nothing away"
    assert huey.scheduled() == []
    for delay in (600, 60):
        add.schedule((delay, 0), delay=delay)
    assert run_all(huey) == 4
    assert huey.pending() == []
    assert [task.args[0] for task in huey.scheduled()] == [60, 600]
    assert [task.args[0] for task in huey.scheduled(limit=1)] == [60]
    assert huey.scheduled_count() == 2


def test_an_empty_huey_is_still_true(huey):
    assert len(huey) == 0
    assert huey


def test_all_results_are_there_serialized_by_key(huey, add):
    assert huey.all_results() == {}
    result = add(1, 2)
    run_all(huey)
    huey.put("key", "value")
    found = huey.all_results()
    assert set(found) == {result.id, "key"}
    assert {key: huey.serializer.deserialize(value) for key, value in found.items()} == {
        result.id: 3,
        "key": "value",
    }
    assert huey.result_count() == 2


def test_flush_leaves_nothing(huey, add):
    add(1, 2)
    run_all(huey)
    add.schedule((1, 2), delay=60)
    run_all(huey)
    add(3, 4)
    add.revoke()
    huey.flush()
    assert (len(huey), huey.pending(), huey.scheduled(), huey.all_results()) == (0, [], [], {})
    assert not add.is_revoked()
    result = add(1, 2)
    run_all(huey)
    assert result() == 3


def test_two_hueys_by_other_names_share_nothing(make_huey):
    results = []
    hueys = [make_huey(), make_huey()]
    for huey in hueys:

        @huey.task()
        def which(huey=huey):
            return huey.name

        results.append(which())
        huey.put("key", huey.name)
    assert run_all(hueys[0]) == 1
    assert [result() for result in results] == [hueys[0].name, None]
    assert [huey.get("key") for huey in hueys] == [huey.name for huey in hueys]


def test_a_value_is_taken_by_get_and_kept_by_peek(huey):
    huey.put("key", {"a": (1, 2)})
    assert huey.get("key", peek=True) == {"a": (1, 2)}
    assert huey.get("key", peek=True) == {"a": (1, 2)}
    assert huey.get("key") == {"a": (1, 2)}
    assert huey.get("key") == (None if takes_results(huey) else {"a": (1, 2)})
    assert huey.get("never put", peek=True) is None


def test_the_last_value_that_was_put_is_there(huey):
    huey.put("key", 1)
    huey.put("key", None)
    assert huey.get("key", peek=True) is None
    huey.put("key", 2)
    assert huey.get("key") == 2


def test_a_value_is_put_only_if_there_is_none(huey):
    assert huey.put_if_empty("key", 1)
    assert not huey.put_if_empty("key", 2)
    assert huey.get("key") == 1
    assert huey.delete("key") is not takes_results(huey)
    huey.put("key", 3)
    assert huey.delete("key") is True


def test_a_task_may_call_tasks_and_use_the_store(huey, add):
    @huey.task()
    def parent():
        previous = huey.get("calls", peek=True) or 0
        huey.put("calls", previous + 1)
        return add(previous, 10).id

    parent()
    result = parent()
    assert run_one(huey)
    assert run_one(huey)
    assert run_all(huey) == 2
    assert huey.get("calls") == 2
    assert huey.result(result()) == 11


def test_a_huey_without_results_gives_none_and_stores_nothing(make_huey):
    huey = make_huey(results=False)

    @huey.task()
    def one():
        return 1

    @huey.task()
    def fails():
        raise ValueError

    assert one() is None
    assert fails() is None
    assert one.schedule(delay=60) is None
    assert huey.enqueue(one.s().then(one)) is None
    assert run_all(huey) == 5
    assert huey.all_results() == {}


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_wrong_arguments_are_the_tasks_failure(huey, add, arguments):
    result = add(*arguments)
    run_all(huey)
    with pytest.raises(TaskException, match="TypeError"):
        result()
    assert huey.dead_letters() == []


def test_arguments_that_cannot_be_serialized_are_refused_where_it_is_called(huey, add):
    with pytest.raises(HueyException, match=rf"{__name__.rpartition('.')[2]}|conftest.*add"):
        add(lambda: None, 1)
    with pytest.raises(HueyException):
        add.map([(1, 2), (lambda: None, 1)])
    assert len(huey) == 0
