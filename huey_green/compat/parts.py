# SPDX-License-Identifier: MIT
"""A queue, a store of values and a schedule of anybody's, together as one storage.

No step is one for two of them, so that there can be no leases: a task runs at most once, as
with huey itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from huey_green.exceptions import ConfigurationError
from huey_green.message import Delivery, Outgoing
from huey_green.storage.base import BaseStorage, Moment


class Parts(BaseStorage):
    """Each part is a storage of which only the methods of that part are used."""

    priority = False

    def __init__(
        self,
        name: str,
        queue: BaseStorage,
        values: BaseStorage,
        schedule: BaseStorage,
        can_revoke: bool,
    ) -> None:
        """``can_revoke``: what is put among ``values`` here is seen by consumers elsewhere."""
        super().__init__(name)
        self.blocking = queue.blocking
        self._queue = queue
        self._values = values
        self._schedule = schedule
        self._can_revoke = can_revoke

    def describe(self) -> str:
        parts = (self._queue, self._schedule, self._values)
        return ", ".join(dict.fromkeys(part.describe() for part in parts))

    def close(self) -> None:
        for part in (self._queue, self._values, self._schedule):
            part.close()

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self._queue.enqueue(data, priority)

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        self._queue.enqueue_many(messages)

    def dequeue(self) -> bytes | None:
        return self._queue.dequeue()

    def fetch(
        self, consumer: str, limit: int, wait: float = 0.0, lease: float | None = 30.0
    ) -> list[Delivery]:
        return self._queue.fetch(consumer, limit, wait, None)

    def interrupt(self, consumer: str) -> None:
        self._queue.interrupt(consumer)

    def leave(self, consumer: str) -> None:
        self._queue.leave(consumer)

    def queue_size(self) -> int:
        return self._queue.queue_size()

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return self._queue.enqueued_items(limit)

    def flush_queue(self) -> None:
        self._queue.flush_queue()

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        self._schedule.add_to_schedule(data, timestamp)

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        return self._schedule.read_schedule(timestamp)

    def remove_scheduled(self, data: bytes) -> bool:
        return self._schedule.remove_scheduled(data)

    def schedule_size(self) -> int:
        return self._schedule.schedule_size()

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return self._schedule.scheduled_items(limit)

    def flush_schedule(self) -> None:
        self._schedule.flush_schedule()

    # Values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        self._values.put_data(key, value, is_result)

    def peek_data(self, key: str) -> bytes | None:
        return self._values.peek_data(key)

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._values.peek_many(keys)

    def pop_data(self, key: str) -> bytes | None:
        return self._values.pop_data(key)

    def delete_if(self, key: str, value: bytes) -> bool:
        return self._values.delete_if(key, value)

    def has_data_for_key(self, key: str) -> bool:
        return self._values.has_data_for_key(key)

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        return self._values.put_if_empty(key, value, ttl)

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        return self._values.wait_until(keys, is_ready, timeout, backoff, max_delay)

    def result_store_size(self) -> int:
        return self._values.result_store_size()

    def result_items(self) -> Mapping[str, bytes]:
        return self._values.result_items()

    def flush_results(self) -> None:
        self._values.flush_results()

    def incr(self, key: str, amount: int = 1) -> int:
        return self._values.incr(key, amount)

    def delete_counter(self, key: str) -> None:
        self._values.delete_counter(key)

    def flush_counters(self) -> None:
        self._values.flush_counters()

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        if not self._can_revoke:
            raise ConfigurationError(
                "to revoke tasks the Huey needs a result_store: the consumer looks there"
            )
        super().put_revocation(key, value, ttl)

    def has_revocations(self) -> bool:
        return self._can_revoke
