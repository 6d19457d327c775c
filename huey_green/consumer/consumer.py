# SPDX-License-Identifier: MIT
"""The consumer: wires the services, and knows the order in which they start and stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import gevent
from gevent import monkey

from huey_green import clock, probe
from huey_green.consumer.acknowledger import Acknowledger, FrugalAcknowledger
from huey_green.consumer.canceler import Canceler
from huey_green.consumer.fetcher import Fetcher
from huey_green.consumer.forking import look_after
from huey_green.consumer.health import HealthCheck
from huey_green.consumer.heartbeat import Heartbeat
from huey_green.consumer.identity import consumer_name
from huey_green.consumer.native import NativeExecutor, NativeStorage, NativeThread
from huey_green.consumer.outage import Outage
from huey_green.consumer.pace import Pace
from huey_green.consumer.reaper import Reaper
from huey_green.consumer.reporter import Reporter
from huey_green.consumer.scheduler import Scheduler
from huey_green.consumer.service import Service
from huey_green.consumer.sharing import LaneFetcher, Pool, Share
from huey_green.consumer.slots import Slots
from huey_green.consumer.watchdog import Watchdog
from huey_green.consumer.worker import Worker
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.execution.executor import Executor
from huey_green.message import Delivery
from huey_green.settings import settings_from
from huey_green.storage.base import BaseStorage

if TYPE_CHECKING:
    from huey_green.huey import Huey

log = logging.getLogger("huey_green.consumer")

#: Seconds that interrupted tasks get to clean up.
CLEAN_UP = 5.0

#: Seconds that a storage which is away gets to take the last results when a consumer stops.
LAST_FLUSH = 5.0


class Consumer:
    """Runs the tasks of one queue, up to ``workers`` at once.

    ``start`` and ``stop`` are for use inside another program: no process signal, no logging and
    no exit of the process is touched. ``run`` is the main of a process of its own. The options
    are those of ``ConsumerSettings``; huey's are among them. In a process that is not patched
    by gevent it lives in a native thread and runs tasks in native threads.
    """

    def __init__(self, huey: Huey, **options: Any) -> None:
        if not hasattr(huey, "needs_leases"):
            raise ConfigurationError(f"Consumer takes a Huey, not {huey!r}")
        self.huey = huey
        self.settings = settings_from(options)
        if huey.immediate:
            raise ConfigurationError(
                "this Huey is immediate: its tasks run where they are called and there is "
                "nothing to consume; set immediate=False"
            )
        if self.settings.worker_type != "greenlet":
            log.warning(
                "worker type %r: tasks run in greenlets all the same, %d at once; code that "
                "waits on the network or sleeps runs as with threads",
                self.settings.worker_type,
                self.settings.workers,
            )
        self.name = consumer_name()
        #: Called when ``max_tasks`` have run: a process of its own starts anew. A consumer inside
        #: of another program has no process to give up, and goes on.
        self.when_spent: Callable[[], None] | None = None
        #: How it gives way to what else runs in its event loop; set before ``start``.
        self.pace: Pace | None = None
        self._thread: NativeThread | None = None
        self._native_executor: NativeExecutor | None = None
        self._is_running = False
        self._hurry = False
        self._pool: Pool | None = None
        self._share = Share()
        self._counted = None if self.settings.max_tasks is None else self._note_executed

    # Life.

    def share(self, pool: Pool, share: Share, counted: Callable[[], None] | None) -> None:
        """Take the room for tasks from a pool, beside other consumers; before ``start``.

        ``counted`` is called after each task that ran.
        """
        self._pool, self._share, self._counted = pool, share, counted

    def start(self) -> None:
        """Begin to consume; returns when the services run.

        Raises ``StorageUnavailable`` when the storage does not answer.
        """
        if self._is_running:
            return
        self._is_running = True
        self._hurry = False
        try:
            if monkey.is_module_patched("socket"):
                self._start()
            else:
                self._thread = NativeThread("huey_green-consumer")
                self._thread.call(self._start)
        except BaseException:
            self._is_running = False
            if self._thread is not None:
                self._thread.end()
                self._thread = None
            raise

    def stop(self, graceful: bool = False) -> None:
        """Stop consuming; returns when all tasks have ended or were given back to the queue.

        With ``graceful`` running tasks get ``shutdown_timeout`` seconds to end; without, none.
        Whatever is interrupted goes back to the queue, with ``SIGNAL_INTERRUPTED``.
        """
        if not self._is_running:
            return
        self._is_running = False
        if self._thread is not None:
            thread, self._thread = self._thread, None
            if thread.call(self._stop, graceful):
                thread.end()
        else:
            self._stop(graceful)

    def run(self) -> int:
        """Consume until a process signal says stop; return the exit status for the process."""
        from huey_green.consumer.process import Process

        return Process(self).run()

    def interrupt(self) -> None:
        """End a graceful ``stop`` that is under way: running tasks are interrupted now.

        Called by a signal handler in the midst of a task, it raises ``TaskInterrupted`` there and
        then: that task may be one that never lets anything else run.
        """
        self._hurry = True
        worker: Worker | None = getattr(self, "_worker", None)
        if worker is not None:  # None while it starts.
            worker.interrupt_here()

    @property
    def is_running(self) -> bool:
        """Whether ``start`` was called and ``stop`` was not."""
        return self._is_running

    def _start(self) -> None:
        huey, settings = self.huey, self.settings
        is_patched = self._thread is None
        storage = huey.storage
        if not is_patched:
            storage = cast(BaseStorage, NativeStorage(storage))
        self._storage = storage
        outage = self._outage = Outage(huey.storage.describe())
        self._scheduler = Scheduler(
            huey, storage, outage, settings.scheduler_interval, settings.periodic
        )
        try:
            storage.ping()
            storage.extend(self.name, settings.lease)
            self._scheduler.clock.check()  # Before the first task is run.
        except BaseException:
            storage.close()
            raise
        self._assemble(storage, outage, is_patched)
        if settings.flush_locks:
            self._flush_locks()
        huey.hooks_startup.run()
        self._heartbeat.start()
        if self._watchdog is not None:
            self._watchdog.start()
        for service in self._services:
            service.start()
        probe.reached("started", self)

    def _assemble(self, storage: BaseStorage, outage: Outage, is_patched: bool) -> None:
        """Make what a consumer consists of; nothing of it runs yet."""
        huey, settings = self.huey, self.settings
        executor = huey.executor
        if not is_patched:
            self._native_executor = NativeExecutor(executor, settings.workers)
            executor = cast(Executor, self._native_executor)
        # A moment to come is the storage's: our own clock may be wrong.
        huey.executor.endings.clock = self._scheduler.clock.now
        acknowledger = Acknowledger if self.pace is None else FrugalAcknowledger
        self._acknowledger = acknowledger(
            storage, self.name, outage, self._scheduler.expect, self._bury
        )
        self._worker = Worker(huey, executor, self._acknowledger, storage, self.name, self._counted)
        self._executed = 0
        if self._pool is None:
            self._slots = Slots(settings.workers, self._worker.run)
            fetcher = Fetcher
        else:
            self._slots = self._pool.lane(self._share, self._worker)
            fetcher = LaneFetcher
        self._fetcher = fetcher(
            storage, self.name, self._slots, settings, outage, huey.needs_leases
        )
        if self.pace is not None:
            self._keep(self.pace)
        reporter = Reporter(
            self.name,
            self._worker,
            self._slots,
            huey.registry,
            settings.workers,
            self._scheduler.clock.now,
        )
        self._heartbeat = Heartbeat(huey.storage, self.name, settings.lease, reporter)
        self._watchdog = Watchdog(self._watched(), settings.lease) if self._watches() else None
        look_after(self._worker)
        self._services: list[Service] = [
            self._acknowledger,
            Reaper(storage, outage, self._scheduler.clock, settings.lease),
            self._scheduler,
            Canceler(storage, self._worker, outage),
            self._fetcher,
        ]
        if settings.check_worker_health:
            health = HealthCheck(self._services, settings.health_check_interval, outage)
            self._services = [*self._services, health]

    def _keep(self, pace: Pace) -> None:
        self._slots.pace = pace
        self._fetcher.at_once = pace.at_once
        cast(FrugalAcknowledger, self._acknowledger).at_once = pace.at_once

    def _watches(self) -> bool:
        """Say whether the watchdog is ours: one is enough for all that share an event loop."""
        if self._pool is not None:
            return len(self._pool.lanes) == 1
        return self._native_executor is None

    def _watched(self) -> Worker:
        return self._worker if self._pool is None else cast(Worker, self._pool)

    def _bury(self, delivery: Delivery, error: Exception) -> None:
        gevent.spawn(self._worker.bury, delivery, error)

    def _note_executed(self) -> None:
        self._executed += 1
        if self._executed == self.settings.max_tasks and self.when_spent is not None:
            self.when_spent()

    def _flush_locks(self) -> None:
        freed = self.huey.flush_locks(*self.settings.extra_locks)
        if freed:
            log.info("freed the locks %s", ", ".join(sorted(freed)))

    def _stop(self, graceful: bool) -> bool:
        """Stop; say whether nothing runs any more. A native thread cannot be made to end."""
        settings = self.settings
        self._quiet()
        if not graceful:
            self._hurry = True
        self._drain(settings.shutdown_timeout if graceful else 0.0)
        if self._is_away():
            log.error(
                "%s is away: %d finished tasks could not be acknowledged; they and what else this "
                "consumer held run again when its lease has ended",
                self.huey.storage.describe(),
                self._acknowledger.pending,
            )
            self._acknowledger.stop()
            self._heartbeat.stop()
        else:
            self._release()
            self._acknowledger.flush(LAST_FLUSH)
            self._acknowledger.stop()
            self._acknowledger.join(LAST_FLUSH)
            # Before we leave: a beat after that would put us back among the living.
            self._heartbeat.stop()
            self._leave()
        self._slots.release_greenlets()
        if self._watchdog is not None:
            self._watchdog.stop()
        self.huey.hooks_shutdown.run()
        self.huey.flush_events()
        self.huey.executor.endings.clock = None
        self.huey.executor.close()
        ended = self._native_executor is None or self._native_executor.close()
        self._storage.close()
        probe.reached("stopped", self)
        return ended

    def _is_away(self) -> bool:
        """Say whether the storage is known not to answer, so that nothing has to wait for it."""
        if not self._outage.is_on:
            return False
        try:
            self._storage.ping()
        except StorageUnavailable:
            return True
        return False

    def _quiet(self) -> None:
        """Fetch no more and enqueue no more."""
        self._slots.close()
        self._worker.close()
        others = [one for one in self._services if one is not self._acknowledger]
        for service in others:
            service.stopping.set()
        gives_up_at = clock.monotonic() + LAST_FLUSH
        while self._fetcher.is_alive and clock.monotonic() < gives_up_at:
            # Asked again and again: the fetch may have been about to wait when it was asked.
            try:
                self._fetcher.stop()
            except StorageUnavailable:
                break
            self._fetcher.join(0.1)
        for service in others:
            service.join(max(0.1, gives_up_at - clock.monotonic()))

    def _drain(self, timeout: float | None) -> None:
        """Let running tasks end, for ``timeout`` seconds; then interrupt those that have not."""
        ends_at = None if timeout is None else clock.monotonic() + timeout
        while not self._slots.wait_idle(0.0 if self._hurry else 0.05):
            if self._hurry or (ends_at is not None and clock.monotonic() >= ends_at):
                break
        if not self._slots.busy:
            return
        # Native threads cannot be interrupted.
        interrupted = self._worker.interrupt() if self._native_executor is None else 0
        if interrupted:
            log.warning("interrupting %d tasks; they go back to the queue", interrupted)
        if not self._slots.wait_idle(CLEAN_UP):
            for running in self._worker.running.values():
                log.error(
                    "%s did not end within %.0f s of being interrupted; it runs again elsewhere",
                    running.task,
                    CLEAN_UP,
                )

    def _release(self) -> None:
        """Give back what was fetched and not begun, and what would not end."""
        # One without a lease that has begun is to run at most once: it does not go back.
        running = [one.delivery for one in self._worker.running.values()]
        stuck = [delivery for delivery in running if delivery.receipt is not None]
        deliveries = [*self._slots.take_back(), *stuck]
        if not deliveries:
            return
        try:
            self._storage.release(self.name, deliveries)
            log.info("gave %d tasks back to the queue", len(deliveries))
        except StorageUnavailable as error:
            log.warning("could not give %d tasks back: %s", len(deliveries), error)

    def _leave(self) -> None:
        if self._acknowledger.pending:
            log.error(
                "%d finished tasks could not be acknowledged; they run again after their lease",
                self._acknowledger.pending,
            )
            return
        try:
            self._storage.leave(self.name)
        except StorageUnavailable as error:
            log.warning("could not sign off: %s", error)
