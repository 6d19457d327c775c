# SPDX-License-Identifier: MIT
"""Redis (6.2 and newer) and Valkey as storage: a queue in a LIST or in a ZSET, one result store."""

from __future__ import annotations

from typing import Any

import redis

from huey_green.storage.redis.connect import Link
from huey_green.storage.redis.deadletters import RedisDeadLetters
from huey_green.storage.redis.examining import RedisExamining
from huey_green.storage.redis.expiring import ExpiringResults
from huey_green.storage.redis.hearing import Hearing
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.limits import RedisLimits
from huey_green.storage.redis.queue import ListQueue, SortedSetQueue
from huey_green.storage.redis.results import RedisResults
from huey_green.storage.redis.wakeup import Wakeup


class _Redis(RedisLimits, RedisDeadLetters, RedisResults, RedisExamining):
    def __init__(
        self,
        name: str = "huey",
        blocking: bool = True,
        read_timeout: float = 1,
        connection_pool: redis.ConnectionPool | None = None,
        url: str | None = None,
        client_name: str | None = None,
        clean_name: bool = True,
        **connection_params: Any,
    ) -> None:
        """Connection parameters are those of ``redis.Redis``: host, port, db, password, ssl...

        ``blocking`` False polls instead of waiting at the server, with the consumer's delays.
        ``read_timeout`` is accepted for huey's sake: an idle wait here costs nothing and ends
        by itself. ``max_connections`` bounds the connections of this process for commands.
        """
        super().__init__(name)
        if client_name is not None:
            connection_params["client_name"] = client_name
        self.link = Link(url=url, connection_pool=connection_pool, **connection_params)
        self.read_timeout = read_timeout
        self._open(blocking, clean_name)

    def _open(self, blocking: bool, clean_name: bool) -> None:
        self._clean_name = clean_name
        self.keys = self._name_keys(clean_name)
        self.wakeup = Wakeup(self.link, self.keys.wake)
        self.hearing = Hearing([self.wakeup])
        self._start_queue(blocking)

    def _name_keys(self, clean_name: bool) -> Keys:
        return Keys(self.name, clean_name)

    def independent(self, patience: float | None = None) -> _Redis:
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.link = self.link.another(patience=patience)
        other._open(self.blocking, self._clean_name)
        return other

    def close(self) -> None:
        self.hearing.close()
        self.wakeup.close()
        self.link.close()
        for leasing in self._leasings.values():
            leasing.waiting.close()

    def ping(self) -> None:
        self.link.execute("PING")

    def time(self) -> float:
        seconds, micros = self.link.execute("TIME")
        return int(seconds) + int(micros) / 1_000_000

    def describe(self) -> str:
        return f"Redis {self.link.where}, {self.keys.queue}"

    def flush_all(self) -> None:
        super().flush_all()
        self._flush_reports()
        self._flush_leases()
        keys = self.keys
        self.link.execute("DEL", keys.cancels, keys.progress, keys.progress_news)
        self._flush_index(keys.windows, keys.hits)
        self._flush_index(keys.chords, keys.chord)


class RedisStorage(_Redis, ListQueue):
    """A queue in a Redis LIST: first in, first out."""


class PriorityRedisStorage(_Redis, SortedSetQueue):
    """A queue in a Redis ZSET: the highest priority first."""


class RedisExpireStorage(ExpiringResults, RedisStorage):
    """As ``RedisStorage``, but results stay when they are read, and expire."""


class PriorityRedisExpireStorage(ExpiringResults, PriorityRedisStorage):
    """As ``PriorityRedisStorage``, but results stay when they are read, and expire."""


__all__ = [
    "PriorityRedisExpireStorage",
    "PriorityRedisStorage",
    "RedisExpireStorage",
    "RedisStorage",
]
