# SPDX-License-Identifier: MIT
"""What each way to end leaves behind: results, follow-ups, chord members, claims, dead letters."""

from __future__ import annotations

import logging
import reprlib
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from huey_green import clock
from huey_green import signals as s
from huey_green.exceptions import (
    CancelExecution,
    InvalidArgument,
    RateLimitExceeded,
    RetryTask,
    SerializationError,
    TaskCanceled,
    TaskException,
    TaskLockedException,
    TaskTimeout,
    UnknownTask,
    UnreadableMessage,
)
from huey_green.execution.outcome import Event, Outcome, Retry, after_failure
from huey_green.execution.telling import Told
from huey_green.limits import LONGEST_ERROR, shortened
from huey_green.message import (
    NO_EXTRA,
    NOTHING,
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    Member,
    Message,
    Options,
    Outgoing,
    Place,
    Planned,
)
from huey_green.offender import repr_of
from huey_green.registry import Registry
from huey_green.serializer import Serializer
from huey_green.signals import Signals
from huey_green.task import Task
from huey_green.task_options import check_call_options
from huey_green.wire import SKIPPED, Error, decode_message, encode_message, encode_value

log = logging.getLogger("huey_green")

#: Characters of a call that a dead letter tells.
LONGEST_CALL = 300

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 60

_DONE = Outcome()
_Results = tuple[tuple[str, bytes], ...]


class Host(Protocol):
    """What is read of a Huey, each time anew: users change these."""

    results: bool
    store_none: bool
    store_intermediate_errors: bool
    result_ttl: float | None
    utc: bool
    max_deliveries: int
    serializer: Serializer
    registry: Registry
    signals: Signals


class Endings:
    """Turns the end of a run into its outcome. Nothing is applied here."""

    def __init__(self, host: Host) -> None:
        self._host = host
        #: Tells the present by the storage's clock, where a consumer knows that.
        self.clock: Callable[[], float] | None = None

    def now(self) -> float:
        """Return the present, epoch seconds, by the storage's clock if that is known."""
        return clock.wall() if self.clock is None else self.clock()

    def succeeded(self, task: Task, value: Any) -> Outcome:
        """The task returned ``value``."""
        host = self._host
        try:
            results = self._results(task, value)
            enqueue: tuple[Outgoing, ...] = ()
            events: tuple[Event, ...] = ((s.SIGNAL_COMPLETE, task),)
            if task.on_complete is not None:
                task.on_complete.extend_data(value)
                enqueue = (self._outgoing(task.on_complete),)
                events += ((s.SIGNAL_ENQUEUED, task.on_complete),)
            extra = NO_EXTRA
            if task.concerns_others():
                extra = self._extra(task, value, task.chord is not None)
        except SerializationError as error:
            # It has run: running it again would not make its value serializable.
            log.error("%s: %s", task, error)
            return self._given_up(task, error, (s.SIGNAL_ERROR, task, error))
        if results and (task.result_ttl is not None or host.result_ttl is not None):
            extra = self._ending(results, extra, task)
        if results or enqueue or extra is not NO_EXTRA:
            return Outcome(Effects(results, enqueue, extra=extra), events, value=value)
        if host.signals.has_receivers(s.SIGNAL_COMPLETE):
            return Outcome(NOTHING, events, value=value)
        return _DONE if value is None else Outcome(value=value)

    def failed(self, task: Task, error: BaseException) -> Outcome:
        """The task raised ``error``."""
        if isinstance(error, RetryTask):
            try:
                check_call_options({"delay": error.delay, "eta": error.eta})
            except InvalidArgument as wrong:
                return self.failed(task, wrong)
        now = self.now()
        told = Told(error)
        retry = after_failure(error, task, now)
        results: _Results = ()
        enqueue: tuple[Outgoing, ...] = ()
        schedule: tuple[Planned, ...] = ()
        events: list[Event] = []
        if isinstance(error, RetryTask):
            log.info("%s asked to be retried", task)
        else:
            events.append(self._report(task, told))
            if self._stores(error, retry):
                results = self._error_results(task, told, task.retries, retry is not None)
            if task.on_error is not None and _has_failed(error):
                enqueue += (self._error_message(task, task.on_error, told),)
                events.append((s.SIGNAL_ENQUEUED, task.on_error))
        if retry is not None:
            events.append((s.SIGNAL_RETRYING, task))
            message = self._message_of(task)
            message = message._replace(
                retries=retry.retries, retry_delay=retry.retry_delay, eta=None
            )
            if retry.delay > 0:
                # In microseconds, as in a datetime: what has this eta is due at this eta.
                at = round(now + retry.delay, 6)
                message = message._replace(eta=at)
                schedule = (Planned(self._encode(message), at),)
                task.eta = clock.from_epoch(at, self._host.utc)  # For those who are told.
                events.append((s.SIGNAL_SCHEDULED, task))
            else:
                enqueue += (Outgoing(self._encode(message), task.priority),)
                events.append((s.SIGNAL_ENQUEUED, task))
            extra = self._limits(task)
        else:
            extra = self._extra_of_failure(task, told, task.retries)
        extra = self._ending(results, extra, task)
        return Outcome(Effects(results, enqueue, schedule, extra=extra), tuple(events))

    def _stores(self, error: BaseException, retry: Retry | None) -> bool:
        if isinstance(error, RateLimitExceeded) and error.retry:
            return False
        return retry is None or self._host.store_intermediate_errors

    def skipped(self, task: Task, signal: str) -> Outcome:
        """The task was not run: revoked, expired, canceled by a hook."""
        extra = self._extra(task, SKIPPED, _place_in_chord(task) is not None)
        effects = NOTHING if extra is NO_EXTRA else Effects(extra=extra)
        return Outcome(effects, ((signal, task),))

    def canceled(self, task: Task, error: TaskCanceled) -> Outcome:
        """Somebody canceled the task, before or while it ran."""
        log.info("%s was canceled", task)
        results = self._error_results(task, Told(error), retries=0)
        extra = self._extra(task, SKIPPED, _place_in_chord(task) is not None)
        extra = self._ending(results, extra, task)
        return Outcome(Effects(results, extra=extra), ((s.SIGNAL_CANCELED, task),))

    def interrupted(self, task: Task) -> Outcome:
        """The consumer stops; the task goes back to the queue."""
        return Outcome(NOTHING, ((s.SIGNAL_INTERRUPTED, task),), interrupted=True)

    def scheduled(self, delivery: Delivery, task: Task, eta: float) -> Outcome:
        """The task came before its time, ``eta`` in epoch seconds."""
        effects = Effects(schedule=(Planned(delivery.body, eta),))
        return Outcome(effects, ((s.SIGNAL_SCHEDULED, task),))

    def unreadable(
        self, delivery: Delivery, message: Message | None, error: UnreadableMessage
    ) -> Outcome:
        """The bytes are no message, or one of a task that nobody knows."""
        told = Told(error)
        subject = "" if isinstance(error, UnknownTask) else "it "
        log.error("a message goes to the dead letters: %s%s", subject, error)
        results: _Results = ()
        if message is not None and self._host.results:
            stored = Error(told.metadata(message.id, 0))
            results = ((message.id, encode_value(self._host.serializer, stored)),)
        # Of a refusal of our own it would say nothing, and take longer than all the rest.
        trace = None if error.__cause__ is None else told.traceback
        dead = self._letter(delivery, message, str(error))._replace(traceback=trace)
        extra = self._ending(results, self._of_message(message, told))
        events: tuple[Event, ...] = ()
        if self._host.signals.has_receivers(s.SIGNAL_DEAD):
            events = ((s.SIGNAL_DEAD, _stand_in(dead, message)),)
        return Outcome(Effects(results, dead=dead, extra=extra), events)

    def broken(self, delivery: Delivery, error: Exception) -> Outcome:
        """This library, or what an application put in its place, failed on a delivery."""
        told = shortened(repr_of(error), LONGEST_ERROR)
        wrong = UnreadableMessage(f"could not be handled: {told}")
        wrong.__cause__ = error
        try:
            message = decode_message(self._host.serializer, delivery.body)
            return self.unreadable(delivery, message, wrong)
        except Exception:
            # It may have failed on just that.
            return self.unreadable(delivery, None, wrong)

    def _letter(self, delivery: Delivery, message: Message | None, reason: str) -> DeadLetter:
        letter = _dead_letter(delivery, message.id if message else None, reason)
        if message is None:
            return letter
        options = message.options or Options()
        if _place_of_message(message) is not None:
            # Its death has filled the place: if it is requeued, it runs outside of the chord.
            letter = letter._replace(body=self._encode(_without_place(message)))
        return letter._replace(
            priority=None if message.priority is None else float(message.priority),
            task_name=message.name,
            call=_call(message),
            claim=options.claim,
            joins=None if options.joins is None else options.joins.chord,
        )

    def _ending(self, results: _Results, extra: Extra, task: Task | None = None) -> Extra:
        """Return ``extra`` with the time for which these results are kept, if there is one."""
        ttl = None if task is None else task.result_ttl
        if ttl is None:
            ttl = self._host.result_ttl
        return extra if ttl is None or not results else extra._replace(result_ttl=ttl)

    def _of_message(self, message: Message | None, told: Told) -> Extra:
        """Return what a message that has no task leaves to others."""
        if message is None:
            return NO_EXTRA
        place = _place_of_message(message)
        extra = Extra(progress=(message.id,))
        if place is not None:
            chord, index, size, callback = place
            stored = Error(told.metadata(message.id, 0))
            value = encode_value(self._host.serializer, stored)
            follows = Outgoing(self._encode(_begun(callback)), callback.priority)
            extra = extra._replace(members=(Member(chord, index, size, value, follows),))
        if message.options is not None and message.options.claim is not None:
            extra = extra._replace(drops=(Claim(message.options.claim, message.id),))
        return extra

    def exhausted(self, delivery: Delivery, task: Task) -> Outcome:
        """The message has been in too many consumers' deaths."""
        reason = (
            f"was delivered {delivery.attempt - 1} times and each time its consumer died "
            f"(max_deliveries={self._host.max_deliveries})"
        )
        log.error("%s goes to the dead letters: it %s", task, reason)
        stored = Error({"error": reason, "retries": 0, "traceback": "", "task_id": task.id})
        results: _Results = ()
        if self._host.results and not task.is_periodic:
            results = ((task.id, encode_value(self._host.serializer, stored)),)
        dead = self._letter(delivery, self._message_of(task), reason)
        extra = self._extra(task, stored, _place_in_chord(task) is not None)
        if extra.joined:
            # It may be put back in the queue, and then needs the values of its chord.
            extra = extra._replace(joined=())
        extra = self._ending(results, extra, task)
        return Outcome(Effects(results, dead=dead, extra=extra), ((s.SIGNAL_DEAD, task),))

    # The parts.

    def _results(self, task: Task, value: Any) -> _Results:
        host = self._host
        if not host.results or task.is_periodic:
            return ()
        if value is None and not host.store_none:
            # But the error of an earlier try, which may be in the store, is not the end of it.
            was_retried = task.retries < task.default_retries
            if not (was_retried and host.store_intermediate_errors):
                return ()
        return ((task.id, encode_value(host.serializer, value)),)

    def _error_results(
        self, task: Task, told: Told, retries: int, is_retried: bool = False
    ) -> _Results:
        if not self._host.results or task.is_periodic:
            return ()
        metadata = told.metadata(task.id, retries)
        if is_retried:
            metadata["is_retried"] = True
        return ((task.id, encode_value(self._host.serializer, Error(metadata))),)

    def _given_up(self, task: Task, error: BaseException, event: Event) -> Outcome:
        told = Told(error)
        results = self._error_results(task, told, retries=0)
        extra = self._extra_of_failure(task, told, retries=0)
        return Outcome(Effects(results, extra=extra), (event,))

    def _limits(self, task: Task) -> Extra:
        """Return what the end of any run of this task means for others."""
        if task.max_concurrency is None:
            return NO_EXTRA
        return Extra(limited=limit_key(task, self._host.registry))

    def _extra(self, task: Task, value: Any, fills_place: bool) -> Extra:
        """Return what the end of this task, which will not run again, means for others."""
        claim, joins = task.held_claim(), task.joins
        if not fills_place and claim is None and joins is None and not task.has_progress:
            return self._limits(task)
        return self._limits(task)._replace(
            members=(self._member(task, value),) if fills_place else (),
            joined=() if joins is None else (joins.chord,),
            drops=() if claim is None else (claim,),
            progress=(task.id,) if task.has_progress else (),
        )

    def _extra_of_failure(self, task: Task, told: Told, retries: int) -> Extra:
        """As ``_extra``, of a task that has failed for good."""
        if _place_in_chord(task) is None:
            return self._extra(task, None, False)
        return self._extra(task, Error(told.metadata(task.id, retries)), True)

    def _member(self, task: Task, value: Any) -> Member:
        place = _place_in_chord(task)
        assert place is not None
        data = encode_value(self._host.serializer, value)
        return Member(place.chord, place.position, place.size, data, self._outgoing(place.callback))

    def _report(self, task: Task, told: Told) -> Event:
        """Log how a task ended that did not succeed; return the signal that tells of it."""
        error = told.error
        if isinstance(error, TaskLockedException):
            log.warning("%s was not run: %s", task, error)
            return (s.SIGNAL_LOCKED, task)
        if isinstance(error, RateLimitExceeded):
            log.info("%s was not run: %s", task, error)
            return (s.SIGNAL_RATE_LIMITED, task)
        if isinstance(error, TaskTimeout):
            log.error("%s ran longer than its timeout of %g s", task, task.timeout or 0.0)
            return (s.SIGNAL_TIMEOUT, task)
        if isinstance(error, CancelExecution):
            log.info("%s canceled itself: %s", task, error)
            return (s.SIGNAL_CANCELED, task)
        told.log(log, "%s raised %s", task, repr_of(error))
        return (s.SIGNAL_ERROR, task, error)

    def _error_message(self, failed: Task, task: Task, told: Told) -> Outgoing:
        """Return the message of an error task, with the nearest to the error that can travel."""
        task.resolve_expires(self._host.utc)
        message = self._message_of(task)
        metadata = told.metadata(failed.id, failed.retries)
        for stand_in in (told.error, TaskException(metadata), repr_of(told.error)):
            try:
                body = self._encode(message._replace(args=(*message.args, stand_in)))
                # Many an exception can be pickled and not unpickled.
                decode_message(self._host.serializer, body)
            except (SerializationError, UnreadableMessage):
                continue
            return Outgoing(body, task.priority)
        raise SerializationError(f"the arguments of {task} cannot be serialized")

    def _message_of(self, task: Task) -> Message:
        message = self._host.registry.create_message(task, self._host.utc)
        if task.joins is not None and task.is_joined:
            # The chord's values are read again for each run.
            message = message._replace(args=message.args[:-1])
        return message

    def _outgoing(self, task: Task) -> Outgoing:
        """Return a task that follows this one; the time in which it expires begins now."""
        task.resolve_expires(self._host.utc)
        return Outgoing(self._encode(self._message_of(task)), task.priority)

    def _encode(self, message: Message) -> bytes:
        return encode_message(self._host.serializer, message)


def _has_failed(error: BaseException) -> bool:
    """Say whether an error is for the error task: one who gives up, or is only late, has not."""
    is_late = isinstance(error, RateLimitExceeded) and error.retry
    return not (is_late or isinstance(error, CancelExecution))


def _begun(message: Message) -> Message:
    """Return a message that is enqueued now, for the time in which it expires."""
    options = message.options
    if options is None or options.expires is None:
        return message
    return message._replace(options=options._replace(expires_at=clock.wall() + options.expires))


def limit_key(task: Task, registry: Registry) -> str:
    """Return the key under which the concurrency of this kind of task is bounded."""
    return registry.task_to_string(type(task))


def _place_in_chord(task: Task) -> Place | None:
    """Return the place that this task, or the last one that follows it, fills in a chord."""
    last = task
    while last.chord is None and last.on_complete is not None:
        last = last.on_complete
    return last.chord


def _place_of_message(message: Message) -> Place | None:
    """As ``_place_in_chord``, of a message that has no task."""
    last: Message | None = message
    while last is not None:
        if last.options is not None and last.options.chord is not None:
            return last.options.chord
        last = last.on_complete
    return None


def _without_place(message: Message) -> Message:
    """Return a message that fills no place in a chord, and neither does what follows it."""
    if message.options is not None and message.options.chord is not None:
        message = message._replace(options=message.options._replace(chord=None))
    if message.on_complete is not None:
        message = message._replace(on_complete=_without_place(message.on_complete))
    return message


def _call(message: Message) -> str:
    """Return a call of a task as one writes it, shortened: arguments may be anything."""
    args = [_brief.repr(value) for value in message.args]
    args += [f"{name}={_brief.repr(value)}" for name, value in message.kwargs.items()]
    return shortened(f"{message.name}({', '.join(args)})", LONGEST_CALL)


def _stand_in(dead: DeadLetter, message: Message | None) -> Task:
    """Return what stands for a task that cannot be made, for those who are told of its death."""
    if message is None:
        return Task(id=dead.id)
    kind: type[Task] = type("UnknownTask", (Task,), {"name": message.name})
    return kind(message.args, message.kwargs, message.id)


def _dead_letter(delivery: Delivery, task_id: str | None, reason: str) -> DeadLetter:
    return DeadLetter(
        task_id or f"unreadable-{delivery.receipt or uuid.uuid4().hex}",
        delivery.body,
        reason,
        attempts=delivery.attempt,
        history=delivery.history,
        died_at=clock.wall(),
    )
