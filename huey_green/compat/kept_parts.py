# SPDX-License-Identifier: MIT
"""Queue, data store and schedule as huey had them, each kept in one of the present storages."""

from __future__ import annotations

from typing import Any

from huey_green.compat.bases import BaseDataStore, BaseQueue, BaseSchedule, EmptyData
from huey_green.storage.base import Moment


class KeptQueue(BaseQueue):
    """A queue in ``storage``."""

    #: A BaseStorage.
    storage: Any

    def write(self, data: bytes) -> None:
        self.storage.enqueue(data)

    def read(self) -> bytes | None:
        body: bytes | None = self.storage.dequeue()
        return body

    def flush(self) -> None:
        self.storage.flush_queue()

    def __len__(self) -> int:
        return int(self.storage.queue_size())

    def __bool__(self) -> bool:
        return True  # An empty one is still a queue.


class KeptDataStore(BaseDataStore):
    """Values in ``storage``."""

    #: A BaseStorage.
    storage: Any

    def put(self, key: str, value: bytes) -> None:
        self.storage.put_data(key, value)

    def peek(self, key: str) -> Any:
        value = self.storage.peek_data(key)
        return EmptyData if value is None else value

    def get(self, key: str) -> Any:
        value = self.storage.pop_data(key)
        return EmptyData if value is None else value

    def flush(self) -> None:
        self.storage.flush_results()


class KeptSchedule(BaseSchedule):
    """Messages by moment in ``storage``."""

    #: A BaseStorage.
    storage: Any

    def add(self, data: bytes, timestamp: Moment) -> None:
        self.storage.add_to_schedule(data, timestamp)

    def read(self, timestamp: Moment) -> list[bytes]:
        due: list[bytes] = self.storage.read_schedule(timestamp)
        return due

    def flush(self) -> None:
        self.storage.flush_schedule()
