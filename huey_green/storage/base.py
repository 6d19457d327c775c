# SPDX-License-Identifier: MIT
"""The storage contract: the documented methods, and the lease protocol on top of them.

A storage that has only the documented methods (``BaseStorage`` in the API reference) works:
the lease protocol below is then carried out with those, at most once. The built-in storages
override all of it and set ``leases``.

Keys are strings, bodies and values are bytes, durations are float seconds, moments are epoch
seconds (a datetime is accepted where huey's documents have one; a naive one is local time).
Every method may raise ``StorageUnavailable``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from huey_green import clock
from huey_green.backoff import exponential
from huey_green.exceptions import ConfigurationError
from huey_green.message import (
    NO_EXTRA,
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    InFlight,
    Member,
    Outgoing,
    Planned,
    Settlement,
)

Moment = datetime | float | int

#: The keys of dead letters in a storage that keeps them among its results.
DEAD_PREFIX = "dead:"

#: Seconds between looks of a caller that waits, where nothing may have been announced.
LOOK_AGAIN = 5.0

#: Seconds for which a note that a task is to be stopped is kept: consumers look every second.
CANCEL_KEPT = 120.0


def epoch(moment: Moment) -> float:
    """Return a moment as epoch seconds; a naive datetime is local time."""
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


class BaseStorage:
    """Where messages, the schedule and results are kept. Subclass it to bring your own."""

    #: ``dequeue`` and ``fetch`` can wait for a message by themselves.
    blocking: bool = False
    #: The queue hands out higher priorities first.
    priority: ClassVar[bool] = True
    #: The lease protocol is native: a message of a dead consumer is delivered again.
    leases: ClassVar[bool] = False
    #: Calls block the calling native thread (a file, a lock): off the event loop with them.
    blocks_thread: ClassVar[bool] = False

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        self.name = name
        self.storage_kwargs = storage_kwargs

    def close(self) -> None:
        """Let go of connections and files; using the storage again opens them again."""

    def ping(self) -> None:
        """Do nothing but ask whether the storage answers; raises ``StorageUnavailable`` if not."""
        self.queue_size()

    def describe(self) -> str:
        """Return what a person needs to recognise the storage, without any secret in it."""
        return type(self).__name__

    def independent(self) -> BaseStorage:
        """Return a handle on the same data that another native thread may use beside this one."""
        return self

    def time(self) -> float:
        """Return the present by the clock that decides expiry here."""
        return clock.wall()

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        """Add a message; a higher priority is delivered first, None counts as 0."""
        raise NotImplementedError

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        """Add messages in order, in as few round trips as the storage can."""
        for body, priority in messages:
            self.enqueue(body, priority)

    def dequeue(self) -> bytes | None:
        """Remove and return the next message without a lease, None when there is none."""
        raise NotImplementedError

    def queue_size(self) -> int:
        """Return how many messages are ready, those in flight and on the schedule not counted."""
        raise NotImplementedError

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        """Return the ready messages, the next one to be delivered first."""
        raise NotImplementedError

    def flush_queue(self) -> None:
        """Delete all ready messages."""
        raise NotImplementedError

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        """Keep a message until ``timestamp``."""
        raise NotImplementedError

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        """Remove and return the messages due at ``timestamp``, the earliest first."""
        raise NotImplementedError

    def schedule_size(self) -> int:
        """Return how many messages are on the schedule."""
        raise NotImplementedError

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        """Return the messages on the schedule, the earliest first."""
        raise NotImplementedError

    def remove_scheduled(self, data: bytes) -> bool:
        """Take exactly this message off the schedule, one of equals; say whether it was there."""
        return False

    def flush_schedule(self) -> None:
        """Delete all messages on the schedule."""
        raise NotImplementedError

    # Results and other values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        """Store a value; with ``is_result``, wake whoever waits for it."""
        raise NotImplementedError

    def peek_data(self, key: str) -> bytes | None:
        """Return a value and keep it, None when there is none."""
        raise NotImplementedError

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return those of ``keys`` that have a value, and keep them."""
        found = ((key, self.peek_data(key)) for key in keys)
        return {key: value for key, value in found if value is not None}

    def pop_data(self, key: str) -> bytes | None:
        """Remove and return a value, None when there is none."""
        raise NotImplementedError

    def delete_data(self, key: str) -> bool:
        """Delete a value; say whether there was one."""
        return self.pop_data(key) is not None

    def delete_if(self, key: str, value: bytes) -> bool:
        """Delete the value under ``key`` if it is exactly this, in one step; say whether it was."""
        return self.peek_data(key) == value and self.delete_data(key)

    def has_data_for_key(self, key: str) -> bool:
        """Say whether there is a value."""
        raise NotImplementedError

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Store a value unless there is one, in one step; say whether it was stored.

        With ``ttl`` the value is gone after so many seconds.
        """
        raise NotImplementedError

    def wait_result(
        self,
        key: str,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        """Wait until ``key`` has a value, at most ``timeout`` seconds; say whether it has one."""
        return self.wait_until(
            [key], lambda: self.has_data_for_key(key), timeout, backoff, max_delay
        )

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        """Wait until ``is_ready``, at most ``timeout`` seconds; say whether it came to that.

        It is asked first, and whenever a result of one of ``keys`` was stored, or progress of
        task ID under "p:ID". This one asks again and again, ``max_delay`` seconds apart at
        most; a storage that can be woken overrides it and ignores ``backoff`` and
        ``max_delay``.
        """
        ends_at = None if timeout is None else clock.monotonic() + timeout
        tries = 0
        while not is_ready():
            delay = exponential(tries, 0.01, backoff, max_delay)
            if ends_at is not None:
                left = ends_at - clock.monotonic()
                if left <= 0:
                    return False
                delay = min(delay, left)
            clock.sleep(delay)
            tries += 1
        return True

    def result_store_size(self) -> int:
        """Return how many values are stored."""
        raise NotImplementedError

    def result_items(self) -> Mapping[str, bytes]:
        """Return all stored values by key."""
        raise NotImplementedError

    def flush_results(self) -> None:
        """Delete all stored values."""
        raise NotImplementedError

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        """Add to a counter, which starts at 0, in one step; return what it is then."""
        raise NotImplementedError

    def delete_counter(self, key: str) -> None:
        """Forget a counter."""
        raise NotImplementedError

    def flush_counters(self) -> None:
        """Forget all counters."""

    def flush_all(self) -> None:
        """Delete everything that this name has in the storage."""
        self.flush_queue()
        self.flush_schedule()
        self.flush_results()
        self.flush_counters()

    # Revocation marks: ordinary values, known to be there without asking for each task.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Store a revocation under ``key``, in place of the one before, for ``ttl`` seconds."""
        self.put_data(key, value)

    def pop_revocation(self, key: str) -> bytes | None:
        """Remove and return a revocation, None when there is none."""
        return self.pop_data(key)

    def has_revocations(self) -> bool:
        """Say whether there may be any, as known at the last ``fetch``; costs no round trip."""
        return True

    # The lease protocol.

    def fetch(
        self,
        consumer: str,
        limit: int,
        wait: float = 0.0,
        lease: float | None = 30.0,
    ) -> list[Delivery]:
        """Lease up to ``limit`` ready messages to ``consumer`` for ``lease`` seconds.

        Waits up to ``wait`` seconds for the first one where the storage is ``blocking``. All
        that ``consumer`` holds is extended by it. With ``lease`` None the messages are popped
        for good: at most once. A call that failed may have leased messages; the next one
        returns those first.
        """
        deliveries: list[Delivery] = []
        while len(deliveries) < limit:
            body = self.dequeue()
            if body is None:
                break
            deliveries.append(Delivery(body))
            if self.blocking:
                break  # The next call would wait while this message could already run.
        return deliveries

    def interrupt(self, consumer: str) -> None:
        """Make a ``fetch`` of ``consumer`` that waits now return without a message."""

    def begin(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        """Note that deliveries are about to run with which consumers died before.

        A first delivery counts as an attempt whenever its consumer dies with it. A later one
        counts only if it was begun: what waited beside a task that kills is not blamed for it.
        """

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        """End leases, each in one atomic step together with its effects.

        Returns the settlements that were refused because the lease was no longer held by
        ``consumer``: settled before, or expired and reclaimed. Nothing of those is applied.
        Safe to repeat after ``StorageUnavailable``.
        """
        for settlement in settlements:
            effects = settlement.effects
            for key, value in effects.results:
                self.put_data(key, value, is_result=True)
            self.enqueue_many(effects.enqueue)
            for body, at in effects.schedule:
                self.add_to_schedule(body, datetime.fromtimestamp(at))
            if effects.dead is not None:
                self.put_data(DEAD_PREFIX + effects.dead.id, encode_dead(effects.dead))
            if effects.extra is not NO_EXTRA:
                self._settle_extra(effects.extra)
        return []

    def _settle_extra(self, extra: Extra) -> None:
        for chord, index, size, value, callback in extra.members:
            if self.put_if_empty(f"chord:{chord}:{index}", value):
                noted = self.incr(f"chord:{chord}")
                if noted == size:
                    self.enqueue(callback.body, callback.priority)
        for chord in extra.joined:
            index = 0
            while self.delete_data(f"chord:{chord}:{index}"):
                index += 1
            self.delete_counter(f"chord:{chord}")
        self.drop_claims(extra.drops)
        for task_id in extra.progress:
            self.delete_data(f"p:{task_id}")

    def release(self, consumer: str, deliveries: Sequence[Delivery]) -> int:
        """Give messages back unrun, to be delivered next; their attempt is not counted.

        Returns how many of the leases were still held. A delivery without a receipt is
        enqueued again.
        """
        for delivery in deliveries:
            self.enqueue(delivery.body)
        return len(deliveries)

    def extend(self, consumer: str, lease: float) -> None:
        """Make all leases of ``consumer`` end ``lease`` seconds from now; the heartbeat."""

    def leave(self, consumer: str) -> None:
        """Give back all that ``consumer`` still holds, and forget it: it ends in good order."""

    def consumers(self) -> dict[str, float]:
        """Return the consumers that hold leases or may, with the moment their leases end."""
        return {}

    def reclaim(self, limit: int = 1000, dead: Iterable[str] = (), now: float | None = None) -> int:
        """Give up to ``limit`` messages of expired leases back to the queue; return how many.

        Their attempt counts, and is noted in their history. ``dead`` names consumers that are
        known to have ended, whose leases need not be waited for.
        """
        return 0

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> int:
        """Move up to ``limit`` due messages from the schedule to the queue, each once.

        ``priority_of`` tells a message's priority from its body. Returns how many were moved.
        """
        due = self.read_schedule(datetime.fromtimestamp(self.time() if now is None else now))
        self.enqueue_many(
            [Outgoing(body, priority_of(body) if priority_of else None) for body in due]
        )
        return len(due)

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        """Enqueue a message unless one with this ``key`` was within ``ttl`` seconds.

        One atomic step; says whether it was enqueued.
        """
        if not self.put_if_empty(key, b"1", ttl=ttl):
            return False
        self.enqueue(data, priority)
        return True

    # Chords, claims, limits: for tasks that depend on other tasks.

    def chord_values(self, chord: str, size: int) -> list[bytes | None]:
        """Return what the members of a chord left, by index; None where nothing was noted yet."""
        found = self.peek_many([f"chord:{chord}:{index}" for index in range(size)])
        return [found.get(f"chord:{chord}:{index}") for index in range(size)]

    def enqueue_claimed(
        self,
        data: bytes,
        claim: Claim,
        ttl: float | None = None,
        at: float | None = None,
        priority: float | None = None,
    ) -> str | None:
        """Enqueue a message, or put it on the schedule, if it gets the claim; one atomic step.

        Returns None when it did, else who holds the claim already: nothing has happened then.
        The claim ends when it is dropped, or after ``ttl`` seconds.
        """
        if not self.put_if_empty(f"claim:{claim.key}", claim.owner.encode(), ttl=ttl):
            holder = self.peek_data(f"claim:{claim.key}")
            return claim.owner if holder is None else holder.decode()
        if at is None:
            self.enqueue(data, priority)
        else:
            self.add_to_schedule(data, datetime.fromtimestamp(at))
        return None

    def drop_claims(self, claims: Sequence[Claim]) -> None:
        """End these claims, each if its owner still holds it."""
        for key, owner in claims:
            self.delete_if(f"claim:{key}", owner.encode())

    def postpone(self, data: bytes, claim: Claim, at: float) -> str | None:
        """Put a message on the schedule in place of the one that its claim stands for.

        One atomic step. Returns None when it was, else the owner whose message still waits
        there: nothing has happened then, and the caller may repeat it in that owner's name.
        """
        raise ConfigurationError(f"{type(self).__name__} cannot debounce tasks")

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        """Give a lease one of the ``limit`` permits of ``key``; else park its message.

        A permit ends with its lease, in whatever way. A parked message is no longer leased, its
        attempt is not counted, and it comes to the front of the queue when a permit is free.
        Returns False when it was parked, or when the lease was no longer held.
        """
        return True

    def parked_items(self, limit: int | None = None) -> list[bytes]:
        """Return the messages that wait for a permit, the longest waiting first."""
        return []

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        """Count a hit if fewer than ``limit`` were counted in the last ``per`` seconds.

        One atomic step over a sliding window. Returns 0.0 when it was counted, else the seconds
        until there is room.
        """
        raise ConfigurationError(f"{type(self).__name__} cannot limit rates")

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        """Return how many hits were counted in the last ``per`` seconds."""
        raise ConfigurationError(f"{type(self).__name__} cannot limit rates")

    def forget_hits(self, key: str) -> None:
        """Begin with an empty window."""
        raise ConfigurationError(f"{type(self).__name__} cannot limit rates")

    def cancel(self, task_id: str) -> None:
        """Note that a task is to be stopped where it runs; kept for ``CANCEL_KEPT`` seconds."""

    def canceled(self, since: float) -> tuple[list[str], float]:
        """Return the tasks to be stopped that were noted since a moment, and the present."""
        return [], self.time()

    def put_progress(self, task_id: str, data: bytes) -> None:
        """Keep how far a task has come, and wake who waits for "p:ID"; not among the results."""
        self.put_data(f"p:{task_id}", data)

    def peek_progress(self, task_id: str) -> bytes | None:
        """Return how far a task has come; None when it has not said."""
        return self.peek_data(f"p:{task_id}")

    def in_flight(self) -> list[InFlight]:
        """Return the messages that consumers hold now."""
        return []

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        """Return dead letters, the newest first."""
        records = [
            decode_dead(value)
            for key, value in self.result_items().items()
            if key.startswith(DEAD_PREFIX)
        ]
        records.sort(key=lambda record: record.died_at, reverse=True)
        return records[:limit]

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        """Put dead letters back in the queue as new messages, all when ``ids`` is None."""
        wanted = None if ids is None else set(ids)
        moved = 0
        for letter in self.dead_letters():
            if wanted is None or letter.id in wanted:
                self.enqueue(letter.body, letter.priority)
                self.delete_data(DEAD_PREFIX + letter.id)
                moved += 1
        return moved

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        """Delete dead letters, all when ``ids`` is None; return how many."""
        wanted = None if ids is None else set(ids)
        found = [
            letter.id for letter in self.dead_letters() if wanted is None or letter.id in wanted
        ]
        return sum(self.delete_data(DEAD_PREFIX + one) for one in found)


def encode_dead(letter: DeadLetter) -> bytes:
    """Return a dead letter as bytes: a line of JSON, then the message as it was."""
    head = letter._asdict()
    del head["body"]
    return json.dumps(head).encode() + b"\n" + letter.body


def decode_dead(record: bytes) -> DeadLetter:
    """Return the dead letter that ``encode_dead`` wrote."""
    head, _, body = record.partition(b"\n")
    fields = json.loads(head)
    fields["history"] = tuple(fields["history"])
    return DeadLetter(body=body, **fields)


__all__ = [
    "BaseStorage",
    "Claim",
    "DeadLetter",
    "Delivery",
    "Effects",
    "Extra",
    "InFlight",
    "Member",
    "Outgoing",
    "Planned",
    "Settlement",
]
