# SPDX-License-Identifier: MIT
"""Promotes due tasks, and enqueues periodic ones, each minute's once in the whole cluster."""

from __future__ import annotations

import logging
from typing import Protocol

from huey_green import clock, probe
from huey_green import signals as s
from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service
from huey_green.exceptions import HueyException
from huey_green.registry import Registry
from huey_green.signals import Signals
from huey_green.storage.base import BaseStorage
from huey_green.task import PeriodicTask, Task

log = logging.getLogger("huey_green.consumer")

#: Most messages promoted in one call; more are promoted by further calls in the same tick.
BATCH = 500

#: Seconds that a minute's tick of a task is remembered: longer than consumers can be apart.
REMEMBERED = 3 * 3600.0

#: Seconds between looks at the storage's clock, by which the minutes are counted.
CLOCK_CHECK = 60.0

#: A scheduler that was held up goes through at most so many minutes that it missed.
MISSED_MINUTES = 60


class Host(Protocol):
    """What a scheduler needs of its Huey."""

    utc: bool
    registry: Registry
    signals: Signals

    def serialize_task(self, task: Task) -> bytes:
        """Return a task as it is stored."""

    def deserialize_task(self, data: bytes) -> Task:
        """Return the task in stored bytes."""


class Scheduler(Service):
    """Every consumer has one. What must happen once is one step in the storage, under a key of
    the task and the minute by the storage's clock; so it does not matter how many there are."""

    name = "scheduler"

    def __init__(
        self, host: Host, storage: BaseStorage, outage: Outage, interval: float, periodic: bool
    ) -> None:
        super().__init__(outage)
        self.interval = interval
        self._host = host
        self._storage = storage
        self._periodic = periodic
        self._minute: int | None = None
        self._offset = 0.0
        self._offset_expires_at = 0.0

    def tick(self) -> None:
        """Promote what is due, and enqueue the periodic tasks of a minute that has begun."""
        while self._storage.promote(BATCH, priority_of=self._priority_of) >= BATCH:
            pass
        self.answered()
        if self._periodic:
            for minute in self._minutes_begun(self._now()):
                self._enqueue_periodic(minute)
                self._minute = minute
        probe.reached("scheduled")

    def _priority_of(self, body: bytes) -> float | None:
        try:
            return self._host.deserialize_task(body).priority
        except Exception:
            # Whoever fetches it will say what is wrong with it.
            return None

    def _now(self) -> float:
        """Return the present by the storage's clock, asked for now and then."""
        if clock.monotonic() >= self._offset_expires_at:
            self._offset = self._storage.time() - clock.wall()
            self._offset_expires_at = clock.monotonic() + CLOCK_CHECK
        return clock.wall() + self._offset

    def _minutes_begun(self, now: float) -> range:
        """Return the minutes since the epoch that have begun since the last tick.

        A scheduler that starts begins with the next minute, unless it starts within the first
        seconds of one: after a restart on the minute, that minute's tasks still run, and if they
        did already the key says so.
        """
        current = int(now // 60)
        if self._minute is None:
            self._minute = current - 1 if now % 60 < 10 else current
        return range(max(self._minute + 1, current - MISSED_MINUTES), current + 1)

    def _enqueue_periodic(self, minute: int) -> None:
        moment = clock.from_epoch(minute * 60.0, self._host.utc)
        for task in self._host.registry.periodic_tasks:
            try:
                if task.validate_datetime(moment):
                    self._enqueue_once(task, minute)
            except HueyException:
                raise
            except Exception:
                log.exception("the schedule of %s failed for %s", task, moment)

    def _enqueue_once(self, task: PeriodicTask, minute: int) -> None:
        key = f"cron:{self._host.registry.task_to_string(type(task))}:{minute}"
        body = self._host.serialize_task(task)
        if self._storage.enqueue_once(body, key, REMEMBERED, task.priority):
            log.info("%s is due and was enqueued", task)
            self._host.signals.send(s.SIGNAL_ENQUEUED, task)
            probe.reached("periodic", task)
