# SPDX-License-Identifier: MIT
"""Results that expire: the names, times to live and reading habits of huey's own storage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from huey_green import RedisExpireHuey
from huey_green.exceptions import ConfigurationError
from huey_green.message import Delivery, Effects, Extra, Member, Outgoing, Settlement
from huey_green.storage.redis import (
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
)
from huey_green.testing.concurrency import eventually, second_handle
from huey_green.testing.redis import PrivateRedis

#: Seconds for which results of these tests live; none of them waits for it.
LONG = 1000


@pytest.fixture(params=[RedisExpireStorage, PriorityRedisExpireStorage])
def storage(request: Any, redis_server: PrivateRedis) -> Iterator[RedisExpireStorage]:
    storage = request.param(f"test{uuid4().hex}", LONG, url=redis_server.url)
    yield storage
    storage.flush_all()
    storage.close()


def ttl_of(storage: RedisExpireStorage, key: str) -> float | None:
    """Return how many seconds a key of Redis has to live; None when it stays, 0 when it is not."""
    milliseconds = storage.link.execute("PTTL", key)
    return None if milliseconds == -1 else max(0, milliseconds) / 1000


def settle(storage: RedisExpireStorage, *results: tuple[str, bytes]) -> None:
    settlements = [Settlement(Delivery(b"task"), Effects(results=(one,))) for one in results]
    assert storage.settle("one", settlements) == []


def test_a_result_is_a_key_of_its_own_that_expires(storage: RedisExpireStorage) -> None:
    settle(storage, ("settled", b"1"))
    storage.put_data("put", b"2", is_result=True)
    for key, value in (("settled", b"1"), ("put", b"2")):
        name = f"huey.r.{storage.name}.{key}"
        assert storage.link.execute("GET", name) == value
        assert LONG - 60 < (ttl_of(storage, name) or 0) <= LONG
    assert storage.link.execute("EXISTS", storage.keys.results) == 0


def test_what_is_no_result_stays_until_it_is_deleted(storage: RedisExpireStorage) -> None:
    storage.put_data("value", b"1")
    assert storage.put_if_empty("lock", b"2")
    storage.put_revocation("r:1", b"3")
    for key in ("value", "lock", "r:1"):
        assert ttl_of(storage, f"huey.r.{storage.name}.{key}") is None
    assert storage.put_if_empty("for a while", b"4", ttl=50.0)
    assert 40 < (ttl_of(storage, f"huey.r.{storage.name}.for a while") or 0) <= 50
    assert storage.result_store_size() == 4
    assert storage.delete_data("lock")
    assert storage.put_if_empty("lock", b"5")


def test_reading_a_result_leaves_it_for_the_next_reader(storage: RedisExpireStorage) -> None:
    settle(storage, ("a", b"1"))
    with second_handle(storage) as other:
        assert [storage.pop_data("a"), other.pop_data("a"), storage.pop_data("a")] == [b"1"] * 3
    assert storage.delete_data("a")
    assert storage.pop_data("a") is None


def test_a_task_s_value_can_be_read_through_any_number_of_handles(
    redis_server: PrivateRedis,
) -> None:
    huey = RedisExpireHuey(f"test{uuid4().hex}", expire_time=LONG, url=redis_server.url)

    @huey.task()
    def add(a: int, b: int) -> int:
        return a + b

    result = add(1, 2)
    task = huey.dequeue()
    assert task is not None
    assert huey.execute(task) == 3
    assert [result.get(), result.get(), huey.result(result.id), huey.result(result.id)] == [3] * 4
    huey.flush()
    huey.storage.close()


def test_a_result_is_gone_after_its_time_from_everywhere(redis_server: PrivateRedis) -> None:
    storage = RedisExpireStorage(f"test{uuid4().hex}", 0.05, url=redis_server.url)
    settle(storage, *((f"{number}", b"1") for number in range(700)))
    storage.put_data("stays", b"2")
    eventually(lambda: not storage.has_data_for_key("699"), "the end of the last result")
    eventually(lambda: storage.result_store_size() == 1, "the end of what the index says")
    assert storage.result_items() == {"stays": b"2"}
    assert storage.peek_data("0") is storage.pop_data("0") is None
    # What has expired is forgotten by the index when something comes, faster than it comes.
    settle(storage, *((f"next-{number}", b"1") for number in range(300)))
    eventually(lambda: not storage.has_data_for_key("next-299"), "the end of the last result")
    settle(storage, ("last", b"1"))
    assert storage.link.execute("ZCARD", storage.keys.expiring) <= 2
    storage.flush_all()
    storage.close()


def test_a_refused_settlement_stores_no_result(storage: RedisExpireStorage) -> None:
    storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b")])
    first, second = storage.fetch("one", 2)
    assert storage.settle("one", [Settlement(first)]) == []
    late = Settlement(first, Effects(results=(("late", b"1"), ("later", b"2"))))
    chord = Extra(members=(Member("chord", 0, 1, b"v", Outgoing(b"callback")),))
    good = Settlement(second, Effects(results=(("x", b"3"), ("y", b"4")), extra=chord))
    assert storage.settle("one", [late, good]) == [late]
    assert storage.result_items() == {"x": b"3", "y": b"4"}
    assert storage.chord_values("chord", 1) == [b"v"]
    assert storage.enqueued_items() == [b"callback"]


def test_a_counter_expires_after_it_was_last_counted_on(storage: RedisExpireStorage) -> None:
    name = f"huey.c.{storage.name}.n"
    assert storage.incr("n") == 1
    storage.link.execute("PEXPIRE", name, 5000)
    assert storage.incr("n", 5) == 6
    assert LONG - 60 < (ttl_of(storage, name) or 0) <= LONG
    storage.delete_counter("n")
    assert ttl_of(storage, name) == 0
    storage.incr("n")
    storage.flush_counters()
    assert storage.incr("n") == 1


def test_thousands_of_results_are_listed_and_flushed_page_by_page(
    storage: RedisExpireStorage,
) -> None:
    expected = {f"{number}": b"%d" % number for number in range(2500)}
    settle(storage, *expected.items())
    assert storage.result_store_size() == 2500
    assert storage.result_items() == expected
    assert storage.peek_many(list(expected)) == expected
    storage.flush_results()
    assert storage.result_store_size() == 0
    assert storage.peek_many(list(expected)) == {}
    assert storage.link.execute("EXISTS", storage.keys.expiring) == 0


def test_a_value_put_anew_lives_as_the_new_one_does(storage: RedisExpireStorage) -> None:
    storage.put_data("a", b"1", is_result=True)
    storage.put_data("a", b"2")
    assert ttl_of(storage, storage.keys.value("a")) is None
    storage.put_data("a", b"3", is_result=True)
    assert ttl_of(storage, storage.keys.value("a")) is not None
    assert storage.result_items() == {"a": b"3"}


def test_results_stored_before_the_change_to_this_storage_can_be_read(
    redis_server: PrivateRedis,
) -> None:
    name = f"test{uuid4().hex}"
    before = RedisStorage(name, url=redis_server.url)
    before.put_data("a", b"1", is_result=True)
    after = RedisExpireStorage(name, url=redis_server.url)
    assert after.peek_data("a") == b"1"
    assert after.result_items() == {"a": b"1"}
    after.flush_all()
    assert before.peek_data("a") is None
    before.close()
    after.close()


def test_they_are_the_storages_that_they_extend() -> None:
    assert issubclass(RedisExpireStorage, RedisStorage)
    assert issubclass(PriorityRedisExpireStorage, PriorityRedisStorage)
    assert RedisExpireStorage("name").expire_time == 86400


@pytest.mark.parametrize("wrong", [0, -1, -0.5, math.nan, math.inf, None, "60", True])
def test_an_expire_time_that_is_no_time_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="expire_time has to be a number of seconds"):
        PriorityRedisExpireStorage("name", expire_time=wrong)
