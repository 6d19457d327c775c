# SPDX-License-Identifier: MIT
"""huey's storage names, resolved on first use so that no driver is required for the others."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huey_green.storage.base import BaseStorage
    from huey_green.storage.memory import MemoryStorage
    from huey_green.storage.redis import PriorityRedisStorage, RedisStorage
    from huey_green.storage.sqlite import SqliteStorage

_HOMES = {
    "BaseStorage": "base",
    "MemoryStorage": "memory",
    "PriorityRedisStorage": "redis",
    "RedisStorage": "redis",
    "SqliteStorage": "sqlite",
}

__all__ = [
    "BaseStorage",
    "MemoryStorage",
    "PriorityRedisStorage",
    "RedisStorage",
    "SqliteStorage",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
