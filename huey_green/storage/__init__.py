# SPDX-License-Identifier: MIT
"""huey's storage names, resolved on first use so that no driver is required for the others."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from huey_green.exceptions import ConfigurationError

if TYPE_CHECKING:
    from huey_green.storage.base import BaseStorage
    from huey_green.storage.blackhole import BlackHoleStorage
    from huey_green.storage.file import FileStorage
    from huey_green.storage.memory import MemoryStorage
    from huey_green.storage.redis import (
        PriorityRedisExpireStorage,
        PriorityRedisStorage,
        RedisExpireStorage,
        RedisStorage,
    )
    from huey_green.storage.sqlite import SqliteStorage

_HOMES = {
    "BaseStorage": "base",
    "BlackHoleStorage": "blackhole",
    "FileStorage": "file",
    "MemoryStorage": "memory",
    "PriorityRedisExpireStorage": "redis",
    "PriorityRedisStorage": "redis",
    "RedisExpireStorage": "redis",
    "RedisStorage": "redis",
    "SqliteStorage": "sqlite",
}

__all__ = [
    "BaseStorage",
    "BlackHoleStorage",
    "FileStorage",
    "MemoryStorage",
    "PriorityRedisExpireStorage",
    "PriorityRedisStorage",
    "RedisExpireStorage",
    "RedisStorage",
    "SqliteStorage",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise ConfigurationError(f"{name} needs redis-py: pip install redis") from error
    return getattr(home, name)
