# SPDX-License-Identifier: MIT
"""A Huey for each storage, under huey's names. Drivers are imported when one is made."""

from __future__ import annotations

import re
from typing import Any

from huey_green import storage
from huey_green.exceptions import ConfigurationError
from huey_green.huey import Huey
from huey_green.storage.base import BaseStorage

_CLUSTERS = ("redis+cluster://", "rediss+cluster://")


def _on_redis(storage_class: type[BaseStorage], name: str, kwargs: dict[str, Any]) -> BaseStorage:
    """Make a storage; on a cluster one whose keys have the queue's name in braces.

    A cluster puts keys into the same slot, and so on one server, if what they have in braces is
    the same.
    """
    if kwargs.get("cluster") is None and not str(kwargs.get("url")).startswith(_CLUSTERS):
        return storage_class(name, **kwargs)
    tag = re.sub("[^A-Za-z0-9]", "", name) if kwargs.get("clean_name", True) else name
    if not tag or "{" in tag or "}" in tag:
        raise ConfigurationError(
            "name: on a cluster it has a letter or a digit at least, and no { or }"
        )
    return storage_class(f"{{{tag}}}", **{**kwargs, "clean_name": False, "slot_of": tag})


class RedisHuey(Huey):
    """A queue in a Redis LIST. ``url``, or ``host``, ``port``, ``db``, ``password``... of
    redis-py, or a ``connection_pool``, or ``cluster``, a list of some nodes of a Redis Cluster;
    see ``RedisStorage``."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return _on_redis(self.storage_class or storage.RedisStorage, self.name, kwargs)


class PriorityRedisHuey(Huey):
    """A queue in a Redis ZSET, the highest priority first; takes what ``RedisHuey`` takes."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return _on_redis(self.storage_class or storage.PriorityRedisStorage, self.name, kwargs)


class RedisExpireHuey(Huey):
    """As ``RedisHuey``, but results are keys that Redis deletes after ``expire_time`` seconds."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return _on_redis(self.storage_class or storage.RedisExpireStorage, self.name, kwargs)


class PriorityRedisExpireHuey(Huey):
    """As ``PriorityRedisHuey``, with results as those of ``RedisExpireHuey``."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return _on_redis(
            self.storage_class or storage.PriorityRedisExpireStorage, self.name, kwargs
        )


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
