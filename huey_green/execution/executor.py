# SPDX-License-Identifier: MIT
"""From a delivery to an outcome: the same in a consumer, in immediate mode and in a test."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol

from huey_green import clock
from huey_green import signals as s
from huey_green.exceptions import CancelExecution, TaskCanceled, TaskInterrupted, UnreadableMessage
from huey_green.execution import endings
from huey_green.execution.deadline import deadline
from huey_green.execution.endings import Endings
from huey_green.execution.hooks import Hooks
from huey_green.execution.outcome import Outcome
from huey_green.message import Delivery, Joined
from huey_green.native import NativePool, stoppable_hub
from huey_green.offender import repr_of
from huey_green.task import Task
from huey_green.wire import decode_message

log = logging.getLogger("huey_green")

#: Native threads for tasks that block without yielding, in one process.
NATIVE_THREADS = 32

#: Seconds that idle ones of them get to end; busy ones end when their task does.
CLOSE_WAIT = 1.0


class Host(endings.Host, Protocol):
    """What an executor reads of its Huey, each time anew: users change these."""

    hooks_before: Hooks
    hooks_after: Hooks

    def values_of(self, joined: Joined) -> list[Any]:
        """Return what the members of a chord left."""

    def may_be_revoked(self) -> bool:
        """Say whether there may be a revocation of anything."""

    def reason_not_to_run(self, task: Task, now: float) -> str | None:
        """Return the signal that tells why a task may not run; None when it may."""

    def is_canceled(self, task: Task) -> bool:
        """Say whether a task that will not run now is not to run later either."""


class Executor:
    """Opens deliveries and runs tasks. What it has to know of the store it asks its host."""

    #: A running task can be made to raise, at whatever it waits for.
    can_interrupt = True

    def __init__(self, host: Host) -> None:
        self._host = host
        self._native = NativePool(NATIVE_THREADS)
        self.endings = Endings(host)

    def close(self) -> None:
        """End the native threads; the next task that wants one starts others."""
        self._native.close(CLOSE_WAIT)

    def run(self, delivery: Delivery) -> Outcome:
        """Open a delivery and run its task to an outcome."""
        opened = self.open(delivery)
        return opened if isinstance(opened, Outcome) else self.execute(opened)

    def open(self, delivery: Delivery) -> Task | Outcome:
        """Return the task to run now, or the outcome of a delivery that is not to run."""
        host = self._host
        message = None
        if delivery.attempt > host.max_deliveries + 1:
            # It was to be buried last time, and to read it was enough to kill.
            error = UnreadableMessage("ends the process that tries to read it")
            return self.endings.unreadable(delivery, None, error)
        try:
            message = decode_message(host.serializer, delivery.body)
            task = host.registry.create_task(message, host.utc)
        except UnreadableMessage as error:
            return self.endings.unreadable(delivery, message, error)
        except BaseException as error:
            # To read it is to run code: what says GreenletExit would come back for ever.
            if isinstance(error, KeyboardInterrupt) and _may_be_ctrl_c():
                raise
            wrong = UnreadableMessage(f"cannot be read: {repr_of(error)}")
            wrong.__cause__ = error
            return self.endings.unreadable(delivery, message, wrong)
        if delivery.attempt > 1:
            task.has_progress = True  # It may have: whoever ran it before has died.
        if delivery.attempt > host.max_deliveries:
            return self.endings.exhausted(delivery, task)
        if message.eta is None and message.options is None and not host.may_be_revoked():
            return task
        now = self.endings.now()
        if message.eta is not None and message.eta > now:
            if host.is_canceled(task):
                return self._canceled(task)
            return self.endings.scheduled(delivery, task, message.eta)
        try:
            return self.admit(task, now, host.reason_not_to_run)
        except UnreadableMessage as error:  # The values of the chord that it joins.
            return self.endings.unreadable(delivery, message, error)

    def admit(
        self, task: Task, now: float, reason_not_to_run: Callable[[Task, float], str | None]
    ) -> Task | Outcome:
        """Return the task ready to run, or the outcome of one that may not run.

        ``now`` is epoch seconds; ``reason_not_to_run`` is asked for the signal that tells why a
        task is revoked, None when it is not.
        """
        host = self._host
        if (
            task.expires_resolved is not None
            and clock.to_epoch(task.expires_resolved, host.utc) <= now
        ):
            if host.is_canceled(task):
                return self._canceled(task)
            log.info("%s has expired, not run", task)
            return self.endings.skipped(task, s.SIGNAL_EXPIRED)
        reason = reason_not_to_run(task, now)
        if reason == s.SIGNAL_CANCELED:
            return self._canceled(task)
        if reason is not None:
            log.info("%s is %s, not run", task, reason)
            return self.endings.skipped(task, reason)
        if task.joins is not None and not task.is_joined:
            task.args += (self._host.values_of(task.joins),)
            task.is_joined = True
        return task

    def _canceled(self, task: Task) -> Outcome:
        return self.endings.canceled(task, TaskCanceled("canceled before it ran"))

    def execute(self, task: Task) -> Outcome:
        """Run a task, with its hooks and signals, to an outcome."""
        started = clock.monotonic()
        try:
            self._host.signals.send(s.SIGNAL_EXECUTING, task)
            if self._host.hooks_before:
                try:
                    self._host.hooks_before.run(task)
                except CancelExecution as error:
                    log.info("%s was canceled by a pre_execute hook: %s", task, error)
                    return self.endings.skipped(task, s.SIGNAL_CANCELED)
            task.is_over = False
            task.may_interrupt = True
            try:
                if task.timeout is None and not task.native_thread:
                    value = task.execute()
                else:
                    value = self._execute_apart(task)
            finally:
                task.may_interrupt = False
                task.is_over = True
        except TaskCanceled as error:
            return self.endings.canceled(task, error)
        except TaskInterrupted:
            return self.endings.interrupted(task)
        except BaseException as raised:
            if isinstance(raised, KeyboardInterrupt) and _may_be_ctrl_c():
                self._host.signals.send(s.SIGNAL_INTERRUPTED, task)
                raise
            # A task that raises SystemExit, GreenletExit or a Timeout of its own has failed; it
            # does not take the consumer with it.
            outcome = self.endings.failed(task, raised)
            self._run_after(task, None, raised)
        else:
            log.info("%s executed in %.3f s", task, clock.monotonic() - started)
            outcome = self.endings.succeeded(task, value)
            self._run_after(task, value, None)
        return outcome

    def _execute_apart(self, task: Task) -> Any:
        with nullcontext() if task.timeout is None else deadline(task):
            return self._native.call(task.execute) if task.native_thread else task.execute()

    def _run_after(self, task: Task, value: Any, error: BaseException | None) -> None:
        try:
            if self._host.hooks_after:
                task.may_interrupt = True
                try:
                    self._host.hooks_after.run(task, value, error)
                finally:
                    task.may_interrupt = False
        except CancelExecution:
            log.warning("a post_execute hook raised CancelExecution, too late for %s", task)
        except TaskInterrupted:
            log.warning("a post_execute hook was interrupted; %s has run all the same", task)


def _may_be_ctrl_c() -> bool:
    """Say whether a KeyboardInterrupt here may come from the keyboard, and not from a task.

    Python raises it in the main thread, unless the process has a handler of its own, as one
    that runs a consumer has.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    hub = stoppable_hub()
    if hub is not None:
        return bool(hub.main_hub)
    return threading.current_thread() is threading.main_thread()
