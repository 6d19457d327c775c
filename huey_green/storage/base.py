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
from huey_green.message import DeadLetter, Delivery, InFlight, Outgoing, Planned, Settlement

Moment = datetime | float | int

#: The keys of dead letters in a storage that keeps them among its results.
DEAD_PREFIX = "dead:"


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
        """Wait until ``key`` has a value, at most ``timeout`` seconds; say whether it has one.

        This one asks again and again, ``max_delay`` seconds apart at most; a storage that can
        be woken overrides it and ignores ``backoff`` and ``max_delay``.
        """
        ends_at = None if timeout is None else clock.monotonic() + timeout
        tries = 0
        while not self.has_data_for_key(key):
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

    def put_revocation(self, key: str, value: bytes) -> None:
        """Store a revocation under ``key``, in place of the one before."""
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
        return []

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


__all__ = ["BaseStorage", "DeadLetter", "Delivery", "InFlight", "Outgoing", "Planned", "Settlement"]
