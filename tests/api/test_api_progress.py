# SPDX-License-Identifier: MIT
"""How far a running task has come: ``task.progress()``, ``result.progress()``."""

import threading

import pytest
from driving import PATIENCE, promote, run_all

from huey_green import (
    CancelExecution,
    ConfigurationError,
    JSONSerializer,
    ResultTimeout,
    SignedSerializer,
    Task,
)
from huey_green.progress import Progress
from huey_green.testing.concurrency import Running, eventually


@pytest.fixture
def steps():
    """Lets a task go on step by step."""
    return threading.Semaphore(0)


@pytest.fixture
def count(huey, steps):
    """A task that says how far it has come, and then waits to be let go on."""

    @huey.task(context=True)
    def count(total, task):
        for done in range(total):
            task.progress(done, total, f"step {done}")
            assert steps.acquire(timeout=PATIENCE)
        return total

    return count


def said(result, progress):
    """Wait until somebody who asks learns of this."""
    eventually(lambda: result.progress() == progress, f"{progress}")


def test_who_asks_learns_what_was_said_last_until_the_task_has_ended(huey, start, count, steps):
    result = count(3)
    assert result.progress() is None
    start(huey)
    for done in range(3):
        said(result, (done, 3, f"step {done}"))
        assert result.progress().fraction == done / 3
        assert huey.get_progress(result.id) == result.progress()
        steps.release()
    assert result(blocking=True, timeout=PATIENCE) == 3
    assert result.progress() is None
    assert huey.result_count() == 0 or huey.storage.has_data_for_key(result.id)


def test_each_change_is_yielded_as_it_comes_until_the_end(huey, start, count, steps):
    result = count(4)
    start(huey)
    seen = []
    for progress in result.progress_updates(timeout=PATIENCE):
        seen.append(progress)
        steps.release()
    assert seen == [Progress(done, 4, f"step {done}") for done in range(4)]
    assert result() == 4


def test_several_watch_the_same_task_from_threads_of_their_own(huey, start, count, steps):
    result = count(2)
    watching = [
        Running(lambda: list(huey.result_handle(result.id).progress_updates(PATIENCE)))
        for _ in range(3)
    ]
    start(huey)
    said(result, (0, 2, "step 0"))
    steps.release()
    said(result, (1, 2, "step 1"))
    steps.release()
    for one in watching:
        # What is said while somebody looks is not always seen, the end is.
        seen = one.result()
        assert seen == sorted(seen)
    assert result(blocking=True, timeout=PATIENCE) == 2


def test_who_begins_to_watch_late_sees_what_was_said_last(huey, start, count, steps):
    result = count(2)
    start(huey)
    steps.release()
    said(result, (1, 2, "step 1"))
    updates = result.progress_updates(PATIENCE)
    assert next(updates) == (1, 2, "step 1")
    steps.release()
    assert list(updates) == []


def test_who_watches_a_task_that_has_ended_sees_nothing(huey, count, steps):
    result = count(0)
    run_all(huey)
    assert list(result.progress_updates(timeout=PATIENCE)) == []
    assert result() == 0


def test_who_watches_what_does_not_change_gives_up_in_time(huey, count):
    result = count(1)
    with pytest.raises(ResultTimeout, match="no progress"):
        next(result.progress_updates(timeout=0.01))


@pytest.mark.parametrize(
    ("arguments", "said", "fraction"),
    [
        ((5,), (5, None, ""), None),
        ((0.5, 1), (0.5, 1, ""), 0.5),
        ((3, 0), (3, 0, ""), None),
        ((7, 5, "more than all"), (7, 5, "more than all"), 1.0),
        ((-1, 5), (-1, 5, ""), 0.0),
        ((10**30, None, "ä\n☃"), (10**30, None, "ä\n☃"), None),
    ],
)
def test_what_was_said_comes_as_it_was(huey, arguments, said, fraction):
    task = Task(id="one")
    huey.put_progress(task.id, Progress(*arguments))
    assert huey.get_progress("one") == said
    assert huey.get_progress("one").fraction == fraction
    assert huey.get_progress("other") is None
    huey.flush()
    assert huey.get_progress("one") is None


@pytest.mark.parametrize("end", ["value", "error", "skipped"])
def test_it_is_forgotten_when_the_task_has_ended_however_that_was(huey, end):
    seen = []

    @huey.task(context=True)
    def task(task):
        task.progress(1, 2)
        seen.append(huey.get_progress(task.id))
        if end == "error":
            raise ValueError(end)
        if end == "skipped":
            raise CancelExecution

    result = task()
    run_all(huey)
    assert seen == [(1, 2, "")]
    assert result.progress() is None


@pytest.mark.parametrize("end", ["silent", "canceled", "revoked", "expired"])
def test_it_stays_between_tries_and_is_forgotten_after_the_last(huey, end, present):
    seen = []

    @huey.task(context=True, retries=1, retry_delay=60, expires=30 if end == "expired" else 600)
    def task(task):
        seen.append(huey.get_progress(task.id))
        if len(seen) == 1:
            task.progress(1, 2)
            raise ValueError("once more")

    result = task()
    run_all(huey)
    assert result.progress() == (1, 2, "")
    if end == "canceled":
        assert result.cancel() is True
    elif end == "revoked":
        result.revoke()
    present.advance(61)
    promote(huey)
    run_all(huey)
    assert seen == [None, (1, 2, "")][: 2 if end == "silent" else 1]
    assert result.progress() is None


def test_it_is_forgotten_when_a_task_has_taken_its_consumers_down(huey):
    @huey.task(context=True)
    def task(task):
        raise AssertionError

    result = task()
    huey.put_progress(result.id, Progress(1, 2))
    for _ in range(huey.max_deliveries):
        huey.storage.begin("dies", huey.storage.fetch("dies", 1))
        assert huey.storage.reclaim(dead=["dies"]) == 1
    run_all(huey)
    assert len(huey.dead_letters()) == 1
    assert result.progress() is None


def test_what_is_said_after_the_end_is_not_heard(huey):
    """By a native thread that goes on after the timeout of its task, say."""
    kept = []

    @huey.task(context=True, retries=1)
    def task(task):
        kept.append(task)
        raise ValueError

    @huey.post_execute()
    def after(task, value, error):
        task.progress(2)

    result = task()
    run_all(huey)
    assert len(kept) == 2
    for one in kept:
        one.progress(3)
    assert result.progress() is None


def test_who_watches_sees_the_next_try_too(huey, start, steps):
    @huey.task(context=True, retries=2, retry_delay=0.01)
    def fails_twice(task):
        task.progress(3 - task.retries, 3)
        assert steps.acquire(timeout=PATIENCE)
        if task.retries:
            raise ValueError("once more")
        return "a value"

    result = fails_twice()
    start(huey)
    seen = []
    for progress in result.progress_updates(timeout=PATIENCE):
        seen.append(progress.done)
        steps.release()
    assert seen == [1, 2, 3]
    result.reset()
    assert result() == "a value"


@pytest.mark.parametrize("serializer", [JSONSerializer(), SignedSerializer(secret="s")])
def test_it_travels_with_any_serializer(make_huey, serializer):
    huey = make_huey(serializer=serializer)
    seen = []

    @huey.task(context=True)
    def half(task=None):
        task.progress(1, 2, "half")
        seen.append(huey.get_progress(task.id))
        return 1

    result = half()
    run_all(huey)
    assert seen == [Progress(1, 2, "half")]
    assert result.progress() is None
    assert result() == 1


def test_it_is_not_among_the_results(huey):
    huey.put_progress("one", Progress(1, 2))
    assert huey.result_count() == 0
    assert huey.all_results() == {}
    assert huey.get("one") is None


def test_a_task_that_belongs_to_no_huey_has_nobody_to_tell():
    with pytest.raises(ConfigurationError, match="belongs to no Huey"):
        Task().progress(1)


def test_thousands_of_steps_can_be_told(huey, start):
    @huey.task(context=True)
    def count(total, task):
        for done in range(total):
            task.progress(done, total)
        return total

    start(huey)
    result = count(2000)
    seen = list(result.progress_updates(timeout=PATIENCE))
    assert seen == sorted(seen)
    assert result(blocking=True, timeout=PATIENCE) == 2000


def test_in_immediate_mode_it_is_told_too(make_huey):
    huey = make_huey(immediate=True)
    seen = []

    @huey.task(context=True)
    def half(task):
        task.progress(1, 2, "half")
        seen.append(huey.get_progress(task.id))
        return 1

    result = half()
    assert seen == [(1, 2, "half")]
    assert result.progress() is None
    assert list(result.progress_updates()) == []
