# SPDX-License-Identifier: MIT
"""Consumer first, producer first, and back again, with the real huey on the other side.

Each step is what somebody does who changes over with tasks in the queue, on the schedule and in
the result store.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from sides import PATIENCE, MakeQueue, Queue

from huey_green.testing.concurrency import eventually

KINDS = ("RedisHuey", "PriorityRedisHuey", "RedisExpireHuey", "PriorityRedisExpireHuey")

#: One of everything that can be under way: what a producer enqueues, by the names of results.
ENQUEUE = """
from datetime import datetime
one = {
    "value": add(1, 2),
    "error": boom("z"),
    "named": other(3, b=4),
    "retried": flaky(2),
    "later": add.schedule((7, 7), delay=1),
    "locked": locked(),
}
pipeline = huey.enqueue(add.s(1, 1).then(add, 5))
one["second"] = pipeline._results[1]
huey.enqueue(boom.s("q").error(note_error))
revoked = add(100, 100)
revoked.revoke()
huey.enqueue(yearly.s())
told = {name: result.id for name, result in one.items()}
"""

#: What is told of it when all has run.
HAPPENS = (
    *("add 1 2", "other 3 4", "add 7 7", "locked", "add 1 1", "add 5 2", "error q", "yearly"),
    "boom",
)

#: Reads the results of ``ids``.
READ = """
TaskException = __import__(library.__name__ + ".exceptions", fromlist="x").TaskException
def read(id):
    try:
        return huey.result(id, preserve=True)
    except TaskException as error:
        return error.metadata["error"]
told = {name: read(id) for name, id in %r.items()}
"""

RESULTS = {
    "value": 3,
    "error": "ValueError('z')",
    "named": 12,
    "retried": 2,
    "later": 14,
    "locked": "done",
    "second": 7,
}


def check_results(queue: Queue, side: str, ids: dict[str, str], **options: Any) -> None:
    """Check that a producer of a side can read all results, those stored a moment later too."""
    code = READ % (ids,)
    eventually(lambda: queue.do(side, code, **options) == RESULTS, "the results", PATIENCE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_consumer_goes_first(make_queue: MakeQueue, kind: str) -> None:
    queue = make_queue(kind)
    ids = queue.do("huey", ENQUEUE)
    with queue.consumer("ours"):
        queue.wait_for(*HAPPENS, side="ours")
        check_results(queue, "huey", ids)
    assert not queue.has_told("add 100 100")


@pytest.mark.parametrize("kind", KINDS)
def test_the_producer_goes_first(make_queue: MakeQueue, kind: str) -> None:
    queue = make_queue(kind)
    ids = queue.do("ours", ENQUEUE)
    with queue.consumer("huey"):
        queue.wait_for(*HAPPENS, side="huey")
        check_results(queue, "ours", ids)
    assert not queue.has_told("add 100 100")


@pytest.mark.parametrize("kind", ["RedisHuey", "PriorityRedisExpireHuey"])
def test_both_at_once_and_without_huey_there(make_queue: MakeQueue, kind: str) -> None:
    """With the default wire, what huey left is run, and the results are ours."""
    queue = make_queue(kind)
    ids = queue.do("huey", ENQUEUE)
    with queue.consumer("ours", wire=None):
        queue.wait_for(*HAPPENS, side="ours")
        check_results(queue, "ours", ids, wire=None)
    assert not queue.has_told("add 100 100")


@pytest.mark.parametrize("kind", ["RedisHuey", "PriorityRedisHuey"])
def test_back_to_huey(make_queue: MakeQueue, kind: str) -> None:
    """What ours had begun, a retry and a pipeline, huey ends; what ours had ended, it reads."""
    queue = make_queue(kind)
    begin = "told = {'value': add(1, 2).id, 'error': boom('z').id, 'later': flaky(3).id}"
    ids = queue.do("huey", begin)
    with queue.consumer("ours"):
        queue.wait_for("add 1 2", "boom", "flaky", side="ours")
        eventually(
            lambda: queue.do("huey", f"told = repr(huey.get({ids['error']!r}, peek=True))"),
            "the error",
            PATIENCE,
        )
    with queue.consumer("huey"):
        queue.wait_for("flaky", side="huey")
        read = READ % (ids,)
        expected = {"value": 3, "error": "ValueError('z')", "later": 3}
        eventually(lambda: queue.do("huey", read) == expected, "the results", PATIENCE)


def test_what_huey_had_begun_ours_ends(queue: Queue) -> None:
    ids = queue.do("huey", "told = {'value': flaky(3).id}")
    with queue.consumer("huey"):
        queue.wait_for("flaky", side="huey")
        # The retry: huey would lose it if it were stopped before that.
        waiting = "told = len(huey) + huey.scheduled_count()"
        eventually(lambda: queue.do("ours", waiting) == 1, "the retry", PATIENCE)
    with queue.consumer("ours", wire=None):
        queue.wait_for("flaky", side="ours")
        read = READ % (ids,)
        eventually(lambda: queue.do("ours", read, wire=None) == {"value": 3}, "it", PATIENCE)


def test_results_of_both_are_read_by_both(queue: Queue) -> None:
    """Results that waited in the store when the other side took over."""
    by_huey = queue.do("huey", "told = {'value': add(1, 2).id, 'error': boom('z').id}")
    with queue.consumer("huey"):
        queue.wait_for("add 1 2", "boom")
        expected = {"value": 3, "error": "ValueError('z')"}
        for options in ({}, {"wire": None}):
            read = READ % (by_huey,)
            eventually(lambda: queue.do("ours", read, **options) == expected, "it", PATIENCE)  # noqa: B023


def test_two_hundred_tasks_are_run_once_each_by_both_consumers_together(queue: Queue) -> None:
    with queue.consumer("huey"), queue.consumer("ours"):
        # Whoever is up first is not to run them all.
        queue.do("huey", "for n in range(100): slow(0.05)")
        queue.do("ours", "for n in range(100): slow(0.05)")
        eventually(lambda: len(queue.told()) >= 400, "all of them", PATIENCE)
    told = [text for _, text in queue.told()]
    assert sorted(told) == ["slow begins"] * 200 + ["slow ends"] * 200
    assert {side for side, _ in queue.told()} == {"huey", "ours"}


def test_a_task_of_hueys_whose_consumer_of_ours_is_killed_runs_again(queue: Queue) -> None:
    ids = queue.do("huey", "told = {'value': slow(2).id}")
    with queue.consumer("ours") as consumer:
        queue.wait_for("slow begins")
        consumer.kill()
        consumer.wait(PATIENCE)
    with queue.consumer("ours"):
        queue.wait_for("slow ends")
        read = READ % (ids,)
        eventually(lambda: queue.do("huey", read) == {"value": "slow"}, "its result", PATIENCE)
    assert queue.told() == [["ours", "slow begins"]] * 2 + [["ours", "slow ends"]]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("utc", [True, False])
@pytest.mark.parametrize("first", ["huey", "ours"])
def test_the_schedule_is_told_in_the_same_way_far_from_greenwich(
    queue: Queue, zone: str, utc: bool, first: str
) -> None:
    queue.environment["TZ"] = zone
    second = "ours" if first == "huey" else "huey"
    enqueue = """
soon, late = add.schedule((1, 1), delay=2), add.schedule((2, 2), delay=3000)
for _ in range(2):
    huey.add_schedule(huey.dequeue())
told = None
"""
    queue.do(first, enqueue, utc=utc)
    with queue.consumer(second, utc=utc):
        queue.wait_for("add 1 1", side=second)
    assert not queue.has_told("add 2 2")
    assert queue.do(second, "told = len(huey.scheduled())", utc=utc) == 1


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_hueys_schedule_comes_in_time_without_the_wire(queue: Queue, zone: str) -> None:
    queue.environment["TZ"] = zone
    enqueue = """
soon, late = add.schedule((1, 1), delay=2), add.schedule((2, 2), delay=3000)
for _ in range(2):
    huey.add_schedule(huey.dequeue())
told = None
"""
    queue.do("huey", enqueue)
    with queue.consumer("ours", wire=None):
        queue.wait_for("add 1 1", side="ours")
    assert not queue.has_told("add 2 2")


def test_the_longest_pipeline_goes_through_huey(queue: Queue) -> None:
    enqueue = """
first = add.s(0, 1)
for _ in range(240):
    first.then(add, 1)
told = huey.enqueue(first)._results[-1].id
"""
    last = queue.do("ours", enqueue)
    with queue.consumer("huey"):
        done = f"told = huey.get({last!r}, peek=True)"
        eventually(lambda: queue.has_told("add 1 240"), "the last step", PATIENCE)
        eventually(lambda: queue.do("ours", done) == 241, "its value", PATIENCE)


def test_what_nobody_can_read_is_a_dead_letter_that_says_why(queue: Queue) -> None:
    queue.redis.lpush("huey.redis.shopapp", b"chuey.storage\nRedisStorage\n.", b"\x80\x05nonsense")
    with queue.consumer("ours"):
        queue.do("huey", "add(1, 2)\ntold = None")
        queue.wait_for("add 1 2")
        reasons = "told = [one.reason for one in huey.dead_letters()]"
        eventually(lambda: len(queue.do("ours", reasons)) == 2, "dead letters", PATIENCE)
    told = json.dumps(queue.do("ours", reasons))
    assert "names huey.storage.RedisStorage, which huey has and huey_green has not" in told
