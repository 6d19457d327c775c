# SPDX-License-Identifier: MIT
"""Every call that huey's guide and API reference document can be written here as it stands there.

Parameters that are ours come after the documented ones or by keyword; docs/compatibility.md says
where a default differs, and so do the entries here.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import huey_green.api as api
import huey_green.storage as storage
from huey_green import exceptions, serializer

#: Something without a default.
REQUIRED: Any = inspect.Parameter.empty

WAIT = {
    "blocking": False,
    "timeout": None,
    "backoff": 1.15,
    "max_delay": 1.0,
    "revoke_on_timeout": False,
    "preserve": False,
}
TASK = {"retries": 0, "retry_delay": 0, "priority": None, "context": False, "name": None}
REDIS = {
    "name": "huey",
    "blocking": True,
    "read_timeout": 1,
    "connection_pool": None,
    "url": None,
    "client_name": None,
}

#: The documented parameters, in their order.
DOCUMENTED: dict[str, dict[str, Any]] = {
    "Huey.__init__": {
        "name": "huey",
        "results": True,
        "store_none": False,
        "utc": True,
        "immediate": False,
        "serializer": None,
        "compression": False,
        "use_zlib": False,
        "immediate_use_memory": True,
    },
    "Huey.task": TASK,
    "Huey.periodic_task": dict(validate_datetime=REQUIRED, **TASK),
    "Huey.context_task": {"obj": REQUIRED, "as_argument": False},
    "Huey.pre_execute": {"name": None},
    "Huey.unregister_pre_execute": {"name_or_fn": REQUIRED},
    "Huey.post_execute": {"name": None},
    "Huey.unregister_post_execute": {"name_or_fn": REQUIRED},
    "Huey.on_startup": {"name": None},
    "Huey.unregister_on_startup": {"name_or_fn": REQUIRED},
    "Huey.on_shutdown": {"name": None},
    "Huey.unregister_on_shutdown": {"name_or_fn": REQUIRED},
    "Huey.disconnect_signal": {"receiver": REQUIRED},
    "Huey.enqueue": {"task": REQUIRED},
    "Huey.revoke": {"task": REQUIRED, "revoke_until": None, "revoke_once": False},
    "Huey.revoke_by_id": {"id": REQUIRED, "revoke_until": None, "revoke_once": False},
    "Huey.revoke_all": {"task_class": REQUIRED, "revoke_until": None, "revoke_once": False},
    "Huey.restore": {"task": REQUIRED},
    "Huey.restore_by_id": {"id": REQUIRED},
    "Huey.restore_all": {"task_class": REQUIRED},
    "Huey.is_revoked": {"task": REQUIRED, "timestamp": None},
    "Huey.result": dict(id=REQUIRED, **WAIT),
    "Huey.lock_task": {"lock_name": REQUIRED},
    "Huey.put": {"key": REQUIRED, "value": REQUIRED},
    "Huey.get": {"key": REQUIRED, "peek": False},
    "Huey.pending": {"limit": None},
    "Huey.scheduled": {"limit": None},
    "Huey.all_results": {},
    "Huey.__len__": {},
    "Huey.dequeue": {},
    "Huey.execute": {"task": REQUIRED, "timestamp": None},
    "Huey.read_schedule": {"timestamp": None},
    "Huey.read_periodic": {"timestamp": None},
    "Huey.ready_to_run": {"task": REQUIRED, "timestamp": None},
    "TaskWrapper.__init__": {
        "huey": REQUIRED,
        "func": REQUIRED,
        "retries": None,
        "retry_delay": None,
        "context": False,
        "name": None,
        "task_base": None,
    },
    "TaskWrapper.schedule": {"args": None, "kwargs": None, "eta": None, "delay": None},
    "TaskWrapper.revoke": {"revoke_until": None, "revoke_once": False},
    "TaskWrapper.is_revoked": {"timestamp": None},
    "TaskWrapper.restore": {},
    "TaskWrapper.map": {"it": REQUIRED},
    "Task.__init__": {
        "args": None,
        "kwargs": None,
        "id": None,
        "eta": None,
        "retries": None,
        "retry_delay": None,
        "priority": None,
        "on_complete": None,
        "on_error": None,
    },
    "Task.then": {"task": REQUIRED},
    "Task.error": {"task": REQUIRED},
    "TaskLock.clear": {},
    "Result.__init__": {"huey": REQUIRED, "task": REQUIRED},
    "Result.get": WAIT,
    "Result.get_raw_result": WAIT,
    "Result.revoke": {"revoke_once": True},
    "Result.restore": {},
    "Result.is_revoked": {},
    "Result.reschedule": {"eta": None, "delay": None},
    "Result.reset": {},
    "crontab": {"month": "*", "day": "*", "day_of_week": "*", "hour": "*", "minute": "*"},
    "Serializer.__init__": {"compression": False, "compression_level": 6, "use_zlib": False},
    "RedisStorage.__init__": REDIS,
    "PriorityRedisStorage.__init__": REDIS,
    "RedisExpireStorage.__init__": {"name": "huey", "expire_time": 86400},
    "PriorityRedisExpireStorage.__init__": {"name": "huey", "expire_time": 86400},
    "SqliteStorage.__init__": {
        "name": "huey",
        "filename": "huey.db",
        "cache_mb": 8,
        "fsync": False,
    },
    "FileStorage.__init__": {
        "name": "huey",
        "path": None,
        "levels": 2,
        "use_thread_lock": False,
    },
    "BaseStorage.__init__": {"name": "huey"},
    "BaseStorage.enqueue": {"data": REQUIRED, "priority": None},
    "BaseStorage.dequeue": {},
    "BaseStorage.queue_size": {},
    "BaseStorage.enqueued_items": {"limit": None},
    "BaseStorage.flush_queue": {},
    "BaseStorage.add_to_schedule": {"data": REQUIRED, "timestamp": REQUIRED},
    "BaseStorage.read_schedule": {"timestamp": REQUIRED},
    "BaseStorage.schedule_size": {},
    "BaseStorage.scheduled_items": {"limit": None},
    "BaseStorage.flush_schedule": {},
    "BaseStorage.put_data": {"key": REQUIRED, "value": REQUIRED},
    "BaseStorage.peek_data": {"key": REQUIRED},
    "BaseStorage.pop_data": {"key": REQUIRED},
    "BaseStorage.put_if_empty": {"key": REQUIRED, "value": REQUIRED},
    "BaseStorage.has_data_for_key": {"key": REQUIRED},
    "BaseStorage.result_store_size": {},
    "BaseStorage.result_items": {},
    "BaseStorage.flush_results": {},
}


def documented(path: str) -> Any:
    name, _, method = path.partition(".")
    for home in (api, storage, serializer, exceptions):
        if hasattr(home, name):
            owner = getattr(home, name)
            return getattr(owner, method) if method else owner
    raise LookupError(path)


@pytest.mark.parametrize("path", DOCUMENTED)
def test_a_documented_call_has_its_parameters_in_order_with_their_defaults(path):
    parameters = dict(inspect.signature(documented(path)).parameters)
    parameters.pop("self", None)
    wanted = DOCUMENTED[path]
    own = list(parameters.values())[: len(wanted)]
    assert [one.name for one in own] == list(wanted)
    for one in own:
        assert one.default == wanted[one.name], one
        assert one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    # What is ours besides may be left out.
    for one in list(parameters.values())[len(wanted) :]:
        assert one.default is not REQUIRED or one.kind in (
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        ), one


@pytest.mark.parametrize(
    "name",
    [
        *("HueyException", "ConfigurationError", "TaskLockedException", "CancelExecution"),
        *("RetryTask", "TaskException"),
    ],
)
def test_a_documented_exception_is_a_huey_exception(name):
    assert issubclass(getattr(exceptions, name), exceptions.HueyException)
