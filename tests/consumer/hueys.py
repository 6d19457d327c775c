# SPDX-License-Identifier: MIT
"""A Huey over each kind of storage, for tests in processes of their own."""

from __future__ import annotations

from typing import Any

KINDS = ["memory", "sqlite", "file", "list", "zset"]


def make(kind: str, name: str, url: str, directory: str, **options: Any) -> Any:
    """Return a Huey over a kind of storage, which it shares with others of that name."""
    from huey_green import FileHuey, MemoryHuey, PriorityRedisHuey, RedisHuey, SqliteHuey

    if kind == "memory":
        return MemoryHuey(name, **options)
    if kind == "sqlite":
        return SqliteHuey(name, filename=f"{directory}/queue.db", **options)
    if kind == "file":
        return FileHuey(name, path=f"{directory}/queue", **options)
    return {"list": RedisHuey, "zset": PriorityRedisHuey}[kind](name, url=url, **options)


def has_marks(huey: Any) -> bool:
    """Say whether a consumer that fetches now would look for marks before each task."""
    huey.storage.fetch("somebody who looks", 0)
    huey.storage.leave("somebody who looks")
    found: bool = huey.storage.has_revocations()
    return found


class Calls:
    """Stands before a storage and counts the calls of its methods, by name."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self.counts: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._storage, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            self.counts[name] = self.counts.get(name, 0) + 1
            return attribute(*args, **kwargs)

        return call
