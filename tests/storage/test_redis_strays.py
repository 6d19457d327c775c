# SPDX-License-Identifier: MIT
"""What a Redis holds for a consumer that does not know of it is found when a connection broke."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import redis

from huey_green.exceptions import StorageUnavailable
from huey_green.message import NOTHING, Delivery, Settlement
from huey_green.storage.redis import PriorityRedisStorage, RedisStorage, leasing
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis


@pytest.fixture
def server() -> Iterator[PrivateRedis]:
    with PrivateRedis() as server:
        yield server


@pytest.fixture(params=[RedisStorage, PriorityRedisStorage])
def storage(request: pytest.FixtureRequest, server: PrivateRedis) -> Iterator[RedisStorage]:
    storage: RedisStorage = request.param(url=server.url, socket_timeout=0.2)
    yield storage
    storage.close()


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return sorted(one.body for one in deliveries)


def settle_all(storage: RedisStorage, deliveries: list[Delivery]) -> None:
    assert storage.settle("me", [Settlement(one, NOTHING) for one in deliveries]) == []


def cut(server: PrivateRedis) -> None:
    with contextlib.closing(redis.Redis.from_url(server.url)) as admin:
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal")


def test_a_fetch_that_is_carried_out_after_it_was_given_up_is_found(
    server: PrivateRedis, storage: RedisStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "LOOKS", (0.0,) * 1000)
    storage.enqueue(b"early")
    early = storage.fetch("me", 5)
    server.pause()
    with pytest.raises(StorageUnavailable):
        storage.fetch("me", 5)
    # As if the network had handed over the request only now, after the next fetch.
    storage._leasing_of("me")._unconfirmed = None
    with contextlib.closing(RedisStorage(url=server.url)) as other:
        server.resume()
        eventually(lambda: other.ping() is None)
    storage.enqueue(b"late")
    verb, keys, args = storage._leasing_of("me")._request(5, 5.0)
    storage._leasing_of("me")._unconfirmed = None
    storage.scripts.call(verb, keys, args)
    assert bodies([Delivery(one.body) for one in storage.in_flight()]) == [b"early", b"late"]
    found = storage.fetch("me", 5)
    assert bodies(found) == [b"late"]
    settle_all(storage, [*early, *found])
    assert (storage.fetch("me", 5), storage.in_flight()) == ([], [])


def test_what_was_settled_and_is_held_again_is_found(
    server: PrivateRedis, storage: RedisStorage
) -> None:
    storage.enqueue_many([(b"one", None), (b"two", None), (b"three", None)])  # type: ignore[list-item]
    deliveries = storage.fetch("me", 3)
    with contextlib.closing(redis.Redis.from_url(server.url)) as admin:
        name = storage.keys.inflight("me")
        copy = admin.dump(name)
        settle_all(storage, deliveries[:2])
        # As after a failover to a replica that has not heard of this.
        admin.restore(name, 0, copy, replace=True)
    assert storage.fetch("me", 5) == []
    cut(server)
    with contextlib.suppress(StorageUnavailable):
        storage.ping()
    found = eventually(lambda: storage.fetch("me", 5))
    assert bodies(found) == bodies(deliveries[:2])
    settle_all(storage, [*found, deliveries[2]])
    assert storage.in_flight() == []


def test_more_strays_than_are_asked_for_come_one_after_another(
    server: PrivateRedis, storage: RedisStorage
) -> None:
    names = [b"n%d" % number for number in range(5)]
    storage.enqueue_many([(name, None) for name in names])  # type: ignore[list-item]
    assert len(storage.fetch("me", 5)) == 5
    storage._leasing_of("me").held.clear()
    cut(server)
    with contextlib.suppress(StorageUnavailable):
        storage.ping()
    found = [one for _ in range(3) for one in storage.fetch("me", 2)]
    assert bodies(found) == names
    assert storage.fetch("me", 2) == []


def test_nothing_is_asked_while_no_connection_breaks(
    server: PrivateRedis, storage: RedisStorage
) -> None:
    storage.enqueue(b"one")
    settle_all(storage, storage.fetch("me", 5))
    with contextlib.closing(redis.Redis.from_url(server.url)) as admin:
        assert storage.fetch("me", 5) == []
        assert "cmdstat_hkeys" not in admin.info("commandstats")
    assert storage._leasing_of("me").held == set()
