# SPDX-License-Identifier: MIT
"""Calls that run once, some time after the last of them: ``@huey.task(debounce=...)``."""

from collections import Counter

import pytest
from driving import PATIENCE, promote, run_all

from huey_green import signals as s
from huey_green.testing.concurrency import eventually, together


@pytest.fixture
def ran():
    return []


@pytest.fixture
def save(huey, ran):
    """A task whose calls wait for a minute without another one; the document is its key."""

    @huey.task(debounce=60)
    def save(document, text=""):
        ran.append((document, text))
        return len(ran)

    return save


def later(huey, present, seconds=61):
    """Let time go by, and run what is due."""
    present.advance(seconds)
    while promote(huey) or run_all(huey):
        pass


def test_many_calls_run_once_after_the_last_of_them(huey, save, ran, present):
    results = []
    for _ in range(5):
        results.append(save("letter"))
        later(huey, present, 59)
    assert ran == []
    assert (huey.pending_count(), huey.scheduled_count()) == (0, 1)
    later(huey, present, 2)
    assert ran == [("letter", "")]
    assert len({result.id for result in results}) == 1
    assert [result() for result in results] == [1] * 5


def test_a_call_is_the_same_however_it_is_written(huey, save):
    assert save("a").id == save(document="a").id == save("a", text="").id
    assert huey.scheduled_count() == 1


def test_calls_with_other_arguments_are_separate(huey, save, ran, present):
    first = save("letter", "one")
    later(huey, present, 30)
    second = save("letter", "two")
    third = save("parcel", "one")
    assert len({first.id, second.id, third.id}) == huey.scheduled_count() == 3
    later(huey, present, 31)
    assert ran == [("letter", "one")]
    later(huey, present, 30)
    assert ran[1:] == [("letter", "two"), ("parcel", "one")]


def test_the_arguments_of_the_last_call_count(huey, ran, present):
    @huey.task(debounce=60)
    def draw(shape):
        ran.append(shape)

    draw({"name": "circle", "color": "red"})
    draw({"color": "red", "name": "circle"})
    later(huey, present)
    assert [list(shape) for shape in ran] == [["color", "name"]]


def test_calls_after_it_has_run_run_again(huey, save, ran, present):
    first = save("letter")
    later(huey, present)
    second, third = save("letter"), save("letter")
    assert first.id != second.id == third.id
    later(huey, present)
    assert (first(), second(), third()) == (1, 2, 2)
    assert huey.scheduled_count() == 0


def test_a_call_while_it_waits_in_the_queue_is_one_of_its_own(huey, save, ran, present):
    first = save("letter")
    present.advance(61)
    assert promote(huey) == 1
    second = save("letter")
    assert second.id != first.id
    run_all(huey)
    later(huey, present)
    assert (first(), second()) == (1, 2)


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda huey, result: result.cancel(), id="canceled"),
        pytest.param(lambda huey, result: result.revoke(), id="revoked"),
        pytest.param(lambda huey, result: huey.storage.flush_schedule(), id="flushed"),
    ],
)
def test_what_is_stopped_does_not_run_and_another_call_does(huey, save, ran, present, stop):
    first = save("letter")
    stop(huey, first)
    later(huey, present)
    assert ran == []
    second = save("letter")
    later(huey, present)
    assert ran == [("letter", "")]
    assert second.id != first.id


def test_it_is_on_the_schedule_at_once_and_each_call_says_so(huey, save, sent):
    result = save("letter")
    save("letter")
    assert [name for name, *_ in sent] == [s.SIGNAL_SCHEDULED] * 2
    assert [task.id for _, task in sent] == [result.id] * 2
    assert [task.id for task in huey.scheduled()] == [result.id]


def test_what_has_something_to_follow_is_not_debounced(huey, save, ran):
    for _ in range(2):
        huey.enqueue(save.s("letter").then(save, "parcel"))
    run_all(huey)
    assert [document for document, _ in ran] == ["letter", "letter", "parcel", "parcel"]
    assert [text for _, text in ran] == ["", "", 1, 2]


def test_many_that_call_at_once_share_a_run(huey, start, save, ran, present):
    def call_often(number):
        return [save(key) for key in ("a", "b") for _ in range(10)]

    called = together(*[lambda n=n: call_often(n) for n in range(8)])
    assert len({result.id for some in called for result in some}) == huey.scheduled_count() == 2
    later(huey, present)
    assert sorted(ran) == [("a", ""), ("b", "")]
    assert {result() for some in called for result in some} == {1, 2}


def test_each_of_many_calls_gets_a_value_while_it_runs_again_and_again(huey, start):
    runs = []

    @huey.task(debounce=0.005)
    def count():
        runs.append(1)
        return len(runs)

    def call_often():
        return [count() for _ in range(50)]

    start(huey)
    for called in together(*[call_often] * 4):
        for result in called:
            assert result(blocking=True, timeout=PATIENCE) > 0


def test_calls_that_race_with_its_runs_each_get_a_run_that_began_after_them(huey, start):
    runs, begun = Counter(), {}

    @huey.task(debounce=0.005, context=True)
    def count(key, task):
        runs[key] += 1
        begun.setdefault(task.id, []).append(runs[key])
        return runs[key]

    def call_often(number):
        called = []
        for _ in range(100):
            before = runs["a"]
            called.append((before, count("a")))
        return called

    start(huey)
    called = [
        pair for some in together(*[lambda n=n: call_often(n) for n in range(4)]) for pair in some
    ]
    for before, result in called:
        assert result(blocking=True, timeout=PATIENCE) > before
    eventually(lambda: huey.scheduled_count() + huey.pending_count() == 0, "all to run")
    assert all(len(numbers) == 1 for numbers in begun.values())
    assert runs["a"] == len({result.id for _, result in called})


def test_a_moment_that_a_call_gives_is_not_brought_forward(huey, save, ran, present):
    save.schedule(("letter",), delay=3600)
    later(huey, present, 1800)
    assert ran == []
    save.schedule(("letter",), delay=1)
    later(huey, present, 59)
    assert ran == []
    later(huey, present, 2)
    assert ran == [("letter", "")]
    assert huey.scheduled_count() == 0


def test_in_immediate_mode_it_waits_on_the_schedule(make_huey):
    huey = make_huey(immediate=True)
    ran = []

    @huey.task(debounce=60)
    def save(document):
        ran.append(document)

    save("letter")
    save("letter")
    assert ran == []
    assert huey.scheduled_count() == 1


def test_it_is_debounced_in_bulk_too(huey, save):
    results = save.map(["a", "b", "a"])
    ids = [result.id for result in results]
    assert ids[0] == ids[2] != ids[1]
    assert huey.scheduled_count() == 2
