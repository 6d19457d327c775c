# SPDX-License-Identifier: MIT
"""Tasks side by side: groups; and what no group or chord takes."""

import pytest
from driving import run_all

from huey_green import (
    InvalidArgument,
    ResultGroup,
    Task,
    TaskException,
    chord,
    group,
)
from huey_green import signals as s


@pytest.fixture
def collect(huey):
    """A callback that shows what it was called with."""

    @huey.task()
    def collect(*args):
        return list(args)

    return collect


@pytest.fixture
def fails(huey):
    @huey.task()
    def fails(*args):
        raise ValueError(*args)

    return fails


#: What makes a workflow of a list of tasks.
KINDS = [group, lambda tasks: chord(tasks, Task())]


def test_a_group_gives_the_results_of_its_members_in_order(huey, add, sent):
    members = [add.s(n, n) for n in range(5)]
    results = huey.enqueue(group(members))
    assert isinstance(results, ResultGroup)
    assert len(group(members)) == len(results) == len(huey) == 5
    assert [result.id for result in results] == [task.id for task in members]
    assert [name for name, *_ in sent] == [s.SIGNAL_ENQUEUED] * 5
    assert run_all(huey) == 5
    assert results() == [0, 2, 4, 6, 8]


def test_a_group_takes_any_iterable_and_functions_that_need_no_arguments(huey, add):
    @huey.task()
    def one():
        return 1

    results = huey.enqueue(group(add.s(n, 1) for n in range(3)))
    other = huey.enqueue(group((one, one)))
    run_all(huey)
    assert results() == [1, 2, 3]
    assert other() == [1, 1]


def test_groups_and_chords_say_what_they_are(add):
    whole = group([add.s(1, 2), add.s(3, 4)])
    assert repr(whole) == "<group of 2 tasks>"
    callback = add.s(1)
    assert repr(whole.then(callback)) == f"<chord of 2 tasks, then {callback!r}>"


def test_an_empty_group_is_no_task(huey):
    results = huey.enqueue(group([]))
    assert (len(results), results(), results.is_ready(), len(huey)) == (0, [], True, 0)
    assert list(results.as_completed()) == []


def test_the_result_of_a_pipeline_or_a_chord_in_a_group_is_its_last_one(huey, add, collect):
    results = huey.enqueue(
        group([add.s(1, 2).then(add, 10), chord([add.s(3, 4)], collect), add.s(5, 6)])
    )
    run_all(huey)
    assert results() == [13, [[7]], 11]


def test_one_failure_in_a_group_leaves_the_others_alone(huey, add, fails):
    results = huey.enqueue(group([add.s(1, 2), fails.s("x"), add.s(3, 4)]))
    run_all(huey)
    first, second, third = results
    assert (first(), third()) == (3, 7)
    with pytest.raises(TaskException, match="ValueError"):
        second()


def test_the_error_task_of_a_group_runs_for_each_member_that_raises(huey, add, fails):
    seen = []

    @huey.task()
    def tell(*args):
        seen.append((*args[:-1], str(args[-1])))

    huey.enqueue(group([fails.s("a"), add.s(1, 2), fails.s("b")]).error(tell, "at", "work"))
    assert run_all(huey) == 5
    assert sorted(seen) == [("at", "work", "a"), ("at", "work", "b")]


def test_the_error_task_of_a_group_may_be_a_task_with_arguments(huey, fails):
    seen = []

    @huey.task(context=True)
    def tell(where, word, error, task=None):
        seen.append((where, word, str(error), task.id))

    given = tell.s("here")
    huey.enqueue(group([fails.s("a"), fails.s("b").then(tell)]).error(given, "word"))
    run_all(huey)
    assert sorted(one[:3] for one in seen) == [("here", "word", "a"), ("here", "word", "b")]
    assert len({id_ for *_, id_ in seen}) == 2, "they are tasks of their own"
    assert given.args == ("here",)


@pytest.mark.parametrize(
    "kind", [group, lambda tasks: chord(tasks, Task())], ids=["group", "chord"]
)
@pytest.mark.parametrize("wrong", [5, None, Task(), group([]), chord([], Task())])
def test_members_come_in_a_list(kind, wrong):
    with pytest.raises(InvalidArgument, match=r"^a (group|chord) takes a list of tasks, not "):
        kind(wrong)


@pytest.mark.parametrize(
    "kind", [group, lambda tasks: chord(tasks, Task())], ids=["group", "chord"]
)
def test_what_cannot_be_a_member_is_refused(kind):
    twice = Task()
    for tasks, text in (
        (["name"], "takes tasks .* and @huey.task.* functions, not 'name'"),
        ([print], "takes tasks .* and @huey.task.* functions, not <built-in function print>"),
        ([Task(), None], "takes tasks .* functions, not None"),
        ([group([])], "give it a callback with .then.., which makes it a chord"),
        ([Task(), twice, twice], f"{twice.id} is in the (group|chord) twice: make a task for each"),
    ):
        with pytest.raises(InvalidArgument, match=text):
            kind(tasks)


@pytest.mark.parametrize("wrong", [5, None, "name", print, [Task()], group([])])
def test_what_cannot_be_a_callback_is_refused(wrong):
    for call in (
        lambda: chord([Task()], wrong),
        lambda: group([Task()]).then(wrong),
        lambda: group([Task()]).error(wrong),
        lambda: chord([], Task()).then(wrong),
        lambda: chord([], Task()).error(wrong),
        lambda: Task().then(wrong),
        lambda: Task().error(wrong),
    ):
        with pytest.raises(InvalidArgument, match=r"takes tasks .* functions, not"):
            call()
