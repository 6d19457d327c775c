# SPDX-License-Identifier: MIT
"""Class Huey: wires the layers below and gives them huey's public names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from huey_green import clock
from huey_green import signals as s
from huey_green.cron import Validator
from huey_green.exceptions import ConfigurationError
from huey_green.execution.executor import Executor
from huey_green.execution.hooks import Hook, Hooks
from huey_green.execution.outcome import Outcome
from huey_green.locks import TaskLock, lock_key
from huey_green.message import DeadLetter, Delivery, Outgoing, Settlement
from huey_green.registry import Registry
from huey_green.result import Result, ResultGroup
from huey_green.revocation import Revocations, all_of
from huey_green.serializer import Serializer
from huey_green.signals import Receiver, Signals
from huey_green.storage.base import BaseStorage
from huey_green.task import Task, TaskWrapper, check_options, periodic_base
from huey_green.wire import decode_message, decode_value, encode_message, encode_value

if TYPE_CHECKING:
    from huey_green.consumer.consumer import Consumer

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

#: Most messages that ``map`` hands to the storage in one call.
_BULK = 500


class Huey:
    """A task queue by name: declares tasks, enqueues them, and runs them in a consumer.

    ``results`` stores what tasks return, ``store_none`` None as well. ``utc`` keeps moments in
    UTC inside. ``immediate`` runs tasks where they are called, against a memory storage unless
    ``immediate_use_memory`` is False. ``serializer`` and ``compression`` say how tasks and
    results become bytes. ``max_deliveries`` is how often a task may take its consumer down
    before it becomes a dead letter; ``at_most_once`` loses a task rather than run it twice.
    All other arguments go to the storage. (API reference, "Huey object".)
    """

    storage_class: type[BaseStorage] | None = None

    def __init__(
        self,
        name: str = "huey",
        results: bool = True,
        store_none: bool = False,
        utc: bool = True,
        immediate: bool = False,
        serializer: Serializer | None = None,
        compression: bool = False,
        use_zlib: bool = False,
        immediate_use_memory: bool = True,
        storage_class: type[BaseStorage] | None = None,
        max_deliveries: int = 5,
        at_most_once: bool = False,
        **storage_kwargs: Any,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"the name of a Huey is a string, not {name!r}")
        if max_deliveries < 1:
            raise ConfigurationError(f"max_deliveries is at least 1, not {max_deliveries!r}")
        self.name = name
        self.results = results
        self.store_none = store_none
        self.utc = utc
        self.immediate_use_memory = immediate_use_memory
        self.max_deliveries = max_deliveries
        self.at_most_once = at_most_once
        self.serializer = serializer or Serializer(compression=compression, use_zlib=use_zlib)
        self.registry = Registry()
        self.signals = Signals()
        self.hooks_before = Hooks("pre_execute")
        self.hooks_after = Hooks("post_execute")
        self.hooks_startup = Hooks("on_startup")
        self.hooks_shutdown = Hooks("on_shutdown")
        self.storage_kwargs = storage_kwargs
        if storage_class is not None:
            self.storage_class = storage_class
        self.executor = Executor(self, self._may_not_run)
        self._locks: set[str] = set()
        self._immediate = immediate
        self.storage = self.create_storage()

    # Storage and immediate mode.

    def create_storage(self) -> BaseStorage:
        """Return the storage for the present mode."""
        if self._immediate and self.immediate_use_memory:
            return self.get_immediate_storage()
        return self.get_storage(**self.storage_kwargs)

    def get_immediate_storage(self) -> BaseStorage:
        """Return the storage of immediate mode."""
        from huey_green.storage.memory import MemoryStorage

        return MemoryStorage(self.name)

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        """Return the storage that this class, or ``storage_class``, stands for."""
        if self.storage_class is None:
            raise ConfigurationError(
                "Huey has no storage: use RedisHuey, SqliteHuey, MemoryHuey... or storage_class="
            )
        return self.storage_class(self.name, **kwargs)

    @property
    def immediate(self) -> bool:
        """Whether tasks run where they are called. Setting it changes the storage too."""
        return self._immediate

    @immediate.setter
    def immediate(self, value: bool) -> None:
        if self._immediate != value:
            self._immediate = value
            if self.immediate_use_memory:
                self.storage = self.create_storage()

    def create_consumer(self, **options: Any) -> Consumer:
        """Return a consumer of this queue; see ``Consumer`` for the options."""
        from huey_green.consumer.consumer import Consumer

        return Consumer(self, **options)

    # Declaring tasks.

    def task(
        self,
        retries: int = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        **settings: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
        """Decorate a function: calling it enqueues it and returns a ``Result``.

        ``retries`` and ``retry_delay`` (seconds) are for when it raises; of several that wait,
        a higher ``priority`` runs first; ``context`` passes the ``Task`` as keyword ``task``;
        ``at_most_once`` overrides the Huey's. (API reference, "task".)
        """

        def decorate(func: Callable[P, R]) -> TaskWrapper[P, R]:
            check_options(func, retries, retry_delay, priority)
            return TaskWrapper(
                self,
                func,
                context=context,
                name=name,
                default_retries=retries,
                default_retry_delay=retry_delay,
                default_priority=priority,
                **settings,
            )

        return decorate

    def periodic_task(
        self,
        validate_datetime: Validator,
        retries: int = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        **settings: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
        """Decorate a function that runs in every minute that ``validate_datetime`` accepts.

        However many consumers there are, it runs once. Its value is not stored.
        (API reference, "periodic_task".)
        """
        if not callable(validate_datetime):
            raise ConfigurationError(
                f"periodic_task takes crontab(...) or a function of a datetime, "
                f"not {validate_datetime!r}"
            )
        return self.task(
            retries,
            retry_delay,
            priority,
            context,
            name,
            task_base=periodic_base(validate_datetime),
            **settings,
        )

    # Hooks and signals.

    def pre_execute(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function of a task that is called before each task runs.

        It may raise ``CancelExecution``; any other error is logged and stops nothing.
        """
        return _registering(self.hooks_before, name)

    def unregister_pre_execute(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_before.unregister(name_or_fn)

    def post_execute(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function of (task, value, exception) that is called after each task."""
        return _registering(self.hooks_after, name)

    def unregister_post_execute(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_after.unregister(name_or_fn)

    def on_startup(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function that is called when a consumer starts, before its first task."""
        return _registering(self.hooks_startup, name)

    def unregister_on_startup(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_startup.unregister(name_or_fn)

    def on_shutdown(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function that is called when a consumer stops, after its last task."""
        return _registering(self.hooks_shutdown, name)

    def unregister_on_shutdown(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_shutdown.unregister(name_or_fn)

    def signal(self, *signals: str) -> Callable[[F], F]:
        """Decorate a function of (signal, task, exc=None) that is called on ``signals``, or all."""

        def connect(receiver: F) -> F:
            self.signals.connect(receiver, *signals)
            return receiver

        return connect

    def disconnect_signal(self, receiver: Receiver, *signals: str) -> None:
        """Stop calling ``receiver`` on ``signals``, or on all it was connected to."""
        self.signals.disconnect(receiver, *signals)

    # Enqueueing and executing.

    def serialize_task(self, task: Task) -> bytes:
        """Return a task as it is stored; raises ``SerializationError``."""
        return encode_message(self.serializer, self.registry.create_message(task, self.utc))

    def deserialize_task(self, data: bytes) -> Task:
        """Return the task in stored bytes; raises ``UnreadableMessage``."""
        return self.registry.create_task(decode_message(self.serializer, data), self.utc)

    def enqueue(self, task: Task) -> Any:
        """Add a task to the queue; in immediate mode run it.

        Returns its ``Result``, for a pipeline a ``ResultGroup``; None when no results are kept.
        Raises ``SerializationError``, or ``StorageUnavailable`` when it may or may not have
        been accepted.
        """
        if self._immediate:
            self._run_immediately(task)
        else:
            self.storage.enqueue(self.serialize_task(task), task.priority)
            self.signals.send(s.SIGNAL_ENQUEUED, task)
        return self._handle(task)

    def enqueue_all(self, tasks: Iterable[Task]) -> ResultGroup:
        """Add independent tasks in few round trips; return their results in order."""
        every: list[Task] = []
        waiting: list[Task] = []
        for task in tasks:
            every.append(task)
            if self._immediate:
                self._run_immediately(task)
                continue
            waiting.append(task)
            if len(waiting) == _BULK:
                self._enqueue_bulk(waiting)
                waiting = []
        if waiting:
            self._enqueue_bulk(waiting)
        return ResultGroup([Result(self, task) for task in every])

    def _enqueue_bulk(self, tasks: Sequence[Task]) -> None:
        self.storage.enqueue_many(
            [Outgoing(self.serialize_task(task), task.priority) for task in tasks]
        )
        for task in tasks:
            self.signals.send(s.SIGNAL_ENQUEUED, task)

    def _handle(self, task: Task) -> Any:
        if not self.results:
            return None
        if task.on_complete is not None:
            return ResultGroup([Result(self, one) for one in task.pipeline()])
        return Result(self, task)

    def _run_immediately(self, task: Task) -> None:
        # Through bytes, as in real life: what cannot be serialized shows here already.
        body = self.serialize_task(task)
        self.signals.send(s.SIGNAL_ENQUEUED, task)
        self._run_bodies([body])

    def _run_bodies(self, bodies: list[bytes]) -> None:
        while bodies:
            delivery = Delivery(bodies.pop())
            outcome = self.executor.run(delivery)
            effects = outcome.effects
            follow_ups = [one.body for one in effects.enqueue]
            stored = effects._replace(enqueue=())
            self._apply(delivery, outcome._replace(effects=stored))
            bodies.extend(reversed(follow_ups))

    def _apply(self, delivery: Delivery, outcome: Outcome) -> None:
        self.storage.settle("", [Settlement(delivery, outcome.effects)])
        for event in outcome.events:
            self.signals.send(*event)

    def _may_not_run(self, task: Task) -> bool:
        if not self.storage.has_revocations():
            return False
        return self.is_revoked(task, peek=False)

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

        A naive ``timestamp`` is UTC, or local time in a Huey that is not ``utc``.
        """
        now = clock.wall() if timestamp is None else clock.to_epoch(timestamp, self.utc)
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


def _registering(hooks: Hooks, name: str | None) -> Callable[[F], F]:
    def register(hook: F) -> F:
        hooks.register(hook, name)
        return hook

    return register


def _class_of(task: Any) -> type[Task]:
    """Return a task class from itself or from the function that was made a task."""
    if isinstance(task, TaskWrapper):
        return task.task_class
    if isinstance(task, type) and issubclass(task, Task):
        return task
    raise TypeError(f"expected a task or a @huey.task() function, not {task!r}")
