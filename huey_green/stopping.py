# SPDX-License-Identifier: MIT
"""The part of Huey that keeps tasks from running, and stops those that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from huey_green import clock
from huey_green.exceptions import InvalidArgument, TaskCanceled
from huey_green.execution.executor import Executor
from huey_green.fingerprint import fingerprint
from huey_green.keeping import Keeping
from huey_green.message import Delivery
from huey_green.revocation import Revocations, all_of, one_call
from huey_green.serializer import Serializer
from huey_green.task import Task, arguments_of


class Stopping(Keeping):
    """Mixed into Huey, which makes the attributes."""

    executor: Executor
    _immediate: bool

    @property
    def _revocations(self) -> Revocations:
        return Revocations(self.storage, self.serializer, self.utc)

    # Revoking.

    def revoke(
        self,
        task: Any,
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep ``task`` from running; see ``Result.revoke``.

        A task's function, class or name stands for all its calls, or with ``args`` and
        ``kwargs`` for those with these arguments.
        """
        if revoke_until is not None and not isinstance(revoke_until, datetime):
            raise InvalidArgument(f"revoke_until is a datetime, not {revoke_until!r}")
        key = self._revocation_key(task, args, kwargs)
        self._revocations.revoke(key, revoke_until, revoke_once)

    def revoke_by_id(
        self,
        id: str,  # noqa: A002 - huey's name
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep the task with this id from running: for good, until a moment, or once."""
        self.revoke(Task(id=id), revoke_until, revoke_once)

    def revoke_all(
        self,
        task_class: type[Task],
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep all tasks of a class from running; see ``TaskWrapper.revoke``."""
        self.revoke(self.class_of(task_class), revoke_until, revoke_once)

    def restore(
        self,
        task: Any,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Take ``revoke`` back; say whether there was anything to take back."""
        return self._revocations.restore(self._revocation_key(task, args, kwargs))

    def restore_by_id(self, id: str) -> bool:  # noqa: A002 - huey's name
        """Take ``revoke_by_id`` back; say whether there was anything to take back."""
        return self.restore(Task(id=id))

    def restore_all(self, task_class: type[Task]) -> bool:
        """Take ``revoke_all`` back; say whether there was anything to take back."""
        return self.restore(self.class_of(task_class))

    def is_revoked(self, task: Any, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Say whether a task, a task class or a task function may not run, now or then.

        A naive ``timestamp`` is local time, as in ``revoke_until``.
        """
        now = clock.wall() if timestamp is None else clock.to_epoch(timestamp, utc=False)
        if isinstance(task, Task):
            return self._reason(task, now, peek) is not None
        name = self.registry.task_to_string(self.class_of(task))
        return self._revocations.reason([all_of(name)], now, peek) is not None

    def reason_not_to_run(self, task: Task, now: float) -> str | None:
        """Return the signal that tells why a task that was fetched may not run; None if it may.

        ``now`` is in epoch seconds. The store is asked only when it may hold a revocation.
        """
        # In immediate mode nothing is fetched, by which the storage would have learned of them.
        if not self._immediate and not self.storage.has_revocations():
            return None
        return self.reason_revoked(task, now)

    def reason_revoked(self, task: Task, now: float) -> str | None:
        """Ask the store for ``reason_not_to_run``; a mark for one time is used up by it."""
        return self._reason(task, now, peek=False)

    def _reason(self, task: Task, now: float, peek: bool) -> str | None:
        name = self.registry.task_to_string(type(task))
        keys = [task.revoke_id, all_of(name)]
        if name in self.registry:  # Else it is a bare Task with an id and nothing more.
            keys.append(one_call(name, self._fingerprint(task)))
        return self._revocations.reason(keys, now, peek)

    def _fingerprint(self, task: Task) -> str:
        return fingerprint(*arguments_of(task), self.serializer.serialize)

    def _revocation_key(
        self, task: Any, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
    ) -> str:
        has_arguments = args is not None or kwargs is not None
        if isinstance(task, Task):
            if has_arguments:
                raise InvalidArgument("args and kwargs go with a task's function or name")
            return task.revoke_id
        task_class = self.class_of(task)
        name = self.registry.task_to_string(task_class)
        if not has_arguments:
            return all_of(name)
        return one_call(name, self._fingerprint(task_class(args, kwargs)))

    # Canceling.

    def cancel(self, id: str) -> bool:  # noqa: A002 - huey's name
        """Stop the task with this id wherever it is; see ``Result.cancel``."""
        if self.storage.has_data_for_key(id):
            return False
        task = Task(id=id)
        # First the mark, then the note: whoever begins it after the one sees it, and whoever
        # runs it already sees the other.
        self._revocations.cancel(task.revoke_id)
        self.storage.cancel(id)
        waiting = self._take_off_schedule(id)
        if waiting is not None:
            self._revocations.restore(task.revoke_id)
            error = TaskCanceled("canceled before it ran")
            self._apply(Delivery(b""), self.executor.endings.canceled(waiting, error))
        return True

    def _take_off_schedule(self, id: str) -> Task | None:  # noqa: A002 - huey's name
        in_the_clear = type(self.serializer) is Serializer and not self.serializer.comp
        for data in self.storage.scheduled_items():
            if in_the_clear and id.encode() not in data:
                continue
            try:
                task = self.deserialize_task(data)
            except Exception:
                continue
            if task.id == id and self.storage.remove_scheduled(data):
                return task
        return None
