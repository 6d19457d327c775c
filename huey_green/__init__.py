# SPDX-License-Identifier: MIT
"""A task queue for I/O-bound Python: huey's API, thousands of tasks at once on gevent, none lost.

Importing this opens, patches and reads nothing; names are resolved on first use, so that the
command can patch before anything else is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from huey_green.version import __version__ as __version__

if TYPE_CHECKING:
    from huey_green import signals as signals
    from huey_green.consumer.consumer import Consumer
    from huey_green.consumer.group import ConsumerGroup
    from huey_green.cron import crontab, every
    from huey_green.events import BaseEventEmitter, EventStream
    from huey_green.events_redis import RedisEventEmitter
    from huey_green.exceptions import (
        CancelExecution,
        ConfigurationError,
        HueyException,
        InvalidArgument,
        RateLimitExceeded,
        ResultTimeout,
        RetryTask,
        StorageUnavailable,
        TaskCanceled,
        TaskException,
        TaskInterrupted,
        TaskLockedException,
        TaskTimeout,
    )
    from huey_green.flavours import (
        BlackHoleHuey,
        FileHuey,
        MemoryHuey,
        PriorityRedisExpireHuey,
        PriorityRedisHuey,
        RedisExpireHuey,
        RedisHuey,
        SqliteHuey,
    )
    from huey_green.huey import Huey
    from huey_green.locks import TaskLock
    from huey_green.progress import Progress
    from huey_green.ratelimit import RateLimit
    from huey_green.result import ChordResult, Result, ResultGroup
    from huey_green.semaphore import Semaphore
    from huey_green.serializer import JSONSerializer, Serializer, SignedSerializer
    from huey_green.task import PeriodicTask, Task
    from huey_green.wire import SKIPPED, Error
    from huey_green.workflow import chord, group
    from huey_green.wrapper import TaskWrapper

_NAMES = {
    "huey": ["Huey"],
    "flavours": [
        "BlackHoleHuey",
        "FileHuey",
        "MemoryHuey",
        "PriorityRedisExpireHuey",
        "PriorityRedisHuey",
        "RedisExpireHuey",
        "RedisHuey",
        "SqliteHuey",
    ],
    "result": ["ChordResult", "Result", "ResultGroup"],
    "task": ["PeriodicTask", "Task"],
    "wrapper": ["TaskWrapper"],
    "workflow": ["chord", "group"],
    "wire": ["SKIPPED", "Error"],
    "cron": ["crontab", "every"],
    "events": ["BaseEventEmitter", "EventStream"],
    "events_redis": ["RedisEventEmitter"],
    "serializer": ["JSONSerializer", "Serializer", "SignedSerializer"],
    "locks": ["TaskLock"],
    "semaphore": ["Semaphore"],
    "ratelimit": ["RateLimit"],
    "progress": ["Progress"],
    "consumer.consumer": ["Consumer"],
    "consumer.group": ["ConsumerGroup"],
    "exceptions": [
        "CancelExecution",
        "ConfigurationError",
        "HueyException",
        "InvalidArgument",
        "RateLimitExceeded",
        "ResultTimeout",
        "RetryTask",
        "StorageUnavailable",
        "TaskCanceled",
        "TaskException",
        "TaskInterrupted",
        "TaskLockedException",
        "TaskTimeout",
    ],
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = [
    "SKIPPED",
    "BaseEventEmitter",
    "BlackHoleHuey",
    "CancelExecution",
    "ChordResult",
    "ConfigurationError",
    "Consumer",
    "ConsumerGroup",
    "Error",
    "EventStream",
    "FileHuey",
    "Huey",
    "HueyException",
    "InvalidArgument",
    "JSONSerializer",
    "MemoryHuey",
    "PeriodicTask",
    "PriorityRedisExpireHuey",
    "PriorityRedisHuey",
    "Progress",
    "RateLimit",
    "RateLimitExceeded",
    "RedisEventEmitter",
    "RedisExpireHuey",
    "RedisHuey",
    "Result",
    "ResultGroup",
    "ResultTimeout",
    "RetryTask",
    "Semaphore",
    "Serializer",
    "SignedSerializer",
    "SqliteHuey",
    "StorageUnavailable",
    "Task",
    "TaskCanceled",
    "TaskException",
    "TaskInterrupted",
    "TaskLock",
    "TaskLockedException",
    "TaskTimeout",
    "TaskWrapper",
    "chord",
    "crontab",
    "every",
    "group",
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
