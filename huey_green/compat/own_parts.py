# SPDX-License-Identifier: MIT
"""Storages made of a user's own queue, data store or schedule, with what huey documents of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sized
from contextlib import suppress
from typing import Any

from huey_green import clock
from huey_green.compat.bases import BaseDataStore, EmptyData
from huey_green.compat.reading import Reading
from huey_green.message import Delivery
from huey_green.storage.base import DEAD_PREFIX, BaseStorage, Moment, epoch

#: The keys of the schedule and of the ids of dead letters in a data store, which cannot list what
#: it has.
SCHEDULE, DEAD_LETTERS = "schedule", "dead-letters"

#: What the keys of counters begin with.
COUNTER = "counter:"


class OwnQueue(BaseStorage):
    """A queue that has ``write`` and ``read``. What waits is counted if it has ``__len__``."""

    def __init__(self, name: str, queue: Any) -> None:
        super().__init__(name)
        self._queue = queue
        self.blocking = bool(getattr(queue, "blocking", False))
        self._reading = Reading(self.dequeue, self.enqueue)

    def describe(self) -> str:
        return f"{type(self._queue).__name__} {self.name!r}"

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self._queue.write(data)

    def dequeue(self) -> bytes | None:
        return _bytes(self._queue.read())

    def fetch(
        self, consumer: str, limit: int, wait: float = 0.0, lease: float | None = 30.0
    ) -> list[Delivery]:
        if not self.blocking:
            return super().fetch(consumer, limit, wait, lease)
        body = self._reading.take(wait)
        return [] if body is None else [Delivery(body)]

    def interrupt(self, consumer: str) -> None:
        self._reading.interrupt()

    def leave(self, consumer: str) -> None:
        self._reading.leave()

    def queue_size(self) -> int:
        return len(self._queue) if isinstance(self._queue, Sized) else 0

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return []  # There is no looking into it.

    def flush_queue(self) -> None:
        self._queue.flush()


class OwnStore(BaseStorage):
    """A data store that has ``put`` and ``get``, and ``peek`` if it is of huey 0.4.

    What takes more than one of these calls is one step within this process alone.
    """

    def __init__(self, name: str, store: Any) -> None:
        super().__init__(name)
        self._store = store
        self._peek: Callable[[str], Any] = getattr(store, "peek", None) or (
            lambda key: BaseDataStore.peek(store, key)
        )
        self._lock = threading.RLock()

    def describe(self) -> str:
        return f"{type(self._store).__name__} {getattr(self._store, 'name', '')!r}"

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        with self._lock:
            self._store.put(key, value)
            if key.startswith(DEAD_PREFIX):
                self._list_dead([*self._dead_keys(), key])

    def peek_data(self, key: str) -> bytes | None:
        with self._lock:
            return _bytes(self._peek(key))

    def pop_data(self, key: str) -> bytes | None:
        with self._lock:
            if key.startswith(DEAD_PREFIX):
                self._list_dead([one for one in self._dead_keys() if one != key])
            return _bytes(self._store.get(key))

    def delete_if(self, key: str, value: bytes) -> bool:
        with self._lock:
            return super().delete_if(key, value)

    def has_data_for_key(self, key: str) -> bool:
        return self.peek_data(key) is not None

    def put_if_empty(self, key: str, value: bytes) -> bool:  # type: ignore[override]
        with self._lock:
            if self.has_data_for_key(key):
                return False
            self.put_data(key, value)
            return True

    def _dead_keys(self) -> list[str]:
        noted = self.peek_data(DEAD_LETTERS)
        return [] if noted is None else list(json.loads(noted))

    def _list_dead(self, keys: list[str]) -> None:
        self._store.put(DEAD_LETTERS, json.dumps(keys).encode())

    def result_store_size(self) -> int:
        return len(self._store) if isinstance(self._store, Sized) else len(self.result_items())

    def result_items(self) -> Mapping[str, bytes]:
        return self.peek_many(self._dead_keys())  # Of all others only who asks knows the key.

    def flush_results(self) -> None:
        self._store.flush()

    def incr(self, key: str, amount: int = 1) -> int:
        with self._lock:
            number = int(self.peek_data(COUNTER + key) or 0) + amount
            self.put_data(COUNTER + key, str(number).encode())
            return number

    def delete_counter(self, key: str) -> None:
        self.pop_data(COUNTER + key)


class OwnSchedule(BaseStorage):
    """A schedule that has ``add`` and ``read``, of naive datetimes."""

    def __init__(self, name: str, schedule: Any, is_utc: Callable[[], bool]) -> None:
        super().__init__(name)
        self._schedule = schedule
        self._is_utc = is_utc

    def describe(self) -> str:
        return f"{type(self._schedule).__name__} {getattr(self._schedule, 'name', '')!r}"

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        self._schedule.add(data, clock.from_epoch(epoch(timestamp), self._is_utc()))

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        due = self._schedule.read(clock.from_epoch(epoch(timestamp), self._is_utc()))
        return [body for body in map(_bytes, due) if body is not None]

    def schedule_size(self) -> int:
        return len(self._schedule) if isinstance(self._schedule, Sized) else 0

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return []  # There is no looking into it.

    def flush_schedule(self) -> None:
        self._schedule.flush()


class StoredSchedule(BaseStorage):
    """The schedule as one value of a data store, as huey had it. For one consumer."""

    def __init__(self, name: str, values: BaseStorage) -> None:
        super().__init__(name)
        self._values = values
        self._lock = threading.Lock()

    def describe(self) -> str:
        return self._values.describe()

    def _read(self) -> list[tuple[float, bytes]]:
        stored = self._values.peek_data(SCHEDULE)
        found = [] if stored is None else json.loads(stored)
        return [(at, body.encode("latin-1")) for at, body in found]

    def _write(self, planned: list[tuple[float, bytes]]) -> None:
        if planned:
            texts = [(at, body.decode("latin-1")) for at, body in planned]
            self._values.put_data(SCHEDULE, json.dumps(texts).encode())
        else:
            self._values.pop_data(SCHEDULE)

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        with self._lock:
            self._write(sorted([*self._read(), (epoch(timestamp), data)]))

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        with self._lock:
            planned = self._read()
            due = [body for at, body in planned if at <= epoch(timestamp)]
            if due:
                self._write(planned[len(due) :])
            return due

    def remove_scheduled(self, data: bytes) -> bool:
        with self._lock:
            planned = self._read()
            left = [one for one in planned if one[1] != data]
            self._write(left)
            return len(left) < len(planned)

    def schedule_size(self) -> int:
        return len(self._read())

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [body for _, body in self._read()][:limit]

    def flush_schedule(self) -> None:
        with self._lock:
            self._write([])


def _bytes(data: Any) -> bytes | None:
    if data is None or data is EmptyData or isinstance(data, EmptyData):
        return None
    with suppress(AttributeError):
        return bytes(data.encode())  # A store may have made text of it, as drivers do.
    return bytes(data)
