# SPDX-License-Identifier: MIT
"""A task queue for I/O-bound Python: huey's API, thousands of tasks at once on gevent, none lost.

Importing this opens, patches and reads nothing; names are resolved on first use, so that the
command can patch before anything else is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from huey_green import signals as signals
    from huey_green.consumer.consumer import Consumer
    from huey_green.cron import crontab
    from huey_green.exceptions import (
        CancelExecution,
        ConfigurationError,
        HueyException,
        ResultTimeout,
        RetryTask,
        StorageUnavailable,
        TaskException,
        TaskInterrupted,
        TaskLockedException,
    )
    from huey_green.flavours import MemoryHuey, PriorityRedisHuey, RedisHuey, SqliteHuey
    from huey_green.huey import Huey
    from huey_green.result import Result, ResultGroup
    from huey_green.serializer import Serializer
    from huey_green.task import PeriodicTask, Task, TaskWrapper

_HOMES = {
    **dict.fromkeys(["Huey"], "huey"),
    **dict.fromkeys(["MemoryHuey", "PriorityRedisHuey", "RedisHuey", "SqliteHuey"], "flavours"),
    **dict.fromkeys(["Result", "ResultGroup"], "result"),
    **dict.fromkeys(["PeriodicTask", "Task", "TaskWrapper"], "task"),
    "Consumer": "consumer.consumer",
    "Serializer": "serializer",
    "crontab": "cron",
    **dict.fromkeys(
        [
            "CancelExecution",
            "ConfigurationError",
            "HueyException",
            "ResultTimeout",
            "RetryTask",
            "StorageUnavailable",
            "TaskException",
            "TaskInterrupted",
            "TaskLockedException",
        ],
        "exceptions",
    ),
}

__all__ = [
    "CancelExecution",
    "ConfigurationError",
    "Consumer",
    "Huey",
    "HueyException",
    "MemoryHuey",
    "PeriodicTask",
    "PriorityRedisHuey",
    "RedisHuey",
    "Result",
    "ResultGroup",
    "ResultTimeout",
    "RetryTask",
    "Serializer",
    "SqliteHuey",
    "StorageUnavailable",
    "Task",
    "TaskException",
    "TaskInterrupted",
    "TaskLockedException",
    "TaskWrapper",
    "crontab",
    "signals",
]


def __getattr__(name: str) -> Any:
    if name == "signals" or name.startswith("SIGNAL_"):
        signals = import_module("huey_green.signals")
        value = signals if name == "signals" else getattr(signals, name, None)
        if value is not None:
            return value
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"huey_green.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
