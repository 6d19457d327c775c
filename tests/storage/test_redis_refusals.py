# SPDX-License-Identifier: MIT
"""A Redis that refuses, or has become silent: the caller is told, and other ways are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from huey_green.exceptions import StorageUnavailable
from huey_green.storage.redis import PriorityRedisStorage, RedisStorage
from huey_green.testing.concurrency import Running, eventually
from huey_green.testing.redis import PrivateRedis

Call = Callable[[RedisStorage], Any]

#: A command, and scripts; some servers tell in other words what a command of a script was answered.
WRITES: dict[str, Call] = {
    "enqueue": lambda storage: storage.enqueue(b"message"),
    "fetch": lambda storage: storage.fetch("consumer", 1),
    "fetch and wait": lambda storage: storage.fetch("consumer", 1, 0.1),
    "extend": lambda storage: storage.extend("consumer", 5.0),
    "put_data": lambda storage: storage.put_data("key", b"value"),
}

#: Settings that make a server refuse.
REFUSALS: dict[str, tuple[tuple[str, ...], ...]] = {
    "replica": (("REPLICAOF", "127.0.0.1", "1"),),
    "stale replica": (
        ("REPLICAOF", "127.0.0.1", "1"),
        ("CONFIG", "SET", "replica-serve-stale-data", "no"),
    ),
    "alone": (("CONFIG", "SET", "min-replicas-to-write", "1"),),
}


@pytest.fixture
def server() -> Iterator[PrivateRedis]:
    with PrivateRedis() as server:
        yield server


@pytest.mark.parametrize("storage_class", [RedisStorage, PriorityRedisStorage])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_whatever_a_server_refuses_to_write_is_told_as_unavailable(
    server: PrivateRedis, storage_class: type[RedisStorage], refusal: str
) -> None:
    admin = redis.Redis.from_url(server.url)
    storage = storage_class(url=server.url)
    for call in WRITES.values():
        call(storage)
    for command in REFUSALS[refusal]:
        admin.execute_command(*command)
    for call in WRITES.values():
        with pytest.raises(StorageUnavailable, match="refuses"):
            call(storage)
    storage.close()
    admin.close()


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES)
def test_connections_to_a_server_that_is_no_master_any_more_are_given_up(
    server: PrivateRedis, call: Call, refusal: str
) -> None:
    admin = redis.Redis.from_url(server.url)
    storage = RedisStorage(url=server.url)
    call(storage)
    before = {client["id"] for client in admin.client_list()}
    for command in REFUSALS[refusal]:
        admin.execute_command(*command)
    with pytest.raises(StorageUnavailable):
        call(storage)
    admin.execute_command("REPLICAOF", "NO", "ONE")
    admin.config_set("min-replicas-to-write", 0)
    call(storage)
    after = {client["id"] for client in admin.client_list()}
    assert after - before
    storage.close()
    admin.close()


def test_a_server_that_is_busy_with_the_script_of_another_is_waited_for(
    server: PrivateRedis,
) -> None:
    admin = redis.Redis.from_url(server.url)
    admin.config_set("lua-time-limit", 10)
    storage = RedisStorage(url=server.url)
    storage.ping()
    endless = Running(lambda: storage.link.another().execute("EVAL", "while true do end", 0))
    with pytest.raises(StorageUnavailable, match="BUSY"):
        eventually(lambda: storage.queue_size() > 0)
    admin.script_kill()
    with pytest.raises(redis.ResponseError, match="killed"):
        endless.result()
    storage.enqueue(b"message")
    storage.close()
    admin.close()


def test_who_waits_for_a_message_is_told_when_another_call_finds_the_server_silent(
    server: PrivateRedis,
) -> None:
    storage = RedisStorage(url=server.url, socket_timeout=0.2)
    admin = redis.Redis.from_url(server.url)
    waiting = Running(lambda: storage.fetch("consumer", 1, 60.0))
    eventually(lambda: b"blmove" in admin.execute_command("CLIENT", "LIST"))
    server.pause()
    with pytest.raises(StorageUnavailable):
        storage.ping()
    with pytest.raises(StorageUnavailable, match="closed"):  # And not: has timed out.
        waiting.result()
    server.resume()
    storage.enqueue(b"message")
    assert [one.body for one in storage.fetch("consumer", 1, 5.0)] == [b"message"]
    storage.close()
    admin.close()
