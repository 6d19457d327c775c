# SPDX-License-Identifier: MIT
"""Says every few seconds what this consumer does, from the thread of its heartbeat."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from gevent.hub import get_hub

from huey_green import clock, probe
from huey_green.consumer.slots import Slots
from huey_green.consumer.worker import Worker
from huey_green.exceptions import StorageUnavailable
from huey_green.native import thread_lock
from huey_green.report import KEPT, MOST_NAMED, encode_report
from huey_green.storage.base import BaseStorage
from huey_green.task import Task

log = logging.getLogger("huey_green.consumer")

#: Seconds between reports, and when nothing runs, nor did at the last one.
EVERY, WHEN_IDLE = 4.0, 12.0


#: Seconds for which a report waits for its event loop; else it says that there was no answer yet.
PATIENCE = 0.05


class Registry(Protocol):
    """What a reporter asks of it."""

    def task_to_string(self, task_class: type[Task]) -> str:
        """Return the name of a task."""


class Reporter:
    """Looks at a worker and its slots from outside of their event loop.

    So it tells of an event loop that is kept busy as well, and costs it one callback a report;
    tasks pay nothing. What it reads there may be a moment apart.
    """

    def __init__(
        self,
        consumer: str,
        worker: Worker,
        slots: Slots,
        registry: Registry,
        workers: int,
        now: Callable[[], float],
    ) -> None:
        """``now`` is the present by the storage's clock."""
        self._consumer = consumer
        self._worker = worker
        self._slots = slots
        self._registry = registry
        self._workers = workers
        self._now = now
        # Monotonic: when the event loop was asked for a sign of life that it has not given yet.
        self._asked_at: float | None = None
        self._lag = 0.0
        self._answered = thread_lock()
        self._answered.acquire()
        self._told_idle_at: float | None = None

    def start(self) -> None:
        """Called in the thread of the event loop."""
        self._loop = get_hub().loop
        self._started_at = self._now()
        self._told_idle_at = None

    def tell(self, storage: BaseStorage) -> None:
        """Put a report, unless nothing happens and that was said a short time ago."""
        now = clock.monotonic()
        is_idle = not (self._slots.busy or self._slots.waiting)
        if is_idle and self._told_idle_at is not None and now - self._told_idle_at < WHEN_IDLE:
            return
        self._ask_loop()
        try:
            storage.put_report(self._consumer, self._report(), KEPT)
        except StorageUnavailable:
            log.debug("a report found no storage")
            return
        except Exception:
            log.exception("a report of this consumer failed; status shows less of it")
        # Of what ran until now it has to be said once that it does no more.
        self._told_idle_at = now if is_idle else None
        probe.reached("reported", self._consumer)

    def end(self, storage: BaseStorage) -> None:
        """Take the last report back: this consumer has stopped."""
        try:
            storage.forget_report(self._consumer)
        except StorageUnavailable:
            log.debug("the last report stays until it ends by itself")

    def _report(self) -> bytes:
        now = clock.monotonic()
        # In one step of the interpreter each, while the event loop's thread goes on. Those that
        # began first are first in the dict.
        running = list(islice(self._worker.running.values(), MOST_NAMED))
        name_of = self._registry.task_to_string
        return encode_report(
            told_at=self._now(),
            started_at=self._started_at,
            workers=self._workers,
            running=len(self._worker.running),
            ready=self._slots.waiting,
            lag=self._lag if (asked_at := self._asked_at) is None else now - asked_at,
            tasks=[
                (one.task.id, name_of(type(one.task)), now - one.since, one.delivery.attempt)
                for one in running
            ],
        )

    def _ask_loop(self) -> None:
        """Have the event loop show that it turns, and wait a moment for that."""
        if self._asked_at is None:
            self._answered.acquire(False)  # An answer that came late counts no more.
            self._asked_at = clock.monotonic()
            self._loop.run_callback_threadsafe(self._answer)
            self._answered.acquire(True, PATIENCE)

    def _answer(self) -> None:
        """Called by the event loop: it turns."""
        if self._asked_at is not None:
            self._lag = clock.monotonic() - self._asked_at
            self._asked_at = None
            self._answered.release()
