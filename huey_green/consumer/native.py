# SPDX-License-Identifier: MIT
"""A consumer in a process that gevent has not patched: everything that blocks runs in native
threads, and the consumer's own greenlets live in one of those."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from huey_green.execution.executor import Executor
from huey_green.execution.outcome import Outcome
from huey_green.message import Delivery
from huey_green.native import end_hub, in_pool
from huey_green.storage.base import BaseStorage
from huey_green.task import Task

T = TypeVar("T")

#: Seconds that idle threads get to end.
_CLOSE_WAIT = 1.0


class NativeThread:
    """A native thread with a hub of its own, in which other threads have functions called."""

    def __init__(self, name: str) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run(self) -> None:
        hub = gevent.get_hub()
        self._calls: list[Callable[[], None]] = []
        self._over = Event()
        self._watcher = hub.loop.async_()
        self._watcher.start(self._take_calls)
        self._ready.set()
        self._over.wait()
        self._watcher.stop()
        self._watcher.close()
        end_hub()

    def _take_calls(self) -> None:
        while self._calls:
            gevent.spawn(self._calls.pop(0))

    def call(self, fn: Callable[..., T], *args: Any) -> T:
        """Call ``fn`` in a greenlet of the thread; return its value or raise its error."""
        done = threading.Event()
        answer: list[Any] = []

        def carry_out() -> None:
            try:
                answer.extend((True, fn(*args)))
            except BaseException as error:
                answer.extend((False, error))
            done.set()

        self._calls.append(carry_out)
        self._watcher.send()
        done.wait()
        succeeded, value = answer
        if not succeeded:
            raise value
        returned: T = value
        return returned

    def end(self) -> None:
        """End the thread and wait for it."""
        self.call(self._over.set)
        self._thread.join()


class NativeStorage:
    """A storage whose calls each run in a native thread, so that they do not hold the hub."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        # Fetcher, acknowledger, scheduler, reaper and health check, and some to give back.
        self._pool = ThreadPool(8)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._storage, name)
        if not callable(attribute) or name in ("has_revocations", "describe"):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            return in_pool(self._pool, partial(attribute, **kwargs), args)

        return call

    def close(self) -> None:
        """Close the storage and end the threads."""
        in_pool(self._pool, self._storage.close, ())
        self._pool.kill()


class NativeExecutor:
    """An executor that opens and runs each delivery in a native thread."""

    can_interrupt = False

    def __init__(self, executor: Executor, threads: int) -> None:
        self._executor = executor
        self.endings = executor.endings
        self._pool = ThreadPool(threads)

    def open(self, delivery: Delivery) -> Task | Outcome:
        """See ``Executor.open``."""
        return in_pool(self._pool, self._executor.open, (delivery,))

    def execute(self, task: Task) -> Outcome:
        """See ``Executor.execute``."""
        return in_pool(self._pool, self._executor.execute, (task,))

    def close(self) -> bool:
        """End the threads; say whether none was busy with a task that does not end."""
        closing = gevent.spawn(self._pool.kill)
        closing.join(_CLOSE_WAIT)
        return bool(closing.dead)
