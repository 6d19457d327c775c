# SPDX-License-Identifier: MIT
"""The values of a queue that is spread over shards: each lies where its key says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from huey_green.exceptions import StorageUnavailable
from huey_green.storage.base import BaseStorage
from huey_green.storage.placing import shard_of
from huey_green.storage.redis.hearing import Hearing

if TYPE_CHECKING:
    from huey_green.storage.redis import _Redis

T = TypeVar("T")

#: What the keys of revocations begin with that are for more than one task.
_OF_MANY = ("rt:", "ra:")


class ShardedValues(BaseStorage):
    """Results, revocations, counters and progress over several shards, and waiting for them."""

    def __init__(self, name: str, shards: Sequence[_Redis]) -> None:
        super().__init__(name)
        #: Each a whole storage, for the consumers that read it.
        self.shards = tuple(shards)
        #: A storage that has this is sharded: see ``huey_green.placing``.
        self.shard_count = len(self.shards)
        self._hearing = Hearing([shard.wakeup for shard in self.shards])

    def _shard(self, number: int) -> _Redis:
        """Return a shard that is about to be used."""
        return self.shards[number]

    def _at(self, key: str) -> _Redis:
        return self._shard(shard_of(key, self.shard_count))

    def _each(self, ask: Callable[[_Redis], T]) -> list[T]:
        """Return the answers of all shards. One that is away keeps no other from being asked; its
        error is raised then."""
        answers: list[T] = []
        failure: StorageUnavailable | None = None
        for number in range(self.shard_count):
            try:
                answers.append(ask(self._shard(number)))
            except StorageUnavailable as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return answers

    # Values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        self._at(key).put_data(key, value, is_result)

    def peek_data(self, key: str) -> bytes | None:
        return self.peek_many([key]).get(key)

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for number, some in self._by_shard(keys).items():
            found |= self._shard(number).peek_many(some)
        marks = [key for key in keys if key.startswith(_OF_MANY)]
        if marks:
            others = [key for key in keys if key not in marks]
            found |= self._peek_marks(marks, others[0] if others else marks[0])
        return found

    def _by_shard(self, keys: Sequence[str]) -> dict[int, list[str]]:
        """Return which of these keys lie on which shard, but for those that lie on all."""
        found: dict[int, list[str]] = defaultdict(list)
        for key in keys:
            if not key.startswith(_OF_MANY):
                found[shard_of(key, self.shard_count)].append(key)
        return found

    def _peek_marks(self, marks: Sequence[str], beside: str) -> dict[str, bytes]:
        """Return the marks of many tasks; while their own shard is away, the copies of them that
        lie beside another key."""
        found: dict[str, bytes] = {}
        for mark in marks:
            try:
                found |= self._at(mark).peek_many([mark])
            except StorageUnavailable:
                found |= self._at(beside).peek_many([mark])
        return found

    def pop_data(self, key: str) -> bytes | None:
        return self._at(key).pop_data(key)

    def delete_data(self, key: str) -> bool:
        return self._at(key).delete_data(key)

    def delete_if(self, key: str, value: bytes) -> bool:
        return self._at(key).delete_if(key, value)

    def has_data_for_key(self, key: str) -> bool:
        return self._at(key).has_data_for_key(key)

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        return self._at(key).put_if_empty(key, value, ttl)

    def result_store_size(self) -> int:
        return sum(self._each(lambda shard: shard.result_store_size()))

    def result_items(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for items in self._each(lambda shard: shard.result_items()):
            found |= items
        return found

    def flush_results(self) -> None:
        self._each(lambda shard: shard.flush_results())

    # Revocations. One of a single task lies with that task. One of many tasks lies where its key
    # says, and is used up there; and there is a copy of it on each other shard, so that the
    # consumers of that look for it.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        if key.startswith(_OF_MANY):
            self._each(lambda shard: shard.put_revocation(key, value, ttl))
        else:
            self._at(key).put_revocation(key, value, ttl)

    def pop_revocation(self, key: str) -> bytes | None:
        home = self._at(key)
        found = home.pop_revocation(key)
        if key.startswith(_OF_MANY):
            for shard in self.shards:
                if shard is not home:
                    # A copy that is left costs a look; to fail now would tell that nothing was
                    # found, the next time.
                    with suppress(StorageUnavailable):
                        shard.pop_revocation(key)
        return found

    def has_revocations(self) -> bool:
        return any(shard.has_revocations() for shard in self.shards)

    # Waiting.

    def wait_result(
        self,
        key: str,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        return self._at(key).wait_result(key, timeout, backoff, max_delay)

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        shards = self._by_shard(keys)
        if len(shards) < 2:
            alone = next(iter(shards), 0)
            return self._shard(alone).wait_until(keys, is_ready, timeout, backoff, max_delay)
        if self.shards[0].link.is_abroad:
            return super().wait_until(keys, is_ready, timeout, backoff, max_delay)
        if timeout is not None and timeout <= 0:
            return is_ready()
        return self._hearing.wait(shards, is_ready, timeout)

    def when_stored(self, key: str, told: Callable[[], None]) -> Callable[[], None] | None:
        if self.shards[0].link.is_abroad:
            return None
        return self._hearing.tell({shard_of(key, self.shard_count): [key]}, told)

    # Progress, chords, counters, windows of hits, notes of canceled tasks.

    def put_progress(self, task_id: str, data: bytes) -> None:
        self._at(task_id).put_progress(task_id, data)

    def peek_progress(self, task_id: str) -> bytes | None:
        return self._at(task_id).peek_progress(task_id)

    def chord_values(self, chord: str, size: int) -> list[bytes | None]:
        home = self._at(chord)
        found = home.chord_values(chord, size)
        if any(value is not None for value in found):
            return found
        # Of tasks that nobody has placed it lies with them.
        for shard in self.shards:
            others = [] if shard is home else shard.chord_values(chord, size)
            if any(value is not None for value in others):
                return others
        return found

    def incr(self, key: str, amount: int = 1) -> int:
        return self._at(key).incr(key, amount)

    def delete_counter(self, key: str) -> None:
        self._at(key).delete_counter(key)

    def flush_counters(self) -> None:
        self._each(lambda shard: shard.flush_counters())

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        return self._at(key).hit(key, limit, per, now)

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        return self._at(key).hits(key, per, now)

    def forget_hits(self, key: str) -> None:
        self._at(key).forget_hits(key)

    def cancel(self, task_id: str) -> None:
        self._at(task_id).cancel(task_id)

    def canceled(self, since: float) -> tuple[list[str], float]:
        told = self._each(lambda shard: shard.canceled(since))
        # The earliest: what is told twice is better than what is told never.
        return [one for ids, _ in told for one in ids], min(now for _, now in told)
