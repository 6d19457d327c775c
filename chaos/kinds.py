# SPDX-License-Identifier: MIT
"""The kinds of storage that a run can be on, by the names that the command knows them by."""

from __future__ import annotations

from huey_green import FileHuey, Huey, PriorityRedisHuey, RedisHuey, SqliteHuey

HUEYS: dict[str, type[Huey]] = {
    "list": RedisHuey,
    "zset": PriorityRedisHuey,
    "sqlite": SqliteHuey,
    "file": FileHuey,
}
