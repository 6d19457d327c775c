# SPDX-License-Identifier: MIT
"""Heap and dicts: for tests, immediate mode, and as the specification that can be executed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from huey_green.message import (
    NO_EXTRA,
    Claim,
    DeadLetter,
    Delivery,
    InFlight,
    Outgoing,
    Promoted,
    Settlement,
)
from huey_green.storage.base import beyond, signed
from huey_green.storage.memory.reports import MemoryReports
from huey_green.storage.memory.values import Ready


class MemoryStorage(MemoryReports):
    """Everything in this process, gone with it. Its leases survive a consumer, not the process."""

    def fetch(
        self,
        consumer: str,
        limit: int,
        wait: float = 0.0,
        lease: float | None = 30.0,
    ) -> list[Delivery]:
        if lease is not None:
            self.extend(consumer, lease)
        if wait > 0:
            self._changed.wait_for(lambda: self._queue or consumer in self._interrupted, wait)
        with self._changed:
            self._interrupted.discard(consumer)
            taken = [heapq.heappop(self._queue) for _ in range(min(limit, len(self._queue)))]
            if lease is None:
                return [Delivery(ready.body) for ready in taken]
            self.extend(consumer, lease)
            return [self._hold(consumer, ready) for ready in taken]

    def _hold(self, consumer: str, ready: Ready) -> Delivery:
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
                    if extra.result_ttl is not None:
                        self._end_at(key, self.time() + extra.result_ttl)
                self.enqueue_many(enqueue)
                for body, at in schedule:
                    self.add_to_schedule(body, at)
                if dead is not None:
                    self._dead[dead.id] = signed(dead, consumer)
                if extra is not NO_EXTRA:
                    self._settle_extra(extra)
        return refused

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

    def _hand_back(self, ready: Ready) -> None:
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
    ) -> Promoted:
        with self._changed:
            due = self._due(self.time() if now is None else now, limit)
            messages = [Outgoing(body, priority_of(body) if priority_of else None) for body in due]
            del self._schedule[: len(due)]  # Only now: a caller's priority_of may have raised.
            self.enqueue_many(messages)
            return Promoted(len(due), self._schedule[0][0] if self._schedule else None)

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
            found = self._letters(ids)
            moved = [dead for dead in found if dead.claim is None or self._claims_again(dead)]
            for dead in moved:
                del self._dead[dead.id]
                self.delete_data(dead.id)
            self.enqueue_many([Outgoing(dead.body, dead.priority) for dead in moved])
            return len(moved)

    def _claims_again(self, dead: DeadLetter) -> bool:
        return self._claim(Claim(dead.claim or "", dead.id), None) is None

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        with self._changed:
            found = self._letters(ids)
            for dead in found:
                del self._dead[dead.id]
                self._chords.pop(dead.joins or "", None)
                self._chord_news.pop(dead.joins or "", None)
            return len(found)

    def _letters(self, ids: Iterable[str] | None) -> list[DeadLetter]:
        wanted = list(self._dead) if ids is None else dict.fromkeys(ids)
        return [self._dead[one] for one in wanted if one in self._dead]

    def prune(self, limit: int = 1000, now: float | None = None) -> int:
        now = self.time() if now is None else now
        with self._changed:
            self._forget_ended(now)
            return self.delete_dead(beyond(self.retention, self.dead_letters(), limit, now))


__all__ = ["MemoryStorage"]
