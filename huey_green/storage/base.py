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
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from huey_green.events import BaseEventEmitter
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
    Promoted,
    Retention,
    Settlement,
)
from huey_green.report import Counts, Finding
from huey_green.storage.documented import LOOK_AGAIN, TTL_PREFIX, DocumentedStorage, Moment, epoch

#: The keys of dead letters in a storage that keeps them among its results.
DEAD_PREFIX = "dead:"

#: Seconds for which a note that a task is to be stopped is kept: consumers look every second.
CANCEL_KEPT = 120.0

#: Seconds for which progress is kept that its task does not forget, because its consumer died:
#: longer than a task without news runs.
PROGRESS_KEPT = 7 * 86400.0

#: Seconds after its last news for which a chord is kept whose callback never ran to its end: one
#: of its members was lost, as a task may be that runs at most once. Longer than a schedule.
CHORD_KEPT = 366 * 86400.0

#: Seconds for which it is remembered which consumers a message took down, after the last one: it
#: may have left the queue without an end, by a flush.
HISTORY_KEPT = 30 * 86400.0


class BaseStorage(DocumentedStorage):
    """Where messages, the schedule and results are kept. Subclass it to bring your own."""

    #: Which dead letters ``prune`` lets be.
    retention = Retention()

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
                if effects.extra.result_ttl is not None:
                    self._results_end()[key] = self.time() + effects.extra.result_ttl
            self.enqueue_many(effects.enqueue)
            for body, at in effects.schedule:
                self.add_to_schedule(body, datetime.fromtimestamp(at))
            if effects.dead is not None:
                letter = signed(effects.dead, consumer)
                self.put_data(DEAD_PREFIX + letter.id, encode_dead(letter))
                self._is_cemetery_empty = False
            if effects.extra is not NO_EXTRA:
                self._settle_extra(effects.extra)
        return []

    def _settle_extra(self, extra: Extra) -> None:
        for chord, index, size, value, callback in extra.members:
            noted = self.put_if_empty(f"chord:{chord}:{index}", value)
            # By one who saw all of them; the last two may, and one of them gets the mark.
            if (
                noted
                and size
                and None not in self.chord_values(chord, size)
                and self.put_if_empty(f"chord:{chord}", b"1")
            ):
                self.enqueue(callback.body, callback.priority)
        for chord in extra.joined:
            index = 0
            while self.delete_data(f"chord:{chord}:{index}"):
                index += 1
            self.delete_data(f"chord:{chord}")
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
    ) -> Promoted:
        """Move up to ``limit`` due messages from the schedule to the queue, each once.

        ``priority_of`` tells a message's priority from its body. Returns how many were moved, and
        when the next one on the schedule will be due.
        """
        due = self.read_schedule(datetime.fromtimestamp(self.time() if now is None else now))
        self.enqueue_many(
            [Outgoing(body, priority_of(body) if priority_of else None) for body in due]
        )
        return Promoted(len(due))

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        """Enqueue a message unless one with this ``key`` was within ``ttl`` seconds.

        One atomic step; says whether it was enqueued.
        """
        if not self.put_if_empty(key, b"1", ttl=ttl):
            return False
        self.enqueue(data, priority)
        # One that knows of no time to live would keep the keys of all cron ticks for ever.
        kept = self.__dict__.setdefault("_kept_once", deque())
        kept.append((self.time() + ttl, key))
        while kept and kept[0][0] <= self.time():
            old = kept.popleft()[1]
            self.delete_data(old)
            self.delete_data(TTL_PREFIX + old)
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

    def postpone(self, data: bytes, claim: Claim, at: float, replace: bool = False) -> str | None:
        """Put a message on the schedule in place of the one that its claim stands for.

        One atomic step. Returns None when it was, else the owner whose message still waits
        there: nothing has happened then, and the caller may repeat it in that owner's name, with
        ``replace``. If that message has left the schedule meanwhile, nothing happens and ""
        is returned: it may have run, and its name is not to be used a second time.
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

    def held_counts(self, consumers: Sequence[str]) -> dict[str, int]:
        """Return how many messages each of these consumers holds now, of those that hold any."""
        held = Counter(one.consumer for one in self.in_flight())
        return {name: held[name] for name in consumers if name in held}

    def counts(self) -> Counts:
        """Return how many messages and values there are, as of about the same moment."""
        return Counts(
            waiting=self.queue_size(),
            scheduled=self.schedule_size(),
            parked=len(self.parked_items()),
            in_flight=len(self.in_flight()),
            dead=len(self.dead_letters()),
            results=self.result_store_size(),
        )

    # What consumers say of themselves.

    def put_report(self, consumer: str, data: bytes, ttl: float) -> None:
        """Keep what ``consumer`` says of itself, for ``ttl`` seconds, in place of the last report.

        It wakes nobody, and is lost rather than waited for.
        """

    def forget_report(self, consumer: str) -> None:
        """Forget what ``consumer`` said: it has ended."""

    def reports(self, consumers: Sequence[str]) -> dict[str, bytes]:
        """Return what these consumers said of themselves last, of those whose time is not over."""
        return {}

    def examine(self) -> list[Finding]:
        """Look at this place as who is about to keep a queue in it; return what there is to say.

        Takes no task, and leaves nothing behind.
        """
        return []

    def event_emitter(self) -> BaseEventEmitter:
        """Return what sends events to all who listen to this queue.

        Raises ``ConfigurationError`` where there is nothing to send them by.
        """
        raise ConfigurationError(
            f"events=True: {type(self).__name__} has no channel to send events on; send them by "
            "Redis, with events=RedisEventEmitter('a-channel', host=...), or by an emitter of your "
            "own, a subclass of BaseEventEmitter"
        )

    # Dead letters.

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
        """Put dead letters back in the queue as new messages, all when ``ids`` is None.

        The result that was stored under the id of each is deleted: it told of its death. One that
        holds a claim takes it again, or stays where it is when another owner has it. Returns how
        many were put back; each of them in one atomic step.
        """
        wanted = None if ids is None else set(ids)
        moved = 0
        for letter in self.dead_letters():
            if wanted is not None and letter.id not in wanted:
                continue
            if letter.claim is None:
                self.enqueue(letter.body, letter.priority)
            elif self.enqueue_claimed(
                letter.body, Claim(letter.claim, letter.id), priority=letter.priority
            ):
                continue
            self.delete_data(letter.id)
            self.delete_data(DEAD_PREFIX + letter.id)
            moved += 1
        return moved

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        """Delete dead letters, all when ``ids`` is None, with the values of the chords that they
        were to join; return how many."""
        wanted = None if ids is None else set(ids)
        found = [one for one in self.dead_letters() if wanted is None or one.id in wanted]
        joined = tuple(one.joins for one in found if one.joins is not None)
        if joined:
            self._settle_extra(Extra(joined=joined))
        return sum(self.delete_data(DEAD_PREFIX + one.id) for one in found)

    def prune(self, limit: int = 1000, now: float | None = None) -> int:
        """Forget what has ended and nobody came for, and dead letters beyond ``retention``.

        Values whose time is over, ended claims, old notes: whatever has an end and is not deleted
        by the one who ends it. Up to ``limit`` dead letters are deleted, the oldest first, and
        their number is returned. Each consumer calls it now and then, with its own ``retention``,
        so that the strictest counts.
        """
        now = self.time() if now is None else now
        ends = self._results_end()
        for key in [key for key, ends_at in ends.items() if ends_at <= now]:
            del ends[key]
            self.delete_data(key)
        # Among many results a dead letter is looked for only where there may be one.
        if self._is_cemetery_empty or self.retention == Retention():
            return 0
        letters = self.dead_letters()
        self._is_cemetery_empty = not letters
        return self.delete_dead(beyond(self.retention, letters, limit, now))

    #: No dead letter was seen by the last ``prune``, nor put since.
    _is_cemetery_empty = False

    def _results_end(self) -> dict[str, float]:
        """Return which results this handle stored that are to be deleted, and when."""
        ends: dict[str, float] = self.__dict__.setdefault("_ends_of_results", {})
        return ends


def beyond(
    retention: Retention, letters: Sequence[DeadLetter], limit: int, now: float
) -> list[str]:
    """Return the ids of up to ``limit`` letters, the oldest first, that are not to be kept.

    ``letters`` are all there are, the newest first.
    """
    kept = len(letters) if retention.dead_limit is None else retention.dead_limit
    oldest = float("-inf") if retention.dead_ttl is None else now - retention.dead_ttl
    found = [one.id for place, one in enumerate(letters) if place >= kept or one.died_at <= oldest]
    return found[::-1][:limit]


def signed(letter: DeadLetter, consumer: str) -> DeadLetter:
    """Return a dead letter with the consumer that gave it up."""
    return letter if letter.consumer else letter._replace(consumer=consumer)


def encode_dead(letter: DeadLetter) -> bytes:
    """Return a dead letter as bytes: a line of JSON, then the message as it was."""
    head = letter._asdict()
    del head["body"]
    for name in ("reason", "traceback", "call"):
        if head[name] is not None:
            # Errors have text of any kind; half a character is none to a server's JSON.
            head[name] = head[name].encode("utf-8", "backslashreplace").decode()
    return json.dumps(head).encode() + b"\n" + letter.body


def decode_dead(record: bytes, id: str | None = None) -> DeadLetter:  # noqa: A002
    """Return the dead letter that ``encode_dead`` wrote, here or in a version with other fields.

    Of a record that somebody has spoiled it is one that says so, under this ``id``.
    """
    head, _, body = record.partition(b"\n")
    try:
        fields = json.loads(head)
        known = {name: fields[name] for name in DeadLetter._fields if name in fields}
        known["history"] = tuple(fields["history"])
        return DeadLetter(body=body, **known)
    except (ValueError, TypeError, LookupError, RecursionError):
        return DeadLetter(id or "spoiled", record, "the record of a dead letter cannot be read")


__all__ = [
    "CANCEL_KEPT",
    "CHORD_KEPT",
    "DEAD_PREFIX",
    "HISTORY_KEPT",
    "LOOK_AGAIN",
    "PROGRESS_KEPT",
    "BaseStorage",
    "Claim",
    "DeadLetter",
    "Delivery",
    "Effects",
    "Extra",
    "InFlight",
    "Member",
    "Moment",
    "Outgoing",
    "Planned",
    "Promoted",
    "Retention",
    "Settlement",
    "beyond",
    "decode_dead",
    "encode_dead",
    "epoch",
    "signed",
]
