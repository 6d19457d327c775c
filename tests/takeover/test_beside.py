# SPDX-License-Identifier: MIT
"""What both sides see of one another while they work on one queue."""

from __future__ import annotations

from typing import Any

import pytest
from sides import PATIENCE, MakeQueue, Queue

from huey_green.testing.concurrency import eventually

SIDES = [("huey", "ours"), ("ours", "huey")]
KINDS = ("RedisHuey", "RedisExpireHuey")


# Revocation.


@pytest.mark.parametrize(("producer", "consumer"), SIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_one_side_revokes_the_other_does_not_run(
    make_queue: MakeQueue, kind: str, producer: str, consumer: str
) -> None:
    queue = make_queue(kind)
    # Two of them may both see a mark that is for one time.
    queue.workers = 1
    enqueue = """
from datetime import datetime, timedelta
one = add(1, 1)
one.revoke()
other.revoke()
other(1, 1)
slow.revoke(revoke_until=datetime.now() + timedelta(hours=1))
slow(0)
boom.revoke(revoke_until=datetime.now() - timedelta(hours=1))
boom("runs")
locked.revoke(revoke_once=True)
locked()
locked()
told = one.id
"""
    queue.do(producer, enqueue)
    with queue.consumer(consumer):
        queue.wait_for("boom", "locked")
        queue.do(producer, "add(2, 2)\ntold = None")
        queue.wait_for("add 2 2")
    assert sorted(text for _, text in queue.told()) == ["add 2 2", "boom", "locked"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_huey_revoked_for_good_stays_revoked_when_huey_is_gone(
    make_queue: MakeQueue, kind: str
) -> None:
    queue = make_queue(kind)
    queue.do("huey", "yearly.revoke()\ntold = None")
    with queue.consumer("ours", wire=None):
        queue.do("ours", "huey.enqueue(yearly.s())\nadd(1, 1)\ntold = None", wire=None)
        queue.wait_for("add 1 1")
    assert not queue.has_told("yearly")
    assert queue.do("ours", "told = yearly.restore()", wire=None) is True


@pytest.mark.parametrize(("first", "second"), SIDES)
def test_one_side_sees_and_takes_back_what_the_other_has_revoked(
    queue: Queue, first: str, second: str
) -> None:
    queue.do(first, "add.revoke()\ntold = None")
    assert queue.do(second, "told = [add.is_revoked(), boom.is_revoked()]") == [True, False]
    assert queue.do(second, "told = add.restore()") is True
    assert queue.do(first, "told = add.is_revoked()") is False


def test_what_ours_cancels_huey_does_not_run(queue: Queue) -> None:
    queue.do("ours", "add(1, 1).cancel()\nadd(2, 2)\ntold = None")
    with queue.consumer("huey"):
        queue.wait_for("add 2 2")
    assert not queue.has_told("add 1 1")


def test_a_task_of_hueys_is_canceled_here(queue: Queue) -> None:
    id_ = queue.do("huey", "told = add(1, 1).id")
    assert queue.do("ours", f"told = huey.cancel({id_!r})") is True
    with queue.consumer("ours"):
        read = f"told = huey.get({id_!r}, peek=True) and str(huey.get({id_!r}, peek=True).metadata)"
        eventually(lambda: "Canceled" in (queue.do("huey", read) or ""), "the error", PATIENCE)
    assert not queue.has_told("add 1 1")


# Locks.


@pytest.mark.parametrize(("holder", "other"), SIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_one_side_holds_the_other_does_not_get(
    make_queue: MakeQueue, kind: str, holder: str, other: str
) -> None:
    queue = make_queue(kind)
    take = """
lock = huey.lock_task("counter")
lock.__enter__()
told = None
"""
    queue.do(holder, take)
    attempt = """
try:
    with huey.lock_task("counter"):
        told = "taken"
except Exception as error:
    told = type(error).__name__
"""
    assert queue.do(other, attempt) == "TaskLockedException"
    assert queue.do(other, "told = list(huey.flush_locks('counter'))")
    assert queue.do(holder, attempt) == "taken"


# Waiting.


@pytest.mark.parametrize(("caller", "consumer"), SIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_caller_of_one_side_gets_what_the_other_returns(
    make_queue: MakeQueue, kind: str, caller: str, consumer: str
) -> None:
    queue = make_queue(kind)
    with queue.consumer(consumer):
        values = "told = [add(n, 1).get(blocking=True, timeout=30) for n in range(3)]"
        assert queue.do(caller, values) == [1, 2, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_a_caller_with_hueys_notify_result_is_woken(make_queue: MakeQueue, kind: str) -> None:
    queue = make_queue(kind)
    if queue.release == "2":
        pytest.skip("huey 2 has no notify_result")
    # Nothing else ends its wait but this: it does not ask again before its timeout.
    wait = "r = slow(1)\ntold = [r.get(blocking=True, timeout=600), add(1, 1)(True, timeout=600)]"
    with queue.consumer("ours", notify_result=True):
        assert queue.do("huey", wait, notify_result=True) == ["slow", 2]
    eventually(
        lambda: all(queue.redis.ttl(one) > 0 for one in queue.redis.scan_iter("huey.notify.*")),
        "an end of every notice",
    )


# Chords.


def chord_of(members: str) -> str:
    return f"""
from {{library}} import chord
whole = huey.enqueue(chord([{members}], note_values))
told = whole.callback.id if hasattr(whole, "callback") else whole.id
"""


@pytest.mark.parametrize(("producer", "consumer"), SIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_chord_of_one_side_is_run_by_the_other(
    make_queue: MakeQueue, kind: str, producer: str, consumer: str
) -> None:
    queue = make_queue(kind)
    if queue.release == "2":
        pytest.skip("huey 2 has no chords")
    library = "huey" if producer == "huey" else "huey_green"
    code = chord_of("add.s(1, 1), boom.s('q'), add.s(2, 2).then(add, 10)")
    callback = queue.do(producer, code.format(library=library))
    with queue.consumer(consumer):
        values = f"told = huey.get({callback!r}, peek=True)"
        eventually(lambda: queue.do(producer, values), "the callback's value", PATIENCE)
        [told] = [what for _, what in queue.told() if what.startswith("values")]
        assert told.startswith("values 14, 2, ")
        assert "ValueError('q')" in told
    left = [*queue.redis.hkeys("huey.results.shopapp"), *queue.redis.scan_iter("huey.*")]
    assert not [one for one in left if b"chord:" in one]


def has_counted(queue: Queue) -> bool:
    """Say whether a member of a chord was counted, in a hash or where results expire apart."""
    counters = [*queue.redis.hkeys("huey.counters.shopapp"), *queue.redis.scan_iter("huey.c.*")]
    return any(b"chord:" in one for one in counters)


@pytest.mark.parametrize(("first", "second"), SIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_chord_is_begun_by_one_side_and_ended_by_the_other(
    make_queue: MakeQueue, kind: str, first: str, second: str
) -> None:
    queue = make_queue(kind)
    if queue.release == "2":
        pytest.skip("huey 2 has no chords")
    queue.do("huey", chord_of("add.s(1, 1), add.s(2, 2)").format(library="huey"))
    later = queue.redis.lpop("huey.redis.shopapp")
    with queue.consumer(first):
        queue.wait_for("add 1 1", side=first)
        # Told in its midst; huey loses what it has not written when it is stopped.
        eventually(lambda: has_counted(queue), "the member to be counted", PATIENCE)
    queue.redis.lpush("huey.redis.shopapp", later)
    with queue.consumer(second):
        queue.wait_for("add 2 2", "values 2, 4", side=second)
    assert [what for _, what in queue.told()].count("values 2, 4") == 1


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("kind", ["RedisHuey", "PriorityRedisHuey"])
def test_a_chord_of_hueys_is_completed_when_huey_is_gone(
    make_queue: MakeQueue, kind: str, begun: bool
) -> None:
    queue = make_queue(kind)
    if queue.release == "2":
        pytest.skip("huey 2 has no chords")
    queue.do("huey", chord_of("boom.s('q'), add.s(1, 1), add.s(2, 2)").format(library="huey"))
    if begun:
        for _ in range(2):
            queue.do("huey", "huey.execute(huey.dequeue())")
    with queue.consumer("ours", wire=None):
        queue.wait_for("add 2 2")
        eventually(lambda: "values" in str(queue.told()), "the callback", PATIENCE)
    [told] = [what for _, what in queue.told() if what.startswith("values")]
    assert told.startswith("values 2, 4, ")
    assert "ValueError('q')" in told
    assert b"chord:" not in b" ".join(queue.redis.hkeys("huey.results.shopapp"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_member_of_a_chord_that_died_with_its_consumer_is_counted_once(
    make_queue: MakeQueue, kind: str
) -> None:
    queue = make_queue(kind)
    if queue.release == "2":
        pytest.skip("huey 2 has no chords")
    queue.do("huey", chord_of("slow.s(2), add.s(1, 1)").format(library="huey"))
    with queue.consumer("ours") as consumer:
        queue.wait_for("slow begins", "add 1 1")
        consumer.kill()
        consumer.wait(PATIENCE)
    with queue.consumer("ours"):
        queue.wait_for("values 2, slow")
    assert [what for _, what in queue.told()].count("values 2, slow") == 1


# Signed and compressed.


@pytest.mark.parametrize(("producer", "consumer"), SIDES)
@pytest.mark.parametrize(
    "options",
    [
        {"signed": {"secret": "s3cret"}},
        {"signed": {"secret": "s3cret", "salt": "pepper", "compression": True}},
        {"compression": True},
        {"compression": True, "use_zlib": True},
    ],
)
def test_signatures_and_compression_go_both_ways(
    queue: Queue, producer: str, consumer: str, options: dict[str, Any]
) -> None:
    with queue.consumer(consumer, **options):
        code = "told = [add(1, 2).get(blocking=True, timeout=30)]\nboom('q')"
        assert queue.do(producer, code, **options) == [3]
        queue.do(producer, "huey.enqueue(boom.s('q').error(note_error))\ntold = 1", **options)
        queue.wait_for("error q")


def test_what_was_forged_is_not_run(queue: Queue) -> None:
    options = {"signed": {"secret": "s3cret"}}
    queue.do("huey", "add(1, 2)\ntold = None")
    with queue.consumer("ours", **options):
        queue.do("huey", "add(2, 3)\ntold = None", **options)
        queue.wait_for("add 2 3")
        dead = "told = [one.reason for one in huey.dead_letters()]"
        eventually(lambda: queue.do("ours", dead, **options), "a dead letter", PATIENCE)
    assert "is not signed as huey" in str(queue.do("ours", dead, **options))
    assert not queue.has_told("add 1 2")
