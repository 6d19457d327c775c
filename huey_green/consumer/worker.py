# SPDX-License-Identifier: MIT
"""What a slot does with a delivery: open it, run its task, settle it, tell who asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

import gevent
from gevent.hub import get_hub
from greenlet import greenlet

from huey_green import clock, probe
from huey_green.consumer import forking
from huey_green.consumer.acknowledger import Acknowledger
from huey_green.consumer.probation import Probation, Stopped
from huey_green.exceptions import StorageUnavailable, TaskCanceled, TaskInterrupted
from huey_green.execution.endings import limit_key
from huey_green.execution.executor import Executor
from huey_green.execution.outcome import Outcome
from huey_green.message import NOTHING, Delivery, Effects, Extra, Settlement
from huey_green.registry import Registry
from huey_green.signals import Signals
from huey_green.storage.base import BaseStorage
from huey_green.task import Task

log = logging.getLogger("huey_green.consumer")

T = TypeVar("T")

#: Most parked messages that a consumer has try again when it begins with tasks of their kind.
MOST_BACK = 1000


class Host(Protocol):
    """What a worker reads of its Huey."""

    signals: Signals
    registry: Registry
    at_most_once: bool
    max_deliveries: int

    def restore(self, task: Task) -> bool:
        """Take away a mark that keeps a task from running."""

    def stop_marked(self, ids: set[str]) -> set[str]:
        """Look for tasks that are marked as canceled, and end them where they wait."""


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
        executed: Callable[[], None] | None = None,
    ) -> None:
        """``executed`` is called after each task that ran."""
        self._executed = executed
        self._executor = executor
        self._acknowledger = acknowledger
        self._storage = storage
        self._host = host
        self._signals = host.signals
        self._consumer = consumer
        self._at_most_once = host.at_most_once
        self.running: dict[greenlet, Running] = {}
        #: Tasks that are to be stopped, and when we learned of it (monotonic).
        self._canceled: dict[str, float] = {}
        # Tasks that ended here since the last look for canceled ones, and between the two looks
        # before; whether they may run again.
        self._ended: dict[str, bool] = {}
        self._ended_before: dict[str, bool] = {}
        # The keys of limited tasks that came here already.
        self._limited: set[str] = set()
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
            self.bury(delivery, error)
        except BaseException:
            # Somebody killed this greenlet: its message is not to stay in flight for ever.
            gevent.spawn(self._give_back, delivery, Outcome(interrupted=True))
            raise

    def bury(self, delivery: Delivery, error: Exception) -> None:
        """Settle a delivery as a dead letter, because of ``error``."""
        self._end(delivery, self._executor.endings.broken(delivery, error))

    def _run_on_probation(self, delivery: Delivery) -> None:
        try:
            with self._probation.place(delivery.attempt):
                # Before it is opened: to read it may be what kills.
                if self._patiently(self._note_begun, delivery):
                    self._run(delivery)
                    # What has ended and is not settled would be blamed with the next one.
                    self._acknowledger.wait_pending()
                    return
        except Stopped:
            log.debug("a delivery got no place before the stop")
        self._give_back(delivery, Outcome(interrupted=True))

    def _note_begun(self, delivery: Delivery) -> bool:
        self._storage.begin(self._consumer, [delivery])
        return True

    def _patiently(self, fn: Callable[..., T], *args: Any) -> T | None:
        """Call ``fn`` until the storage takes it, and return its answer; None when the consumer
        stops before that."""
        while True:
            try:
                return fn(*args)
            except StorageUnavailable:
                if self.closing:
                    return None
                gevent.sleep(1.0)

    def _run(self, delivery: Delivery) -> None:
        opened = self._open(delivery)
        if isinstance(opened, Outcome):
            self._end(delivery, opened)
            if opened.effects.schedule:
                for _, task in opened.events:
                    self._note_ended(task.id, may_run_again=True)
            return
        if opened.concerns_others() and not self._begin(delivery, opened):
            return
        if self._is_at_most_once(opened) and delivery.receipt is not None:
            # Out of the storage before it runs: whatever happens then, it does not run again.
            batch = self._acknowledger.add(delivery, NOTHING)
            batch.wait()
            if not batch.is_surely_ours(delivery):
                log.warning("%s runs at most once, and may have run elsewhere: it is left", opened)
                return
            delivery = delivery._replace(receipt=None)
        outcome = self._execute(delivery, opened)
        self._end(delivery, outcome)
        if not outcome.interrupted:
            effects = outcome.effects
            may_run_again = effects is not NOTHING and bool(effects.enqueue or effects.schedule)
            self._note_ended(opened.id, may_run_again)

    def _begin(self, delivery: Delivery, task: Task) -> bool:
        """Get a task what it needs of the storage before it runs; say whether it may run now."""
        if task.max_concurrency is not None and delivery.receipt is not None:
            key = limit_key(task, self._host.registry)
            if key not in self._limited:
                self._limited.add(key)
                self._bring_back(key, task.max_concurrency)
            admitted = self._patiently(
                self._storage.admit, self._consumer, delivery, key, task.max_concurrency
            )
            if admitted is None:
                self._give_back(delivery, Outcome(interrupted=True))
            if not admitted:
                return False  # It is parked, and comes back when there is room.
        claim = task.held_claim()
        if claim is not None and task.unique_until == "start":
            # Another one may be enqueued from here on, even if this cannot be told.
            self._patiently(self._storage.drop_claims, [claim])
        return True

    def _bring_back(self, key: str, count: int) -> None:
        """Have parked messages try again: the limit may be higher than when they were parked.

        Each end of a task brings back one, so that as many would run at once as before.
        """
        one = Settlement(Delivery(b""), Effects(extra=Extra(limited=key)))
        self._patiently(self._storage.settle, self._consumer, [one] * min(count, MOST_BACK))

    def _note_ended(self, task_id: str, may_run_again: bool) -> None:
        if task_id in self._canceled:
            self._clear_up(task_id, may_run_again)
        else:
            # Somebody may have canceled it just before, and we shall learn of that.
            self._ended[task_id] = may_run_again

    def _clear_up(self, task_id: str, may_run_again: bool) -> None:
        """See to it that a canceled task which ended here all the same is not tried again, and
        that the mark which would have stopped it in the queue does not stay."""
        try:
            if may_run_again:
                self._acknowledger.wait_pending()  # Or it would not be found where it waits.
                self._host.stop_marked({task_id})
            else:
                self._host.restore(Task(id=task_id))
        except StorageUnavailable as error:
            log.debug("the mark of %s stays until it ends by itself: %s", task_id, error)

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
        if task.id in self._canceled:
            return self._executor.endings.canceled(task, TaskCanceled("canceled before it ran"))
        current = gevent.getcurrent()
        self.running[current] = Running(delivery, task, clock.monotonic())
        try:
            return self._executor.execute(task)
        finally:
            if forking.is_child:
                forking.end_child(task)
            del self.running[current]
            if self._executed is not None:
                self._executed()

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
        if delivery.receipt is not None and (
            self._patiently(self._storage.release, self._consumer, [delivery]) is None
        ):
            log.warning("the storage is away; an interrupted task runs again after its lease")
        for event in outcome.events:
            self._signals.send(*event)
        probe.reached("interrupted", delivery)

    def interrupt(self) -> int:
        """Raise ``TaskInterrupted`` in all tasks that run now; return how many."""
        for runner, running in self.running.items():
            if running.task.native_thread:
                log.warning("%s goes on in its native thread, and runs again", running.task)
            self._throw(runner, running, TaskInterrupted("the consumer stops"))
        return len(self.running)

    def interrupt_here(self) -> None:
        """Raise ``TaskInterrupted`` in the caller if that is a running task, and not what we do
        once it has run: that would run it again."""
        running = self.running.get(gevent.getcurrent())
        if running is not None and running.task.may_interrupt:
            raise TaskInterrupted("the consumer stops")

    def is_idle(self) -> bool:
        """Say whether nothing has run since the last call of ``cancel``."""
        return not (self.running or self._ended)

    def cancel(self, ids: Iterable[str], keep: float) -> int:
        """Raise ``TaskCanceled`` in those of these tasks that run here, or begin to within
        ``keep`` seconds; return how many were running.

        Called again and again: what has ended here since the call before the last was in time
        to be canceled, and may not be tried again.
        """
        now = clock.monotonic()
        new = set(ids) - self._canceled.keys()
        self._canceled = {one: at for one, at in self._canceled.items() if at > now - keep}
        self._canceled.update(dict.fromkeys(new, now))
        found = [item for item in self.running.items() if item[1].task.id in new]
        for runner, running in found:
            if self._executor.can_interrupt and not running.task.native_thread:
                self._throw(runner, running, TaskCanceled("canceled while it ran"))
            else:
                log.warning("%s runs in a native thread; it cannot be stopped", running.task)
        ended = {**self._ended_before, **self._ended} if new else {}
        self._ended_before, self._ended = self._ended, {}
        new.difference_update(running.task.id for _, running in found)  # It runs once more.
        for one in new & ended.keys():
            self._clear_up(one, ended[one])
        return len(found)

    def _throw(self, runner: greenlet, running: Running, error: TaskInterrupted) -> None:
        get_hub().loop.run_callback(self._raise_in, runner, running, error)

    def _raise_in(self, runner: greenlet, running: Running, error: TaskInterrupted) -> None:
        # In the hub, where nothing can come between the look and the throw: a greenlet whose
        # task has just ended is in a storage call by now, and is left alone.
        if self.running.get(runner) is running:
            runner.throw(error)
