# SPDX-License-Identifier: MIT
"""Pools that ask sentinels for the master, each for one thread and safe for many greenlets."""

from __future__ import annotations

import copy
from typing import Any

import redis
from redis.sentinel import Sentinel, SentinelConnectionPool


class _Sentinels(Sentinel):
    """As another ``Sentinel``, with connections of its own."""

    def __init__(self, other: Any) -> None:
        self.__dict__.update(other.__dict__)
        self.sentinels = [_client_like(one) for one in other.sentinels]

    def discover_master(self, service_name: str) -> Any:
        # redis-py's changes places in the list, and loses one when two callers do so at once.
        asking: Any = Sentinel.__new__(Sentinel)
        asking.__dict__.update(self.__dict__, sentinels=list(self.sentinels))
        address = asking.discover_master(service_name)
        self.sentinels = asking.sentinels
        return address


def _client_like(client: Any) -> Any:
    pool = client.connection_pool
    return redis.Redis(
        connection_pool=type(pool)(
            connection_class=pool.connection_class, **copy.copy(pool.connection_kwargs)
        )
    )


def apart(pool: redis.ConnectionPool) -> redis.ConnectionPool:
    """Return a pool to the same server that shares no connection with this one.

    Only one that asks sentinels has any that matter here: it keeps those to the sentinels, and
    under gevent a connection belongs to the thread that has opened it.
    """
    if not isinstance(pool, SentinelConnectionPool):
        return pool
    kwargs = {name: pool.connection_kwargs[name] for name in pool.connection_kwargs}
    proxy = kwargs.pop("connection_pool")
    made: redis.ConnectionPool = type(pool)(
        pool.service_name,
        _Sentinels(pool.sentinel_manager),
        connection_class=pool.connection_class,
        is_master=proxy.is_master,
        check_connection=proxy.check_connection,
        **kwargs,
    )
    return made
