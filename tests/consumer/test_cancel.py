# SPDX-License-Identifier: MIT
"""Canceling tasks that run: interrupted within a second, never half settled, no mark left."""

from __future__ import annotations

import pytest
from hueys import KINDS, Calls, has_marks, make
from patched import Records, eventually, patched

PATIENCE = 20.0


def how_it_ended(result):
    """Return the value, or what the error says."""
    from huey_green import TaskException

    try:
        return result(blocking=True, timeout=PATIENCE)
    except TaskException as error:
        return str(error).partition("(")[0]


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_running_task_is_interrupted_cleans_up_and_is_not_retried(kind, name, url, tmp_path):
    import gevent

    from huey_green import TaskCanceled

    huey = make(kind, name, url, tmp_path)
    noted = []

    @huey.signal()
    def note(signal, task, *args):
        noted.append(signal)

    @huey.post_execute()
    def after(task, value, error):
        noted.append("post_execute")

    @huey.task(retries=3)
    def sleep():
        try:
            noted.append("began")
            gevent.sleep(3600)
        except TaskCanceled:
            noted.append("canceled inside")
            raise
        finally:
            gevent.sleep(0.01)
            noted.append("left")

    consumer = huey.create_consumer(workers=4)
    consumer.start()
    result = sleep()
    eventually(lambda: "began" in noted, "the task to begin")
    assert result.cancel() is True
    assert how_it_ended(result) == "TaskCanceled"
    eventually(lambda: result.cancel() is False, "it to be known that it has ended")
    eventually(lambda: noted[-1] == "canceled", "the signal")
    assert noted == ["enqueued", "executing", "began", "canceled inside", "left", "canceled"]
    eventually(lambda: not has_marks(huey), "the mark to go")
    consumer.stop()
    assert (huey.pending_count(), huey.scheduled_count()) == (0, 0)
    assert huey.storage.in_flight() == []


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_task_that_swallows_its_cancelling_ends_as_it_likes_and_is_not_retried(
    kind, name, url, tmp_path
):
    import gevent

    huey = make(kind, name, url, tmp_path)
    noted = []

    @huey.task(retries=3, retry_delay=3600)
    def deaf(how):
        noted.append(f"{how} began")
        try:
            gevent.sleep(3600)
        except BaseException:
            noted.append(f"{how} swallowed")
        if how == "fails":
            raise ValueError("not because of that")
        return "a value"

    def said(result):
        result.reset()
        return how_it_ended(result)

    with Records():
        consumer = huey.create_consumer(workers=4)
        consumer.start()
        results = {how: deaf(how) for how in ("returns", "fails")}
        eventually(lambda: len(noted) == 2, "both to begin")
        assert [result.cancel() for result in results.values()] == [True, True]
        assert how_it_ended(results["returns"]) == "a value"
        # What it failed with is there before the retry is canceled, if one is quick to look.
        eventually(lambda: said(results["fails"]) == "TaskCanceled", "the retry to be canceled")
        eventually(lambda: not has_marks(huey), "the marks to go")
        consumer.stop()
    assert sorted(noted) == ["fails began", "fails swallowed", "returns began", "returns swallowed"]
    assert huey.scheduled_count() == 0


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_canceling_races_with_the_end_and_nothing_is_lost_or_left(kind, name, url, tmp_path):
    import random
    from collections import Counter

    import gevent

    huey = make(kind, name, url, tmp_path)
    chance = random.Random(kind)
    runs = Counter()

    @huey.task(retries=1, retry_delay=0.01)
    def work(number, seconds, fails):
        runs[number] += 1
        gevent.sleep(seconds)
        if fails and runs[number] == 1:
            raise ValueError("once")
        return number

    consumer = huey.create_consumer(workers=50, scheduler_interval=0.05)
    with Records() as records:
        consumer.start()
        results, canceled = [], {}

        def cancel_later(number, result):
            gevent.sleep(chance.uniform(0, 0.9))
            canceled[number] = result.cancel()

        cancelers = []
        for number in range(500):
            seconds = chance.uniform(0, 0.9)
            results.append(work(number, seconds, number % 5 == 0))
            cancelers.append(gevent.spawn(cancel_later, number, results[-1]))
            gevent.sleep(0.002)
        gevent.joinall(cancelers)
        eventually(
            lambda: (
                not (huey.pending_count() or huey.scheduled_count())
                and huey.storage.in_flight() == []
            ),
            "all to end",
        )
        for number, result in enumerate(results):
            result.reset()
            ended = how_it_ended(result)
            assert ended in (number, "TaskCanceled"), ended
            assert canceled[number] or ended == number
        assert max(runs.values()) <= 2
        eventually(lambda: not has_marks(huey), "the marks to go")
        consumer.stop()
    assert not [line for line in records if "settle" in line or "handled" in line]
    assert huey.result_count() == 0


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_thousand_tasks_are_canceled_at_once_wherever_they_are(kind, name, url, tmp_path):
    import gevent

    huey = make(kind, name, url, tmp_path)
    began, left = set(), set()

    @huey.task()
    def sleep(number):
        began.add(number)
        try:
            gevent.sleep(3600)
        finally:
            left.add(number)

    consumer = huey.create_consumer(workers=300)
    consumer.start()
    results = list(sleep.map(range(600)))
    results += [sleep.schedule((600 + number,), delay=3600) for number in range(400)]
    eventually(lambda: len(began) == 300, "the first to begin")
    cancelers = [gevent.spawn(result.cancel) for result in results]
    gevent.joinall(cancelers)
    assert {one.value for one in cancelers} == {True}
    assert {how_it_ended(result) for result in results} == {"TaskCanceled"}
    eventually(lambda: not has_marks(huey), "the marks to go")
    consumer.stop()
    assert began == left
    assert huey.scheduled_count() == 0


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_an_idle_consumer_asks_for_no_canceled_tasks(kind, name, url, tmp_path):
    from huey_green import probe

    huey = make(kind, name, url, tmp_path)
    huey.storage = calls = Calls(huey.storage)

    @huey.task()
    def task():
        return "a value"

    looks = []
    probe.install(lambda moment, detail: looks.append(moment) if moment == "scheduled" else None)
    consumer = huey.create_consumer(workers=4, scheduler_interval=0.1)
    consumer.start()
    assert task()(blocking=True, timeout=PATIENCE) == "a value"
    ticks = len(looks)
    # Ten looks at the schedule take as long as two of its own.
    eventually(lambda: len(looks) >= ticks + 15, "a look after the task")
    asked = calls.counts["canceled"]
    eventually(lambda: len(looks) >= ticks + 35, "two seconds to go by")
    consumer.stop()
    assert 1 <= asked == calls.counts["canceled"]


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_canceling_a_chord_stops_its_members_and_its_callback(kind, name, url, tmp_path):
    import gevent

    from huey_green import chord

    huey = make(kind, name, url, tmp_path)
    began, called = [], []

    @huey.task()
    def sleep(number):
        began.append(number)
        gevent.sleep(3600)

    @huey.task()
    def callback(values):
        called.append(values)

    consumer = huey.create_consumer(workers=2)
    consumer.start()
    result = huey.enqueue(chord([sleep.s(n) for n in range(4)], callback.s()))
    eventually(lambda: len(began) == 2, "two of four to begin")
    assert result.cancel() is True
    assert how_it_ended(result) == "TaskCanceled"
    assert {how_it_ended(one) for one in result.results} == {"TaskCanceled"}
    eventually(lambda: result.cancel() is False, "it to be known that it has ended")
    eventually(lambda: not has_marks(huey), "the marks to go")
    consumer.stop()
    assert called == []


@patched
def test_a_task_in_a_native_thread_goes_on_and_is_not_retried(name, url, tmp_path):
    import threading

    from gevent import monkey

    huey = make("memory", name, url, tmp_path)
    enough = monkey.get_original("threading", "Event")()
    tries = []

    @huey.task(native_thread=True, retries=3, retry_delay=3600)
    def native():
        tries.append(threading.get_ident())
        enough.wait(PATIENCE)
        raise ValueError("in its own time")

    with Records() as records:
        consumer = huey.create_consumer(workers=2)
        consumer.start()
        result = native()
        eventually(lambda: tries, "the task to begin")
        assert result.cancel() is True
        eventually(lambda: any("cannot be stopped" in line for line in records), "a warning")
        assert not result.is_ready()
        enough.set()
        eventually(lambda: not has_marks(huey), "the task to end")
        result.reset()
        assert how_it_ended(result) == "TaskCanceled"
        consumer.stop()
    assert len(tries) == 1
    assert huey.scheduled_count() == 0
