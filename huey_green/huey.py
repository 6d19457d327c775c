# SPDX-License-Identifier: MIT
"""Class Huey: wires the layers below and gives them huey's public names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from huey_green.declaring import Declaring
from huey_green.driving import Driving
from huey_green.events import BaseEventEmitter
from huey_green.events_huey import Emitting
from huey_green.exceptions import ConfigurationError
from huey_green.execution.executor import Executor
from huey_green.execution.hooks import Hooks
from huey_green.foreign.speaking import Marks
from huey_green.guarding import Guarding
from huey_green.limits import LEAST_MESSAGE_SIZE, MAX_MESSAGE_SIZE
from huey_green.native import AtHome, is_lent
from huey_green.registry import Registry
from huey_green.revocation import Revocations
from huey_green.serializer import Serializer, bound, compressing, dated, sized
from huey_green.signals import Signals
from huey_green.storage.base import BaseStorage
from huey_green.takeover import Declared, StartupHooks, beside_huey, check_wire
from huey_green.task import Task
from huey_green.task_options import check_retention

if TYPE_CHECKING:
    from huey_green.consumer.consumer import Consumer
    from huey_green.consumer.embedded import EmbeddedConsumer


#: Dead letters that are kept: more than anybody looks through, of 10 KB each 100 MB.
DEAD_LIMIT = 10_000

#: Seconds: half a year, which outlasts the absence of whoever is to look at them.
DEAD_TTL = 182 * 86400.0


class Huey(Declaring, Driving, Guarding, Emitting):
    """A task queue by name: declares tasks, enqueues them, and runs them in a consumer.

    ``results`` stores what tasks return, ``store_none`` None as well. ``utc`` keeps moments in
    UTC inside. ``immediate`` runs tasks where they are called, against a memory storage unless
    ``immediate_use_memory`` is False. ``serializer`` and ``compression`` say how tasks and
    results become bytes. ``store_intermediate_errors`` stores the error of a try that is followed
    by another one, too. ``max_deliveries`` is how often a task may take its consumer down
    before it becomes a dead letter; ``at_most_once`` loses a task rather than run it twice.
    ``max_message_size`` is how many bytes a task with its arguments, or a result, may take.
    ``result_ttl`` is the seconds after which a result is forgotten that nobody has read; with None
    it stays until somebody reads it. The newest ``dead_limit`` dead letters are kept (10,000), each
    for ``dead_ttl`` seconds (half a year); with None any number, or for ever.
    ``events=True`` tells of what happens to tasks, on a channel of the storage; an emitter does so
    elsewhere.
    ``wire="huey"`` writes what huey 3 reads, ``wire="huey2"`` what huey 2 reads, for the time in
    which consumers or producers of both work on one queue. All other arguments go to the storage.
    (API reference, "Huey object".)
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
        store_intermediate_errors: bool = True,
        max_deliveries: int = 5,
        at_most_once: bool = False,
        max_message_size: int = MAX_MESSAGE_SIZE,
        result_ttl: float | None = None,
        dead_limit: int | None = DEAD_LIMIT,
        dead_ttl: float | None = DEAD_TTL,
        wire: str | None = None,
        events: BaseEventEmitter | bool | None = None,
        **storage_kwargs: Any,
    ) -> None:
        _check(name, serializer, max_deliveries, max_message_size)
        check_wire(wire, result_ttl)
        _check_storage(storage_class, storage_kwargs)
        self.name = name
        self.wire = wire
        self.results = results
        self.store_none = store_none
        self.store_intermediate_errors = store_intermediate_errors
        self.utc = utc
        self.immediate_use_memory = immediate_use_memory
        self.max_deliveries = max_deliveries
        self.at_most_once = at_most_once
        self.result_ttl = result_ttl
        self.retention = check_retention(result_ttl, dead_limit, dead_ttl)
        serializer = compressing(serializer or Serializer(), compression, use_zlib)
        self.serializer = dated(sized(bound(serializer, name), max_message_size), utc)
        self.registry = Registry() if wire is None else Declared(wire)
        self.signals = Signals()
        self.hooks_before = Hooks("pre_execute")
        self.hooks_after = Hooks("post_execute")
        self.hooks_startup = StartupHooks(self)
        self.hooks_shutdown = Hooks("on_shutdown")
        self.storage_kwargs = storage_kwargs
        if storage_class is not None:
            self.storage_class = storage_class
        self.executor = Executor(self)
        self._immediate = immediate
        self._live: BaseStorage | None = None
        self.storage = self.create_storage()
        self.start_events(events)

    # Storage and immediate mode.

    @property
    def storage(self) -> BaseStorage:
        """The storage. To a task in a native thread it is one whose calls run in the event loop."""
        return cast(BaseStorage, AtHome(self._storage)) if is_lent() else self._storage

    @storage.setter
    def storage(self, storage: BaseStorage) -> None:
        storage.retention = self.retention
        self._storage = storage

    def create_storage(self) -> BaseStorage:
        """Return the storage for the present mode."""
        if self._immediate and self.immediate_use_memory:
            return self.get_immediate_storage()
        if self.wire is not None:
            return beside_huey(self, self.wire)
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
            self._live, self._storage = self._storage, self.create_storage()
        else:
            self.storage = self._live or self.create_storage()

    # Beside huey.

    @property
    def _revocations(self) -> Revocations:
        if self.wire is None:
            return super()._revocations
        marks = cast(Serializer, Marks(self.serializer, self.utc))
        return Revocations(self.storage, marks, self.utc)

    def reason_not_to_run(self, task: Task, now: float) -> str | None:
        """Return the signal that tells why a task that was fetched may not run; None if it may.

        ``now`` is in epoch seconds. The store is asked only when it may hold a revocation.
        """
        if task.by_huey:  # It may have revoked it, too, and told us nothing of that.
            return self.reason_revoked(task, now)
        return super().reason_not_to_run(task, now)

    async def aenqueue(self, task: Any) -> Any:
        """Do as ``enqueue`` does, in a coroutine: the round trip is made by another thread."""
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(None, self.enqueue, task)

    def create_consumer(self, **options: Any) -> Consumer:
        """Return a consumer of this queue; see ``Consumer`` for the options."""
        from huey_green.consumer.consumer import Consumer

        return Consumer(self, **options)

    def embedded_consumer(self, *, share: float = 0.5, **options: Any) -> EmbeddedConsumer:
        """Return a consumer for a web server on gevent: ``with`` it, or ``start`` and ``stop`` it.

        ``share`` is the part of the time that tasks get, at most, while requests have something
        to do, too. The other options are those of ``Consumer``.
        """
        from huey_green.consumer.embedded import EmbeddedConsumer

        return EmbeddedConsumer(self, share=share, **options)

    def needs_leases(self) -> bool:
        """Say whether any task is to be run again when its consumer dies."""
        if not self.at_most_once:
            return True
        return any(task.at_most_once is False for task in self.registry.tasks.values())


def _check(name: Any, serializer: Any, max_deliveries: Any, max_message_size: Any) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"the name of a Huey is a string, not {name!r}")
    if not isinstance(max_deliveries, int) or max_deliveries < 1:
        raise ConfigurationError(f"max_deliveries is at least 1, not {max_deliveries!r}")
    if not isinstance(max_message_size, int) or max_message_size < LEAST_MESSAGE_SIZE:
        raise ConfigurationError(
            f"max_message_size is bytes, at least {LEAST_MESSAGE_SIZE}, not {max_message_size!r}"
        )
    if serializer is not None and not hasattr(serializer, "deserialize"):
        raise ConfigurationError(f"serializer is an object of Serializer, not {serializer!r}")
    if isinstance(serializer, type):
        raise ConfigurationError(f"serializer is an object: write {serializer.__name__}()")


def _check_storage(storage_class: Any, options: Iterable[str]) -> None:
    if storage_class is not None and not (
        isinstance(storage_class, type) and hasattr(storage_class, "enqueued_items")
    ):
        raise ConfigurationError(
            f"storage_class is a storage class, a subclass of BaseStorage, not {storage_class!r}"
        )
    known = [name for name in signature(Huey).parameters if name != "storage_kwargs"]
    for name in options:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if near:
            raise ConfigurationError(f"unknown option {name}; did you mean {near[0]}?")
