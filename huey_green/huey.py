# SPDX-License-Identifier: MIT
"""Class Huey: wires the layers below and gives them huey's public names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from huey_green import signals as s
from huey_green.declaring import Declaring
from huey_green.exceptions import ConfigurationError
from huey_green.execution.executor import Executor
from huey_green.execution.hooks import Hooks
from huey_green.execution.outcome import Outcome
from huey_green.keeping import Keeping
from huey_green.message import Delivery, Outgoing, Settlement
from huey_green.registry import Registry
from huey_green.result import Result, ResultGroup
from huey_green.serializer import Serializer, compressing
from huey_green.signals import Signals
from huey_green.storage.base import BaseStorage
from huey_green.task import Task

if TYPE_CHECKING:
    from huey_green.consumer.consumer import Consumer

#: Most messages that ``map`` hands to the storage in one call.
_BULK = 500


class Huey(Declaring, Keeping):
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
        self.serializer = compressing(serializer or Serializer(), compression, use_zlib)
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
        self._live: BaseStorage | None = None
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
        if self._immediate == value:
            return
        self._immediate = value
        if not self.immediate_use_memory:
            return
        if value:
            # Kept with what it holds: its connections, or the tasks in its memory.
            self._live, self.storage = self.storage, self.create_storage()
        else:
            self.storage = self._live or self.create_storage()

    def create_consumer(self, **options: Any) -> Consumer:
        """Return a consumer of this queue; see ``Consumer`` for the options."""
        from huey_green.consumer.consumer import Consumer

        return Consumer(self, **options)

    def needs_leases(self) -> bool:
        """Say whether any task is to be run again when its consumer dies."""
        tasks = self.registry.tasks.values()
        return not self.at_most_once or any(task.at_most_once is False for task in tasks)

    # Enqueueing and executing.

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
        # In immediate mode nothing is fetched, by which the storage would have learned of them.
        if not self._immediate and not self.storage.has_revocations():
            return False
        return self.is_revoked(task, peek=False)
