# SPDX-License-Identifier: MIT
"""What a slot does with a delivery: open it, run its task, settle it, tell who asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import gevent
from gevent.hub import get_hub
from greenlet import greenlet

from huey_green import clock, probe
from huey_green import signals as s
from huey_green.consumer.acknowledger import Acknowledger
from huey_green.consumer.probation import Probation, Stopped
from huey_green.exceptions import StorageUnavailable, TaskInterrupted
from huey_green.execution.executor import Executor, failed_on
from huey_green.execution.outcome import Outcome
from huey_green.message import NOTHING, Delivery, Effects
from huey_green.signals import Signals
from huey_green.storage.base import BaseStorage
from huey_green.task import Task

log = logging.getLogger("huey_green.consumer")


class Host(Protocol):
    """What a worker reads of its Huey."""

    signals: Signals
    at_most_once: bool
    max_deliveries: int


class Running(NamedTuple):
    """A task that runs now; ``since`` is monotonic."""

    delivery: Delivery
    task: Task
    since: float


class Worker:
    """Runs deliveries, any number at once. Its ``run`` is what the slots call."""

    def __init__(
        self,
        host: Host,
        executor: Executor,
        acknowledger: Acknowledger,
        storage: BaseStorage,
        consumer: str,
    ) -> None:
        self._executor = executor
        self._acknowledger = acknowledger
        self._storage = storage
        self._signals = host.signals
        self._consumer = consumer
        self._at_most_once = host.at_most_once
        self.running: dict[greenlet, Running] = {}
        self._probation = Probation(host.max_deliveries)
        #: The consumer stops: what cannot be opened now goes back.
        self.closing = False

    def close(self) -> None:
        """Begin nothing that has to wait for a place or for the storage."""
        self.closing = self._probation.closing = True

    def run(self, delivery: Delivery) -> None:
        """Take one delivery from opened to settled."""
        try:
            if delivery.attempt > 1:
                self._run_on_probation(delivery)
            else:
                self._run(delivery)
        except Exception as error:
            log.exception("a delivery could not be handled and goes to the dead letters")
            self._acknowledger.add(delivery, Effects(dead=failed_on(delivery, error)))
        except BaseException:
            # Somebody killed this greenlet: its message is not to stay in flight for ever.
            gevent.spawn(self._give_back, delivery, Outcome(interrupted=True))
            raise

    def _run_on_probation(self, delivery: Delivery) -> None:
        try:
            with self._probation.place(delivery.attempt):
                # Before it is opened: to read it may be what kills.
                if self._patiently(self._storage.begin, self._consumer, [delivery]):
                    self._run(delivery)
                    # What has ended and is not settled would be blamed with the next one.
                    self._acknowledger.wait_pending()
                    return
        except Stopped:
            log.debug("a delivery got no place before the stop")
        self._give_back(delivery, Outcome(interrupted=True))

    def _patiently(self, fn: Callable[..., Any], *args: Any) -> bool:
        """Call ``fn`` until the storage takes it; say whether it did before the consumer stops."""
        while True:
            try:
                fn(*args)
            except StorageUnavailable:
                if self.closing:
                    return False
                gevent.sleep(1.0)
            else:
                return True

    def _run(self, delivery: Delivery) -> None:
        opened = self._open(delivery)
        if isinstance(opened, Outcome):
            self._end(delivery, opened)
            return
        if self._is_at_most_once(opened) and delivery.receipt is not None:
            # Out of the storage before it runs: whatever happens then, it does not run again.
            batch = self._acknowledger.add(delivery, NOTHING)
            batch.wait()
            if batch.was_refused(delivery):
                return
            delivery = delivery._replace(receipt=None)
        self._end(delivery, self._execute(delivery, opened))

    def _open(self, delivery: Delivery) -> Task | Outcome:
        """Open a delivery; the store may be asked for revocations, and may be away."""
        while True:
            try:
                return self._executor.open(delivery)
            except StorageUnavailable:
                if self.closing:
                    return Outcome(interrupted=True)
                gevent.sleep(1.0)

    def _is_at_most_once(self, task: Task) -> bool:
        return self._at_most_once if task.at_most_once is None else task.at_most_once

    def _execute(self, delivery: Delivery, task: Task) -> Outcome:
        current = gevent.getcurrent()
        self.running[current] = Running(delivery, task, clock.monotonic())
        try:
            return self._executor.execute(task)
        except TaskInterrupted:  # In a hook or a receiver of a signal, around the task itself.
            return Outcome(NOTHING, ((s.SIGNAL_INTERRUPTED, task),), interrupted=True)
        finally:
            del self.running[current]

    def _end(self, delivery: Delivery, outcome: Outcome) -> None:
        if outcome.interrupted:
            self._give_back(delivery, outcome)
            return
        batch = self._acknowledger.add(delivery, outcome.effects)
        for name, task, *rest in outcome.events:
            if self._signals.has_receivers(name):
                # Whoever is told that a task is complete finds its result in the store.
                batch.wait()
                if batch.was_refused(delivery):
                    return
                self._signals.send(name, task, *rest)

    def _give_back(self, delivery: Delivery, outcome: Outcome) -> None:
        if delivery.receipt is not None and not self._patiently(
            self._storage.release, self._consumer, [delivery]
        ):
            log.warning("the storage is away; an interrupted task runs again after its lease")
        for event in outcome.events:
            self._signals.send(*event)
        probe.reached("interrupted", delivery)

    def interrupt(self) -> int:
        """Raise ``TaskInterrupted`` in all tasks that run now; return how many."""
        for runner, running in self.running.items():
            get_hub().loop.run_callback(self._raise_in, runner, running)
        return len(self.running)

    def interrupt_here(self) -> None:
        """Raise ``TaskInterrupted`` in the caller if that is a running task."""
        if gevent.getcurrent() in self.running:
            raise TaskInterrupted("the consumer stops")

    def _raise_in(self, runner: greenlet, running: Running) -> None:
        # In the hub, where nothing can come between the look and the throw: a greenlet whose
        # task has just ended is in a storage call by now, and is left alone.
        if self.running.get(runner) is running:
            runner.throw(TaskInterrupted("the consumer stops"))
