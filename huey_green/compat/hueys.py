# SPDX-License-Identifier: MIT
"""Huey, RedisHuey and Invoker as huey 0.3 and 0.4 had them, over the present Huey."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import count
from typing import Any
from weakref import WeakSet

from huey_green import huey as present
from huey_green.compat.errors import QueueException
from huey_green.compat.joining import check_parts, name_of, place_of, storage_of
from huey_green.compat.naming import deprecated
from huey_green.compat.results import AsyncData
from huey_green.compat.wrappers import CommandWrapper, OldTask, OldWrapper
from huey_green.cron import Crontab, Validator
from huey_green.events import BaseEventEmitter
from huey_green.exceptions import ConfigurationError, UnknownTask
from huey_green.registry import Registry
from huey_green.storage.base import BaseStorage
from huey_green.task import Task, periodic_base

#: What huey's documents call ``huey.logger``: handlers at it get all that is logged here.
logger = logging.getLogger("huey_green")


class _Registry(Registry):
    """Says in huey's words, and in ours, what is not there."""

    def __init__(self, called: str) -> None:
        super().__init__()
        self._called = called

    def string_to_task(self, name: str) -> type[Task]:
        try:
            return super().string_to_task(name)
        except UnknownTask as error:
            raise QueueException(
                f"QueueException: {name} not found in {self._called}: {error}"
            ) from None


class Huey(present.Huey):
    """huey 0.4's Huey, of a queue, and maybe a store of results, a schedule and an emitter.

    All of these may be one's own. Without ``result_store`` calls return None; without
    ``schedule`` it is kept in the result store, or if there is none in the consumer's memory.
    ``options`` are those of the present Huey. Of parts that are not ours, or not in one place, it
    is ``at_most_once``.
    """

    _wrapper_class = OldWrapper
    #: How huey calls the registry.
    registry_name = "TaskRegistry"

    def __init__(
        self,
        queue: Any,
        result_store: Any = None,
        schedule: Any = None,
        events: BaseEventEmitter | bool | None = None,
        store_none: bool = False,
        always_eager: bool = False,
        **options: Any,
    ) -> None:
        check_parts(queue, result_store, schedule)
        self.queue = queue
        self.result_store = result_store
        self.schedule = schedule
        super().__init__(
            name_of(queue),
            results=result_store is not None,
            store_none=store_none,
            immediate=always_eager,
            events=events,
            **options,
        )
        if self.wire is None:
            self.registry = _Registry(self.registry_name)

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        if kwargs:
            raise ConfigurationError(
                f"unknown option {', '.join(sorted(kwargs))}: connections are given to the queue, "
                "the result store and the schedule"
            )
        storage = storage_of(self.queue, self.result_store, self.schedule, lambda: self.utc)
        if not storage.leases:
            self.at_most_once = True
        return storage

    @property
    def always_eager(self) -> bool:
        """Whether tasks run where they are called."""
        return self.immediate

    @always_eager.setter
    def always_eager(self, value: bool) -> None:
        deprecated("always_eager", "huey.immediate = ...", 2)
        self.immediate = value

    def _handle_on(self, task: Task) -> AsyncData[Any]:
        return AsyncData(self, task)

    # Declaring tasks.

    def task(  # type: ignore[override]
        self,
        retries: int | Crontab = 0,
        retry_delay: float = 0,
        retries_as_argument: bool = False,
        include_task: bool = False,
        **options: Any,
    ) -> Callable[[Callable[..., Any]], OldWrapper[..., Any]]:
        """Decorate a function: calling it enqueues it, and returns an ``AsyncData``.

        ``retries_as_argument`` passes the retries that are left as keyword ``retries``,
        ``include_task`` the task as keyword ``task``. The other options are the present ones.
        """
        if isinstance(retries, Crontab):  # As one page of the documents has it.
            deprecated("task(crontab(...))", "@huey.periodic_task(crontab(...))", 2)
            return self.periodic_task(retries)
        if include_task:
            deprecated("include_task", "@huey.task(context=True)", 2)
            options["context"] = True
        if retries_as_argument:
            deprecated("retries_as_argument", "@huey.task(context=True) and task.retries", 2)
            options["retries_as_argument"] = True
        options.setdefault("task_base", OldTask)
        return super().task(retries, retry_delay, **options)  # type: ignore[return-value]

    def periodic_task(  # type: ignore[override]
        self, validate_datetime: Validator, **options: Any
    ) -> Callable[[Callable[..., Any]], OldWrapper[..., Any]]:
        """Decorate a function that runs in every minute that ``validate_datetime`` accepts.

        Calling it runs it where it is called.
        """
        base = periodic_base(validate_datetime, OldTask)
        return super().task(task_base=base, **options)  # type: ignore[return-value]


class RedisHuey(Huey):
    """Queue, result store, schedule and events in Redis, all called ``name``.

    ``connection`` is that of ``redis.Redis``. Events are sent on the channel ``name``.
    """

    def __init__(
        self,
        name: str = "huey",
        store_none: bool = False,
        always_eager: bool = False,
        read_timeout: float | None = None,
        **connection: Any,
    ) -> None:
        from huey_green.compat.redis_parts import (
            RedisBlockingQueue,
            RedisDataStore,
            RedisSchedule,
        )
        from huey_green.events_redis import RedisEventEmitter

        super().__init__(
            RedisBlockingQueue(name, read_timeout, **connection),
            RedisDataStore(name, **connection),
            RedisSchedule(name, **connection),
            RedisEventEmitter(name, **connection),
            store_none,
            always_eager,
        )


class Invoker(Huey):
    """huey 0.3's Huey. ``task_store`` is the data store in which the schedule is kept.

    Invokers of one queue know each other's commands, so that a consumer of it knows all.
    """

    _wrapper_class = CommandWrapper
    registry_name = "CommandRegistry"

    def __init__(
        self,
        queue: Any,
        result_store: Any = None,
        task_store: Any = None,
        store_none: bool = False,
        always_eager: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            queue,
            result_store,
            task_store,
            store_none=store_none,
            always_eager=always_eager,
            **options,
        )
        self.task_store = task_store
        before = invokers_of(queue)
        if before:
            self.registry = before[0].registry
            self.utc = before[0].utc
        self.number = next(_numbers)
        _invokers.add(self)


_numbers = count(1)
_invokers: WeakSet[Invoker] = WeakSet()


def invokers_of(queue: Any) -> list[Invoker]:
    """Return the Invokers of a queue, the first one that was made first."""
    found = [one for one in _invokers if _is_same(one.queue, queue)]
    return sorted(found, key=lambda one: one.number)


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    place = place_of(one)
    return place is not None and place == place_of(other) and one.name == other.name


__all__ = ["Huey", "Invoker", "RedisHuey", "logger"]
