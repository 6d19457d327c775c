# SPDX-License-Identifier: MIT
"""Results and other values in a HASH, those with a time to live in strings, counters in a HASH."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from huey_green import clock
from huey_green.storage.base import BaseStorage
from huey_green.storage.redis.connect import Link
from huey_green.storage.redis.hearing import Hearing
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.scripts import Scripts
from huey_green.storage.redis.settling import milliseconds
from huey_green.storage.redis.wakeup import Wakeup

T = TypeVar("T")

#: Most values that one command reads or deletes: many short commands let others in between.
PAGE = 1000


class RedisResults(BaseStorage):
    """The result store of one queue. A waiting caller is woken by pub/sub, not by polling."""

    link: Link
    keys: Keys
    scripts: Scripts
    wakeup: Wakeup
    hearing: Hearing

    #: The variant of the scripts, see ``Variants``.
    store = "hash"

    _revocations: bool

    #: Milliseconds for which ``settle`` and ``put_data`` keep a result in a string of its own;
    #: None where results stay in the HASH until they are read.
    _result_ttl: int | None = None

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        ttl = self._result_ttl if is_result and self._result_ttl is not None else ""
        self.scripts.call("put_data", self.keys.values(key), (key, value, ttl, self.keys.wake))

    def peek_data(self, key: str) -> bytes | None:
        return self.peek_many([key]).get(key)

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        pages = list(_pages(keys))
        commands = [
            command
            for page in pages
            for command in (
                ("HMGET", self.keys.results, *page),
                ("MGET", *map(self.keys.value, page)),
            )
        ]
        answers = iter(self.link.together(*commands) if commands else ())
        for page in pages:
            for key, lasting, expiring in zip(page, next(answers), next(answers), strict=True):
                value = lasting if lasting is not None else expiring
                if value is not None:
                    values[key] = value
        return values

    def pop_data(self, key: str) -> bytes | None:
        value: bytes | None = self.scripts.call("pop_data", self.keys.values(key), (key,))
        return value

    def delete_data(self, key: str) -> bool:
        return bool(self.scripts.call("delete_data", self.keys.values(key), (key,)))

    def delete_if(self, key: str, value: bytes) -> bool:
        return bool(self.scripts.call("delete_if", self.keys.values(key), (key, value)))

    def has_data_for_key(self, key: str) -> bool:
        found = self.link.together(
            ("HEXISTS", self.keys.results, key), ("EXISTS", self.keys.value(key))
        )
        return any(found)

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        args = (key, value, or_none(ttl))
        return bool(self.scripts.call("put_if_empty", self.keys.values(key), args))

    def wait_result(
        self,
        key: str,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        if self.link.is_abroad:
            # Who listens there would end with the thread.
            return super().wait_result(key, timeout, backoff, max_delay)
        return self.wakeup.wait_result(key, lambda: self.has_data_for_key(key), timeout)

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        if self.link.is_abroad:
            return super().wait_until(keys, is_ready, timeout, backoff, max_delay)
        return self.wakeup.wait(keys, is_ready, timeout)

    def when_stored(self, key: str, told: Callable[[], None]) -> Callable[[], None] | None:
        return None if self.link.is_abroad else self.hearing.tell({0: [key]}, told)

    def result_store_size(self) -> int:
        lasting, expiring = self.link.together(
            ("HLEN", self.keys.results), ("ZCOUNT", self.keys.expiring, repr(self.time()), "+inf")
        )
        return int(lasting) + int(expiring)

    def result_items(self) -> dict[str, bytes]:
        flat = self._scan("HSCAN", self.keys.results)
        lasting = {key.decode(): value for key, value in zip(flat, flat, strict=True)}
        index = self._scan("ZSCAN", self.keys.expiring)
        # What was put anew while we looked may come twice.
        expiring = dict.fromkeys(key.decode() for key, _ in zip(index, index, strict=True))
        return {**self.peek_many(list(expiring)), **lasting}

    def _scan(self, verb: str, name: str) -> Iterator[bytes]:
        """Yield names and values, by turns, of all that is in a HASH or ZSET, page by page."""
        cursor = b"0"
        while True:
            cursor, page = self.link.execute(verb, name, cursor, "COUNT", PAGE)
            yield from page
            if int(cursor) == 0:
                return

    def flush_results(self) -> None:
        self.link.execute("UNLINK", self.keys.results, self.keys.revocations)
        self._flush_index(self.keys.expiring, self.keys.value)

    def _flush_index(self, index: str, name_of: Callable[[str], str]) -> None:
        """Delete the keys of all that an index names, and what it says of them."""
        while members := self.link.execute("ZRANGE", index, 0, PAGE - 1):
            names = [name_of(member.decode()) for member in members]
            self.link.transaction(("UNLINK", *names), ("ZREM", index, *members))

    # Revocation marks: ordinary values, whose keys are in a ZSET that ``fetch`` looks at.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        self._revocations = True
        names = (*self.keys.values(key), self.keys.revocations)
        self.scripts.call("put_revocation", names, (key, value, or_none(ttl)))

    def pop_revocation(self, key: str) -> bytes | None:
        names = (*self.keys.values(key), self.keys.revocations)
        value: bytes | None = self.scripts.call("pop_revocation", names, (key,))
        return value

    # What members of chords left, and how far tasks have come: kept beside the results.

    def chord_values(self, chord: str, size: int) -> list[bytes | None]:
        name = self.keys.chord(chord)
        pages = _pages(range(size))
        answers = self.link.together(*(("HMGET", name, *page) for page in pages)) if size else []
        return [value for answer in answers for value in answer]

    def put_progress(self, task_id: str, data: bytes) -> None:
        self.link.together(
            ("HSET", self.keys.progress, task_id, data),
            # By our clock, to save the question: it is kept for a week.
            ("ZADD", self.keys.progress_news, repr(clock.wall()), task_id),
            ("PUBLISH", self.keys.wake, f"1\np:{task_id}"),
        )

    def peek_progress(self, task_id: str) -> bytes | None:
        data: bytes | None = self.link.execute("HGET", self.keys.progress, task_id)
        return data

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        return int(self.link.execute("HINCRBY", self.keys.counters, key, amount))

    def delete_counter(self, key: str) -> None:
        self.link.execute("HDEL", self.keys.counters, key)

    def flush_counters(self) -> None:
        self.link.execute("DEL", self.keys.counters)


def or_none(ttl: float | None) -> int | str:
    """Return a time to live in milliseconds, "" for none."""
    return "" if ttl is None else milliseconds(ttl)


def _pages(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + PAGE] for start in range(0, len(items), PAGE))
