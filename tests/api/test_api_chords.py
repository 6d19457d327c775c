# SPDX-License-Identifier: MIT
"""Tasks side by side, and what is called with the list of all their values."""

import pytest
from driving import run_all, unread_results

from huey_green import (
    SKIPPED,
    CancelExecution,
    ChordResult,
    Error,
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


def is_forgotten(huey, whole):
    """Say whether nothing is kept of the values of a chord."""
    joins = whole.callback.joins
    return not any(value is not None for value in huey.storage.chord_values(*joins))


# Chords: what the callback is called with.


def test_a_callback_is_called_once_with_the_values_in_the_order_of_the_members(huey, collect, add):
    whole = chord([add.s(n, 0) for n in range(5)], collect)
    result = huey.enqueue(whole)
    assert isinstance(result, ChordResult)
    assert len(huey) == 5
    # Those that end first are not the first in the list.
    for task in reversed([huey.dequeue() for _ in range(5)]):
        assert not result.is_ready()
        assert huey.execute(task) == task.args[0]
    [callback] = huey.pending()
    assert callback.id == result.id == whole.callback.id
    assert run_all(huey) == 1
    assert result() == [[0, 1, 2, 3, 4]]
    assert result.results() == [0, 1, 2, 3, 4]
    assert is_forgotten(huey, whole)
    assert unread_results(huey) == {}


def test_a_group_with_then_is_a_chord(huey, collect, add):
    result = huey.enqueue(group([add.s(1, 2), add.s(3, 4)]).then(collect, "a", "b"))
    assert isinstance(result, ChordResult)
    run_all(huey)
    assert result() == ["a", "b", [3, 7]]


def test_what_a_callback_was_given_comes_before_the_values(huey, add):
    @huey.task()
    def show(*args, **kwargs):
        return args, kwargs

    result = huey.enqueue(chord([add.s(1, 2)], show.s("first", key="word")))
    run_all(huey)
    assert result() == (("first", [3]), {"key": "word"})


def test_the_list_of_values_is_one_argument_whatever_is_in_it(huey):
    @huey.task()
    def give(value):
        return value

    @huey.task()
    def show(values):
        return values

    odd = [None, (1, 2), {"a": 1}, [], "", 0, False, b"x"]
    result = huey.enqueue(chord([give.s(one) for one in odd], show))
    run_all(huey)
    assert result() == odd


def test_a_member_that_failed_is_an_error_in_the_list(huey, add, fails):
    @huey.task()
    def show(values):
        return [one.metadata if isinstance(one, Error) else one for one in values]

    members = [add.s(1, 2), fails.s("x"), add.s(3, 4)]
    result = huey.enqueue(chord(members, show))
    run_all(huey)
    first, error, third = result()
    assert (first, third) == (3, 7)
    assert error["error"] == "ValueError('x')"
    assert "in fails" in error["traceback"]
    assert (error["task_id"], error["retries"]) == (members[1].id, 0)
    with pytest.raises(TaskException, match="x"):
        list(result.results)[1]()


@pytest.mark.parametrize("how", ["revoked", "revoked as a kind", "expired", "hook", "canceled"])
def test_a_member_that_was_not_run_is_skipped_in_the_list(huey, add, collect, sent, present, how):
    ran = []

    @huey.task()
    def other(n):
        ran.append(n)
        return n

    dropped = other.s(1, expires=10)
    result = huey.enqueue(chord([add.s(1, 2), dropped, add.s(3, 4)], collect))
    expected = s.SIGNAL_REVOKED
    if how == "revoked":
        huey.revoke(dropped)
    elif how == "revoked as a kind":
        other.revoke()
    elif how == "expired":
        present.advance(11)
        expected = s.SIGNAL_EXPIRED
    elif how == "hook":

        @huey.pre_execute()
        def refuse(task):
            if task.name == "other":
                raise CancelExecution

        expected = s.SIGNAL_CANCELED
    else:
        assert huey.cancel(dropped.id)
        expected = s.SIGNAL_CANCELED
    assert run_all(huey) == 4
    [[first, second, third]] = result()
    assert (first, third, ran) == (3, 7, [])
    assert second is SKIPPED
    names = [name for name, task in sent if task.id == dropped.id]
    assert (names[0], names[-1]) == (s.SIGNAL_ENQUEUED, expected)
    assert (s.SIGNAL_EXECUTING in names) == (how == "hook")


def test_a_member_that_cancels_itself_is_an_error(huey, add, collect):
    @huey.task()
    def gives_up():
        raise CancelExecution("no use")

    result = huey.enqueue(chord([gives_up.s(), add.s(1, 2)], collect))
    run_all(huey)
    [[first, second]] = result()
    assert "no use" in first.metadata["error"]
    assert second == 3


def test_a_chord_of_members_of_which_none_ran_calls_its_callback(huey, add, collect):
    add.revoke()
    result = huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], collect))
    run_all(huey)
    [values] = result()
    assert values == [SKIPPED, SKIPPED]
    assert not any(values)


def test_skipped_travels_as_itself(huey):
    @huey.task()
    def same(values):
        return values

    @huey.task()
    def member():
        return 1

    member.revoke()
    result = huey.enqueue(chord([member], same))
    run_all(huey)
    [value] = result()
    assert value is SKIPPED
    assert repr(value) == "SKIPPED"


def test_an_empty_chord_calls_its_callback_with_no_values(huey, collect, sent):
    whole = chord([], collect.s("given")).then(collect, "after")
    for _ in range(2):
        result = huey.enqueue(whole)
        assert len(huey) == 1
        assert run_all(huey) == 2
        assert result() == ["given", []]
        assert result.results() == []
        assert list(result.pipeline_results)[1]() == ["after", ["given", []]]
    assert unread_results(huey) == {}


def test_a_chord_may_be_enqueued_again_when_it_has_ended(huey, add, collect):
    whole = chord([add.s(1, 2), add.s(3, 4)], collect)
    for _ in range(3):
        result = huey.enqueue(whole)
        run_all(huey)
        assert result() == [[3, 7]]


# Members that are pipelines.


def test_the_last_value_of_a_pipeline_counts(huey, add, collect):
    whole = chord([add.s(1, 1).then(add, 10).then(add, 100), add.s(2, 2)], collect)
    result = huey.enqueue(whole)
    assert run_all(huey) == 5
    assert result() == [[112, 4]]
    assert result.results() == [112, 4]


def test_a_failure_in_the_middle_of_a_pipeline_is_the_value_of_the_member(
    huey, add, fails, collect
):
    broken = add.s(1, 1).then(fails).then(add, 1).then(add, 2)
    result = huey.enqueue(chord([broken, add.s(2, 2)], collect))
    assert run_all(huey) == 4
    [[error, value]] = result()
    assert error.metadata["error"] == "ValueError(2)"
    assert error.metadata["task_id"] == broken.pipeline()[1].id
    assert value == 4


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_step_of_a_pipeline_that_is_revoked_skips_the_member(huey, add, collect, position):
    member = add.s(1, 1).then(add, 10).then(add, 100)
    result = huey.enqueue(chord([member, add.s(2, 2)], collect))
    huey.revoke(member.pipeline()[position])
    assert run_all(huey) == 3 + position
    [[first, second]] = result()
    assert first is SKIPPED
    assert second == 4


def test_the_error_task_of_a_member_runs_and_the_chord_goes_on(huey, add, fails, collect):
    seen = []

    @huey.task()
    def tell(where, error):
        seen.append((where, str(error)))
        return "told"

    failing = add.s(1, 1).then(fails.s().error(tell, "second"))
    result = huey.enqueue(chord([failing, fails.s("x").error(tell, "first")], collect))
    run_all(huey)
    [values] = result()
    assert [one.metadata["error"] for one in values] == ["ValueError(2)", "ValueError('x')"]
    assert sorted(seen) == [("first", "x"), ("second", "2")]


def test_the_error_task_of_a_group_goes_with_it_into_a_chord(huey, add, fails, collect):
    seen = []

    @huey.task()
    def tell(error):
        seen.append(str(error))

    result = huey.enqueue(group([fails.s("x"), add.s(1, 2)]).error(tell).then(collect))
    run_all(huey)
    assert result()[0][1] == 3
    assert seen == ["x"]


# Chords of chords.


def test_a_chord_may_be_a_member(huey, add, collect):
    inner = chord([add.s(1, 1), add.s(2, 2)], collect)
    whole = chord([inner, add.s(5, 5), chord([add.s(3, 3)], collect.s("other"))], collect)
    result = huey.enqueue(whole)
    assert len(huey) == 4
    assert run_all(huey) == 7
    assert result() == [[[[2, 4]], 10, ["other", [6]]]]
    assert result.results() == [[[2, 4]], 10, ["other", [6]]]
    assert is_forgotten(huey, whole)
    assert is_forgotten(huey, inner)


def test_chords_may_be_deep_and_empty(huey, collect):
    inmost = chord([], collect)
    inner = chord([chord([inmost], collect), chord([], collect.s("e"))], collect)
    result = huey.enqueue(chord([inner, chord([], collect)], collect))
    assert run_all(huey) == 6
    empty: list = [[]]
    assert result() == [[[[[[empty]], ["e", []]]], empty]]


def test_what_follows_an_inner_chord_belongs_to_the_member(huey, add, collect):
    inner = chord([add.s(1, 1), add.s(2, 2)], collect).then(collect, "after").then(collect)
    result = huey.enqueue(chord([inner, add.s(5, 5)], collect))
    assert run_all(huey) == 7
    assert result() == [[[["after", [[2, 4]]]], 10]]


def test_the_failed_callback_of_an_inner_chord_is_an_error_in_the_outer_one(
    huey, add, fails, collect
):
    inner = chord([add.s(1, 1)], fails)
    result = huey.enqueue(chord([inner, add.s(5, 5)], collect))
    run_all(huey)
    [[error, value]] = result()
    assert error.metadata["error"] == "ValueError([2])"
    assert value == 10


def test_the_revoked_callback_of_an_inner_chord_is_skipped_in_the_outer_one(huey, add, collect):
    inner = chord([add.s(1, 1)], collect).then(collect)
    result = huey.enqueue(chord([inner, add.s(5, 5)], collect))
    huey.revoke(inner.callback)
    run_all(huey)
    assert result() == [[SKIPPED, 10]]
    assert is_forgotten(huey, inner)
