# SPDX-License-Identifier: MIT
"""From a delivery to an outcome: the same in a consumer, in immediate mode and in a test."""

from __future__ import annotations

import logging
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from huey_green import clock
from huey_green import signals as s
from huey_green.exceptions import (
    CancelExecution,
    RetryTask,
    SerializationError,
    TaskException,
    TaskInterrupted,
    TaskLockedException,
    UnreadableMessage,
)
from huey_green.execution.hooks import Hooks
from huey_green.execution.outcome import Event, Outcome, after_failure
from huey_green.message import NOTHING, DeadLetter, Delivery, Effects, Message, Outgoing, Planned
from huey_green.native import stoppable_hub
from huey_green.registry import Registry
from huey_green.serializer import Serializer
from huey_green.signals import Signals
from huey_green.task import Task
from huey_green.wire import Error, decode_message, encode_message, encode_value

log = logging.getLogger("huey_green")

_DONE = Outcome()


class Host(Protocol):
    """What an executor reads of its Huey, each time anew: users change these."""

    results: bool
    store_none: bool
    utc: bool
    max_deliveries: int
    serializer: Serializer
    registry: Registry
    signals: Signals
    hooks_before: Hooks
    hooks_after: Hooks


class Executor:
    """Opens deliveries and runs tasks. ``is_revoked`` answers for the store, of which it knows
    nothing."""

    def __init__(self, host: Host, is_revoked: Callable[[Task], bool]) -> None:
        self._host = host
        self._is_revoked = is_revoked

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
            return self._unreadable(delivery, None, error)
        try:
            message = decode_message(host.serializer, delivery.body)
            task = host.registry.create_task(message, host.utc)
        except UnreadableMessage as error:
            return self._unreadable(delivery, message, error)
        except Exception as error:
            return self._unreadable(delivery, message, UnreadableMessage(repr(error)))
        if delivery.attempt > host.max_deliveries:
            return self._exhausted(delivery, task)
        if message.eta is not None and message.eta > clock.wall():
            effects = Effects(schedule=(Planned(delivery.body, message.eta),))
            return Outcome(effects, ((s.SIGNAL_SCHEDULED, task),))
        if self._is_revoked(task):
            log.info("%s is revoked, not run", task)
            return Outcome(NOTHING, ((s.SIGNAL_REVOKED, task),))
        return task

    def execute(self, task: Task) -> Outcome:
        """Run a task, with its hooks and signals, to an outcome."""
        host = self._host
        started = clock.monotonic()
        host.signals.send(s.SIGNAL_EXECUTING, task)
        try:
            if host.hooks_before:
                host.hooks_before.run(task)
        except CancelExecution as error:
            log.info("%s was canceled by a pre_execute hook: %s", task, error)
            return Outcome(NOTHING, ((s.SIGNAL_CANCELED, task),))
        try:
            value = task.execute()
        except TaskInterrupted:
            return Outcome(NOTHING, ((s.SIGNAL_INTERRUPTED, task),), interrupted=True)
        except BaseException as raised:
            if isinstance(raised, KeyboardInterrupt) and _may_be_ctrl_c():
                raise
            # A task that raises SystemExit, GreenletExit or a Timeout of its own has failed; it
            # does not take the consumer with it.
            outcome = self._failed(task, raised)
            self._run_after(task, None, raised)
        else:
            log.info("%s executed in %.3f s", task, clock.monotonic() - started)
            outcome = self._succeeded(task, value)
            self._run_after(task, value, None)
        return outcome

    def _run_after(self, task: Task, value: Any, error: BaseException | None) -> None:
        try:
            if self._host.hooks_after:
                self._host.hooks_after.run(task, value, error)
        except CancelExecution:
            log.warning("a post_execute hook raised CancelExecution, too late for %s", task)
        except TaskInterrupted:
            log.warning("a post_execute hook was interrupted; %s has run all the same", task)

    def _succeeded(self, task: Task, value: Any) -> Outcome:
        host = self._host
        try:
            results = self._results(task, value)
            enqueue: tuple[Outgoing, ...] = ()
            events: tuple[Event, ...] = ((s.SIGNAL_COMPLETE, task),)
            if task.on_complete is not None:
                task.on_complete.extend_data(value)
                enqueue = (self._outgoing(task.on_complete),)
                events += ((s.SIGNAL_ENQUEUED, task.on_complete),)
        except SerializationError as error:
            # It has run: running it again would not make its value serializable.
            log.error("%s: %s", task, error)
            stored = self._error_results(task, error, retries=0)
            return Outcome(Effects(stored), ((s.SIGNAL_ERROR, task, error),))
        if results or enqueue:
            return Outcome(Effects(results, enqueue), events)
        if host.signals.has_receivers(s.SIGNAL_COMPLETE):
            return Outcome(NOTHING, events)
        return _DONE

    def _results(self, task: Task, value: Any) -> tuple[tuple[str, bytes], ...]:
        host = self._host
        if not host.results or task.is_periodic or (value is None and not host.store_none):
            return ()
        return ((task.id, encode_value(host.serializer, value)),)

    def _failed(self, task: Task, error: BaseException) -> Outcome:
        now = clock.wall()
        retry = after_failure(error, task, now)
        results: tuple[tuple[str, bytes], ...] = ()
        enqueue: tuple[Outgoing, ...] = ()
        schedule: tuple[Planned, ...] = ()
        events: list[Event] = []
        if isinstance(error, RetryTask):
            log.info("%s asked to be retried", task)
        else:
            events.append(self._report(task, error))
            results = self._error_results(task, error, task.retries)
            if task.on_error is not None and not isinstance(error, CancelExecution):
                enqueue += (self._error_message(task, task.on_error, error),)
                events.append((s.SIGNAL_ENQUEUED, task.on_error))
        if retry is not None:
            events.append((s.SIGNAL_RETRYING, task))
            message = self._host.registry.create_message(task, self._host.utc)
            message = message._replace(retries=retry.retries, eta=None)
            if retry.delay > 0:
                message = message._replace(eta=now + retry.delay)
                schedule = (Planned(self._encode(message), now + retry.delay),)
                events.append((s.SIGNAL_SCHEDULED, task))
            else:
                enqueue += (Outgoing(self._encode(message), task.priority),)
                events.append((s.SIGNAL_ENQUEUED, task))
        return Outcome(Effects(results, enqueue, schedule), tuple(events))

    def _report(self, task: Task, error: BaseException) -> Event:
        """Log how a task ended that did not succeed; return the signal that tells of it."""
        if isinstance(error, TaskLockedException):
            log.warning("%s was not run: %s", task, error)
            return (s.SIGNAL_LOCKED, task)
        if isinstance(error, CancelExecution):
            log.info("%s canceled itself: %s", task, error)
            return (s.SIGNAL_CANCELED, task)
        log.error("%s raised %s", task, shown(error), exc_info=error)
        return (s.SIGNAL_ERROR, task, error)

    def _error_results(
        self, task: Task, error: BaseException, retries: int
    ) -> tuple[tuple[str, bytes], ...]:
        if not self._host.results or task.is_periodic:
            return ()
        metadata = error_metadata(task.id, error, retries)
        return ((task.id, encode_value(self._host.serializer, Error(metadata))),)

    def _error_message(self, failed: Task, task: Task, error: BaseException) -> Outgoing:
        """Return the message of an error task, with the nearest to the error that can travel."""
        message = self._host.registry.create_message(task, self._host.utc)
        metadata = error_metadata(failed.id, error, failed.retries)
        for stand_in in (error, TaskException(metadata), shown(error)):
            try:
                body = self._encode(message._replace(args=(*message.args, stand_in)))
                # Many an exception can be pickled and not unpickled.
                decode_message(self._host.serializer, body)
            except (SerializationError, UnreadableMessage):
                continue
            return Outgoing(body, task.priority)
        raise SerializationError(f"the arguments of {task} cannot be serialized")

    def _outgoing(self, task: Task) -> Outgoing:
        message = self._host.registry.create_message(task, self._host.utc)
        return Outgoing(self._encode(message), task.priority)

    def _encode(self, message: Message) -> bytes:
        return encode_message(self._host.serializer, message)

    def _unreadable(
        self, delivery: Delivery, message: Message | None, error: UnreadableMessage
    ) -> Outcome:
        log.error("a message goes to the dead letters: it %s", error)
        results: tuple[tuple[str, bytes], ...] = ()
        if message is not None and self._host.results:
            metadata = error_metadata(message.id, error, 0)
            results = ((message.id, encode_value(self._host.serializer, Error(metadata))),)
        dead = _dead_letter(delivery, message.id if message else None, str(error))
        return Outcome(Effects(results, dead=dead))

    def _exhausted(self, delivery: Delivery, task: Task) -> Outcome:
        reason = (
            f"was delivered {delivery.attempt - 1} times and each time its consumer died "
            f"(max_deliveries={self._host.max_deliveries})"
        )
        log.error("%s goes to the dead letters: it %s", task, reason)
        results: tuple[tuple[str, bytes], ...] = ()
        if self._host.results and not task.is_periodic:
            metadata = {"error": reason, "retries": 0, "traceback": "", "task_id": task.id}
            results = ((task.id, encode_value(self._host.serializer, Error(metadata))),)
        dead = _dead_letter(delivery, task.id, reason)._replace(priority=task.priority)
        return Outcome(Effects(results, dead=dead), ((s.SIGNAL_DEAD, task),))


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


def shown(error: BaseException) -> str:
    """Return an error's repr, or what can be said of one that has none: it is a user's class."""
    try:
        return repr(error)
    except Exception as failed:
        return f"<{type(error).__name__}, whose repr raised {type(failed).__name__}>"


def error_metadata(task_id: str, error: BaseException, retries: int) -> dict[str, Any]:
    """Return what ``TaskException.metadata`` holds."""
    return {
        "error": shown(error),
        "retries": retries,
        "traceback": "".join(traceback.format_exception(error)),
        "task_id": task_id,
    }


def failed_on(delivery: Delivery, error: Exception) -> DeadLetter:
    """Return the dead letter of a delivery on which this library itself failed."""
    letter = _dead_letter(delivery, None, f"could not be handled: {error!r}")
    return letter._replace(traceback="".join(traceback.format_exception(error)))


def _dead_letter(delivery: Delivery, task_id: str | None, reason: str) -> DeadLetter:
    now = clock.wall()
    return DeadLetter(
        task_id or f"unreadable-{delivery.receipt or now}",
        delivery.body,
        reason,
        attempts=delivery.attempt,
        history=delivery.history,
        died_at=now,
    )
