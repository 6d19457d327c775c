# SPDX-License-Identifier: MIT
"""The Huey of a Django project, made from its settings, and tasks that close their connections.

``HUEY`` is that Huey, and most names here are its methods. All are resolved on first use:
importing this reads no settings and does not import Django, so that the command can patch first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huey_green.contrib.djhuey.configuration import the_huey
    from huey_green.contrib.djhuey.connections import close_db
    from huey_green.contrib.djhuey.decorators import (
        db_periodic_task,
        db_task,
        on_commit_task,
        on_shutdown,
        on_startup,
        signal,
    )
    from huey_green.cron import crontab, every

    HUEY = the_huey()
    cancel = HUEY.cancel
    context_task = HUEY.context_task
    disconnect_signal = HUEY.disconnect_signal
    enqueue = HUEY.enqueue
    enqueue_many = HUEY.enqueue_many
    flush_locks = HUEY.flush_locks
    is_locked = HUEY.is_locked
    is_revoked = HUEY.is_revoked
    lock_task = HUEY.lock_task
    pending = HUEY.pending
    periodic_task = HUEY.periodic_task
    post_execute = HUEY.post_execute
    pre_execute = HUEY.pre_execute
    rate_limit = HUEY.rate_limit
    restore = HUEY.restore
    restore_all = HUEY.restore_all
    restore_by_id = HUEY.restore_by_id
    result = HUEY.result
    revoke = HUEY.revoke
    revoke_all = HUEY.revoke_all
    revoke_by_id = HUEY.revoke_by_id
    scheduled = HUEY.scheduled
    task = HUEY.task

__all__ = [
    "HUEY",
    "cancel",
    "close_db",
    "context_task",
    "crontab",
    "db_periodic_task",
    "db_task",
    "disconnect_signal",
    "enqueue",
    "enqueue_many",
    "every",
    "flush_locks",
    "is_locked",
    "is_revoked",
    "lock_task",
    "on_commit_task",
    "on_shutdown",
    "on_startup",
    "pending",
    "periodic_task",
    "post_execute",
    "pre_execute",
    "rate_limit",
    "restore",
    "restore_all",
    "restore_by_id",
    "result",
    "revoke",
    "revoke_all",
    "revoke_by_id",
    "scheduled",
    "signal",
    "task",
]

#: Where those are that are no methods of the Huey.
_HOMES = {
    "close_db": "huey_green.contrib.djhuey.connections",
    "crontab": "huey_green.cron",
    "db_periodic_task": "huey_green.contrib.djhuey.decorators",
    "db_task": "huey_green.contrib.djhuey.decorators",
    "every": "huey_green.cron",
    "on_commit_task": "huey_green.contrib.djhuey.decorators",
    "on_shutdown": "huey_green.contrib.djhuey.decorators",
    "on_startup": "huey_green.contrib.djhuey.decorators",
    "signal": "huey_green.contrib.djhuey.decorators",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        configuration = import_module("huey_green.contrib.djhuey.configuration")
        huey = configuration.the_huey()
        value = huey if name == "HUEY" else getattr(huey, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
