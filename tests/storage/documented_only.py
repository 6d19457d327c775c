# SPDX-License-Identifier: MIT
"""A storage as somebody else writes one: the documented methods, as they are documented."""

from __future__ import annotations

import heapq
import threading
from datetime import datetime
from itertools import count
from typing import Any

from huey_green.storage import BaseStorage


class DictStorage(BaseStorage):
    """Dicts and heaps. No counter, no time to live, no way to wait, and no lease."""

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        super().__init__(name, **storage_kwargs)
        self._lock = threading.RLock()
        self._order = count()
        self._queue: list[tuple[float, int, bytes]] = []
        self._schedule: list[tuple[datetime, int, bytes]] = []
        self._results: dict[str, bytes] = {}

    def enqueue(self, data, priority=None):
        with self._lock:
            heapq.heappush(self._queue, (-(priority or 0), next(self._order), data))

    def dequeue(self):
        with self._lock:
            return heapq.heappop(self._queue)[-1] if self._queue else None

    def queue_size(self):
        return len(self._queue)

    def enqueued_items(self, limit=None):
        with self._lock:
            return [data for _, _, data in sorted(self._queue)[:limit]]

    def flush_queue(self):
        with self._lock:
            self._queue.clear()

    def add_to_schedule(self, data, timestamp):
        # huey's moments are naive datetimes, and a storage may do anything with them.
        assert timestamp.tzinfo is None
        with self._lock:
            heapq.heappush(self._schedule, (timestamp, next(self._order), data))

    def read_schedule(self, timestamp):
        assert timestamp.tzinfo is None
        due = []
        with self._lock:
            while self._schedule and self._schedule[0][0] <= timestamp:
                due.append(heapq.heappop(self._schedule)[-1])
        return due

    def schedule_size(self):
        return len(self._schedule)

    def scheduled_items(self, limit=None):
        with self._lock:
            return [data for _, _, data in sorted(self._schedule)[:limit]]

    def flush_schedule(self):
        with self._lock:
            self._schedule.clear()

    def put_data(self, key, value):
        self._results[key] = value

    def peek_data(self, key):
        return self._results.get(key)

    def pop_data(self, key):
        return self._results.pop(key, None)

    def put_if_empty(self, key, value):
        with self._lock:
            if key in self._results:
                return False
            self._results[key] = value
            return True

    def has_data_for_key(self, key):
        return key in self._results

    def result_store_size(self):
        return len(self._results)

    def result_items(self):
        return dict(self._results)

    def flush_results(self):
        self._results.clear()
