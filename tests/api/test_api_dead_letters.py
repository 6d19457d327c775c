# SPDX-License-Identifier: MIT
"""Messages that cannot be run, and tasks that take their consumer down. (DESIGN.md, promises.)"""

import pickle

import pytest
from driving import NAME, run_all, run_one

from huey_green import ConfigurationError, TaskException
from huey_green import signals as s
from huey_green.message import Settlement


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        b"\x80",
        b"\x1f\x8b not gzip",
        pickle.dumps({"a": "dict"}),
        pickle.dumps(("hg1", "too", "short")),
        pickle.dumps(("hg1", "id", "name", (), {}, "soon", 0, 0, None, None, None)),
        # The moment that is meant is beyond all datetimes.
        pickle.dumps(("hg1", "id", f"{__name__}.any", (), {}, 1e300, 0, 0, None, None, None)),
    ],
)
def test_an_unreadable_message_is_a_dead_letter_and_the_rest_goes_on(huey, add, body):
    @huey.task(name="any")
    def any_task():
        raise AssertionError

    huey.storage.enqueue(body)
    result = add(1, 2)
    assert run_all(huey) == 2
    assert result() == 3
    [letter] = huey.dead_letters()
    assert letter.body == body
    assert letter.reason
    assert letter.attempts == 1
    assert huey.storage.in_flight() == []


def test_a_message_of_an_unknown_task_is_a_dead_letter_and_its_result_says_so(huey, add):
    @huey.task()
    def forgotten():
        return "remembered"

    result = forgotten()
    forgotten.unregister()
    other = add(1, 2)
    assert run_all(huey) == 2
    assert other() == 3
    [letter] = huey.dead_letters()
    assert letter.id == result.id
    assert "forgotten" in letter.reason
    with pytest.raises(TaskException, match="forgotten"):
        result()

    huey.registry.register(forgotten.task_class)
    assert huey.requeue_dead([letter.id]) == 1
    assert huey.dead_letters() == []
    assert run_all(huey) == 1
    result.reset()
    assert result() == "remembered"


def test_dead_letters_are_requeued_all_at_once_or_by_id(huey):
    for body in (b"one", b"two", b"three"):
        huey.storage.enqueue(body)
    run_all(huey)
    letters = huey.dead_letters()
    assert {letter.body for letter in letters} == {b"one", b"two", b"three"}
    assert len(huey.dead_letters(limit=2)) == 2
    assert huey.requeue_dead(["never heard of"]) == 0
    assert huey.requeue_dead([letters[0].id]) == 1
    assert len(huey) == 1
    assert huey.requeue_dead() == 2
    assert len(huey) == 3
    assert huey.dead_letters() == []


def die(huey, times):
    """Let ``times`` consumers fetch the first message and die with it."""
    for number in range(times):
        name = f"consumer {number}"
        [delivery] = huey.storage.fetch(name, 1)
        assert delivery.attempt == number + 1
        huey.storage.begin(name, [delivery])
        assert huey.storage.reclaim(dead=[name]) == 1


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_task_that_kills_its_consumers_becomes_a_dead_letter_with_its_history(
    make_huey, add, most
):
    huey = make_huey(max_deliveries=most)
    sent = []
    huey.signal()(lambda *args: sent.append(args))

    @huey.task(priority=3)
    def killer():
        raise AssertionError("it was not to run")

    result = killer()
    die(huey, most)
    assert run_one(huey)
    [letter] = huey.dead_letters()
    assert letter.id == result.id
    assert f"max_deliveries={most}" in letter.reason
    assert letter.attempts == most + 1
    assert [line.split(" ", 1)[1] for line in letter.history] == [
        f"consumer {number}" for number in range(most)
    ]
    assert [name for name, *_ in sent] == [s.SIGNAL_ENQUEUED, s.SIGNAL_DEAD]
    with pytest.raises(TaskException, match="consumer died"):
        result()
    assert not run_one(huey)


def test_a_message_that_kills_whoever_reads_it_is_buried_unread(make_huey, add):
    huey = make_huey(max_deliveries=2)
    body = pickle.dumps("whatever")
    huey.storage.enqueue(body)
    die(huey, 3)
    assert run_one(huey)
    [letter] = huey.dead_letters()
    assert letter.body == body
    assert "tries to read it" in letter.reason


def test_a_task_runs_up_to_its_last_delivery(make_huey):
    huey = make_huey(max_deliveries=3)

    @huey.task()
    def survivor():
        return "alive"

    result = survivor()
    die(huey, 2)
    assert run_all(huey) == 1
    assert result() == "alive"
    assert huey.dead_letters() == []


def test_a_requeued_dead_letter_begins_anew(make_huey):
    huey = make_huey(max_deliveries=1)

    @huey.task()
    def survivor():
        return "alive"

    result = survivor()
    die(huey, 1)
    run_all(huey)
    with pytest.raises(TaskException):
        result()
    assert huey.requeue_dead() == 1
    assert run_all(huey) == 1
    result.reset()
    assert result() == "alive"


def test_a_retry_begins_anew(make_huey):
    huey = make_huey(max_deliveries=2)
    runs = []

    @huey.task(retries=2)
    def flaky():
        runs.append(1)
        if len(runs) < 3:
            raise ValueError
        return "OK"

    result = flaky()
    for _ in range(3):
        die(huey, 1)
        assert run_one(huey)
    result.reset()
    assert result() == "OK"


def test_what_a_dead_consumer_settles_late_counts_for_nothing(huey, add):
    result = add(1, 2)
    [late] = huey.storage.fetch("late", 1)
    huey.storage.reclaim(dead=["late"])
    outcome = huey.executor.run(late)
    settlement = Settlement(late, outcome.effects)
    assert huey.storage.settle("late", [settlement]) == [settlement]
    assert result() is None
    assert huey.storage.fetch(NAME, 1)[0].attempt == 2


@pytest.mark.parametrize("most", [0, -1])
def test_no_delivery_at_all_is_refused(make_huey, most):
    with pytest.raises(ConfigurationError, match="max_deliveries"):
        make_huey(max_deliveries=most)
