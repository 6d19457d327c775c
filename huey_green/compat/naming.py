# SPDX-License-Identifier: MIT
"""The names of huey 0.3 and 0.4: where each is found here, and what to write in its place."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple


class _Old(NamedTuple):
    home: str
    #: What to write instead, as it follows "write ".
    new: str


_STORE = "RedisHuey('a-name', host=...), which has its queue, schedule and results in one place"
_FILE = "SqliteHuey('a-name', filename=...), which has its queue, schedule and results in one file"
_OWN = "a subclass of huey_green.storage.base.BaseStorage, given as storage_class="

OLD = {
    "AsyncData": _Old("huey_green.compat.results", "huey_green.Result"),
    "BaseConfiguration": _Old(
        "huey_green.compat.configuration",
        "the options on the command line: huey_green app.huey -w 4 --no-periodic",
    ),
    "BaseDataStore": _Old("huey_green.compat.bases", _OWN),
    "BaseEventEmitter": _Old("huey_green.events", "huey_green.BaseEventEmitter"),
    "BaseQueue": _Old("huey_green.compat.bases", _OWN),
    "BaseSchedule": _Old("huey_green.compat.bases", _OWN),
    "DataStoreTimeout": _Old("huey_green.compat.errors", "huey_green.ResultTimeout"),
    "EmptyData": _Old("huey_green.compat.bases", "None, as storages say it here"),
    "Huey": _Old("huey_green.compat.hueys", f"huey = {_STORE}"),
    "Invoker": _Old("huey_green.compat.hueys", f"huey = {_STORE}"),
    "QueueException": _Old("huey_green.compat.errors", "huey_green.exceptions.UnknownTask"),
    "RedisBlockingQueue": _Old("huey_green.compat.redis_parts", _STORE),
    "RedisDataStore": _Old("huey_green.compat.redis_parts", _STORE),
    "RedisEventEmitter": _Old("huey_green.events_redis", "huey_green.RedisEventEmitter"),
    "RedisHuey": _Old("huey_green.compat.hueys", "huey_green.RedisHuey"),
    "RedisQueue": _Old("huey_green.compat.redis_parts", f"{_STORE}; blocking=False to poll"),
    "RedisSchedule": _Old("huey_green.compat.redis_parts", _STORE),
    "SqliteDataStore": _Old("huey_green.compat.sqlite_parts", _FILE),
    "SqliteQueue": _Old("huey_green.compat.sqlite_parts", _FILE),
    "SqliteSchedule": _Old("huey_green.compat.sqlite_parts", _FILE),
    "crontab": _Old("huey_green.cron", "huey_green.crontab"),
    "logger": _Old("huey_green.compat.hueys", "logging.getLogger('huey_green')"),
    "periodic_command": _Old("huey_green.compat.commands", "@huey.periodic_task(...)"),
    "queue_command": _Old("huey_green.compat.commands", "@huey.task()"),
}


def finding(module: str, names: Sequence[str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module with these of the old names.

    Each time that one is asked for, a ``DeprecationWarning`` says what to write instead.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        deprecated(f"{module}.{name}", OLD[name].new)
        return found(name)

    return find


def found(name: str) -> Any:
    """Return what an old name stands for, and tell nobody."""
    return getattr(import_module(OLD[name].home), name)


def deprecated(what: str, new: str, stacklevel: int = 2) -> None:
    """Warn that ``what`` is huey's of old; ``stacklevel`` is who used it, seen from our caller."""
    warnings.warn(
        f"{what} is kept from huey 0.3 and 0.4: write {new}",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )
