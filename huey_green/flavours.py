# SPDX-License-Identifier: MIT
"""A Huey for each storage, under huey's names. Drivers are imported when one is made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from huey_green import storage
from huey_green.exceptions import ConfigurationError
from huey_green.huey import Huey
from huey_green.storage.base import BaseStorage

if TYPE_CHECKING:
    from huey_green.consumer.consumer import Consumer
    from huey_green.consumer.group import ConsumerGroup

_CLUSTERS = ("redis+cluster://", "rediss+cluster://")

#: What says that a queue is spread over shards.
_SPREAD = ("shards", "urls")


def _on_redis(storage_class: type[BaseStorage], name: str, kwargs: dict[str, Any]) -> BaseStorage:
    """Make a storage, or as many as there are shards.

    On a cluster its keys have the queue's name in braces: a cluster puts keys into the same slot,
    and so on one server, if what they have in braces is the same.
    """
    if any(kwargs.get(option) is not None for option in _SPREAD):
        from huey_green.storage.redis.sharded import sharded

        return sharded(storage_class, name, kwargs)
    kwargs = {option: value for option, value in kwargs.items() if option not in _SPREAD}
    if kwargs.get("cluster") is None and not str(kwargs.get("url")).startswith(_CLUSTERS):
        return storage_class(name, **kwargs)
    tag = re.sub("[^A-Za-z0-9]", "", name) if kwargs.get("clean_name", True) else name
    if not tag or "{" in tag or "}" in tag:
        raise ConfigurationError(
            "name: on a cluster it has a letter or a digit at least, and no { or }"
        )
    return storage_class(f"{{{tag}}}", **{**kwargs, "clean_name": False, "slot_of": tag})


class _RedisHuey(Huey):
    """What the Hueys of Redis have in common: they may be spread over shards."""

    def create_consumer(self, **options: Any) -> Consumer | ConsumerGroup:  # type: ignore[override]
        """Return a consumer of this queue; see ``Consumer`` for the options. Of one with shards
        it is a ``ConsumerGroup``."""
        from huey_green.consumer.group import consumer_of

        return consumer_of(self, **options)


class RedisHuey(_RedisHuey):
    """A queue in a Redis LIST. ``url``, or ``host``, ``port``, ``db``, ``password``... of
    redis-py, or a ``connection_pool``, or ``cluster``, a list of some nodes of a Redis Cluster;
    see ``RedisStorage``.

    ``shards`` spreads it over so many parts, in different slots of a cluster, or on the servers
    of ``urls``, by turns. (``docs/scaling.md``.)
    """

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return _on_redis(self.storage_class or storage.RedisStorage, self.name, kwargs)


class PriorityRedisHuey(_RedisHuey):
    """A queue in a Redis ZSET, the highest priority first; takes what ``RedisHuey`` takes."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return _on_redis(self.storage_class or storage.PriorityRedisStorage, self.name, kwargs)


class RedisExpireHuey(_RedisHuey):
    """As ``RedisHuey``, but results are keys that Redis deletes after ``expire_time`` seconds."""

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return _on_redis(self.storage_class or storage.RedisExpireStorage, self.name, kwargs)


class PriorityRedisExpireHuey(_RedisHuey):
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
