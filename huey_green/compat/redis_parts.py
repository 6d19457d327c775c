# SPDX-License-Identifier: MIT
"""huey's old queue, data store and schedule in Redis, over the present storage."""

from __future__ import annotations

import uuid
from typing import Any

from huey_green import clock
from huey_green.compat.kept_parts import KeptDataStore, KeptQueue, KeptSchedule
from huey_green.storage.redis import RedisStorage
from huey_green.storage.redis.keys import Keys

#: Seconds that one look at the server waits for a message.
LOOK = 10.0


class _NamedKeys(Keys):
    """The keys of a queue whose results, and whose schedule, go by other names than itself."""

    def __init__(self, queue: str, clean: bool, values: str, schedule: str) -> None:
        super().__init__(queue, clean)
        self._of_values = Keys(values, clean)
        for name in ("results", "expiring", "counters", "counter_ends", "wake"):
            setattr(self, name, getattr(self._of_values, name))
        self.schedule = Keys(schedule, clean).schedule

    def value(self, key: str) -> str:
        return self._of_values.value(key)

    def counter(self, key: str) -> str:
        return self._of_values.counter(key)


class NamedStorage(RedisStorage):
    """A queue in Redis with the names that its parts have, and with leases."""

    def __init__(self, name: str, values: str, schedule: str, **connection: Any) -> None:
        self._names = values, schedule
        super().__init__(name, **connection)

    def _name_keys(self, clean_name: bool) -> Keys:
        return _NamedKeys(self.name, clean_name, *self._names)


class _InRedis:
    blocking = True

    def __init__(self, name: str, **connection: Any) -> None:
        """``connection`` is that of ``redis.Redis``: host, port, db, password..."""
        super().__init__(name, **connection)  # type: ignore[call-arg]
        self.storage = RedisStorage(name, blocking=self.blocking, **connection)

    @property
    def place(self) -> str:
        """What is the same for all parts in one database of one server."""
        return f"Redis {self.storage.link.where}".replace(" localhost:", " 127.0.0.1:")


class RedisQueue(_InRedis, KeptQueue):
    """A queue that is asked again and again."""

    blocking = False

    def remove(self, data: bytes) -> int:
        return int(self.storage.link.execute("LREM", self.storage.keys.queue, 0, data))

    def storage_with(
        self, store: RedisDataStore | None, schedule: RedisDataStore | RedisSchedule | None
    ) -> RedisStorage:
        """Return the storage of this queue and of those parts, which are in the same place."""
        values = self.name if store is None else store.name
        planned = self.name if schedule is None else schedule.name
        if values == planned == self.name:
            return self.storage
        return NamedStorage(self.name, values, planned, blocking=self.blocking, **self.connection)


class RedisBlockingQueue(RedisQueue):
    """A queue that waits for a message, for ever or ``read_timeout`` seconds."""

    blocking = True

    def __init__(self, name: str, read_timeout: float | None = None, **connection: Any) -> None:
        super().__init__(name, **connection)
        self.read_timeout = read_timeout

    def read(self) -> bytes | None:
        ends_at = None if self.read_timeout is None else clock.monotonic() + self.read_timeout
        reader = f"read-{uuid.uuid4().hex}"
        try:
            while True:
                wait = LOOK if ends_at is None else min(LOOK, ends_at - clock.monotonic())
                for delivery in self.storage.fetch(reader, 1, max(0.0, wait), None):
                    return delivery.body
                if ends_at is not None and clock.monotonic() >= ends_at:
                    return None
        finally:
            self.storage.leave(reader)


class RedisDataStore(_InRedis, KeptDataStore):
    """Values in a HASH."""


class RedisSchedule(_InRedis, KeptSchedule):
    """Messages in a ZSET."""


__all__ = [
    "NamedStorage",
    "RedisBlockingQueue",
    "RedisDataStore",
    "RedisQueue",
    "RedisSchedule",
]
