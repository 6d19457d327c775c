# SPDX-License-Identifier: MIT
"""huey's import path ``huey.api``: names only, resolved on first use like those of the package."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huey_green import (
        BlackHoleHuey,
        ChordResult,
        FileHuey,
        Huey,
        MemoryHuey,
        PeriodicTask,
        PriorityRedisExpireHuey,
        PriorityRedisHuey,
        RateLimit,
        RedisExpireHuey,
        RedisHuey,
        Result,
        ResultGroup,
        SqliteHuey,
        Task,
        TaskLock,
        TaskWrapper,
        chord,
        crontab,
        group,
    )

__all__ = [
    "BlackHoleHuey",
    "ChordResult",
    "FileHuey",
    "Huey",
    "MemoryHuey",
    "PeriodicTask",
    "PriorityRedisExpireHuey",
    "PriorityRedisHuey",
    "RateLimit",
    "RedisExpireHuey",
    "RedisHuey",
    "Result",
    "ResultGroup",
    "SqliteHuey",
    "Task",
    "TaskLock",
    "TaskWrapper",
    "chord",
    "crontab",
    "group",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module("huey_green"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
