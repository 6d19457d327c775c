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


class RedisExpireHuey(Huey):
    """As ``RedisHuey``, but results are keys that Redis deletes after ``expire_time`` seconds."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.RedisExpireStorage)(self.name, **kwargs)


class PriorityRedisExpireHuey(Huey):
    """As ``PriorityRedisHuey``, with results as those of ``RedisExpireHuey``."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.PriorityRedisExpireStorage)(self.name, **kwargs)


class FileHuey(Huey):
    """A queue in the files of a folder, ``path``; see ``FileStorage``."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.FileStorage)(self.name, **kwargs)


class BlackHoleHuey(Huey):
    """A queue that forgets everything at once, for tests."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.BlackHoleStorage)(self.name, **kwargs)


class SqliteHuey(Huey):
    """A queue in a SQLite file, ``filename``; see ``SqliteStorage``."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.SqliteStorage)(self.name, **kwargs)


class MemoryHuey(Huey):
    """A queue in this process's memory, for tests."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return (self.storage_class or storage.MemoryStorage)(self.name, **kwargs)
