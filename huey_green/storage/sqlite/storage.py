# SPDX-License-Identifier: MIT
"""The storage contract on an SQLite file: which transition, in which transaction, who to wake."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from huey_green import clock
from huey_green.message import (
    Claim,
    DeadLetter,
    Delivery,
    InFlight,
    Outgoing,
    Planned,
    Promoted,
    Settlement,
)
from huey_green.storage.base import Moment, epoch
from huey_green.storage.sqlite import (
    chords,
    claiming,
    deadletters,
    limits,
    notes,
    pruning,
    reports,
    transitions,
    waiting,
)
from huey_green.storage.sqlite.database import Database
from huey_green.storage.sqlite.options import checked
from huey_green.storage.sqlite.reports import SqliteReports
from huey_green.storage.sqlite.results import NEWS, READY
from huey_green.storage.sqlite.schema import QUEUE_TABLES
from huey_green.storage.sqlite.statements import change, or_all, rows


class SqliteStorage(SqliteReports):
    """A queue in one file, for the processes of one machine.

    ``cache_mb`` is the page cache of a connection, in megabytes. A committed task survives the
    end of every process; with ``fsync`` it survives the loss of power as well. ``journal_mode``
    is one of SQLite's; with "memory" and "off" a killed process can leave a damaged file.
    ``timeout`` is how many seconds a call waits for another process's write lock.
    ``strict_fifo`` is accepted for huey's sake: the order of arrival is always kept here. Other
    keyword arguments go to ``sqlite3.connect``, but for those by which it begins transactions
    and minds threads: these are ours. Raises ``ConfigurationError`` for what is none of them.
    """

    blocking = True
    priority = True
    leases = True
    blocks_thread = True

    def __init__(
        self,
        name: str = "huey",
        filename: str | os.PathLike[str] = "huey.db",
        cache_mb: float = 8,
        fsync: bool = False,
        journal_mode: str = "wal",
        timeout: float = 5,
        strict_fifo: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._options = checked(
            name, filename, cache_mb, fsync, journal_mode, timeout, strict_fifo, kwargs
        )
        self.filename = self._options.filename
        self._database = Database(self._options, in_child=self._start_anew)
        self._start_waiting()
        self._interrupted: set[str] = set()
        # Leased, and not yet with the caller: it may have been killed while it waited.
        self._landed: dict[str, deque[Delivery]] = {}

    def close(self) -> None:
        self._database.close()

    def describe(self) -> str:
        return self._database.describe()

    def independent(self, patience: float | None = None) -> SqliteStorage:
        """Return a handle on the same file with connections of its own."""
        given = self._options._asdict()
        del given["connect"]
        return type(self)(self.name, **given, **self.storage_kwargs)

    def _count(self, condition: str) -> int:
        [(number,)] = self._database.read(rows, f"SELECT COUNT(*) FROM {condition}", self.name)
        return int(number)

    def _start_anew(self) -> None:
        """Forget, in a forked child, what is the parent's."""
        self._start_waiting()
        self._landed.clear()
        self._interrupted.clear()

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self.enqueue_many([Outgoing(data, priority)])

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        self._database.write(waiting.enqueue, self.name, messages)
        self._watch.tell([READY])

    def dequeue(self) -> bytes | None:
        popped = self._database.write(waiting.pop, self.name, 1)
        return popped[0].body if popped else None

    def queue_size(self) -> int:
        return self._count(f"green_message WHERE {waiting.READY}")

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return [row[3] for row in self._database.read(waiting.ready, self.name, or_all(limit))]

    def flush_queue(self) -> None:
        # Claims too: what is unique and was deleted could not be enqueued again.
        ready, parked = "limited IS NULL", "limited IS NOT NULL"
        self._flush(
            *(f"green_message WHERE consumer IS NULL AND {one} AND" for one in (ready, parked)),
            "green_claim WHERE",
        )

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        self._database.write(waiting.plan, self.name, [Planned(data, epoch(timestamp))])

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        return self._database.write(waiting.take_due, self.name, epoch(timestamp))

    def schedule_size(self) -> int:
        return self._count("green_schedule WHERE queue = ?")

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        found = self._database.read(waiting.due, self.name, float("inf"), or_all(limit))
        return [body for _, body in found]

    def remove_scheduled(self, data: bytes) -> bool:
        # It is looked for without the write lock: that takes its time on a long schedule.
        find = waiting.find_planned
        while (planned := self._database.read(find, self.name, data)) is not None:
            if self._database.write(waiting.remove_planned, planned):
                return True
        return False

    def flush_schedule(self) -> None:
        self._flush("green_schedule WHERE", "green_claim WHERE")

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> Promoted:
        now = self.time() if now is None else now
        due = self._database.read(waiting.due, self.name, now, limit)
        # Outside of the transaction: it is a caller's code, and may take its time or raise.
        messages = {
            key: Outgoing(body, priority_of(body) if priority_of else None) for key, body in due
        }
        if not messages:
            return Promoted(0, self._database.read(waiting.next_at, self.name))
        promoted = self._database.write(waiting.promote, self.name, messages)
        self._watch.tell([READY])
        return promoted

    # The whole.

    def flush_all(self) -> None:
        self._flush(*(f"{table} WHERE" for table in QUEUE_TABLES))
        self._database.write(reports.forget_all, self.name)
        self._landed.clear()

    def _flush(self, *conditions: str) -> None:
        def flush(db: sqlite3.Connection) -> None:
            for condition in conditions:
                change(db, f"DELETE FROM {condition} queue = ?", self.name)

        self._database.write(flush)

    # The lease protocol.

    def fetch(
        self,
        consumer: str,
        limit: int,
        wait: float = 0.0,
        lease: float | None = 30.0,
    ) -> list[Delivery]:
        ends_at = clock.monotonic() + wait
        taken = self._take(consumer, limit, lease)
        if not taken and wait > 0:
            with self._watch.waiting_for(READY) as waiter:
                while consumer not in self._interrupted:
                    if self._database.read(self._is_ready):
                        taken = self._take(consumer, limit, lease)
                    if taken or not self._watch.wait(waiter, ends_at):
                        break
        self._interrupted.discard(consumer)
        return taken

    def _take(self, consumer: str, limit: int, lease: float | None) -> list[Delivery]:
        landed = self._landed.setdefault(consumer, deque())
        room = 0 if landed else max(limit, 0)  # What landed goes first.
        if lease is not None:
            self._database.write(self._lease, consumer, room, lease, then=landed.extend)
        elif self._database.read(self._is_ready) and room:
            self._database.write(waiting.pop, self.name, room, then=landed.extend)
        taken: list[Delivery] = []
        while landed and len(taken) < limit:
            taken.append(landed.popleft())
        return taken

    def _lease(
        self, db: sqlite3.Connection, consumer: str, limit: int, lease: float
    ) -> list[Delivery]:
        limit = limit if self._is_ready(db) else 0
        return transitions.lease(db, self.name, consumer, limit, self.time() + lease)

    def interrupt(self, consumer: str) -> None:
        self._interrupted.add(consumer)
        self._watch.tell([READY])

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        refused = self._database.write(transitions.settle, self.name, consumer, settlements)
        results = (key for one in settlements for key, _ in one.effects.results)
        self._watch.tell([READY, *(NEWS + key for key in results)])
        return refused

    def begin(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        self._database.write(transitions.begin, self.name, consumer, deliveries)

    def release(self, consumer: str, deliveries: Sequence[Delivery]) -> int:
        released = self._database.write(transitions.release, self.name, consumer, deliveries)
        self._watch.tell([READY])
        return released

    def extend(self, consumer: str, lease: float) -> None:
        def extend(db: sqlite3.Connection) -> None:
            # Only now: it may have waited to begin, and the lease counts from here.
            transitions.extend(db, self.name, consumer, self.time() + lease)

        self._database.write(extend)

    def leave(self, consumer: str) -> None:
        self._landed.pop(consumer, None)
        self._interrupted.discard(consumer)
        self._database.write(transitions.leave, self.name, consumer)
        self._watch.tell([READY])

    def consumers(self) -> dict[str, float]:
        return self._database.read(transitions.consumers, self.name)

    def reclaim(self, limit: int = 1000, dead: Iterable[str] = (), now: float | None = None) -> int:
        known_dead = frozenset(dead)
        now = self.time() if now is None else now
        read = self._database.read
        if not read(transitions.is_anything_to_reclaim, self.name, known_dead, now):
            return 0  # The usual case, and it takes no write lock.
        moved = self._database.write(transitions.reclaim, self.name, limit, known_dead, now)
        self._watch.tell([READY])
        return moved

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        message = Outgoing(data, priority)
        now = self.time()
        enqueued = self._database.write(waiting.enqueue_once, self.name, message, key, ttl, now)
        self._watch.tell([READY])
        return enqueued

    def in_flight(self) -> list[InFlight]:
        return self._database.read(transitions.in_flight, self.name)

    # Chords and claims.

    def chord_values(self, chord: str, size: int) -> list[bytes | None]:
        return self._database.read(chords.noted_values, self.name, chord, size)

    def enqueue_claimed(
        self,
        data: bytes,
        claim: Claim,
        ttl: float | None = None,
        at: float | None = None,
        priority: float | None = None,
    ) -> str | None:
        message = Outgoing(data, priority) if at is None else Planned(data, at)
        now = self.time()
        write = self._database.write
        holder = write(claiming.enqueue_claimed, self.name, message, claim, ttl, now)
        self._watch.tell([READY])
        return holder

    def drop_claims(self, claims: Sequence[Claim]) -> None:
        self._database.write(claiming.drop, self.name, claims)

    def postpone(self, data: bytes, claim: Claim, at: float, replace: bool = False) -> str | None:
        message = Planned(data, at)
        return self._database.write(claiming.postpone, self.name, message, claim, replace)

    # Limits.

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        return self._database.write(transitions.admit, self.name, consumer, delivery, key, limit)

    def parked_items(self, limit: int | None = None) -> list[bytes]:
        return self._database.read(limits.parked, self.name, or_all(limit))

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        def hit(db: sqlite3.Connection) -> float:
            at = self.time() if now is None else now  # Only now: it may have waited to begin.
            return limits.hit(db, self.name, key, limit, per, at)

        return self._database.write(hit)

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        at = self.time() if now is None else now
        return self._database.read(limits.hits, self.name, key, per, at)

    def forget_hits(self, key: str) -> None:
        self._delete("green_hit WHERE queue = ? AND key = ?", key)

    # Canceling. Both take the time while they hold the write lock: a note with an earlier moment
    # than the one that was told cannot come after it.

    def cancel(self, task_id: str) -> None:
        self._database.write(lambda db: notes.cancel(db, self.name, task_id, self.time()))

    def canceled(self, since: float) -> tuple[list[str], float]:
        return self._database.write(lambda db: (notes.canceled(db, self.name, since), self.time()))

    # Dead letters.

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        return self._database.read(deadletters.newest, self.name, or_all(limit))

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        wanted = None if ids is None else list(ids)
        moved = self._database.write(deadletters.requeue, self.name, wanted, self.time())
        self._watch.tell([READY])
        return moved

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        wanted = None if ids is None else list(ids)
        return self._database.write(deadletters.delete, self.name, wanted)

    def prune(self, limit: int = 1000, now: float | None = None) -> int:
        now = self.time() if now is None else now
        # Looked for first: there is seldom anything, and looking takes no write lock.
        while self._database.read(pruning.is_anything_ended, self.name, now):
            self._database.write(pruning.forget_ended, self.name, now)
        beyond = self._database.read(pruning.not_to_keep, self.name, self.retention, limit, now)
        return self.delete_dead(beyond) if beyond else 0


__all__ = ["SqliteStorage"]
