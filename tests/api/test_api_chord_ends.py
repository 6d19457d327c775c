# SPDX-License-Identifier: MIT
"""The callback of a chord, and members that end more than once, late, or not at all."""

import pytest
from driving import promote, run_all, run_one

from huey_green import Result, ResultGroup, TaskException, chord
from huey_green import signals as s
from huey_green.message import Outgoing


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


# The callback.


def test_a_callback_is_followed_by_what_follows_it(huey, add, collect):
    whole = chord([add.s(1, 1), add.s(2, 2)], collect).then(collect, "then").then(collect)
    result = huey.enqueue(whole)
    assert run_all(huey) == 5
    assert result() == [[2, 4]]
    assert isinstance(result.pipeline_results, ResultGroup)
    callback, second, third = result.pipeline_results
    assert callback.id == result.id
    assert callback(blocking=True, timeout=0) == result(), "reading it once leaves it there"
    assert second() == ["then", [[2, 4]]]
    assert third() == [["then", [[2, 4]]]]


def test_a_callback_alone_has_no_pipeline_results(huey, add, collect):
    result = huey.enqueue(chord([add.s(1, 1)], collect))
    assert result.pipeline_results is None
    assert isinstance(result.callback, Result)


def test_a_callback_that_fails_runs_its_error_task_and_forgets_the_values(huey, add, fails):
    seen = []

    @huey.task()
    def tell(word, error):
        seen.append((word, str(error)))

    whole = chord([add.s(1, 1)], fails).error(tell, "word").then(add, 1)
    result = huey.enqueue(whole)
    run_all(huey)
    with pytest.raises(TaskException, match="ValueError"):
        result()
    assert seen == [("word", "[2]")]
    assert is_forgotten(huey, whole)


def test_the_error_task_of_a_chord_is_not_for_its_members(huey, add, fails, collect):
    seen = []

    @huey.task()
    def tell(error):
        seen.append(error)

    result = huey.enqueue(chord([fails.s("x"), add.s(1, 1)], collect).error(tell))
    run_all(huey)
    assert result()[0][1] == 2
    assert seen == []


@pytest.mark.parametrize("delay", [0, 60])
def test_a_callback_that_is_retried_gets_the_values_again(huey, add, present, delay):
    calls = []

    @huey.task(retries=2, retry_delay=delay)
    def unsure(word, values):
        calls.append((word, list(values)))
        values.append("seen")
        if len(calls) < 3:
            raise ValueError
        return "ended"

    whole = chord([add.s(1, 1), add.s(2, 2)], unsure.s("word"))
    result = huey.enqueue(whole)
    run_all(huey)
    while delay and len(calls) < 3:
        assert not is_forgotten(huey, whole)
        present.advance(61)
        assert promote(huey) == 1
        run_all(huey)
    assert calls == [("word", [2, 4])] * 3
    result.reset()
    assert result() == "ended"
    assert is_forgotten(huey, whole)


def test_a_callback_may_have_to_wait_for_its_moment(huey, add, collect, present):
    whole = chord([add.s(1, 1)], collect.s(delay=60))
    result = huey.enqueue(whole)
    run_all(huey)
    assert [task.id for task in huey.scheduled()] == [result.id]
    present.advance(61)
    promote(huey)
    run_all(huey)
    assert result() == [[2]]


def test_a_callback_that_is_revoked_is_not_called_and_the_values_are_forgotten(
    huey, add, collect, sent
):
    whole = chord([add.s(1, 1), add.s(2, 2)], collect)
    result = huey.enqueue(whole)
    result.callback.revoke()
    run_all(huey)
    assert result() is None
    assert is_forgotten(huey, whole)
    assert (s.SIGNAL_REVOKED, result.id) in [(name, task.id) for name, task, *_ in sent]


def test_the_time_of_a_callback_that_expires_counts_from_when_it_is_enqueued(
    huey, add, collect, sent, present
):
    late, early = (chord([add.s(1, 1)], collect.s(expires=10)) for _ in range(2))
    results = [huey.enqueue(one) for one in (late, early)]
    present.advance(11)
    assert run_one(huey)
    present.advance(5)
    assert run_one(huey)
    present.advance(6)
    run_all(huey)
    assert [result() for result in results] == [None, [[2]]]
    expired = [task.id for name, task, *_ in sent if name == s.SIGNAL_EXPIRED]
    assert expired == [late.callback.id]
    assert is_forgotten(huey, late)


def test_the_priority_of_a_callback_is_its_own(huey, add, collect):
    huey.enqueue(chord([add.s(1, 1)], collect.s(priority=7)))
    run_one(huey)
    [callback] = huey.pending()
    assert callback.priority == 7


# Members that end more than once, late, or not at all.


def test_a_member_that_is_retried_is_counted_once(huey, add, collect):
    runs = []

    @huey.task(retries=2)
    def flaky(n):
        runs.append(n)
        if runs.count(n) < 3:
            raise ValueError
        return n

    result = huey.enqueue(chord([flaky.s(1), add.s(1, 1), flaky.s(2)], collect))
    assert run_all(huey) == 3 + 1 + 3 + 1
    assert result() == [[1, 2, 2]]


def test_a_member_that_uses_up_its_retries_is_an_error(huey, add, collect, present):
    @huey.task(retries=1, retry_delay=60)
    def broken():
        raise ValueError("broken")

    result = huey.enqueue(chord([broken.s(), add.s(1, 1)], collect))
    assert run_all(huey) == 2
    assert not result.is_ready()
    present.advance(61)
    assert promote(huey) == 1
    assert run_all(huey) == 2
    [[error, value]] = result()
    assert (error.metadata["error"], error.metadata["retries"]) == ("ValueError('broken')", 0)
    assert value == 2


def test_a_member_may_have_a_moment_of_its_own(huey, add, collect, present):
    result = huey.enqueue(chord([add.s(1, 1, delay=60), add.s(2, 2)], collect))
    run_all(huey)
    assert (huey.scheduled_count(), result.is_ready()) == (1, False)
    present.advance(61)
    promote(huey)
    run_all(huey)
    assert result() == [[2, 4]]


def test_a_member_that_nobody_knows_is_a_dead_letter_and_an_error(make_huey, add, huey, collect):
    @huey.task()
    def unknown():
        return 1

    result = huey.enqueue(chord([unknown.s(), add.s(1, 1)], collect))
    unknown.unregister()
    run_all(huey)
    [[error, value]] = result()
    assert "unknown is not registered" in error.metadata["error"]
    assert value == 2
    [letter] = huey.dead_letters()
    assert "unknown is not registered" in letter.reason


def test_a_member_whose_consumers_died_is_a_dead_letter_and_an_error(huey, add, collect):
    huey.max_deliveries = 1
    member = add.s(2, 2)
    result = huey.enqueue(chord([member, add.s(1, 1)], collect))
    [delivery] = huey.storage.fetch("dead", 1)
    assert huey.deserialize_task(delivery.body).id == member.id
    assert huey.storage.reclaim(dead=["dead"]) == 1
    run_all(huey)
    [[error, value]] = result()
    assert "each time its consumer died" in error.metadata["error"]
    assert value == 2
    assert [letter.id for letter in huey.dead_letters()] == [member.id]


def test_a_callback_among_the_dead_letters_keeps_its_values(huey, add, collect):
    huey.max_deliveries = 1
    result = huey.enqueue(chord([add.s(1, 1), add.s(2, 2)], collect.s("given")))
    assert run_one(huey)
    assert run_one(huey)
    [delivery] = huey.storage.fetch("dead", 1)
    assert huey.deserialize_task(delivery.body).id == result.id
    assert huey.storage.reclaim(dead=["dead"]) == 1
    assert run_all(huey) == 1
    assert [letter.id for letter in huey.dead_letters()] == [result.id]
    with pytest.raises(TaskException, match="each time its consumer died"):
        result()
    assert huey.requeue_dead() == 1
    run_all(huey)
    result.reset()
    assert result() == ["given", [2, 4]]


def test_bytes_that_are_no_task_leave_a_chord_alone(huey, add, collect):
    result = huey.enqueue(chord([add.s(1, 1), add.s(2, 2)], collect))
    huey.storage.enqueue_many([Outgoing(b"no task")])
    run_all(huey)
    assert result() == [[2, 4]]


def test_a_member_whose_value_cannot_be_kept_is_an_error(huey, add, collect):
    @huey.task()
    def strange():
        return lambda: None

    result = huey.enqueue(chord([strange.s(), add.s(1, 1)], collect))
    run_all(huey)
    [[error, value]] = result()
    assert "cannot be serialized" in error.metadata["error"]
    assert value == 2


def test_a_settlement_that_comes_twice_counts_once(huey, add, collect):
    """A member may end twice: where its lease ended, or its consumer lost an answer."""
    whole = chord([add.s(1, 1), add.s(2, 2)], collect)
    result = huey.enqueue(whole)
    [first, second] = [huey.dequeue() for _ in range(2)]
    assert [huey.execute(first), huey.execute(first)] == [2, 2]
    assert len(huey) == 0
    huey.execute(second)
    assert len(huey) == 1
    run_all(huey)
    assert result() == [[2, 4]]
