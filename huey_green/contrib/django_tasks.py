# SPDX-License-Identifier: MIT
"""A backend of ``django.tasks``, of Django 6, on the Huey of the project.

What becomes of a task is kept beside huey's results, in records that are written once and end by
themselves: one when it was enqueued, one for each try that began or failed, one at its end.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

from django.core.exceptions import ImproperlyConfigured
from django.tasks import Task as DjangoTask
from django.tasks import TaskResultStatus
from django.tasks.backends.base import BaseTaskBackend
from django.tasks.base import TaskContext, TaskError, TaskResult
from django.tasks.exceptions import TaskResultDoesNotExist
from django.tasks.signals import task_enqueued, task_finished, task_started
from django.utils import timezone
from django.utils.json import normalize_json
from django.utils.module_loading import import_string

from huey_green import clock
from huey_green import signals as s
from huey_green.consumer.identity import consumer_name
from huey_green.contrib.djhuey.configuration import the_huey
from huey_green.exceptions import TaskCanceled, TaskInterrupted
from huey_green.execution.outcome import after_failure
from huey_green.huey import Huey
from huey_green.task import Task
from huey_green.wrapper import TaskWrapper

#: Seconds for which the records of a task are kept: a week.
KEPT = 7 * 86400.0

#: What OPTIONS may have: options of the huey task in which Django's is run, and ``result_ttl``.
OPTIONS = frozenset(["retries", "retry_delay", "retry_backoff", "expires", "timeout"])

#: Tries that are looked for at once.
AT_ONCE = 8

Record = dict[str, Any]

_runners: WeakKeyDictionary[Huey, TaskWrapper[..., Any]] = WeakKeyDictionary()


class HueyBackend(BaseTaskBackend):  # type: ignore[misc]  # Django has no types.
    """Enqueues Django's tasks for ``manage.py run_huey``.

    OPTIONS has defaults for all tasks of this backend: retries, retry_delay, retry_backoff,
    expires and timeout as in ``Huey.task``, and result_ttl, the seconds for which a result can be
    had (a week).
    """

    supports_defer = True
    supports_get_result = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        unknown = sorted(set(self.options) - OPTIONS - {"result_ttl"})
        if unknown:
            raise ImproperlyConfigured(
                f"settings.TASKS[{alias!r}]['OPTIONS'] has {', '.join(unknown)}; there are "
                f"{', '.join(sorted(OPTIONS | {'result_ttl'}))}"
            )
        self._kept = float(self.options.get("result_ttl") or KEPT)
        self._huey = the_huey()
        self._runner = _runner_of(self._huey)
        #: A list in Redis has no priorities, other storages have.
        self.supports_priority = bool(self._huey.storage.priority)

    def enqueue(self, task: DjangoTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Queue up a task; return its ``TaskResult``."""
        self.validate_task(task)
        now = timezone.now()
        described: Record = {
            "path": task.module_path,
            "args": normalize_json(list(args)),
            "kwargs": normalize_json(dict(kwargs)),
            "priority": task.priority,
            "queue": task.queue_name,
            "run_after": _text(task.run_after),
            "backend": self.alias,
            "enqueued_at": _text(now),
            "kept": self._kept,
        }
        options = {name: self.options[name] for name in OPTIONS & self.options.keys()}
        if task.run_after is not None:
            options["eta"] = task.run_after
        call = self._runner.s(described, priority=task.priority or None, **options)
        until = self._kept + max(0.0, ((task.run_after or now) - now).total_seconds())
        self._huey.put_if_empty(_key(call.id), described, ttl=until)
        result = _as_result(call.id, described, {})
        if self._huey.immediate:
            task_enqueued.send(type(self), task_result=result)
            self._huey.enqueue(call)
            return self.get_result(call.id)
        self._huey.enqueue(call)
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Return what is known of a task; raises ``TaskResultDoesNotExist`` where nothing is."""
        found = _read(self._huey, result_id)
        described = found.get("") or found.get("end", {}).get("described")
        if described is None:
            raise TaskResultDoesNotExist(f"{result_id} is no task, or was one too long ago")
        return _as_result(result_id, described, found)


def _runner_of(huey: Huey) -> TaskWrapper[..., Any]:
    """Return the huey task that runs Django's; declared once, for all backends."""
    if huey not in _runners:
        _runners[huey] = huey.task(context=True, result_ttl=KEPT)(run)
        huey.signal(s.SIGNAL_DEAD, s.SIGNAL_EXPIRED, s.SIGNAL_REVOKED, s.SIGNAL_CANCELED)(_not_run)
    return _runners[huey]


def run(described: Record, task: Task | None = None) -> None:
    """Run a task of Django's, and keep what became of it."""
    assert task is not None
    huey = cast(Huey, task.host)
    found = _read(huey, task.id)
    if "end" in found:
        return  # Its consumer died when it had ended and that was kept.
    number = _note_begun(huey, task.id, described, found)
    result = _as_result(task.id, described, found)
    sender = type(result.task.get_backend())
    task_started.send(sender, task_result=result)
    try:
        before = (TaskContext(task_result=result),) if result.task.takes_context else ()
        value = normalize_json(result.task.call(*before, *result.args, **result.kwargs))
    except TaskInterrupted:  # It runs again; or it was canceled, and a signal tells of that.
        raise
    except BaseException as error:
        failed = _error(error)
        found[f"error {number}"] = failed
        _put(huey, task.id, described, f"error {number}", failed)
        if after_failure(error, task, clock.wall()) is None:
            _finish(huey, task.id, described, found, failed=True)
        raise
    _finish(huey, task.id, described, found, failed=False, value=value)


def _note_begun(huey: Huey, task_id: str, described: Record, found: dict[str, Record]) -> int:
    number = 1
    begun = {"at": _text(timezone.now()), "by": consumer_name()}
    while f"try {number}" in found or not _put(huey, task_id, described, f"try {number}", begun):
        number += 1
    found[f"try {number}"] = begun
    return number


def _finish(
    huey: Huey,
    task_id: str,
    described: Record,
    found: dict[str, Record],
    failed: bool,
    value: Any = None,
) -> None:
    status = TaskResultStatus.FAILED if failed else TaskResultStatus.SUCCESSFUL
    end = {
        "status": str(status),
        "value": value,
        "at": _text(timezone.now()),
        "described": described,
        "found": {name: one for name, one in found.items() if name},
    }
    _put(huey, task_id, described, "end", end)
    result = _as_result(task_id, described, {**found, "end": end})
    task_finished.send(type(result.task.get_backend()), task_result=result)


def _not_run(signal: str, task: Task, error: BaseException | None = None) -> None:
    """Keep that a task came to its end without having run to it."""
    huey = cast(Huey, task.host)
    if huey is None or type(task) is not _runners[huey].task_class:
        return
    [described] = task.args
    found = _read(huey, task.id)
    if "end" not in found:
        reason = error or TaskCanceled(f"not run to its end: {signal}")
        found[f"error {sum(name.startswith('try') for name in found) + 1}"] = _error(reason)
        _finish(huey, task.id, described, found, failed=True)


# Records.


def _key(task_id: str, kind: str = "") -> str:
    return f"django-task:{task_id}:{kind}"


def _put(huey: Huey, task_id: str, described: Record, kind: str, record: Record) -> bool:
    return huey.put_if_empty(_key(task_id, kind), record, ttl=described["kept"])


def _read(huey: Huey, task_id: str) -> dict[str, Record]:
    """Return the records of a task by their kinds: "" of the enqueueing, "end", "try 1"..."""
    kinds, first = ["", "end"], 1
    found: dict[str, Record] = {}
    while True:
        tries = range(first, first + AT_ONCE)
        kinds += [f"{kind} {number}" for number in tries for kind in ("try", "error")]
        values = huey.storage.peek_many([_key(task_id, kind) for kind in kinds])
        found |= {
            kind: huey.decode_result(values[_key(task_id, kind)])
            for kind in kinds
            if _key(task_id, kind) in values
        }
        if "end" in found:
            return {**found["end"]["found"], **found}
        if f"try {tries[-1]}" not in found:
            return found
        kinds, first = [], first + AT_ONCE


def _as_result(task_id: str, described: Record, found: Mapping[str, Record]) -> TaskResult:
    tries = [found[name] for name in _numbered(found, "try")]
    end = found.get("end")
    status = TaskResultStatus.READY
    if end is not None:
        status = TaskResultStatus(end["status"])
    elif len(tries) > len(_numbered(found, "error")):
        status = TaskResultStatus.RUNNING
    result = TaskResult(
        task=_task_of(described),
        id=task_id,
        status=status,
        enqueued_at=_moment(described["enqueued_at"]),
        started_at=_moment(tries[0]["at"]) if tries else None,
        last_attempted_at=_moment(tries[-1]["at"]) if tries else None,
        finished_at=_moment(end["at"]) if end is not None else None,
        args=described["args"],
        kwargs=described["kwargs"],
        backend=described["backend"],
        errors=[TaskError(**found[name]) for name in _numbered(found, "error")],
        worker_ids=[one["by"] for one in tries],
    )
    if end is not None:
        object.__setattr__(result, "_return_value", end["value"])
    return result


def _numbered(found: Mapping[str, Record], kind: str) -> list[str]:
    names = [name for name in found if name.startswith(f"{kind} ")]
    return sorted(names, key=lambda name: int(name.rpartition(" ")[2]))


def _task_of(described: Record) -> DjangoTask:
    task = import_string(described["path"])
    return task.using(
        priority=described["priority"],
        queue_name=described["queue"],
        run_after=_moment(described["run_after"]),
        backend=described["backend"],
    )


def _error(error: BaseException) -> Record:
    kind = type(error)
    return {
        "exception_class_path": f"{kind.__module__}.{kind.__qualname__}",
        "traceback": "".join(traceback.format_exception(error)),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
