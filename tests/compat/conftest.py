# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from consuming import Application
from old import (
    DictStore,
    Huey,
    Invoker,
    ListQueue,
    ListSchedule,
    RedisBlockingQueue,
    RedisDataStore,
    RedisQueue,
    RedisSchedule,
    SqliteDataStore,
    SqliteQueue,
    SqliteSchedule,
)

from huey_green.testing.redis import PrivateRedis

KINDS = ["redis", "redis-blocking", "redis-names", "sqlite", "own", "own-store", "redis-own"]


@pytest.fixture
def server(redis_server: PrivateRedis) -> dict[str, Any]:
    """Where Redis is, as the documents say it."""
    return {"host": "localhost", "port": redis_server.port}


@pytest.fixture
def client(redis_server: PrivateRedis) -> Iterator[redis.Redis]:
    """Another client of that server."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A name that nobody else has."""
    return f"test{uuid4().hex}"


@pytest.fixture(params=KINDS)
def parts(request, name, tmp_path) -> tuple[Any, Any, Any]:
    """A queue, a data store and a schedule of each kind, and of mixed kinds."""
    if request.param == "own":
        return ListQueue(name), DictStore(name), ListSchedule(name)
    if request.param == "own-store":
        return ListQueue(name), DictStore(name), None
    if request.param == "sqlite":
        file = str(tmp_path / "old.db")
        return SqliteQueue(name, file), SqliteDataStore("results", file), SqliteSchedule(name, file)
    server = request.getfixturevalue("server")
    if request.param == "redis-own":
        return RedisQueue(name, **server), DictStore(name), RedisSchedule(name, **server)
    queue = RedisQueue if request.param == "redis" else RedisBlockingQueue
    other = f"{name}x" if request.param == "redis-names" else name
    return queue(name, **server), RedisDataStore(other, **server), RedisSchedule(other, **server)


@pytest.fixture
def huey(parts) -> Huey:
    """huey 0.4's Huey over each kind of parts."""
    return Huey(*parts)


@pytest.fixture
def invoker(parts) -> Invoker:
    """huey 0.3's Invoker over each kind of parts."""
    queue, store, _ = parts
    return Invoker(queue, result_store=store)


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., Application]]:
    """Makes an application of some modules; its consumers end with the test."""
    with ExitStack() as made:

        def make(**modules: str) -> Application:
            application = Application(tmp_path, **modules)
            made.callback(application.close)
            return application

        yield make
