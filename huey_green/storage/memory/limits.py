# SPDX-License-Identifier: MIT
"""Chords, claims, permits, rate windows, what is to be stopped, and how far tasks have come."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

from huey_green.message import Claim, Delivery, Extra
from huey_green.storage.base import CANCEL_KEPT, CHORD_KEPT, PROGRESS_KEPT
from huey_green.storage.memory.values import Claimed, Hits, MemoryValues

#: Seconds for which a window is kept beyond its end: a test's own clock may be slower than ours.
MARGIN = 60.0


class MemoryLimits(MemoryValues):
    """What tasks that depend on other tasks need."""

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
            holder = self._claim(claim, ttl)
            if holder is not None:
                return holder
            if at is None:
                self.enqueue(data, priority)
            else:
                self.add_to_schedule(data, at)
            return None

    def _claim(self, claim: Claim, ttl: float | None) -> str | None:
        """Take a claim, or return who holds it."""
        now = self.time()
        holder = self._claims.get(claim.key)
        if holder is not None and holder.ends_at > now:
            return holder.owner
        ends_at = float("inf") if ttl is None else now + ttl
        self._claims[claim.key] = Claimed(claim.owner, ends_at)
        return None

    def drop_claims(self, claims: Sequence[Claim]) -> None:
        with self._changed:
            for key, owner in claims:
                if key in self._claims and self._claims[key].owner == owner:
                    del self._claims[key]

    def postpone(self, data: bytes, claim: Claim, at: float, replace: bool = False) -> str | None:
        with self._changed:
            holder = self._claims.get(claim.key)
            planned = None if holder is None else holder.planned
            waits = planned is not None and planned in self.scheduled_items()
            if holder is not None and waits and holder.owner != claim.owner:
                return holder.owner
            if replace and not waits:
                return ""
            if planned is not None and waits:
                self.remove_scheduled(planned)
            self.add_to_schedule(data, at)
            self._claims[claim.key] = Claimed(claim.owner, float("inf"), data)
            return None

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        with self._changed:
            held = self._held.get(consumer, {})
            ready = held.get(delivery.receipt or "")
            if ready is None:
                return False
            if ready.permit != key and self._permits(key) >= limit:
                del held[delivery.receipt or ""]
                ready.parked_as = next(self._order)
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
            every = [ready for parked in self._parked.values() for ready in parked]
            every.sort(key=lambda ready: ready.parked_as)
            return [ready.body for ready in every[:limit]]

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        with self._changed:
            now = self.time() if now is None else now
            window = self._window(key, per, now)
            if len(window) < limit:
                window.append(now)
                self._hits[key] = Hits(window, self.time() + per)
                return 0.0
            return window[-limit] + per - now

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        with self._changed:
            return len(self._window(key, per, self.time() if now is None else now))

    def forget_hits(self, key: str) -> None:
        self._hits.pop(key, None)

    def _window(self, key: str, per: float, now: float) -> deque[float]:
        window = self._hits[key].at if key in self._hits else deque()
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
            self._progress_told[task_id] = self.time()
            self._changed.notify_all()

    def peek_progress(self, task_id: str) -> bytes | None:
        return self._progress.get(task_id)

    def _settle_extra(self, extra: Extra) -> None:
        for chord, index, size, value, callback in extra.members:
            noted = self._chords.setdefault(chord, {})
            if index not in noted:
                noted[index] = value
                self._chord_news[chord] = self.time()
                if len(noted) == size:
                    self.enqueue_many([callback])
        for chord in extra.joined:
            self._chords.pop(chord, None)
            self._chord_news.pop(chord, None)
        self.drop_claims(extra.drops)
        if extra.limited is not None:
            self._unpark(extra.limited)
        for task_id in extra.progress:
            self._progress.pop(task_id, None)
            self._progress_told.pop(task_id, None)

    def _forget_ended(self, now: float) -> None:
        self._forget_values(now)
        for ended in [key for key, one in self._hits.items() if one.ends_at + MARGIN <= now]:
            del self._hits[ended]
        for ended in [key for key, one in self._claims.items() if one.ends_at <= now]:
            del self._claims[ended]
        self._once = {key: ends_at for key, ends_at in self._once.items() if ends_at > now}
        self._cancels = {key: at for key, at in self._cancels.items() if at > now - CANCEL_KEPT}
        kept = now - PROGRESS_KEPT
        for old in [key for key, at in self._progress_told.items() if at <= kept]:
            del self._progress[old], self._progress_told[old]
        for old in [key for key, at in self._chord_news.items() if at <= now - CHORD_KEPT]:
            self._chords.pop(old, None)
            del self._chord_news[old]
