# SPDX-License-Identifier: MIT
"""The storage contract on a folder: which transition, and who to wake."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

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
from huey_green.storage.file import marks, reports, transitions
from huey_green.storage.file.change import Change
from huey_green.storage.file.disk import Disk
from huey_green.storage.file.reports import FileReports
from huey_green.storage.file.results import NEWS, PROGRESS, READY
from huey_green.storage.file.values import ENDING, FOLDER

#: Files of values that one call of ``prune`` looks at, and of those how many under one lock: a
#: few tens of milliseconds each.
LOOK_AT, AT_ONCE = 50_000, 500


class FileStorage(FileReports):
    """A queue in a folder, for the processes of one machine.

    ``path`` is created if need be, for its owner only. One folder is one queue: ``name`` is not
    used, as in huey. Results are kept in ``levels`` levels of directories, 16 in each.

    Threads and greenlets take turns by a lock of the process, processes by a lock file.
    ``use_thread_lock`` says that one process alone uses the folder: then a file system without
    file locks will do. Where there are some they are used all the same, so that a second
    process, a shell for instance, does no harm. ``timeout`` is how many seconds a call waits
    for its turn.

    What has been written survives the end of every process; with ``fsync`` it survives the loss
    of power as well.
    """

    blocking = True
    priority = True
    leases = True
    blocks_thread = True

    def independent(self, patience: float | None = None) -> FileStorage:
        """Return a handle on the same folder with a native thread of its own."""
        return type(self)(
            self.name,
            self.path,
            self.levels,
            self.use_thread_lock,
            timeout=self._options.timeout,
            fsync=self._options.fsync,
        )

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self.enqueue_many([Outgoing(data, priority)])

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        self._work(transitions.enqueue, messages, needs_state=False)
        self._watch.tell([READY])

    def dequeue(self) -> bytes | None:
        popped = self._work(transitions.pop, 1)
        return popped[0].body if popped else None

    def queue_size(self) -> int:
        return self._work(transitions.ready_count)

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return self._work(transitions.ready, limit)

    def flush_queue(self) -> None:
        self._work(transitions.flush_queue)

    def flush_all(self) -> None:
        self._work(transitions.flush_all)
        self._value(reports.forget_all, Disk(self.path))
        self._landed.clear()

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        planned = [Planned(data, epoch(timestamp))]
        self._work(transitions.plan, planned, needs_state=False)

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        return self._work(transitions.take_due, epoch(timestamp))

    def schedule_size(self) -> int:
        return self._work(transitions.planned_count)

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [body for _, body in self._work(transitions.due, float("inf"), limit)]

    def remove_scheduled(self, data: bytes) -> bool:
        return self._work(transitions.remove_scheduled, data)

    def flush_schedule(self) -> None:
        self._work(transitions.flush_schedule)

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> Promoted:
        due, next_at = self._work(transitions.look, self.time() if now is None else now, limit)
        # Not while the lock is held: it is a caller's code, and may take its time or raise.
        found = {number: priority_of(body) if priority_of else None for number, body in due}
        if not found:
            return Promoted(0, next_at)
        promoted = self._work(transitions.promote, found)
        self._watch.tell([READY])
        return promoted

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
                    if self._work(self._is_ready):
                        taken = self._take(consumer, limit, lease)
                    if taken or not self._watch.wait(waiter, ends_at):
                        break
        self._interrupted.discard(consumer)
        return taken

    def _take(self, consumer: str, limit: int, lease: float | None) -> list[Delivery]:
        landed = self._landed.setdefault(consumer, deque())
        room = 0 if landed else max(limit, 0)  # What landed goes first.
        if lease is not None or room:
            self._work(self._land, consumer, room, lease, then=landed.extend)
        taken: list[Delivery] = []
        while landed and len(taken) < limit:
            taken.append(landed.popleft())
        return taken

    def _land(
        self, change: Change, consumer: str, limit: int, lease: float | None
    ) -> list[Delivery]:
        self._is_ready(change)
        if lease is None:
            return transitions.pop(change, limit)
        return transitions.lease(change, consumer, limit, self.time() + lease)

    def interrupt(self, consumer: str) -> None:
        self._interrupted.add(consumer)
        self._watch.tell([READY])

    def begin(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        self._work(transitions.begin, consumer, deliveries)

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        refused = self._work(transitions.settle, consumer, settlements)
        news = [key for one in settlements for key, _ in one.effects.results]
        # Who follows the progress of a task that leaves no result learns that it has ended.
        news += [PROGRESS + key for one in settlements for key in one.effects.extra.progress]
        self._watch.tell([READY, *(NEWS + key for key in news)])
        return refused

    def release(self, consumer: str, deliveries: Sequence[Delivery]) -> int:
        released = self._work(transitions.release, consumer, deliveries)
        self._watch.tell([READY])
        return released

    def extend(self, consumer: str, lease: float) -> None:
        def extend(change: Change) -> None:
            # Only now: it may have waited to begin, and the lease counts from here.
            transitions.extend(change, consumer, self.time() + lease)

        self._work(extend, needs_state=False)

    def leave(self, consumer: str) -> None:
        self._landed.pop(consumer, None)
        self._interrupted.discard(consumer)
        self._work(transitions.leave, consumer)
        self._watch.tell([READY])

    def consumers(self) -> dict[str, float]:
        return self._work(transitions.consumers)

    def reclaim(self, limit: int = 1000, dead: Iterable[str] = (), now: float | None = None) -> int:
        now = self.time() if now is None else now
        moved = self._work(transitions.reclaim, limit, frozenset(dead), now)
        self._watch.tell([READY])
        return moved

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        message = Outgoing(data, priority)
        enqueued = self._work(transitions.enqueue_once, message, key, ttl, self.time())
        self._watch.tell([READY])
        return enqueued

    def in_flight(self) -> list[InFlight]:
        return self._work(transitions.in_flight)

    # Chords, claims, limits.

    def chord_values(self, chord: str, size: int) -> list[bytes | None]:
        return self._work(marks.chord_values, chord, size)

    def enqueue_claimed(
        self,
        data: bytes,
        claim: Claim,
        ttl: float | None = None,
        at: float | None = None,
        priority: float | None = None,
    ) -> str | None:
        message = Outgoing(data, priority)
        holder = self._work(marks.enqueue_claimed, message, claim, ttl, at, self.time())
        self._watch.tell([READY])
        return holder

    def drop_claims(self, claims: Sequence[Claim]) -> None:
        self._work(transitions.drop_claims, claims)

    def postpone(self, data: bytes, claim: Claim, at: float, replace: bool = False) -> str | None:
        return self._work(marks.postpone, data, claim, at, replace)

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        return self._work(transitions.admit, consumer, delivery, key, limit)

    def parked_items(self, limit: int | None = None) -> list[bytes]:
        return self._work(transitions.parked, limit)

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        return self._work(marks.hit, key, limit, per, self.time() if now is None else now)

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        return self._work(marks.hits, key, per, self.time() if now is None else now)

    def forget_hits(self, key: str) -> None:
        self._work(Change.say, "unhit", key, needs_state=False)

    def cancel(self, task_id: str) -> None:
        self._work(marks.cancel, task_id, self.time, needs_state=False)

    def canceled(self, since: float) -> tuple[list[str], float]:
        return self._work(marks.canceled, since, self.time)

    # Dead letters.

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        return self._work(marks.newest_dead, limit)

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        wanted = None if ids is None else list(ids)
        moved = self._work(marks.requeue_dead, wanted, self.time())
        self._watch.tell([READY])
        return moved

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        return self._work(marks.delete_dead, None if ids is None else list(ids))

    def prune(self, limit: int = 1000, now: float | None = None) -> int:
        now = self.time() if now is None else now
        self._work(marks.forget_ended, now)
        # Looked for while others have the lock; whether one has ended is asked under it.
        names = self._lane.call(self._find_ending)
        for start in range(0, len(names), AT_ONCE):
            self._value(marks.forget_values, names[start : start + AT_ONCE], now)
        return self._work(marks.prune_dead, self.retention, limit, now)

    def _find_ending(self) -> list[str]:
        """Return the files of values that have an end, of the next ones that there are."""
        found, self._sweep = self._sweep, None
        if found is None:
            found = Disk(self.path).walk(FOLDER)
        looked = list(islice(found, LOOK_AT))
        if len(looked) == LOOK_AT:
            self._sweep = found  # The next call goes on from here.
        return [name for name in looked if name.endswith(ENDING)]


__all__ = ["FileStorage"]
