# SPDX-License-Identifier: MIT
"""Results in strings of their own, which the server forgets after a while, and so with counters."""

from __future__ import annotations

import math
from typing import Any

import redis

from huey_green.exceptions import ConfigurationError
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.results import RedisResults


class ExpiringResults(RedisResults):
    """Reading a result leaves it where it is: it goes ``expire_time`` seconds after it was stored.

    So do counters nobody counts on. Values that are no results stay until they are deleted.
    """

    store = "string"

    def __init__(
        self,
        name: str = "huey",
        expire_time: float = 86400,
        blocking: bool = True,
        read_timeout: float = 1,
        connection_pool: redis.ConnectionPool | None = None,
        url: str | None = None,
        client_name: str | None = None,
        clean_name: bool = True,
        **connection_params: Any,
    ) -> None:
        """``expire_time`` is in seconds, above 0; the rest is as for ``RedisStorage``."""
        self._result_ttl = _in_milliseconds(expire_time)
        self.expire_time = expire_time
        super().__init__(
            name,
            blocking=blocking,
            read_timeout=read_timeout,
            connection_pool=connection_pool,
            url=url,
            client_name=client_name,
            clean_name=clean_name,
            **connection_params,
        )

    def _name_keys(self, clean_name: bool) -> Keys:
        return Keys(self.name, clean_name, values="huey.r")

    def pop_data(self, key: str) -> bytes | None:
        return self.peek_data(key)

    def incr(self, key: str, amount: int = 1) -> int:
        names = (self.keys.counter(key), self.keys.counter_ends)
        return int(self.scripts.call("count_expiring", names, (key, amount, self._result_ttl)))

    def delete_counter(self, key: str) -> None:
        self.link.transaction(
            ("DEL", self.keys.counter(key)), ("ZREM", self.keys.counter_ends, key)
        )

    def flush_counters(self) -> None:
        self._flush_index(self.keys.counter_ends, self.keys.counter)


def _in_milliseconds(expire_time: float) -> int:
    is_number = isinstance(expire_time, (int, float)) and not isinstance(expire_time, bool)
    if not is_number or not math.isfinite(expire_time) or expire_time <= 0:
        raise ConfigurationError(
            f"expire_time has to be a number of seconds above 0, not {expire_time!r}; to keep"
            " results until they are read, take RedisStorage or PriorityRedisStorage"
        )
    return max(1, round(expire_time * 1000))
