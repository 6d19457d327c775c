# SPDX-License-Identifier: MIT
"""The storage contract on an SQLite file: which transition, in which transaction, who to wake."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from huey_green import clock
from huey_green.message import DeadLetter, Delivery, InFlight, Outgoing, Planned, Settlement
from huey_green.storage.base import BaseStorage, Moment, epoch
from huey_green.storage.sqlite import deadletters, transitions, values
from huey_green.storage.sqlite.database import Database
from huey_green.storage.sqlite.schema import QUEUE_TABLES
from huey_green.storage.sqlite.statements import change, or_all, rows
from huey_green.storage.sqlite.watch import Watch

#: What one can wait for: a ready message, or the value of a key.
_READY = "ready"
_VALUE = "value:"


class SqliteStorage(BaseStorage):
    """A queue in one file, for the processes of one machine.

    ``cache_mb`` is the page cache of a connection, in megabytes. A committed task survives the
    end of every process; with ``fsync`` it survives the loss of power as well. ``timeout`` is
    how many seconds a call waits for another process's write lock. ``strict_fifo`` is accepted
    for huey's sake: the order of arrival is always kept here. Other keyword arguments go to
    ``sqlite3.connect``.
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
        self.filename = os.fspath(filename)
        self._options: dict[str, Any] = {
            "cache_mb": cache_mb,
            "fsync": fsync,
            "journal_mode": journal_mode,
            "timeout": timeout,
        }
        self._database = Database(
            self.filename, **self._options, options=kwargs, in_child=self._start_anew
        )
        self._watch = Watch(self._look)
        self._interrupted: set[str] = set()
        # Leased, and not yet with the caller: it may have been killed while it waited.
        self._landed: dict[str, deque[Delivery]] = {}
        # What the last fetch saw, and how many marks we had set by then.
        self._revoked = (True, 0)
        self._marks = 0

    def close(self) -> None:
        self._database.close()

    def describe(self) -> str:
        return self._database.describe()

    def independent(self) -> SqliteStorage:
        """Return a handle on the same file with connections of its own."""
        return type(self)(self.name, self.filename, **self._options, **self.storage_kwargs)

    def _count(self, condition: str) -> int:
        [(number,)] = self._database.read(rows, f"SELECT COUNT(*) FROM {condition}", self.name)
        return int(number)

    def _delete(self, condition: str, *args: Any) -> int:
        return self._database.write(change, f"DELETE FROM {condition}", self.name, *args)

    def _start_anew(self) -> None:
        """Forget, in a forked child, what is the parent's."""
        self._watch = Watch(self._look)
        self._landed.clear()
        self._interrupted.clear()

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self.enqueue_many([Outgoing(data, priority)])

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        self._database.write(transitions.enqueue, self.name, messages)
        self._watch.tell([_READY])

    def dequeue(self) -> bytes | None:
        popped = self._database.write(transitions.pop, self.name, 1)
        return popped[0].body if popped else None

    def queue_size(self) -> int:
        return self._count("green_message WHERE queue = ? AND consumer IS NULL")

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return [row[3] for row in self._database.read(transitions.ready, self.name, or_all(limit))]

    def flush_queue(self) -> None:
        self._delete("green_message WHERE queue = ? AND consumer IS NULL")

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        self._database.write(transitions.plan, self.name, [Planned(data, epoch(timestamp))])

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        return self._database.write(transitions.take_due, self.name, epoch(timestamp))

    def schedule_size(self) -> int:
        return self._count("green_schedule WHERE queue = ?")

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        found = self._database.read(transitions.due, self.name, float("inf"), or_all(limit))
        return [body for _, body in found]

    def flush_schedule(self) -> None:
        self._delete("green_schedule WHERE queue = ?")

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> int:
        now = self.time() if now is None else now
        due = self._database.read(transitions.due, self.name, now, limit)
        # Outside of the transaction: it is a caller's code, and may take its time or raise.
        messages = {
            key: Outgoing(body, priority_of(body) if priority_of else None) for key, body in due
        }
        if not messages:
            return 0
        moved = self._database.write(transitions.promote, self.name, messages)
        self._watch.tell([_READY])
        return moved

    # Results and other values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        self._database.write(values.put, self.name, [(key, value)])
        self._watch.tell([_VALUE + key])

    def peek_data(self, key: str) -> bytes | None:
        return self.peek_many([key]).get(key)

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._database.read(values.peek, self.name, keys, self.time())

    def pop_data(self, key: str) -> bytes | None:
        return self._database.write(values.pop, self.name, key, self.time())

    def has_data_for_key(self, key: str) -> bool:
        return bool(self._database.read(values.present, self.name, [key], self.time()))

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        now = self.time()
        stored = self._database.write(values.put_if_empty, self.name, key, value, ttl, now)
        if stored:
            self._watch.tell([_VALUE + key])
        return stored

    def wait_result(
        self,
        key: str,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        ends_at = None if timeout is None else clock.monotonic() + timeout
        with self._watch.waiting_for(_VALUE + key) as waiter:
            while not self.has_data_for_key(key):
                if not self._watch.wait(waiter, ends_at):
                    return False
        return True

    def _look(self, awaited: Callable[[], Collection[str]]) -> list[str]:
        return self._database.read(self._look_here, awaited)

    def _look_here(
        self, db: sqlite3.Connection, awaited: Callable[[], Collection[str]]
    ) -> list[str]:
        """Return the topics that came true, if others wrote since the last look."""
        if not self._database.has_changed(db):
            return []
        topics = awaited()
        keys = [topic.removeprefix(_VALUE) for topic in topics if topic.startswith(_VALUE)]
        present = values.present(db, self.name, keys, self.time())
        is_ready = _READY in topics and self._is_ready(db)
        return [*(_VALUE + key for key in present), *([_READY] if is_ready else [])]

    def result_store_size(self) -> int:
        return self._database.read(values.size, self.name, self.time())

    def result_items(self) -> dict[str, bytes]:
        return self._database.read(values.items, self.name, self.time())

    def flush_results(self) -> None:
        self._delete("green_value WHERE queue = ?")

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        return self._database.write(values.incr, self.name, key, amount)

    def delete_counter(self, key: str) -> None:
        self._delete("green_counter WHERE queue = ? AND key = ?", key)

    def flush_counters(self) -> None:
        self._delete("green_counter WHERE queue = ?")

    def flush_all(self) -> None:
        self._database.write(self._flush_all)
        self._landed.clear()

    def _flush_all(self, db: sqlite3.Connection) -> None:
        for table in QUEUE_TABLES:
            change(db, f"DELETE FROM {table} WHERE queue = ?", self.name)

    # Revocation marks.

    def put_revocation(self, key: str, value: bytes) -> None:
        self._database.write(values.put, self.name, [(key, value)], True)
        self._marks += 1

    def has_revocations(self) -> bool:
        seen, marks = self._revoked
        return seen or marks != self._marks

    def _is_ready(self, db: sqlite3.Connection) -> bool:
        """Say whether a message is ready; note whether there are revocations."""
        marks = self._marks  # One that is set while we look is not overlooked.
        [(ready, revoked)] = rows(
            db,
            "SELECT"
            " EXISTS (SELECT 1 FROM green_message WHERE queue = ? AND consumer IS NULL),"
            " EXISTS (SELECT 1 FROM green_value WHERE queue = ? AND revocation = 1)",
            self.name,
            self.name,
        )
        self._revoked = (bool(revoked), marks)
        return bool(ready)

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
            with self._watch.waiting_for(_READY) as waiter:
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
            self._database.write(transitions.pop, self.name, room, then=landed.extend)
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
        self._watch.tell([_READY])

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        refused = self._database.write(transitions.settle, self.name, consumer, settlements)
        results = (key for one in settlements for key, _ in one.effects.results)
        self._watch.tell([_READY, *(_VALUE + key for key in results)])
        return refused

    def begin(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        self._database.write(transitions.begin, self.name, consumer, deliveries)

    def release(self, consumer: str, deliveries: Sequence[Delivery]) -> int:
        released = self._database.write(transitions.release, self.name, consumer, deliveries)
        self._watch.tell([_READY])
        return released

    def extend(self, consumer: str, lease: float) -> None:
        self._database.write(transitions.extend, self.name, consumer, self.time() + lease)

    def leave(self, consumer: str) -> None:
        self._landed.pop(consumer, None)
        self._interrupted.discard(consumer)
        self._database.write(transitions.leave, self.name, consumer)
        self._watch.tell([_READY])

    def consumers(self) -> dict[str, float]:
        return self._database.read(transitions.consumers, self.name)

    def reclaim(self, limit: int = 1000, dead: Iterable[str] = (), now: float | None = None) -> int:
        known_dead = frozenset(dead)
        now = self.time() if now is None else now
        if not self._database.read(transitions.ended_consumers, self.name, known_dead, now):
            return 0  # The usual case, and it takes no write lock.
        moved = self._database.write(transitions.reclaim, self.name, limit, known_dead, now)
        self._watch.tell([_READY])
        return moved

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        message = Outgoing(data, priority)
        now = self.time()
        enqueued = self._database.write(transitions.enqueue_once, self.name, message, key, ttl, now)
        self._watch.tell([_READY])
        return enqueued

    def in_flight(self) -> list[InFlight]:
        return self._database.read(transitions.in_flight, self.name)

    # Dead letters.

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        return self._database.read(deadletters.newest, self.name, or_all(limit))

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        moved = self._database.write(self._requeue, None if ids is None else list(ids))
        self._watch.tell([_READY])
        return moved

    def _requeue(self, db: sqlite3.Connection, ids: list[str] | None) -> int:
        letters = deadletters.exhume(db, self.name, ids)
        transitions.enqueue(db, self.name, [Outgoing(one.body, one.priority) for one in letters])
        return len(letters)

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        wanted = None if ids is None else list(ids)
        return len(self._database.write(deadletters.exhume, self.name, wanted))


__all__ = ["SqliteStorage"]
