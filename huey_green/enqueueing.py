# SPDX-License-Identifier: MIT
"""The part of Huey by which tasks get into the queue, or are run on the spot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeGuard, cast, overload

from huey_green import clock
from huey_green import signals as s
from huey_green.exceptions import InvalidArgument, MessageRefused, UnknownTask
from huey_green.fingerprint import fingerprint
from huey_green.limits import CHORD_DEPTH, DEEPEST, MOST_MEMBERS, check_following
from huey_green.message import Delivery, Outgoing
from huey_green.placing import Placing
from huey_green.ports import ResultSource
from huey_green.result import ChordResult, Result, ResultGroup
from huey_green.task import Expires, Task, arguments_of
from huey_green.task_options import check_call_options
from huey_green.workflow import chord, group, prepare, tail

#: Most messages that are handed to the storage in one call.
BULK = 500


class Enqueueing(Placing):
    """Mixed into Huey, which makes the attributes."""

    results: bool

    @overload
    def enqueue(self, task: chord) -> ChordResult[Any]: ...

    @overload
    def enqueue(self, task: group) -> ResultGroup: ...

    @overload
    def enqueue(self, task: Task) -> Any: ...

    def enqueue(self, task: Any) -> Any:
        """Add a task, a pipeline, a group or a chord to the queue; in immediate mode run it.

        Returns the ``Result`` of a task, a ``ResultGroup`` for a pipeline or a group, a
        ``ChordResult`` for a chord; None when no results are kept. A ``unique`` task of which
        there is one already is not enqueued: the ``Result`` is that one's.
        Raises ``SerializationError``, ``InvalidArgument`` for more than one message may bring,
        or ``StorageUnavailable`` when it may or may not have been accepted.
        """
        if isinstance(task, chord):
            return self._enqueue_chord(task)
        if isinstance(task, group):
            results = self.enqueue_many(task.tasks)
            return results if self.results else None
        if not isinstance(task, Task):
            raise InvalidArgument(
                f"enqueue takes a task (of .s()), a group or a chord, not {task!r}"
            )
        self._check_known(task)
        if task.expires is not None:
            task.resolve_expires(self.utc)
        if task.debounce is not None and task.on_complete is None:
            self._postpone(task)
        elif self._immediate:
            self._run_immediately(task)
        elif task.unique and task.on_complete is None:
            return self._enqueue_unique(task)
        else:
            self.storage.enqueue(self.serialize_task(task), task.priority)
            self.signals.send(s.SIGNAL_ENQUEUED, task)
        return self._handle(task)

    def serialize_task(self, task: Task) -> bytes:
        """Return a task as it is stored; raises ``SerializationError``.

        Its ``expires`` counts from now, unless it has been stored before. Raises
        ``InvalidArgument``, too, when it is too large, or too many others follow it.
        """
        if task.on_complete is not None or task.on_error is not None or task.chord is not None:
            try:
                check_following(task, _following)
            except MessageRefused as error:
                raise MessageRefused(
                    f"{self.registry.task_to_string(type(task))} {error}"
                ) from None
        return super().serialize_task(task)

    def enqueue_many(self, tasks: Iterable[Any]) -> ResultGroup:
        """Add independent tasks, hundreds in one round trip; return their results in order.

        For a pipeline or a chord among them the result is the last one's. A list is looked
        through for what is no task before anything is sent; of what a generator yields, or when
        the storage goes away, those before may have been accepted.
        """
        if not isinstance(tasks, Iterable) or isinstance(tasks, (str, bytes)):
            raise InvalidArgument(f"enqueue_many takes a list of tasks, not {tasks!r}")
        if isinstance(tasks, Collection):
            for one in tasks:
                _check_is_task(one)
        results: list[Result[Any]] = []
        waiting: list[Task] = []
        has_shards = self._shard_count > 0
        for one in tasks:
            _check_is_task(one)
            if isinstance(one, Task):
                self._check_known(one)
            if not self._goes_with_others(one):
                # What comes before it stays before it.
                self._enqueue_bulk(waiting)
                waiting = []
                handle = self.enqueue(one)
                results.append(handle if isinstance(handle, Result) else self._handle_on(tail(one)))
                continue
            one.resolve_expires(self.utc)
            if has_shards:
                self._place(one)  # Before there is a handle, which keeps its id.
            results.append(self._handle_on(tail(one)))
            waiting.append(one)
            if len(waiting) == BULK:
                self._enqueue_bulk(waiting)
                waiting = []
        self._enqueue_bulk(waiting)
        return ResultGroup(results)

    #: An older name.
    enqueue_all = enqueue_many

    def _check_known(self, task: Task) -> None:
        """Raise ``UnknownTask`` for a task that a consumer of this queue could not run."""
        name = self.registry.task_to_string(type(task))
        if name not in self.registry:
            raise UnknownTask(
                f"{name} is no task of the Huey {self.name!r}: it is enqueued with the one that "
                "declared it, as long as that has not unregistered it"
            )

    def _goes_with_others(self, one: Task | chord) -> TypeGuard[Task]:
        alone = isinstance(one, chord) or one.unique or one.debounce is not None
        return not (alone or self._immediate)

    def _handle_on(self, task: Task) -> Result[Any]:
        return Result(cast(ResultSource, self), task)

    def _enqueue_bulk(self, tasks: Sequence[Task]) -> None:
        messages = [Outgoing(self.serialize_task(task), task.priority) for task in tasks]
        for start in range(0, len(messages), BULK):
            self.storage.enqueue_many(messages[start : start + BULK])
        for task in tasks:
            self.signals.send(s.SIGNAL_ENQUEUED, task)

    def _handle(self, task: Task) -> Any:
        if not self.results:
            return None
        if task.on_complete is not None:
            return ResultGroup([self._handle_on(one) for one in task.pipeline()])
        return self._handle_on(task)

    def reschedule(
        self,
        task: Task,
        eta: datetime | None = None,
        delay: float | timedelta | None = None,
        expires: Expires | None = None,
        priority: float | None = None,
        preserve_pipeline: bool = True,
    ) -> Any:
        """Revoke ``task`` and enqueue a new one of its kind; see ``Result.reschedule``."""
        check_call_options({"eta": eta, "delay": delay, "expires": expires, "priority": priority})
        self.revoke(task, revoke_once=True)
        return self.enqueue(
            type(task)(
                task.args,
                task.kwargs,
                eta=clock.as_eta(eta, delay, self.utc),
                retries=task.retries,
                retry_delay=task.retry_delay,
                priority=task.priority if priority is None else priority,
                on_complete=task.on_complete if preserve_pipeline else None,
                on_error=task.on_error if preserve_pipeline else None,
                expires=task.expires if expires is None else expires,
                timeout=task.timeout,
                retry_backoff=task.retry_backoff,
            )
        )

    # Chords.

    def _enqueue_chord(self, whole: chord) -> Any:
        first = self._prepared(whole)
        for task in first:
            task.resolve_expires(self.utc)
        if self._immediate:
            for task in first:
                self._run_immediately(task)
        else:
            # All are serialized before any is sent: without one of them it is never complete.
            self._enqueue_bulk(first)
        if not self.results:
            return None
        # One handle on the callback: who reads its value takes it out of the store.
        following = [self._handle_on(one) for one in whole.callback.pipeline()]
        return ChordResult(
            ResultGroup([self._handle_on(tail(member)) for member in whole.tasks]),
            following[0],
            ResultGroup(following) if following[1:] else None,
        )

    def _prepared(self, whole: chord) -> list[Task]:
        if len(whole.tasks) > MOST_MEMBERS:
            raise InvalidArgument(
                f"a chord has at most {MOST_MEMBERS:,} members, not {len(whole.tasks):,}: its "
                "callback is given all their values at once"
            )
        try:
            return prepare(whole, self._place_chord(whole))
        except RecursionError:
            raise InvalidArgument(
                f"chords are in chords more than {DEEPEST // CHORD_DEPTH} deep"
            ) from None

    # One at a time.

    def _enqueue_unique(self, task: Task) -> Any:
        task.claim = f"unique:{self._key_of(task)}"
        self._place(task)
        claim = task.held_claim()
        assert claim is not None
        # By way of the queue if it is for later, as all others: whoever takes it from there knows
        # its moment to the millisecond.
        holder = self.storage.enqueue_claimed(
            self.serialize_task(task), claim, task.unique_ttl, priority=task.priority
        )
        if holder is None:
            self.signals.send(s.SIGNAL_ENQUEUED, task)
            return self._handle(task)
        return self._handle(type(task)(task.args, task.kwargs, id=holder))

    def _postpone(self, task: Task) -> None:
        """Put a task on the schedule in place of an earlier call, whose id it takes over."""
        assert task.debounce is not None
        at = round(clock.wall() + task.debounce, 6)  # In microseconds, as a datetime is.
        if task.eta is not None:
            at = max(at, clock.to_epoch(task.eta, self.utc))
        task.eta = clock.from_epoch(at, self.utc)
        task.claim = f"debounce:{self._key_of(task)}"
        self._place(task)
        own = task.id
        waiting = self._put_off(task, at, replace=False)
        while waiting is not None:
            # In the name of the one that waits; if that has gone meanwhile, in its own again.
            task.id = waiting or own
            waiting = self._put_off(task, at, replace=bool(waiting))
        self.signals.send(s.SIGNAL_SCHEDULED, task)

    def _put_off(self, task: Task, at: float, replace: bool) -> str | None:
        claim = task.held_claim()
        assert claim is not None
        return self.storage.postpone(self.serialize_task(task), claim, at, replace)

    def _key_of(self, task: Task) -> str:
        name = self.registry.task_to_string(type(task))
        unique = task.unique
        if callable(unique):
            return f"{name}:{unique(*task.args, **task.kwargs)}"
        call = fingerprint(*arguments_of(task), self.serializer.serialize)
        return f"{name}:{call}"

    # Immediate mode.

    def _run_immediately(self, task: Task) -> None:
        # Through bytes, as in real life: what cannot be serialized shows here already.
        body = self.serialize_task(task)
        self.signals.send(s.SIGNAL_ENQUEUED, task)
        self._run_bodies([body])

    def _run_bodies(self, bodies: list[bytes]) -> None:
        while bodies:
            delivery = Delivery(bodies.pop())
            outcome = self.executor.run(delivery)
            # What follows is run here, and not left to a consumer.
            follow_ups = [one.body for one in outcome.effects.enqueue]
            effects = outcome.effects._replace(enqueue=())
            members = effects.extra.members
            if members:
                noted_only = tuple(member._replace(size=0) for member in members)
                effects = effects._replace(extra=effects.extra._replace(members=noted_only))
            self._apply(delivery, outcome._replace(effects=effects))
            for member in members:
                if None not in self.storage.chord_values(member.chord, member.size):
                    follow_ups.append(member.callback.body)
                    callback = self.deserialize_task(member.callback.body)
                    self.signals.send(s.SIGNAL_ENQUEUED, callback)
            bodies.extend(reversed(follow_ups))


def _following(task: Task) -> tuple[Task | None, ...]:
    """Return the tasks whose messages are in the message of ``task``."""
    return task.on_complete, task.on_error, None if task.chord is None else task.chord.callback


def _check_is_task(one: Any) -> None:
    if not isinstance(one, (Task, chord)):
        raise InvalidArgument(f"enqueue_many takes tasks (of .s()) and chords, not {one!r}")
