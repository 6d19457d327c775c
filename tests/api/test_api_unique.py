# SPDX-License-Identifier: MIT
"""One call instead of several equal ones: ``@huey.task(unique=True)``."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from driving import PATIENCE, promote, run_all, run_one

from huey_green import JSONSerializer, PriorityRedisExpireHuey, RedisExpireHuey, TaskException
from huey_green.testing.concurrency import Running, eventually, together

HOUR = 3600


@dataclass
class Point:
    x: Any
    y: Any


def reading_removes(huey):
    """Say whether a result that was read is gone, and not only when its time has come."""
    return not isinstance(huey, (RedisExpireHuey, PriorityRedisExpireHuey))


@pytest.fixture
def ran():
    return []


@pytest.fixture
def declare(huey, ran):
    """A function that declares a unique task with some options."""

    def declare(**options):
        @huey.task(**{"unique": True, **options})
        def unique(a, b=2, *more, c=3, **others):
            ran.append((a, b, *more, c))
            return len(ran)

        return unique

    return declare


# Which calls are the same.


def test_a_second_call_is_not_enqueued_and_its_result_is_the_first_one_s(huey, declare, ran):
    unique = declare()
    first, second = unique(1), unique(1)
    assert huey.pending_count() == 1
    assert second.id == first.id
    run_all(huey)
    assert first() == second() == 1
    assert ran == [(1, 2, 3)]


def test_a_call_is_the_same_however_it_is_written(huey, declare):
    unique = declare()
    first = unique(1)
    same = [unique(a=1), unique(1, 2), unique(1, b=2), unique(c=3, b=2, a=1), unique(1, c=3)]
    assert {one.id for one in same} == {first.id}
    assert huey.pending_count() == 1
    others = [unique(2), unique(1, 3), unique(1, c=4), unique(1, 2, 3), unique(1, d=4), unique("1")]
    assert len({one.id for one in others}) == len(others)
    assert first.id not in {one.id for one in others}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([1, [2, 3]], (1, (2, 3))),
        ({3, 1, 2}, {1, 2, 3}),
        (["ab" * 2, "abab"], ["abab", "abab"]),
    ],
)
def test_equal_values_are_the_same_however_they_are_kept(declare, one, other):
    unique = declare()
    assert unique(one).id == unique(other).id


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.5), ("a", b"a"), (None, "None"), (["ab"], ["a", "b"])]
)
def test_different_values_are_not_the_same(declare, one, other):
    unique = declare()
    assert unique(one).id != unique(other).id


def test_calls_with_the_wrong_arguments_are_the_same_if_those_are(huey, declare):
    unique = declare()
    assert unique().id == unique().id != unique(1, a=1).id == unique(1, a=1).id
    run_all(huey)
    result = unique()
    run_all(huey)
    with pytest.raises(TaskException, match="missing"):
        result()


def test_a_call_of_a_context_task_is_the_same_however_it_is_written(huey):
    @huey.task(unique=True, context=True)
    def unique(a, task):
        return a

    assert unique(1).id == unique(a=1).id != unique(2).id


def test_equal_objects_are_the_same(declare):
    unique = declare()
    text = "ab" * 2
    assert unique(Point(text, text)).id == unique(Point("abab", "ab" + "ab"[:2])).id
    assert unique(Point(1, 2)).id == unique(Point(1, 2)).id != unique(Point(2, 1)).id
    assert unique(datetime(2026, 1, 2)).id == unique(datetime(2026, 1, 2)).id


def test_a_key_function_says_which_calls_are_the_same(huey, declare, ran):
    unique = declare(unique=lambda a, **others: a["id"])
    first = unique({"id": 7, "text": "old"})
    assert unique({"id": 7, "text": "new"}).id == first.id
    assert unique({"id": 8}, c=1).id != first.id
    run_all(huey)
    assert [a["id"] for a, *_ in ran] == [7, 8]


def test_an_error_of_the_key_function_is_the_caller_s(huey, declare):
    unique = declare(unique=lambda a: a["id"])
    with pytest.raises(KeyError):
        unique({})
    assert huey.pending_count() == 0


def test_tasks_of_other_kinds_are_not_the_same(huey, ran):
    @huey.task(unique=lambda n: "key")
    def one(n):
        ran.append("one")

    @huey.task(unique=lambda n: "key")
    def other(n):
        ran.append("other")

    assert one(1).id != other(1).id
    assert one(2).id != other(2).id
    run_all(huey)
    assert ran == ["one", "other"]


def test_arguments_that_travel_as_json_are_told_apart(make_huey):
    huey = make_huey(serializer=JSONSerializer())

    @huey.task(unique=True)
    def unique(value):
        return value

    assert unique({"a": [1]}).id == unique({"a": [1]}).id != unique({"a": [2]}).id


# Who reads the value.


def test_all_who_called_read_the_value_and_then_it_goes(huey, declare):
    unique = declare()
    results = [unique(1) for _ in range(3)]
    run_all(huey)
    assert [result() for result in results] == [1, 1, 1]
    if reading_removes(huey):
        assert huey.result(results[0].id) == 1  # By its id it is read for good.
        assert huey.result(results[0].id) is None


def test_all_who_called_learn_of_its_failure(huey):
    @huey.task(unique=True)
    def fails():
        raise ValueError("for all")

    results = [fails() for _ in range(3)]
    run_all(huey)
    for result in results:
        with pytest.raises(TaskException, match="for all"):
            result()


def test_the_error_of_a_try_is_read_once(huey):
    @huey.task(unique=True, unique_until="end", retries=1)
    def fails_once(runs=[]):  # noqa: B006 - to count
        runs.append(1)
        return 1 // (len(runs) - 1)

    results = [fails_once() for _ in range(2)]
    run_one(huey)
    with pytest.raises(TaskException, match="Zero"):
        results[0]()
    results[0].reset()
    if reading_removes(huey):
        assert results[0]() is None
    run_all(huey)
    results[0].reset()
    assert [result() for result in results] == [1, 1]


def test_several_wait_for_the_same_value(huey, start):
    enough = threading.Event()

    @huey.task(unique=True)
    def unique():
        assert enough.wait(PATIENCE)
        return "a value"

    results = [unique() for _ in range(5)]
    waiting = [Running(lambda one=one: one(blocking=True, timeout=PATIENCE)) for one in results]
    start(huey)
    enough.set()
    assert [one.result() for one in waiting] == ["a value"] * 5


# For how long.


@pytest.mark.parametrize("until", ["start", "end"])
def test_when_it_has_ended_another_one_runs(huey, declare, ran, until):
    unique = declare(unique_until=until)
    first = unique(1)
    run_all(huey)
    second = unique(1)
    assert second.id != first.id
    run_all(huey)
    assert (first(), second()) == (1, 2)


@pytest.mark.parametrize("until", ["start", "end"])
def test_while_one_runs_another_one_may_wait_or_may_not(huey, start, until):
    began, enough = threading.Event(), threading.Event()

    @huey.task(unique=True, unique_until=until)
    def unique():
        began.set()
        assert enough.wait(PATIENCE)
        return "a value"

    consumer = start(huey)
    first = unique()
    began.wait(PATIENCE)
    second, third = unique(), unique()
    assert (second.id == first.id) is (until == "end")
    assert third.id == second.id or until == "start"
    enough.set()
    assert first(blocking=True, timeout=PATIENCE) == "a value"
    assert second(blocking=True, timeout=PATIENCE) == "a value"
    assert third(blocking=True, timeout=PATIENCE) == "a value"
    consumer.stop()
    assert unique().id not in {first.id, second.id, third.id}


@pytest.mark.parametrize("until", ["start", "end"])
def test_one_that_fails_makes_room(huey, until):
    @huey.task(unique=True, unique_until=until)
    def fails():
        raise ValueError

    first = fails()
    run_all(huey)
    assert fails().id != first.id


def test_until_its_start_the_retry_of_one_keeps_no_other_away(huey, start, ran):
    @huey.task(unique=True, retries=1, retry_delay=HOUR)
    def fails():
        ran.append("tried")
        raise ValueError

    first = fails()
    consumer = start(huey)
    eventually(lambda: huey.scheduled_count() == 1, "the retry to wait")
    consumer.stop()
    assert fails().id != first.id


@pytest.mark.parametrize("delay", [0, HOUR])
def test_until_its_end_means_until_its_last_try(huey, ran, delay, present):
    @huey.task(unique=True, unique_until="end", retries=1, retry_delay=delay)
    def fails():
        ran.append("tried")
        raise ValueError

    first = fails()
    run_one(huey)
    assert fails().id == first.id
    present.advance(HOUR + 1)
    promote(huey)
    run_all(huey)
    assert ran == ["tried", "tried"]
    assert fails().id != first.id


def test_one_that_waits_on_the_schedule_keeps_others_away(huey, declare, ran, present):
    unique = declare()
    first = unique.schedule((1,), delay=HOUR)
    assert unique(1).id == first.id
    assert unique.schedule((1,), delay=5).id == first.id
    run_all(huey)
    assert unique(1).id == first.id
    assert ran == []
    present.advance(HOUR + 1)
    promote(huey)
    run_all(huey)
    assert ran == [(1, 2, 3)]
    assert unique(1).id != first.id


def test_its_moment_may_be_milliseconds_ahead(huey, start, declare, ran):
    unique = declare()
    start(huey, scheduler_interval=HOUR)
    assert unique(0)(blocking=True, timeout=PATIENCE) == 1  # The first look is over.
    first = unique.schedule((1,), delay=0.05)
    assert first(blocking=True, timeout=PATIENCE) == 2


@pytest.mark.parametrize("until", ["start", "end"])
def test_it_keeps_others_away_for_its_time_to_live_and_no_longer(huey, declare, ran, until):
    unique = declare(unique_until=until, ttl=0.1)
    ids = set()

    def is_free():
        ids.add(unique(1).id)
        return len(ids) == 2

    first = unique(1)
    ids.add(first.id)
    eventually(is_free, "the time to live to end")
    # The end of the first one does not make room in the place of the second.
    run_one(huey)
    assert ran == [(1, 2, 3)]
    run_all(huey)
    assert len(ran) == 2


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda huey, task, result: result.revoke(), id="revoked"),
        pytest.param(lambda huey, task, result: task.revoke(revoke_once=True), id="its kind"),
        pytest.param(
            lambda huey, task, result: task.revoke(revoke_once=True, args=(1,)), id="its call"
        ),
        pytest.param(lambda huey, task, result: result.cancel(), id="canceled"),
        pytest.param(lambda huey, task, result: huey.storage.flush_queue(), id="queue flushed"),
        pytest.param(lambda huey, task, result: huey.flush(), id="flushed"),
    ],
)
@pytest.mark.parametrize("until", ["start", "end"])
def test_one_that_is_not_run_makes_room(huey, declare, ran, until, end):
    unique = declare(unique_until=until)
    first = unique(1)
    end(huey, unique, first)
    run_all(huey)
    second = unique(1)
    assert second.id != first.id
    run_all(huey)
    assert ran == [(1, 2, 3)]


def test_one_that_expires_makes_room(huey, declare, ran, present):
    unique = declare(expires=60)
    first = unique(1)
    present.advance(61)
    run_all(huey)
    assert unique(1).id != first.id
    assert ran == []


@pytest.mark.parametrize("until", ["start", "end"])
def test_one_that_its_consumer_died_with_runs_again_and_then_makes_room(huey, declare, ran, until):
    unique = declare(unique_until=until)
    first = unique(1)
    huey.storage.fetch("dies", 1)
    assert unique(1).id == first.id
    assert huey.storage.reclaim(dead=["dies"]) == 1
    assert unique(1).id == first.id
    run_all(huey)
    assert ran == [(1, 2, 3)]
    assert first() == 1
    assert unique(1).id != first.id


def test_one_that_becomes_a_dead_letter_makes_room(huey, declare):
    unique = declare(unique_until="end")
    first = unique(1)
    for _ in range(huey.max_deliveries):
        huey.storage.begin("dies", huey.storage.fetch("dies", 1))
        assert huey.storage.reclaim(dead=["dies"]) == 1
    run_all(huey)
    assert [letter.id for letter in huey.dead_letters()] == [first.id]
    assert unique(1).id != first.id


def test_one_of_a_kind_that_nobody_knows_makes_room(huey, declare):
    unique = declare(unique_until="end")
    first = unique(1)
    known = dict(huey.registry._classes)
    huey.registry._classes.clear()
    run_all(huey)
    huey.registry._classes.update(known)
    assert unique(1).id != first.id


# Who calls.


def test_fifty_that_call_at_once_enqueue_one(huey, declare, ran):
    unique = declare()
    results = together(*[lambda: unique(1)] * 50)
    assert len({result.id for result in results}) == 1
    assert huey.pending_count() == 1
    run_all(huey)
    assert {result() for result in results} == {1}
    assert ran == [(1, 2, 3)]


def test_all_that_call_while_it_is_run_again_and_again_get_a_value(huey, start):
    runs = []

    @huey.task(unique=True, unique_until="end", max_concurrency=1)
    def unique():
        runs.append(1)
        return len(runs)

    def call_often():
        return [unique().id for _ in range(50)]

    start(huey)
    called = {one for ids in together(*[call_often] * 8) for one in ids}
    for one in called:
        assert huey.result(one, blocking=True, timeout=PATIENCE) > 0
    assert len(runs) == len(called)


def test_many_at_once_are_enqueued_once_each(huey, declare, ran):
    unique = declare()
    results = unique.map([1, 2, 1, 3, 2])
    ids = [result.id for result in results]
    assert ids[0] == ids[2]
    assert ids[1] == ids[4]
    assert len({*ids}) == huey.pending_count() == 3
    run_all(huey)
    assert [a for a, *_ in ran] == [1, 2, 3]


def test_in_immediate_mode_each_call_runs(make_huey):
    huey = make_huey(immediate=True)
    ran = []

    @huey.task(unique=True)
    def unique(value):
        ran.append(value)
        return len(ran)

    assert (unique(1)(), unique(1)()) == (1, 2)


def test_one_that_is_driven_by_hand_makes_room(huey, declare):
    unique = declare()
    first = unique(1)
    task = huey.dequeue()
    assert huey.execute(task) == 1
    assert unique(1).id != first.id
