# SPDX-License-Identifier: MIT
"""Results and other values in a HASH, those with a time to live in strings, counters in a HASH."""

from __future__ import annotations

from collections.abc import Sequence

from huey_green.storage.base import BaseStorage
from huey_green.storage.redis.connect import Link
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.scripts import Scripts
from huey_green.storage.redis.wakeup import Wakeup


class RedisResults(BaseStorage):
    """The result store of one queue. A waiting caller is woken by pub/sub, not by polling."""

    link: Link
    keys: Keys
    scripts: Scripts
    wakeup: Wakeup

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        self.link.transaction(
            ("HSET", self.keys.results, key, value),
            ("DEL", self.keys.value(key)),
            ("PUBLISH", self.keys.wake, key),
        )

    def peek_data(self, key: str) -> bytes | None:
        return self.peek_many([key]).get(key)

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            return {}
        lasting, expiring = self.link.together(
            ("HMGET", self.keys.results, *keys), ("MGET", *map(self.keys.value, keys))
        )
        found = zip(keys, lasting, expiring, strict=True)
        values = {key: one if one is not None else other for key, one, other in found}
        return {key: value for key, value in values.items() if value is not None}

    def pop_data(self, key: str) -> bytes | None:
        value = self.keys.value(key)
        lasting, _, expiring, _ = self.link.transaction(
            ("HGET", self.keys.results, key),
            ("HDEL", self.keys.results, key),
            ("GET", value),
            ("DEL", value),
        )
        popped: bytes | None = lasting if lasting is not None else expiring
        return popped

    def delete_data(self, key: str) -> bool:
        deleted = self.link.transaction(
            ("HDEL", self.keys.results, key), ("DEL", self.keys.value(key))
        )
        return any(deleted)

    def has_data_for_key(self, key: str) -> bool:
        found = self.link.together(
            ("HEXISTS", self.keys.results, key), ("EXISTS", self.keys.value(key))
        )
        return any(found)

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        names = (self.keys.results, self.keys.value(key), self.keys.expiring)
        milliseconds = "" if ttl is None else round(ttl * 1000)
        return bool(self.scripts.call("put_if_empty", names, (key, value, milliseconds)))

    def wait_result(
        self,
        key: str,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        return self.wakeup.wait(key, lambda: self.has_data_for_key(key), timeout)

    def result_store_size(self) -> int:
        lasting, expiring = self.link.together(
            ("HLEN", self.keys.results), ("ZCOUNT", self.keys.expiring, repr(self.time()), "+inf")
        )
        return int(lasting) + int(expiring)

    def result_items(self) -> dict[str, bytes]:
        flat = self.link.execute("HGETALL", self.keys.results)
        lasting = {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
        expiring = [key.decode() for key in self.link.execute("ZRANGE", self.keys.expiring, 0, -1)]
        return {**self.peek_many(expiring), **lasting}

    def flush_results(self) -> None:
        expiring = self.link.execute("ZRANGE", self.keys.expiring, 0, -1)
        values = [self.keys.value(key.decode()) for key in expiring]
        shared = (self.keys.results, self.keys.revocations, self.keys.expiring)
        self.link.execute("DEL", *values, *shared)

    # Revocation marks: ordinary values, whose keys are in a SET that ``fetch`` looks at.

    def put_revocation(self, key: str, value: bytes) -> None:
        self._revocations = True
        self.link.transaction(
            ("HSET", self.keys.results, key, value), ("SADD", self.keys.revocations, key)
        )

    def pop_revocation(self, key: str) -> bytes | None:
        value: bytes | None = self.link.transaction(
            ("HGET", self.keys.results, key),
            ("HDEL", self.keys.results, key),
            ("SREM", self.keys.revocations, key),
        )[0]
        return value

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        return int(self.link.execute("HINCRBY", self.keys.counters, key, amount))

    def delete_counter(self, key: str) -> None:
        self.link.execute("HDEL", self.keys.counters, key)

    def flush_counters(self) -> None:
        self.link.execute("DEL", self.keys.counters)
