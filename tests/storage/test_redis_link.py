# SPDX-License-Identifier: MIT
"""The link to Redis: what it takes from a user's pool, and that it recovers from anything."""

from __future__ import annotations

import threading

import pytest
import redis

from huey_green.exceptions import StorageUnavailable
from huey_green.message import Settlement
from huey_green.storage.redis import RedisStorage
from huey_green.storage.redis.connect import Link
from huey_green.testing.redis import PrivateRedis


def test_any_number_of_failed_calls_leaves_nothing_that_keeps_later_ones_from_working() -> None:
    with PrivateRedis() as server:
        link = Link(url=server.url)
        assert link.execute("PING") in (b"PONG", "PONG")
        server.kill()
        for _ in range(250):
            with pytest.raises(StorageUnavailable):
                link.execute("PING")
        server.start()
        assert link.execute("PING") in (b"PONG", "PONG")
        link.close()


def test_a_pool_that_the_application_shares_is_left_as_it_was(redis_server: PrivateRedis) -> None:
    pool = redis.ConnectionPool.from_url(redis_server.url, decode_responses=True)
    link = Link(connection_pool=pool)
    link.execute("SET", "link-test", "1")
    assert link.execute("GET", "link-test") == b"1"
    application = redis.Redis(connection_pool=pool)
    assert application.get("link-test") == "1"
    application.delete("link-test")
    application.close()
    pool.disconnect()
    link.close()


def test_more_callers_than_connections_take_turns(redis_server: PrivateRedis) -> None:
    link = Link(url=redis_server.url, max_connections=2)
    answers: list[bytes] = []

    def ask() -> None:
        answers.extend(link.execute("ECHO", "x") for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [b"x"] * 800
    assert len(link._idle) <= 2
    link.close()


def test_scripts_that_are_forgotten_at_any_moment_are_told_again(
    redis_server: PrivateRedis,
) -> None:
    storage = RedisStorage("forgetful", url=redis_server.url)
    other = Link(url=redis_server.url)
    stopping = threading.Event()

    def forget() -> None:
        while not stopping.is_set():
            other.execute("SCRIPT", "FLUSH")

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        for number in range(300):
            storage.enqueue(b"%d" % number)
            [delivery] = storage.fetch("one", 1)
            assert storage.settle("one", [Settlement(delivery)]) == []
    finally:
        stopping.set()
        thread.join(30)
        storage.flush_all()
        storage.close()
        other.close()
