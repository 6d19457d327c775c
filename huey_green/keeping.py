# SPDX-License-Identifier: MIT
"""The part of Huey that looks after what is kept: values, revocations, queue contents, locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from huey_green import clock
from huey_green.locks import TaskLock, lock_key
from huey_green.message import DeadLetter
from huey_green.registry import Registry
from huey_green.result import Result
from huey_green.revocation import Revocations, all_of
from huey_green.serializer import Serializer
from huey_green.storage.base import BaseStorage
from huey_green.task import Task, TaskWrapper
from huey_green.wire import decode_message, decode_value, encode_message, encode_value


class Keeping:
    """Mixed into Huey, which makes the attributes and has ``enqueue``."""

    name: str
    utc: bool
    storage: BaseStorage
    serializer: Serializer
    registry: Registry
    _locks: set[str]

    def enqueue(self, task: Task) -> Any:
        """Add a task to the queue; see ``Huey.enqueue``."""
        raise NotImplementedError

    # Messages.

    def serialize_task(self, task: Task) -> bytes:
        """Return a task as it is stored; raises ``SerializationError``."""
        return encode_message(self.serializer, self.registry.create_message(task, self.utc))

    def deserialize_task(self, data: bytes) -> Task:
        """Return the task in stored bytes; raises ``UnreadableMessage``."""
        return self.registry.create_task(decode_message(self.serializer, data), self.utc)

    # Results and values.

    def decode_result(self, data: bytes) -> Any:
        """Return a stored value as the object it was."""
        return decode_value(self.serializer, data)

    def put(self, key: str, value: Any) -> bool:
        """Store a value under ``key``, beside the results."""
        self.storage.put_data(key, encode_value(self.serializer, value))
        return True

    def get(self, key: str, peek: bool = False) -> Any:
        """Return the value under ``key``, None when there is none; with ``peek`` keep it."""
        data = self.storage.peek_data(key) if peek else self.storage.pop_data(key)
        return None if data is None else self.decode_result(data)

    def delete(self, key: str) -> bool:
        """Delete the value under ``key``; say whether there was one."""
        return self.storage.delete_data(key)

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        """Store a value unless there is one; say whether it was stored. ``ttl`` is seconds."""
        return self.storage.put_if_empty(key, encode_value(self.serializer, value), ttl=ttl)

    def result(
        self,
        id: str,  # noqa: A002 - huey's name
        blocking: bool = False,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
        revoke_on_timeout: bool = False,
        preserve: bool = False,
    ) -> Any:
        """Return the value of the task with this id; the arguments are those of ``Result.get``."""
        handle: Result[Any] = Result(self, Task(id=id))
        return handle.get(blocking, timeout, backoff, max_delay, revoke_on_timeout, preserve)

    def all_results(self) -> Mapping[str, bytes]:
        """Return all stored values, serialized, by key."""
        return self.storage.result_items()

    def result_count(self) -> int:
        """Return how many values are stored."""
        return self.storage.result_store_size()

    # Revocation.

    @property
    def _revocations(self) -> Revocations:
        return Revocations(self.storage, self.serializer, self.utc)

    def revoke(
        self, task: Task, revoke_until: datetime | None = None, revoke_once: bool = False
    ) -> None:
        """Keep ``task`` from running; see ``Result.revoke``."""
        self._revocations.revoke(task.revoke_id, revoke_until, revoke_once)

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
        name = self.registry.task_to_string(_class_of(task_class))
        self._revocations.revoke(all_of(name), revoke_until, revoke_once)

    def restore(self, task: Task) -> bool:
        """Take ``revoke`` back; say whether there was anything to take back."""
        return self._revocations.restore(task.revoke_id)

    def restore_by_id(self, id: str) -> bool:  # noqa: A002 - huey's name
        """Take ``revoke_by_id`` back; say whether there was anything to take back."""
        return self.restore(Task(id=id))

    def restore_all(self, task_class: type[Task]) -> bool:
        """Take ``revoke_all`` back; say whether there was anything to take back."""
        name = self.registry.task_to_string(_class_of(task_class))
        return self._revocations.restore(all_of(name))

    def is_revoked(self, task: Any, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Say whether a task, a task class or a task function may not run, now or then.

        A naive ``timestamp`` is local time, as in ``revoke_until``.
        """
        now = clock.wall() if timestamp is None else clock.to_epoch(timestamp, utc=False)
        if isinstance(task, Task):
            keys = [task.revoke_id, all_of(self.registry.task_to_string(type(task)))]
        else:
            keys = [all_of(self.registry.task_to_string(_class_of(task)))]
        return self._revocations.is_revoked(keys, now, peek)

    def reschedule(self, task: Task, eta: datetime | None, delay: float | None) -> Any:
        """Revoke ``task`` and enqueue a new one of its kind; see ``Result.reschedule``."""
        self.revoke(task, revoke_once=True)
        return self.enqueue(
            type(task)(
                task.args,
                task.kwargs,
                eta=clock.as_eta(eta, delay, self.utc),
                retries=task.retries,
                retry_delay=task.retry_delay,
                priority=task.priority,
                on_complete=task.on_complete,
                on_error=task.on_error,
            )
        )

    # Looking, counting, clearing.

    def pending(self, limit: int | None = None) -> list[Task]:
        """Return the tasks that wait in the queue, the next one first."""
        return [self.deserialize_task(data) for data in self.storage.enqueued_items(limit)]

    def pending_count(self) -> int:
        """Return how many tasks wait in the queue."""
        return self.storage.queue_size()

    def scheduled(self, limit: int | None = None) -> list[Task]:
        """Return the tasks on the schedule, the earliest first."""
        return [self.deserialize_task(data) for data in self.storage.scheduled_items(limit)]

    def scheduled_count(self) -> int:
        """Return how many tasks are on the schedule."""
        return self.storage.schedule_size()

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        """Return the messages that were given up, the newest first, each with its reason."""
        return self.storage.dead_letters(limit)

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        """Put dead letters, all or those with these ids, back in the queue; return how many."""
        return self.storage.requeue_dead(ids)

    def __len__(self) -> int:
        return self.storage.queue_size()

    def __bool__(self) -> bool:
        return True  # An empty queue is still a Huey.

    def flush(self) -> None:
        """Delete everything that this queue has in the storage."""
        self.storage.flush_all()

    # Locks.

    def lock_task(self, lock_name: str, ttl: float | None = None) -> TaskLock:
        """Return a lock, to use as a decorator or context manager; see ``TaskLock``."""
        self._locks.add(lock_name)
        return TaskLock(lambda: self.storage, self.name, lock_name, ttl)

    def is_locked(self, lock_name: str) -> bool:
        """Say whether a lock is held."""
        return self.storage.has_data_for_key(lock_key(self.name, lock_name))

    def flush_locks(self, *names: str) -> set[str]:
        """Free the locks of this application, and ``names``; return those that were held."""
        known = {*self._locks, *names}
        return {name for name in known if self.storage.delete_data(lock_key(self.name, name))}


def _class_of(task: Any) -> type[Task]:
    """Return a task class from itself or from the function that was made a task."""
    if isinstance(task, TaskWrapper):
        return task.task_class
    if isinstance(task, type) and issubclass(task, Task):
        return task
    raise TypeError(f"expected a task or a @huey.task() function, not {task!r}")
