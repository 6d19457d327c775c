# SPDX-License-Identifier: MIT
"""What the model has found, each as a short example, asked of every storage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cable import Cut
from worlds import REDIS_KINDS, FileWorld, MemoryWorld, RedisWorld, SqliteWorld, World

from huey_green import clock
from huey_green.message import Outgoing
from huey_green.testing.concurrency import PATIENCE, Running
from huey_green.testing.leases import LONG
from huey_green.testing.redis import PrivateRedis

#: How a storage is kept from writing.
HOLDS: dict[str, Callable[[Any, Callable[..., None]], Any]] = {
    "sqlite": lambda storage, work: storage._database.write(work),
    "file": lambda storage, work: storage._work(work, needs_state=False),
}
LOCAL = {"memory": MemoryWorld, "sqlite": SqliteWorld, "file": FileWorld}


@pytest.fixture(params=[*LOCAL, "list", "zset"])
def world(request: pytest.FixtureRequest, redis_server: PrivateRedis) -> Iterator[World]:
    kind = request.param
    made = LOCAL[kind]() if kind in LOCAL else RedisWorld(redis_server, REDIS_KINDS[kind])
    yield made
    made.close()


def test_parked_messages_are_told_in_the_order_in_which_they_were_parked(world: World) -> None:
    storage = world.eye
    storage.enqueue_many([Outgoing(b"first"), Outgoing(b"second"), Outgoing(b"third")])
    for delivery, key in zip(storage.fetch("one", 3), ("a", "b", "a"), strict=True):
        assert not storage.admit("one", delivery, key, 0)
    assert storage.parked_items() == [b"first", b"second", b"third"]
    assert storage.parked_items(2) == [b"first", b"second"]


@pytest.mark.parametrize("kind", ["list", "list-expire"])
def test_what_lands_at_a_consumer_is_found_though_the_server_had_forgotten_both(
    redis_server: PrivateRedis, kind: str
) -> None:
    world = RedisWorld(redis_server, REDIS_KINDS[kind])
    consumer, eye = world.handle(), world.eye
    assert consumer.fetch("one", 1, 0.01) == []  # Its connections are open.
    assert eye.reclaim(now=eye.time() + LONG) == 0
    assert eye.consumers() == {}
    eye.enqueue(b"message")
    world.flush_scripts()
    with world.cutting(Cut.ANSWER, 0) as doubts:
        consumer.raw.fetch("one", 1, 5.0)  # It waits at once: the queue was empty before.
    assert doubts
    consumer.close()
    assert set(eye.consumers()) == {"one"}
    eye.reclaim(now=eye.time() + LONG)
    assert eye.enqueued_items() == [b"message"]
    world.close()


@pytest.mark.parametrize("kind", ["list", "list-expire"])
def test_what_has_landed_is_taken_before_more_is_waited_for(
    redis_server: PrivateRedis, kind: str
) -> None:
    world = RedisWorld(redis_server, REDIS_KINDS[kind])
    consumer, eye = world.handle(), world.eye
    assert consumer.fetch("one", 1, 0.01) == []
    world.flush_scripts()
    eye.enqueue_many([Outgoing(b"first"), Outgoing(b"second")])
    # The first one lands, the script that would take it is forgotten, and the next request lost.
    with world.cutting(Cut.REQUEST, 1) as doubts:
        consumer.raw.fetch("one", 1, 5.0)
    assert doubts
    assert world.landed(["one"]) == [("one", b"first")]
    assert [one.body for one in consumer.fetch("one", 1, 5.0)] == [b"first"]
    assert world.landed(["one"]) == []
    assert eye.enqueued_items() == [b"second"]
    world.close()


def test_beginning_what_is_not_held_any_more_leaves_nothing_behind(
    redis_server: PrivateRedis,
) -> None:
    world = RedisWorld(redis_server, REDIS_KINDS["list"])
    storage = world.eye
    storage.enqueue(b"message")
    taken = storage.fetch("suspended", 1)
    assert storage.reclaim(now=storage.time() + LONG) == 1
    assert storage.reclaim(now=storage.time() + LONG) == 0
    storage.begin("suspended", taken)
    assert [one.attempt for one in storage.fetch("other", 1, lease=None)] == [1]
    assert world.left_behind() == set()
    world.close()


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_an_extended_lease_counts_from_when_the_storage_took_it(kind: str) -> None:
    world = LOCAL[kind]()
    other = world.handle()
    # Somebody else is at it, for a while.
    ready, gate = threading.Event(), threading.Event()

    def hold(*_: Any) -> None:
        ready.set()
        assert gate.wait(PATIENCE)

    holding = Running(lambda: HOLDS[kind](world.eye, hold))
    assert ready.wait(PATIENCE)
    extending = Running(lambda: other.extend("one", LONG))
    clock.sleep(0.2)  # Time for it to be too early; it cannot be too late.
    freed_at = other.time()
    gate.set()
    holding.result()
    extending.result()
    assert world.eye.consumers()["one"] >= freed_at + LONG
    other.close()
    world.close()
