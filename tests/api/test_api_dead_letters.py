# SPDX-License-Identifier: MIT
"""Messages that cannot be run, and tasks that take their consumer down. (DESIGN.md, promises.)"""

import pickle

import pytest
from driving import NAME, PATIENCE, run_all, run_one, unread_results

from huey_green import ConfigurationError, TaskException, chord
from huey_green import signals as s
from huey_green.consumer import reaper
from huey_green.message import Settlement
from huey_green.testing.concurrency import eventually


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


# What is told of them.


def test_a_dead_letter_tells_what_it_was_and_whose_deaths_it_was(make_huey, add):
    huey = make_huey(max_deliveries=2)

    @huey.task()
    def killer(a, text, **more):
        raise AssertionError("it was not to run")

    killer(1, "x" * 1000, more=object())
    die(huey, 2)
    run_all(huey)
    [letter] = huey.dead_letters()
    name = huey.registry.task_to_string(killer.task_class)
    assert letter.task_name == name
    assert letter.call.startswith(f"{name}(1, 'xxxx")
    assert "more=<object object at" in letter.call
    assert len(letter.call) < 400
    assert [consumer for _, consumer in letter.deaths] == ["consumer 0", "consumer 1"]
    # To the millisecond.
    assert letter.deaths[0].at <= letter.deaths[1].at <= letter.died_at + 0.001
    assert letter.consumer == letter.where == NAME
    assert letter.traceback is None
    assert huey.deserialize_task(letter.body).args == (1, "x" * 1000)


def test_a_consumers_name_is_told_for_people(huey, start):
    huey.storage.enqueue(b"garbage")
    consumer = start(huey)
    eventually(huey.dead_letters, "a dead letter")
    [letter] = huey.dead_letters()
    assert letter.consumer == consumer.name
    host, _, _, process, *_ = consumer.name.split(":")
    assert letter.where == f"{host}, process {process}"


def test_an_unreadable_message_tells_where_reading_it_failed(huey):
    huey.storage.enqueue(b"garbage")
    run_all(huey)
    [letter] = huey.dead_letters()
    assert "UnpicklingError" in letter.traceback
    assert (letter.task_name, letter.call) == (None, None)


class Unspeakable:
    def __repr__(self):
        raise ValueError("no")


@pytest.mark.parametrize("value", ["\ud800", Unspeakable(), "\0\n\u2028\x85", [[[[[[[[[]]]]]]]]]])
def test_a_dead_letter_with_any_arguments_can_be_read_and_requeued(huey, value):
    @huey.task(name=f"forgotten-{type(value).__name__}")
    def forgotten(value):
        raise AssertionError

    forgotten(value)
    forgotten.unregister()
    run_all(huey)
    [letter] = huey.dead_letters()
    assert letter.call.startswith(letter.task_name + "(")
    assert huey.requeue_dead(letter.id) == 1
    assert run_all(huey) == 1
    assert len(huey.dead_letters()) == 1


# Who is told.


def test_the_death_of_each_message_is_signaled_once(huey, start):
    told = []
    huey.signal(s.SIGNAL_DEAD)(lambda name, task: told.append((task.id, task.name, task.args)))

    @huey.task()
    def forgotten(n):
        raise AssertionError

    result = forgotten(7)
    name = forgotten.task_class.__module__ + ".forgotten"
    forgotten.unregister()
    huey.storage.enqueue(b"garbage")
    start(huey)
    start(huey)
    eventually(lambda: len(told) == 2, "two signals")
    letters = {letter.body: letter for letter in huey.dead_letters()}
    garbage = letters[b"garbage"]
    assert sorted(told) == sorted([(result.id, name, (7,)), (garbage.id, "Task", ())])


def test_one_whose_lease_was_lost_signals_no_death(make_huey, start, monkeypatch):
    huey = make_huey(max_deliveries=1)
    told = []
    huey.signal(s.SIGNAL_DEAD)(lambda name, task: told.append(task.id))

    @huey.task()
    def killer():
        raise AssertionError

    killer()
    die(huey, 1)
    [late] = huey.storage.fetch("late", 1)
    huey.storage.reclaim(dead=["late"])
    outcome = huey.executor.run(late)
    assert huey.storage.settle("late", [Settlement(late, outcome.effects)])
    assert huey.dead_letters() == []
    start(huey)
    eventually(lambda: told, "a signal")
    assert len(told) == len(huey.dead_letters()) == 1


# Requeueing and deleting.


def test_one_dead_letter_may_be_named_by_its_id_alone(huey):
    for body in (b"one", b"two", b"three"):
        huey.storage.enqueue(body)
    run_all(huey)
    first, second, third = (letter.id for letter in huey.dead_letters())
    assert huey.requeue_dead(first) == 1
    assert huey.delete_dead(second) == 1
    assert huey.delete_dead(second) == 0
    assert [letter.id for letter in huey.dead_letters()] == [third]
    assert huey.delete_dead([]) == huey.requeue_dead([]) == 0
    assert huey.delete_dead() == 1
    assert huey.dead_letters() == []
    assert len(huey) == 1


def test_whoever_waits_for_a_requeued_task_gets_its_value_and_not_the_old_error(make_huey, start):
    huey = make_huey(max_deliveries=1)

    @huey.task()
    def survivor():
        return "alive"

    result = survivor()
    die(huey, 1)
    run_all(huey)
    assert huey.requeue_dead(result.id) == 1
    assert huey.result(result.id) is None
    start(huey)
    assert result.get(blocking=True, timeout=PATIENCE) == "alive"


def test_a_unique_task_that_died_stays_dead_while_another_one_waits(make_huey):
    huey = make_huey(max_deliveries=1)

    @huey.task(unique=True, unique_until="end")
    def only(n):
        return n

    first = only(1)
    die(huey, 1)
    run_all(huey)
    second = only(1)
    assert second.id != first.id
    assert huey.requeue_dead() == 0
    assert run_all(huey) == 1
    assert huey.requeue_dead() == 1
    assert only(1).id == first.id
    assert run_all(huey) == 1
    assert huey.result(first.id) == 1
    third = only(1)
    assert third.id not in (first.id, second.id)


def test_a_member_of_a_chord_that_is_requeued_runs_outside_of_it(make_huey):
    huey = make_huey(max_deliveries=1)
    called = []

    @huey.task()
    def member(n):
        return n

    @huey.task()
    def callback(values):
        called.append(values)

    huey.enqueue(chord([member.s(1).then(member)], callback))
    die(huey, 1)
    run_all(huey)
    assert len(called) == 1
    assert "its consumer died" in str(called[0][0])
    [letter] = huey.dead_letters()
    assert huey.requeue_dead(letter.id) == 1
    assert run_all(huey) == 2
    assert len(called) == 1


def test_the_values_of_a_chord_go_with_its_dead_callback(make_huey):
    huey = make_huey(max_deliveries=1)

    @huey.task()
    def member(n):
        return n

    @huey.task()
    def callback(values):
        return sum(values)

    huey.enqueue(chord([member.s(1), member.s(2)], callback))
    run_one(huey)
    run_one(huey)
    die(huey, 1)
    run_all(huey)
    [letter] = huey.dead_letters()
    assert None not in huey.storage.chord_values(letter.joins, 2)
    assert huey.requeue_dead() == 1
    die(huey, 1)
    run_all(huey)
    assert huey.delete_dead() == 1
    assert huey.storage.chord_values(letter.joins, 2) == [None, None]


# How many are kept, and for how long.


def test_a_consumer_deletes_dead_letters_that_are_too_many(make_huey, start, monkeypatch):
    monkeypatch.setattr(reaper, "PRUNE_EVERY", 0.02)
    monkeypatch.setattr(reaper.Reaper, "interval", 0.02)
    huey = make_huey(dead_limit=3)
    for number in range(20):
        huey.storage.enqueue(b"garbage %d" % number)
    start(huey)
    eventually(lambda: not len(huey) and len(huey.dead_letters()) == 3, "three dead letters")
    assert unread_results(huey) == {}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("dead_limit", -1),
        ("dead_limit", 1.5),
        ("dead_limit", True),
        ("dead_ttl", 0),
        ("dead_ttl", "1h"),
        ("dead_ttl", float("nan")),
        ("result_ttl", 0),
        ("result_ttl", -1),
    ],
)
def test_a_limit_that_is_none_is_refused(make_huey, option, value):
    with pytest.raises(ConfigurationError, match=f"{option} is .*, or None for no limit, not"):
        make_huey(**{option: value})


def test_without_limits_and_with_none_to_keep(make_huey):
    now = make_huey().storage.time()
    for limit, ttl, kept in ((None, None, 5), (0, None, 0), (2, None, 2), (None, 1000.0, 0)):
        huey = make_huey(dead_limit=limit, dead_ttl=ttl)
        for number in range(5):
            huey.storage.enqueue(b"garbage %d" % number)
        run_all(huey)
        huey.storage.prune(now=now + 2000)
        assert len(huey.dead_letters()) == kept
