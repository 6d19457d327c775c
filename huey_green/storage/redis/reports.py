# SPDX-License-Identifier: MIT
"""What consumers say of themselves: a string for each, which ends by itself."""

from __future__ import annotations

from collections.abc import Sequence

from huey_green.events import BaseEventEmitter
from huey_green.report import Counts
from huey_green.storage.redis.queue import RedisQueue


class RedisReports(RedisQueue):
    """Mixed into the storages. The index is that of the leases: who has none is not asked for."""

    def put_report(self, consumer: str, data: bytes, ttl: float) -> None:
        milliseconds = max(1, round(ttl * 1000))
        self.link.execute("SET", self.keys.report(consumer), data, "PX", milliseconds)

    def forget_report(self, consumer: str) -> None:
        self.link.execute("DEL", self.keys.report(consumer))

    def reports(self, consumers: Sequence[str]) -> dict[str, bytes]:
        if not consumers:
            return {}
        found = self.link.execute("MGET", *(self.keys.report(name) for name in consumers))
        return {name: data for name, data in zip(consumers, found, strict=True) if data is not None}

    def held_counts(self, consumers: Sequence[str]) -> dict[str, int]:
        if not consumers:
            return {}
        commands = [("HLEN", self.keys.inflight(name)) for name in consumers]
        found = zip(consumers, self.link.together(*commands), strict=True)
        return {name: int(number) for name, number in found if number}

    def counts(self) -> Counts:
        keys = self.keys
        scheduled, parked, dead = self.link.together(
            ("ZCARD", keys.schedule), ("ZCARD", keys.parked), ("ZCARD", keys.dead_index)
        )
        held = self.held_counts(list(self.consumers()))
        return Counts(
            waiting=self.queue_size(),
            scheduled=int(scheduled),
            parked=int(parked),
            in_flight=sum(held.values()),
            dead=int(dead),
            results=self.result_store_size(),
        )

    def event_emitter(self) -> BaseEventEmitter:
        # Only now: it is made of our own modules, and imports them.
        from huey_green.events_redis import RedisEventEmitter

        return RedisEventEmitter(self.keys.events, link=self.link)

    def _flush_reports(self) -> None:
        names = [self.keys.report(name) for name in self.consumers()]
        if names:
            self.link.execute("DEL", *names)
