# SPDX-License-Identifier: MIT
"""Chords of many members, in other formats, without results, in immediate mode, in a consumer."""

import threading

import pytest
from driving import PATIENCE, run_all, run_one

from huey_green import (
    SKIPPED,
    ChordResult,
    Error,
    ResultTimeout,
    chord,
    group,
)
from huey_green import signals as s
from huey_green.exceptions import SerializationError
from huey_green.serializer import JSONSerializer, SignedSerializer
from huey_green.testing.concurrency import eventually


@pytest.fixture
def collect(huey):
    """A callback that shows what it was called with."""

    @huey.task()
    def collect(*args):
        return list(args)

    return collect


def is_forgotten(huey, whole):
    """Say whether nothing is kept of the values of a chord."""
    joins = whole.callback.joins
    return not any(value is not None for value in huey.storage.chord_values(*joins))


def test_more_members_than_go_into_one_call(huey, collect):
    @huey.task()
    def same(n):
        return n

    whole = chord([same.s(n) for n in range(1100)], collect)
    result = huey.enqueue(whole)
    assert len(huey) == 1100
    assert run_all(huey) == 1101
    assert result() == [list(range(1100))]
    assert is_forgotten(huey, whole)


def test_a_chord_that_cannot_be_serialized_whole_is_not_enqueued_by_parts(huey, add, collect):
    strange = add.s(1, lambda: None)
    with pytest.raises(SerializationError, match=r"arguments of task .*add.*args\[1\]"):
        huey.enqueue(chord([*(add.s(n, n) for n in range(600)), strange], collect))
    assert len(huey) == 0
    with pytest.raises(SerializationError, match=r"arguments of task .*collect.*args\[0\]"):
        huey.enqueue(chord([add.s(1, 1)], collect.s(lambda: None)))
    assert len(huey) == 0


def test_a_chord_without_results_calls_its_callback_all_the_same(make_huey):
    huey = make_huey(results=False)
    seen = []

    @huey.task()
    def same(n):
        return n

    @huey.task()
    def note(values):
        seen.append(values)

    assert huey.enqueue(chord([same.s(n) for n in range(3)], note)) is None
    assert huey.enqueue(group([same.s(1)])) is None
    run_all(huey)
    assert seen == [[0, 1, 2]]
    assert huey.result_count() == 0


def test_a_chord_may_be_one_of_many_that_are_enqueued(huey, add, collect):
    results = huey.enqueue_many(
        [add.s(1, 1), chord([add.s(2, 2)], collect), add.s(3, 3).then(add, 1)]
    )
    run_all(huey)
    assert results() == [2, [[4]], 7]


def test_the_members_of_a_chord_can_be_seen_in_the_queue(huey, add, collect):
    whole = chord([add.s(1, 1), add.s(2, 2)], collect)
    huey.enqueue(whole)
    assert [repr(task).split(": ", 1)[1] for task in huey.pending()] == [
        f"{task.id} chord {whole.callback.joins.chord}" for task in whole.tasks
    ]


def test_the_result_of_a_chord_can_be_waited_for_with_a_timeout(huey, add, collect):
    result = huey.enqueue(chord([add.s(1, 1)], collect))
    with pytest.raises(ResultTimeout):
        result.get(blocking=True, timeout=0.01)
    run_all(huey)
    assert result.is_ready()
    assert result(blocking=True, timeout=PATIENCE) == [[2]]


def test_the_values_of_a_chord_are_not_in_the_message_of_its_callback(huey, add, collect):
    """Or each retry would carry them, and be as large."""
    whole = chord([add.s("x" * 10_000, "")], collect)
    huey.enqueue(whole)
    run_one(huey)
    [body] = huey.storage.enqueued_items()
    assert len(body) < 1000


# Formats.


@pytest.mark.parametrize(
    "options",
    [
        {"serializer": JSONSerializer()},
        {"serializer": SignedSerializer(secret="long enough a secret", salt="salt")},
        {"compression": True},
    ],
    ids=["json", "signed", "compressed"],
)
def test_chords_of_all_kinds_travel_in_every_format(make_huey, options):
    huey = make_huey(**options)

    @huey.task(retries=1)
    def broken():
        raise ValueError("broken")

    @huey.task()
    def same(value):
        return value

    @huey.task()
    def show(word, values):
        return [
            word,
            [repr(one) if one is SKIPPED or isinstance(one, Error) else one for one in values],
        ]

    dropped = same.s("dropped")
    inner = chord([same.s({"a": [1, 2.5, None]}), chord([], show.s("empty"))], show.s("inner"))
    whole = chord([inner, same.s("x").then(same), broken.s(), dropped], show.s("outer"))
    result = huey.enqueue(whole.then(same))
    huey.revoke(dropped)
    run_all(huey)
    assert result() == [
        "outer",
        [
            ["inner", [{"a": [1, 2.5, None]}, ["empty", []]]],
            "x",
            "<Error: ValueError('broken')>",
            "SKIPPED",
        ],
    ]
    assert list(result.pipeline_results)[1]() == result()


# Immediate mode.


@pytest.fixture(params=[True, False], ids=["in-memory", "live"])
def immediate(request, make_huey):
    """An immediate Huey, over memory and over the live storage."""
    return make_huey(immediate=True, immediate_use_memory=request.param)


def test_a_chord_runs_where_it_is_enqueued(immediate):
    sent = []

    @immediate.signal(s.SIGNAL_ENQUEUED, s.SIGNAL_COMPLETE)
    def note(name, task):
        sent.append((name, task.name))

    @immediate.task()
    def same(value):
        return value

    @immediate.task(retries=1)
    def broken():
        raise ValueError("broken")

    dropped = same.s("dropped")
    immediate.revoke(dropped)
    inner = chord([same.s(1), chord([], same)], same)
    whole = chord([inner, same.s(2).then(same), broken.s(), dropped], same)
    result = immediate.enqueue(whole.then(same))
    assert isinstance(result, ChordResult)
    first, second, error, skipped = result()
    assert (first, second, skipped) == ([1, []], 2, SKIPPED)
    assert "broken" in error.metadata["error"]
    assert result.pipeline_results[1] == result()
    assert is_forgotten(immediate, whole)
    enqueued = [name for signal, name in sent if signal == s.SIGNAL_ENQUEUED]
    assert enqueued.count("same") == 8
    assert enqueued.count("broken") == 2
    assert immediate.enqueue(group([same.s(1), same.s(2).then(same)]))() == [1, 2]
    assert immediate.enqueue(group([]))() == []
    assert immediate.enqueue(chord([], same))() == []


def test_a_callback_in_immediate_mode_gets_the_values_again_when_it_is_retried(immediate):
    calls = []

    @immediate.task(retries=1)
    def unsure(values):
        calls.append(values)
        if len(calls) == 1:
            raise ValueError
        return "ended"

    @immediate.task()
    def same(value):
        return value

    whole = chord([same.s(1), same.s(2)], unsure)
    result = immediate.enqueue(whole)
    assert calls == [[1, 2], [1, 2]]
    assert result() == "ended"
    assert is_forgotten(immediate, whole)


def test_a_member_for_later_holds_an_immediate_chord_up(immediate):
    @immediate.task()
    def same(value):
        return value

    result = immediate.enqueue(chord([same.s(1, delay=60), same.s(2)], same))
    assert not result.is_ready()
    [task] = immediate.read_schedule(immediate.scheduled()[0].eta)
    assert immediate.execute(task, task.eta) == 1
    run_all(immediate)
    assert result() == [1, 2]


# A consumer.


def test_members_run_side_by_side_in_a_consumer(huey, start, collect):
    meeting = threading.Barrier(4)

    @huey.task()
    def meet(n):
        meeting.wait(PATIENCE)
        return n

    start(huey, workers=4)
    result = huey.enqueue(chord([meet.s(n) for n in range(8)], collect))
    assert result(blocking=True, timeout=PATIENCE) == [list(range(8))]


def test_chords_in_a_consumer_call_their_callbacks_once(huey, start):
    calls = []
    runs = []

    @huey.task(retries=3, context=True)
    def member(n, task=None):
        runs.append(n)
        if n % 3 == 0 and task.retries > 1:
            raise ValueError(n)
        return n

    @huey.task()
    def note(which, values):
        calls.append(which)
        return values

    start(huey, workers=20)
    start(huey, workers=20)
    wholes = [
        chord(
            [chord([member.s(n) for n in range(10)], note.s((which, part))) for part in range(5)],
            note.s(which),
        )
        for which in range(6)
    ]
    results = [huey.enqueue(whole) for whole in wholes]
    for result in results:
        assert result(blocking=True, timeout=PATIENCE) == [list(range(10))] * 5
    eventually(lambda: not huey.storage.in_flight(), "all to be settled")
    assert len(calls) == len(set(calls)) == 6 * 6
    assert len(runs) == 6 * 5 * (10 + 4 * 2)
    assert all(is_forgotten(huey, whole) for whole in wholes)
    assert all(is_forgotten(huey, inner) for whole in wholes for inner in whole.tasks)


def test_hundreds_of_members_in_a_consumer(huey, start):
    @huey.task()
    def same(n):
        return n

    start(huey, workers=50)
    result = huey.enqueue(chord([same.s(n) for n in range(1200)], same))
    assert result(blocking=True, timeout=PATIENCE) == list(range(1200))
