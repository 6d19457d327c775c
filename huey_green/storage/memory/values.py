# SPDX-License-Identifier: MIT
"""The documented methods, over a heap and dicts."""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

from huey_green.exceptions import ConfigurationError
from huey_green.message import DeadLetter, Outgoing
from huey_green.storage.base import BaseStorage, Moment, epoch
from huey_green.storage.memory.changes import Changes


class Ready:
    """A message in the queue: ordered by priority, then by arrival."""

    __slots__ = ("begun", "body", "history", "order", "parked_as", "permit", "priority")

    def __init__(self, body: bytes, priority: float, order: int, history: tuple[str, ...]) -> None:
        self.body = body
        self.priority = priority
        self.order = order
        self.history = history
        self.begun = False
        #: The key under which its lease holds a permit.
        self.permit: str | None = None
        #: Its turn among all that were ever parked.
        self.parked_as = 0

    def __lt__(self, other: Ready) -> bool:
        return (-self.priority, self.order) < (-other.priority, other.order)


class Claimed(NamedTuple):
    """Who holds a claim, until when, and the message that ``postpone`` put on the schedule."""

    owner: str
    ends_at: float
    planned: bytes | None = None


class Hits(NamedTuple):
    """When hits were counted under a key, and when the last one leaves the window."""

    at: deque[float]
    ends_at: float


#: Entries of the heap of ends that are of no use any more, and are let be.
STALE = 1000


class MemoryValues(BaseStorage):
    """Queue, schedule, results, counters and revocations of one queue in this process."""

    blocking = True
    leases = True

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        super().__init__(name, **storage_kwargs)
        if storage_kwargs:
            raise ConfigurationError(
                f"{type(self).__name__} has no options; unknown: {', '.join(storage_kwargs)}"
            )
        self._changed = Changes()
        self._order = count()
        self._queue: list[Ready] = []
        self._schedule: list[tuple[float, int, bytes]] = []
        self._data: dict[str, bytes] = {}
        self._expiries: dict[str, float] = {}
        # The same, the earliest first, and what has been replaced meanwhile.
        self._ends: list[tuple[float, str]] = []
        self._counters: dict[str, int] = {}
        self._revocations: set[str] = set()
        self._held: dict[str, dict[str, Ready]] = {}
        self._lease_ends: dict[str, float] = {}
        self._interrupted: set[str] = set()
        self._dead: dict[str, DeadLetter] = {}
        self._once: dict[str, float] = {}
        self._chords: dict[str, dict[int, bytes]] = {}
        self._claims: dict[str, Claimed] = {}
        self._parked: dict[str, deque[Ready]] = {}
        self._hits: dict[str, Hits] = {}
        self._cancels: dict[str, float] = {}
        self._progress: dict[str, bytes] = {}
        #: When each of these was heard of last.
        self._progress_told: dict[str, float] = {}
        self._chord_news: dict[str, float] = {}

    def describe(self) -> str:
        return "memory of this process"

    def ping(self) -> None:
        """Always answers."""

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self.enqueue_many([Outgoing(data, priority)])

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        with self._changed:
            for body, priority in messages:
                heapq.heappush(self._queue, Ready(body, priority or 0, next(self._order), ()))
            self._changed.notify_all()

    def dequeue(self) -> bytes | None:
        with self._changed:
            return heapq.heappop(self._queue).body if self._queue else None

    def queue_size(self) -> int:
        return len(self._queue)

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        with self._changed:
            return [ready.body for ready in sorted(self._queue)[:limit]]

    def flush_queue(self) -> None:
        with self._changed:
            self._queue.clear()
            self._parked.clear()
            self._claims.clear()

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        with self._changed:
            insort(self._schedule, (epoch(timestamp), next(self._order), data))

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        with self._changed:
            due = self._due(epoch(timestamp), None)
            del self._schedule[: len(due)]
            return due

    def schedule_size(self) -> int:
        return len(self._schedule)

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        with self._changed:
            return [body for _, _, body in self._schedule[:limit]]

    def remove_scheduled(self, data: bytes) -> bool:
        with self._changed:
            for position, (_, _, body) in enumerate(self._schedule):
                if body == data:
                    del self._schedule[position]
                    return True
            return False

    def flush_schedule(self) -> None:
        with self._changed:
            self._schedule.clear()
            self._claims.clear()

    def _due(self, now: float, limit: int | None) -> list[bytes]:
        due = 0
        while due < len(self._schedule) and self._schedule[due][0] <= now and due != limit:
            due += 1
        return [body for _, _, body in self._schedule[:due]]

    # Results and other values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        with self._changed:
            self._data[key] = value
            self._expiries.pop(key, None)
            self._changed.notify_all()

    def peek_data(self, key: str) -> bytes | None:
        with self._changed:
            self._expire(key)
            return self._data.get(key)

    def pop_data(self, key: str) -> bytes | None:
        with self._changed:
            self._expire(key)
            self._expiries.pop(key, None)
            return self._data.pop(key, None)

    def has_data_for_key(self, key: str) -> bool:
        return self.peek_data(key) is not None

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        with self._changed:
            self._expire(key)
            if key in self._data:
                return False
            self.put_data(key, value)
            if ttl is not None:
                self._end_at(key, self.time() + ttl)
            return True

    def delete_if(self, key: str, value: bytes) -> bool:
        with self._changed:
            return self.peek_data(key) == value and self.delete_data(key)

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        return self._changed.wait_for(is_ready, timeout)

    def result_store_size(self) -> int:
        return len(self.result_items())

    def result_items(self) -> dict[str, bytes]:
        with self._changed:
            for key in list(self._expiries):
                self._expire(key)
            return dict(self._data)

    def flush_results(self) -> None:
        with self._changed:
            self._data.clear()
            self._expiries.clear()
            self._ends.clear()
            self._revocations.clear()

    def _expire(self, key: str) -> None:
        if self._expiries.get(key, float("inf")) <= self.time():
            del self._data[key], self._expiries[key]
            self._revocations.discard(key)

    def _end_at(self, key: str, ends_at: float) -> None:
        """Let a value that was just put end at a moment."""
        self._expiries[key] = ends_at
        heapq.heappush(self._ends, (ends_at, key))
        if len(self._ends) > 2 * len(self._expiries) + STALE:
            self._ends = [(ends_at, key) for key, ends_at in self._expiries.items()]
            heapq.heapify(self._ends)

    def _forget_values(self, now: float) -> None:
        """Delete the values that have ended."""
        while self._ends and self._ends[0][0] <= now:
            ends_at, key = heapq.heappop(self._ends)
            if self._expiries.get(key) == ends_at:
                del self._data[key], self._expiries[key]
                self._revocations.discard(key)

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        with self._changed:
            self._counters[key] = self._counters.get(key, 0) + amount
            return self._counters[key]

    def delete_counter(self, key: str) -> None:
        self._counters.pop(key, None)

    def flush_counters(self) -> None:
        self._counters.clear()

    def flush_all(self) -> None:
        with self._changed:
            super().flush_all()
            self._dead.clear()
            self._once.clear()
            self._held.clear()
            self._lease_ends.clear()
            self._chords.clear()
            self._hits.clear()
            self._cancels.clear()
            self._progress.clear()
            self._progress_told.clear()
            self._chord_news.clear()

    # Revocation marks.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        with self._changed:
            self.put_data(key, value)
            self._revocations.add(key)
            if ttl is not None:
                self._end_at(key, self.time() + ttl)

    def pop_revocation(self, key: str) -> bytes | None:
        with self._changed:
            self._revocations.discard(key)
            return self.pop_data(key)

    def has_revocations(self) -> bool:
        for key in self._revocations & self._expiries.keys():
            self._expire(key)
        return bool(self._revocations)
