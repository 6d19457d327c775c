# SPDX-License-Identifier: MIT
"""A Huey for each storage, under huey's names. Drivers are imported when one is made."""

from __future__ import annotations

from typing import Any

from huey_green import storage
from huey_green.huey import Huey
from huey_green.storage.base import BaseStorage


class RedisHuey(Huey):
    """A queue in a Redis LIST. ``url``, or ``host``, ``port``, ``db``, ``password``... of
    redis-py, or a ``connection_pool``; see ``RedisStorage``."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.RedisStorage)(self.name, **kwargs)


class PriorityRedisHuey(Huey):
    """A queue in a Redis ZSET, the highest priority first; takes what ``RedisHuey`` takes."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.PriorityRedisStorage)(self.name, **kwargs)


class SqliteHuey(Huey):
    """A queue in a SQLite file, ``filename``; see ``SqliteStorage``."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.SqliteStorage)(self.name, **kwargs)


class MemoryHuey(Huey):
    """A queue in this process's memory, for tests."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.MemoryStorage)(self.name, **kwargs)
