# SPDX-License-Identifier: MIT
"""The part of Huey that looks after what is kept: results, values, the queue's contents."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from huey_green.exceptions import InvalidArgument, UnreadableMessage
from huey_green.execution.outcome import Outcome
from huey_green.message import NO_EXTRA, DeadLetter, Delivery, Effects, Joined, Settlement
from huey_green.ports import ResultSource
from huey_green.progress import Progress
from huey_green.registry import Registry
from huey_green.result import Result
from huey_green.serializer import Serializer
from huey_green.signals import Signals
from huey_green.storage.base import BaseStorage
from huey_green.task import Task
from huey_green.wire import SKIPPED, decode_message, decode_value, encode_message, encode_value
from huey_green.wrapper import TaskWrapper

log = logging.getLogger("huey_green")


class Keeping:
    """What Huey is built on; Huey itself makes the attributes."""

    name: str
    utc: bool
    storage: BaseStorage
    serializer: Serializer
    registry: Registry
    signals: Signals

    # Messages.

    def serialize_task(self, task: Task) -> bytes:
        """Return a task as it is stored; raises ``SerializationError``.

        Its ``expires`` counts from now, unless it has been stored before.
        """
        if task.expires is not None and task.expires_resolved is None:
            task.resolve_expires(self.utc)
        return encode_message(self.serializer, self.registry.create_message(task, self.utc))

    def deserialize_task(self, data: bytes) -> Task:
        """Return the task in stored bytes; raises ``UnreadableMessage``."""
        return self.registry.create_task(decode_message(self.serializer, data), self.utc)

    def class_of(self, task: Any) -> type[Task]:
        """Return a task class from itself, the decorated function, or the name of either.

        Raises ``UnknownTask`` for a name that is not registered here.
        """
        if isinstance(task, TaskWrapper):
            return task.task_class
        if isinstance(task, str):
            return self.registry.string_to_task(task)
        if isinstance(task, type) and issubclass(task, Task):
            return task
        raise InvalidArgument(f"expected a task, a @huey.task() function or a name, not {task!r}")

    def _apply(self, delivery: Delivery, outcome: Outcome) -> None:
        if outcome.effects != Effects(extra=NO_EXTRA):
            self.storage.settle("", [Settlement(delivery, outcome.effects)])
        for event in outcome.events:
            self.signals.send(*event)

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
        if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, (int, float))):
            raise InvalidArgument(f"ttl is a number of seconds, not {ttl!r}")
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
        handle = self.result_handle(id)
        return handle.get(blocking, timeout, backoff, max_delay, revoke_on_timeout, preserve)

    def result_handle(self, id: str) -> Result[Any]:  # noqa: A002 - huey's name
        """Return a handle on the task with this id, as its caller got one."""
        return Result(cast(ResultSource, self), Task(id=checked_id(id)))

    def all_results(self) -> Mapping[str, bytes]:
        """Return all stored values, serialized, by key."""
        return self.storage.result_items()

    def result_count(self) -> int:
        """Return how many values are stored."""
        return self.storage.result_store_size()

    # Progress.

    def put_progress(self, id: str, progress: Progress) -> None:  # noqa: A002 - huey's name
        """Keep how far the task with this id has come; see ``Task.progress``."""
        self.storage.put_progress(id, encode_value(self.serializer, tuple(progress)))

    def get_progress(self, id: str) -> Progress | None:  # noqa: A002 - huey's name
        """Return how far the task with this id has come; see ``Result.progress``."""
        data = self.storage.peek_progress(id)
        return None if data is None else Progress(*self.decode_result(data))

    def values_of(self, joined: Joined) -> list[Any]:
        """Return what the members of a chord left, ``SKIPPED`` where there is nothing."""
        values = self.storage.chord_values(*joined) if joined.size else []
        return [SKIPPED if data is None else self.decode_result(data) for data in values]

    # Looking, counting, clearing.

    def pending(self, limit: int | None = None, task: Any = None) -> list[Task]:
        """Return the tasks that wait in the queue, the next one first.

        With ``task`` (a function, a class or a name) only those of its kind. What cannot be read
        is left out, and becomes a dead letter when a consumer comes to it.
        """
        return self._tasks(self.storage.enqueued_items, limit, task)

    def pending_count(self) -> int:
        """Return how many tasks wait in the queue."""
        return self.storage.queue_size()

    def scheduled(self, limit: int | None = None, task: Any = None) -> list[Task]:
        """Return the tasks on the schedule, the earliest first; ``task`` as for ``pending``."""
        return self._tasks(self.storage.scheduled_items, limit, task)

    def scheduled_count(self) -> int:
        """Return how many tasks are on the schedule."""
        return self.storage.schedule_size()

    def parked(self, limit: int | None = None, task: Any = None) -> list[Task]:
        """Return the tasks that wait until fewer of their kind run (``max_concurrency``)."""
        return self._tasks(self.storage.parked_items, limit, task)

    def _tasks(
        self, items: Callable[[int | None], list[bytes]], limit: int | None, kind: Any
    ) -> list[Task]:
        _check_limit(limit)
        wanted = None if kind is None else self.class_of(kind)
        found = []
        unreadable: list[UnreadableMessage] = []
        for data in items(limit if wanted is None else None):
            try:
                task = self.deserialize_task(data)
            except UnreadableMessage as error:
                unreadable.append(error)
                continue
            if wanted is None or type(task) is wanted:
                found.append(task)
        if unreadable:
            log.warning("%d waiting messages are left out, one: %s", len(unreadable), unreadable[0])
        return found[:limit]

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        """Return the messages that were given up, the newest first, each with its reason."""
        _check_limit(limit)
        return self.storage.dead_letters(limit)

    def requeue_dead(self, ids: str | Iterable[str] | None = None) -> int:
        """Put dead letters back in the queue, all, or the one or those with these ids.

        Each begins anew: its attempts are counted from the first, and the error that was its
        result is gone. One of a unique task stays where it is while another one waits or runs.
        Returns how many were put back.
        """
        return self.storage.requeue_dead(_letters(ids))

    def delete_dead(self, ids: str | Iterable[str] | None = None) -> int:
        """Delete dead letters, all, or the one or those with these ids; return how many."""
        return self.storage.delete_dead(_letters(ids))

    def __len__(self) -> int:
        return self.storage.queue_size()

    def __bool__(self) -> bool:
        return True  # An empty queue is still a Huey.

    def flush(self) -> None:
        """Delete everything that this queue has in the storage."""
        self.storage.flush_all()


def checked_id(id: Any) -> str:  # noqa: A002 - huey's name
    """Return the id of a task if it is one; raises ``InvalidArgument``."""
    if not isinstance(id, str):
        raise InvalidArgument(f"id is the id of a task, a string as result.id is, not {id!r}")
    return id


def checked_ids(ids: Any) -> list[str]:
    """Return several ids of tasks; raises ``InvalidArgument``."""
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise InvalidArgument(f"ids is a list of ids of tasks, not {ids!r}")
    return [checked_id(one) for one in ids]


def _letters(ids: str | Iterable[str] | None) -> list[str] | None:
    if ids is None:
        return None
    return [ids] if isinstance(ids, str) else checked_ids(ids)


def _check_limit(limit: Any) -> None:
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise InvalidArgument(f"limit is a whole number from 0, not {limit!r}")
