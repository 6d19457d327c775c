# SPDX-License-Identifier: MIT
"""Redis behind Sentinel: after a failover every connection finds the new master."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis.sentinel import Sentinel, SentinelConnectionPool

from chaos.sentinel import SERVICE, Trio
from huey_green.exceptions import StorageUnavailable
from huey_green.storage.redis import RedisStorage
from huey_green.storage.redis.sentinels import apart
from huey_green.testing.concurrency import Running, eventually, together


@pytest.fixture
def trio() -> Iterator[Trio]:
    with ExitStack() as ending:
        yield Trio(ending)


def pool_of(addresses: list[tuple[str, int]]) -> SentinelConnectionPool:
    sentinel = Sentinel(addresses, socket_timeout=1.0, socket_connect_timeout=1.0)
    return SentinelConnectionPool(SERVICE, sentinel, socket_timeout=2.0)


def patiently(call: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that calls until the storage answers."""

    def called() -> Any:
        while True:
            try:
                return call()
            except StorageUnavailable:
                threading.Event().wait(0.05)

    return called


@pytest.mark.parametrize("end", ["order", "kill"])
def test_after_a_failover_all_that_wait_and_all_that_ask_find_the_new_master(
    trio: Trio, end: str
) -> None:
    storage = RedisStorage(connection_pool=pool_of(trio.addresses))
    heartbeat = storage.independent()
    storage.put_data("before", b"1")
    heartbeat.extend("me", 30.0)
    before = trio.master
    waiting = Running(patiently(lambda: eventually(lambda: storage.fetch("me", 1, 5.0))))
    caller = Running(patiently(lambda: storage.wait_result("result", 60.0)))
    eventually(lambda: storage._leasing_of("me").waiting._client is not None)
    eventually(lambda: storage.wakeup.is_listening)
    if end == "order":
        trio.order_failover()
    else:
        trio.servers[before].kill()
    eventually(lambda: trio.has_another(before))
    eventually(trio.takes_writes)
    patiently(lambda: storage.enqueue(b"message"))()
    assert [one.body for one in waiting.result()] == [b"message"]
    patiently(lambda: storage.put_data("result", b"2", is_result=True))()
    assert caller.result() is True
    patiently(lambda: heartbeat.extend("me", 30.0))()
    assert storage.link.execute("ROLE")[0] == heartbeat.link.execute("ROLE")[0] == b"master"
    storage.close()
    heartbeat.close()


class SlowSentinel:
    """Answers when all who ask at the same time have asked."""

    def __init__(self, barrier: threading.Barrier, answers: dict[str, Any]) -> None:
        self._barrier = barrier
        self._answers = answers

    def sentinel_masters(self) -> dict[str, Any]:
        if self._answers:
            self._barrier.wait(20)
        return self._answers


def test_who_asks_sentinels_at_the_same_time_loses_none_of_them() -> None:
    mine: Any = apart(pool_of([("127.0.0.1", port) for port in (1, 2, 3)]))
    state = {"ip": "127.0.0.1", "port": 6379, "is_master": True, "num-other-sentinels": 2}
    master = {SERVICE: {**state, "is_sdown": False, "is_odown": False}}
    barrier = threading.Barrier(2)
    sentinels: list[Any] = [SlowSentinel(barrier, one) for one in ({}, {}, master)]
    mine.sentinel_manager.sentinels = list(sentinels)
    found = together(*[lambda: mine.sentinel_manager.discover_master(SERVICE)] * 2)
    assert found == [("127.0.0.1", 6379)] * 2
    assert set(mine.sentinel_manager.sentinels) == set(sentinels)


def test_a_link_apart_shares_no_connection_to_a_sentinel() -> None:
    pool = pool_of([("127.0.0.1", 1), ("127.0.0.1", 2)])
    other: Any = apart(pool)
    assert other.service_name == SERVICE
    assert other.connection_kwargs["socket_timeout"] == 2.0
    theirs = [one.connection_pool for one in other.sentinel_manager.sentinels]
    ours = [one.connection_pool for one in pool.sentinel_manager.sentinels]
    assert not {*map(id, theirs)} & {*map(id, ours)}
    kwargs = [
        [one.connection_kwargs[name] for name in ("port", "socket_timeout")] for one in theirs
    ]
    assert kwargs == [[1, 1.0], [2, 1.0]]
