# SPDX-License-Identifier: MIT
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from huey_green import FileHuey, Huey, PriorityRedisHuey, RedisHuey, SqliteHuey
from huey_green.testing.redis import PrivateRedis

HUEYS: dict[str, Callable[..., Huey]] = {
    "list": RedisHuey,
    "zset": PriorityRedisHuey,
    "sqlite": SqliteHuey,
    "file": FileHuey,
}

_numbers = count(1)


@contextmanager
def _deep_stack() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.fixture
def deep_stack() -> AbstractContextManager[None]:
    """In here a producer goes deeper than Python lets others."""
    return _deep_stack()


@pytest.fixture
def options_of(tmp_path: Path, redis_server: PrivateRedis) -> Callable[[str], Any]:
    """Says where the storage of a kind is."""
    places: dict[str, Any] = {
        "sqlite": {"filename": str(tmp_path / "queue.db")},
        "file": {"path": str(tmp_path / "queue")},
        "list": {"url": redis_server.url},
        "zset": {"url": redis_server.url},
    }
    return places.__getitem__


@pytest.fixture
def make_huey(options_of: Callable[[str], Any]) -> Iterator[Callable[..., Huey]]:
    """Makes a Huey on a kind of storage, with a name of its own."""
    made: list[Huey] = []

    def make(kind: str = "list", **options: Any) -> Huey:
        name = f"hostile-{next(_numbers)}"
        made.append(HUEYS[kind](name, **options_of(kind), **options))
        return made[-1]

    yield make
    for huey in made:
        huey.flush()
        huey.storage.close()
