# SPDX-License-Identifier: MIT
"""Heap and dicts: for tests, immediate mode, and as the specification that can be executed."""

from __future__ import annotations

import heapq
import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

from huey_green.message import (
    NO_EXTRA,
    Claim,
    DeadLetter,
    Delivery,
    Extra,
    InFlight,
    Outgoing,
    Settlement,
)
from huey_green.storage.base import CANCEL_KEPT, BaseStorage, Moment, epoch


class _Ready:
    """A message in the queue: ordered by priority, then by arrival."""

    __slots__ = ("begun", "body", "history", "order", "permit", "priority")

    def __init__(self, body: bytes, priority: float, order: int, history: tuple[str, ...]) -> None:
        self.body = body
        self.priority = priority
        self.order = order
        self.history = history
        self.begun = False
        #: The key under which its lease holds a permit.
        self.permit: str | None = None

    def __lt__(self, other: _Ready) -> bool:
        return (-self.priority, self.order) < (-other.priority, other.order)


class _Claimed(NamedTuple):
    """Who holds a claim, until when, and the message that ``postpone`` put on the schedule."""

    owner: str
    ends_at: float
    planned: bytes | None = None


class MemoryStorage(BaseStorage):
    """Everything in this process, gone with it. Its leases survive a consumer, not the process."""

    blocking = True
    leases = True

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        super().__init__(name, **storage_kwargs)
        self._changed = threading.Condition(threading.RLock())
        self._order = count()
        self._queue: list[_Ready] = []
        self._schedule: list[tuple[float, int, bytes]] = []
        self._data: dict[str, bytes] = {}
        self._expiries: dict[str, float] = {}
        self._counters: dict[str, int] = {}
        self._revocations: set[str] = set()
        self._held: dict[str, dict[str, _Ready]] = {}
        self._lease_ends: dict[str, float] = {}
        self._interrupted: set[str] = set()
        self._dead: dict[str, DeadLetter] = {}
        self._once: dict[str, float] = {}
        self._chords: dict[str, dict[int, bytes]] = {}
        self._claims: dict[str, _Claimed] = {}
        self._parked: dict[str, deque[_Ready]] = {}
        self._hits: dict[str, deque[float]] = {}
        self._cancels: dict[str, float] = {}
        self._progress: dict[str, bytes] = {}

    def describe(self) -> str:
        return "memory of this process"

    def ping(self) -> None:
        """Always answers."""

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self.enqueue_many([Outgoing(data, priority)])

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        with self._changed:
            for body, priority in messages:
                heapq.heappush(self._queue, _Ready(body, priority or 0, next(self._order), ()))
            self._changed.notify_all()

    def dequeue(self) -> bytes | None:
        with self._changed:
            return heapq.heappop(self._queue).body if self._queue else None

    def queue_size(self) -> int:
        return len(self._queue)

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        with self._changed:
            return [ready.body for ready in sorted(self._queue)[:limit]]

    def flush_queue(self) -> None:
        with self._changed:
            self._queue.clear()
            self._parked.clear()
            self._claims.clear()

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        with self._changed:
            insort(self._schedule, (epoch(timestamp), next(self._order), data))

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        with self._changed:
            due = self._due(epoch(timestamp), None)
            del self._schedule[: len(due)]
            return due

    def schedule_size(self) -> int:
        return len(self._schedule)

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        with self._changed:
            return [body for _, _, body in self._schedule[:limit]]

    def remove_scheduled(self, data: bytes) -> bool:
        with self._changed:
            for position, (_, _, body) in enumerate(self._schedule):
                if body == data:
                    del self._schedule[position]
                    return True
            return False

    def flush_schedule(self) -> None:
        with self._changed:
            self._schedule.clear()
            self._claims.clear()

    def _due(self, now: float, limit: int | None) -> list[bytes]:
        due = 0
        while due < len(self._schedule) and self._schedule[due][0] <= now and due != limit:
            due += 1
        return [body for _, _, body in self._schedule[:due]]

    # Results and other values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        with self._changed:
            self._data[key] = value
            self._expiries.pop(key, None)
            self._changed.notify_all()

    def peek_data(self, key: str) -> bytes | None:
        with self._changed:
            self._expire(key)
            return self._data.get(key)

    def pop_data(self, key: str) -> bytes | None:
        with self._changed:
            self._expire(key)
            self._expiries.pop(key, None)
            return self._data.pop(key, None)

    def has_data_for_key(self, key: str) -> bool:
        return self.peek_data(key) is not None

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        with self._changed:
            self._expire(key)
            if key in self._data:
                return False
            self.put_data(key, value)
            if ttl is not None:
                self._expiries[key] = self.time() + ttl
            return True

    def delete_if(self, key: str, value: bytes) -> bool:
        with self._changed:
            return self.peek_data(key) == value and self.delete_data(key)

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        with self._changed:
            return self._changed.wait_for(is_ready, timeout)

    def result_store_size(self) -> int:
        return len(self.result_items())

    def result_items(self) -> dict[str, bytes]:
        with self._changed:
            for key in list(self._expiries):
                self._expire(key)
            return dict(self._data)

    def flush_results(self) -> None:
        with self._changed:
            self._data.clear()
            self._expiries.clear()
            self._revocations.clear()

    def _expire(self, key: str) -> None:
        if self._expiries.get(key, float("inf")) <= self.time():
            del self._data[key], self._expiries[key]
            self._revocations.discard(key)

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        with self._changed:
            self._counters[key] = self._counters.get(key, 0) + amount
            return self._counters[key]

    def delete_counter(self, key: str) -> None:
        self._counters.pop(key, None)

    def flush_counters(self) -> None:
        self._counters.clear()

    def flush_all(self) -> None:
        with self._changed:
            super().flush_all()
            self._dead.clear()
            self._once.clear()
            self._held.clear()
            self._lease_ends.clear()
            self._chords.clear()
            self._hits.clear()
            self._cancels.clear()
            self._progress.clear()

    # Revocation marks.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        with self._changed:
            self.put_data(key, value)
            self._revocations.add(key)
            if ttl is not None:
                self._expiries[key] = self.time() + ttl

    def pop_revocation(self, key: str) -> bytes | None:
        with self._changed:
            self._revocations.discard(key)
            return self.pop_data(key)

    def has_revocations(self) -> bool:
        for key in self._revocations & self._expiries.keys():
            self._expire(key)
        return bool(self._revocations)

    # The lease protocol.

    def fetch(
        self,
        consumer: str,
        limit: int,
        wait: float = 0.0,
        lease: float | None = 30.0,
    ) -> list[Delivery]:
        with self._changed:
            if lease is not None:
                self.extend(consumer, lease)
            if not self._queue and wait > 0:
                self._changed.wait_for(lambda: self._queue or consumer in self._interrupted, wait)
            self._interrupted.discard(consumer)
            taken = [heapq.heappop(self._queue) for _ in range(min(limit, len(self._queue)))]
            if lease is None:
                return [Delivery(ready.body) for ready in taken]
            self.extend(consumer, lease)
            return [self._hold(consumer, ready) for ready in taken]

    def _hold(self, consumer: str, ready: _Ready) -> Delivery:
        receipt = str(next(self._order))
        ready.begun = False
        ready.permit = None
        self._held.setdefault(consumer, {})[receipt] = ready
        return Delivery(ready.body, receipt, len(ready.history) + 1, ready.history)

    def interrupt(self, consumer: str) -> None:
        with self._changed:
            self._interrupted.add(consumer)
            self._changed.notify_all()

    def begin(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        with self._changed:
            held = self._held.get(consumer, {})
            for delivery in deliveries:
                if delivery.receipt in held:
                    held[delivery.receipt].begun = True

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        refused = []
        with self._changed:
            held = self._held.get(consumer, {})
            for settlement in settlements:
                receipt = settlement.delivery.receipt
                if receipt is not None and held.pop(receipt, None) is None:
                    refused.append(settlement)
                    continue
                results, enqueue, schedule, dead, extra = settlement.effects
                for key, value in results:
                    self.put_data(key, value, is_result=True)
                self.enqueue_many(enqueue)
                for body, at in schedule:
                    self.add_to_schedule(body, at)
                if dead is not None:
                    self._dead[dead.id] = dead
                if extra is not NO_EXTRA:
                    self._settle_extra(extra)
        return refused

    def _settle_extra(self, extra: Extra) -> None:
        for chord, index, size, value, callback in extra.members:
            noted = self._chords.setdefault(chord, {})
            if index not in noted:
                noted[index] = value
                if len(noted) == size:
                    self.enqueue_many([callback])
        for chord in extra.joined:
            self._chords.pop(chord, None)
        self.drop_claims(extra.drops)
        if extra.limited is not None:
            self._unpark(extra.limited)
        for task_id in extra.progress:
            self._progress.pop(task_id, None)

    def release(self, consumer: str, deliveries: Sequence[Delivery]) -> int:
        with self._changed:
            held = self._held.get(consumer, {})
            unleased = [Outgoing(one.body) for one in deliveries if one.receipt is None]
            self.enqueue_many(unleased)
            receipts = [one.receipt for one in deliveries if one.receipt is not None]
            found = [held.pop(receipt) for receipt in receipts if receipt in held]
            for ready in found:
                self._hand_back(ready)
            self._changed.notify_all()
            return len(found) + len(unleased)

    def _hand_back(self, ready: _Ready) -> None:
        heapq.heappush(self._queue, ready)
        if ready.permit is not None:
            key, ready.permit = ready.permit, None
            self._unpark(key)

    def extend(self, consumer: str, lease: float) -> None:
        self._lease_ends[consumer] = self.time() + lease

    def leave(self, consumer: str) -> None:
        with self._changed:
            for ready in self._held.pop(consumer, {}).values():
                self._hand_back(ready)
            self._lease_ends.pop(consumer, None)
            self._interrupted.discard(consumer)
            self._changed.notify_all()

    def consumers(self) -> dict[str, float]:
        return dict(self._lease_ends)

    def reclaim(self, limit: int = 1000, dead: Iterable[str] = (), now: float | None = None) -> int:
        now = self.time() if now is None else now
        known_dead = set(dead)
        moved = 0
        with self._changed:
            for consumer, ends_at in list(self._lease_ends.items()):
                if ends_at > now and consumer not in known_dead:
                    continue
                held = self._held.get(consumer, {})
                for receipt in list(held)[: limit - moved]:
                    ready = held.pop(receipt)
                    if ready.begun or not ready.history:
                        ready.history = (*ready.history, f"{now:.3f} {consumer}")
                    self._hand_back(ready)
                    moved += 1
                if not held:
                    self._held.pop(consumer, None)
                    del self._lease_ends[consumer]
            for key in [key for key in self._parked if not self._permits(key)]:
                self._unpark(key)
            self._changed.notify_all()
        return moved

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> int:
        with self._changed:
            due = self._due(self.time() if now is None else now, limit)
            messages = [Outgoing(body, priority_of(body) if priority_of else None) for body in due]
            del self._schedule[: len(due)]  # Only now: a caller's priority_of may have raised.
            self.enqueue_many(messages)
            return len(due)

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        with self._changed:
            now = self.time()
            self._once = {known: ends for known, ends in self._once.items() if ends > now}
            if key in self._once:
                return False
            self._once[key] = now + ttl
            self.enqueue(data, priority)
            return True

    # Chords, claims, limits.

    def chord_values(self, chord: str, size: int) -> list[bytes | None]:
        with self._changed:
            noted = self._chords.get(chord, {})
            return [noted.get(index) for index in range(size)]

    def enqueue_claimed(
        self,
        data: bytes,
        claim: Claim,
        ttl: float | None = None,
        at: float | None = None,
        priority: float | None = None,
    ) -> str | None:
        with self._changed:
            now = self.time()
            holder = self._claims.get(claim.key)
            if holder is not None and holder.ends_at > now:
                return holder.owner
            ends_at = float("inf") if ttl is None else now + ttl
            self._claims[claim.key] = _Claimed(claim.owner, ends_at)
            if at is None:
                self.enqueue(data, priority)
            else:
                self.add_to_schedule(data, at)
            return None

    def drop_claims(self, claims: Sequence[Claim]) -> None:
        with self._changed:
            for key, owner in claims:
                if key in self._claims and self._claims[key].owner == owner:
                    del self._claims[key]

    def postpone(self, data: bytes, claim: Claim, at: float) -> str | None:
        with self._changed:
            holder = self._claims.get(claim.key)
            planned = None if holder is None else holder.planned
            if holder is not None and planned is not None:
                if holder.owner != claim.owner and planned in self.scheduled_items():
                    return holder.owner
                if holder.owner == claim.owner:
                    self.remove_scheduled(planned)
            self.add_to_schedule(data, at)
            self._claims[claim.key] = _Claimed(claim.owner, float("inf"), data)
            return None

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        with self._changed:
            held = self._held.get(consumer, {})
            ready = held.get(delivery.receipt or "")
            if ready is None:
                return False
            if ready.permit != key and self._permits(key) >= limit:
                del held[delivery.receipt or ""]
                self._parked.setdefault(key, deque()).append(ready)
                return False
            ready.permit = key
            return True

    def _permits(self, key: str) -> int:
        every = (ready for held in self._held.values() for ready in held.values())
        return sum(ready.permit == key for ready in every)

    def _unpark(self, key: str) -> None:
        parked = self._parked.get(key)
        if parked:
            heapq.heappush(self._queue, parked.popleft())
            self._changed.notify_all()
        if not parked:
            self._parked.pop(key, None)

    def parked_items(self, limit: int | None = None) -> list[bytes]:
        with self._changed:
            every = [ready.body for parked in self._parked.values() for ready in parked]
            return every[:limit]

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        with self._changed:
            now = self.time() if now is None else now
            window = self._window(key, per, now)
            if len(window) < limit:
                window.append(now)
                return 0.0
            return window[-limit] + per - now

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        with self._changed:
            return len(self._window(key, per, self.time() if now is None else now))

    def forget_hits(self, key: str) -> None:
        self._hits.pop(key, None)

    def _window(self, key: str, per: float, now: float) -> deque[float]:
        window = self._hits.setdefault(key, deque())
        while window and window[0] <= now - per:
            window.popleft()
        return window

    def cancel(self, task_id: str) -> None:
        with self._changed:
            now = self.time()
            kept = {key: at for key, at in self._cancels.items() if at > now - CANCEL_KEPT}
            self._cancels = {**kept, task_id: now}

    def canceled(self, since: float) -> tuple[list[str], float]:
        with self._changed:
            return [key for key, at in self._cancels.items() if at >= since], self.time()

    def put_progress(self, task_id: str, data: bytes) -> None:
        with self._changed:
            self._progress[task_id] = data
            self._changed.notify_all()

    def peek_progress(self, task_id: str) -> bytes | None:
        return self._progress.get(task_id)

    def in_flight(self) -> list[InFlight]:
        with self._changed:
            return [
                InFlight(consumer, receipt, ready.body, self._lease_ends.get(consumer, 0.0))
                for consumer, held in self._held.items()
                for receipt, ready in held.items()
            ]

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        letters = sorted(self._dead.values(), key=lambda one: one.died_at, reverse=True)
        return letters[:limit]

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        with self._changed:
            wanted = list(self._dead) if ids is None else [one for one in ids if one in self._dead]
            self.enqueue_many(
                [Outgoing(dead.body, dead.priority) for dead in map(self._dead.pop, wanted)]
            )
            return len(wanted)

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        with self._changed:
            wanted = list(self._dead) if ids is None else [one for one in ids if one in self._dead]
            for one in wanted:
                del self._dead[one]
            return len(wanted)


__all__ = ["MemoryStorage"]
