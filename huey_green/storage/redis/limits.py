# SPDX-License-Identifier: MIT
"""Claims, permits and windows of hits: what keeps tasks from running twice, or too many at once."""

from __future__ import annotations

from collections.abc import Sequence

from huey_green.message import Claim, Delivery
from huey_green.storage.base import CANCEL_KEPT
from huey_green.storage.redis.queue import BATCH, RedisQueue
from huey_green.storage.redis.settling import score

#: Most keys of limited tasks that one call of a script looks through.
KEYS_AT_ONCE = 100


class RedisLimits(RedisQueue):
    """What depends on other tasks, over a LIST as over a ZSET."""

    # Claims.

    def enqueue_claimed(
        self,
        data: bytes,
        claim: Claim,
        ttl: float | None = None,
        at: float | None = None,
        priority: float | None = None,
    ) -> str | None:
        keys = self.keys
        names = (*keys.order(), keys.schedule, keys.claims, keys.claim_ends)
        lasts, eta = ("" if value is None else repr(float(value)) for value in (ttl, at))
        holder = self.scripts.call(
            "enqueue_claimed", names, (*claim, lasts, eta, score(priority), data)
        )
        return None if holder is None else holder.decode()

    def drop_claims(self, claims: Sequence[Claim]) -> None:
        names = (self.keys.claims, self.keys.claim_ends)
        for start in range(0, len(claims), BATCH):
            batch = claims[start : start + BATCH]
            self.scripts.call("drop_claims", names, [part for claim in batch for part in claim])

    def postpone(self, data: bytes, claim: Claim, at: float, replace: bool = False) -> str | None:
        names = (self.keys.schedule, self.keys.claims, self.keys.claim_ends)
        args = (*claim, repr(float(at)), data, int(replace))
        holder = self.scripts.call("postpone", names, args)
        return None if holder is None else holder.decode()

    # Permits.

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        if delivery.receipt is None:
            return False
        names = (
            *self.keys.order(consumer),
            self.keys.inflight(consumer),
            self.keys.begun(consumer),
            *self._permit_keys(),
        )
        is_admitted = bool(self.scripts.call("admit", names, (delivery.receipt, key, limit)))
        if not is_admitted:
            self._let_go(consumer, [delivery])
        return is_admitted

    def parked_items(self, limit: int | None = None) -> list[bytes]:
        # Within a key they are in order; only their sequence says how keys interleave.
        members = self.link.execute("ZRANGE", self.keys.parked, 0, -1)
        found = sorted(map(_parked, members))
        return [self._body_of(kept) for _, kept in found[:limit]]

    def _unpark_idle(self) -> None:
        names = (*self.keys.order(), self.keys.parked, self.keys.permit_counts)
        where: bytes | str = "-"
        while where:
            where = self.scripts.call("unpark", names, (where, KEYS_AT_ONCE))

    # Windows of hits.

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        names = (self.keys.hits(key), self.keys.windows, self.keys.sequence)
        at = "" if now is None else repr(float(now))
        return float(self.scripts.call("hit", names, (key, limit, repr(float(per)), at)))

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        at = "" if now is None else repr(float(now))
        return int(self.scripts.call("hits", (self.keys.hits(key),), (repr(float(per)), at)))

    def forget_hits(self, key: str) -> None:
        self.link.transaction(("DEL", self.keys.hits(key)), ("ZREM", self.keys.windows, key))

    # Tasks that are to be stopped.

    def cancel(self, task_id: str) -> None:
        self.scripts.call("cancel", (self.keys.cancels,), (task_id, CANCEL_KEPT))

    def canceled(self, since: float) -> tuple[list[str], float]:
        # In this order: what is noted between the two is returned twice and not never.
        (seconds, micros), ids = self.link.together(
            ("TIME",), ("ZRANGEBYSCORE", self.keys.cancels, repr(float(since)), "+inf")
        )
        return [one.decode() for one in ids], int(seconds) + int(micros) / 1_000_000


def _parked(member: bytes) -> tuple[bytes, bytes]:
    """Return the sequence of a parked message and what the queue needs to take it back."""
    start = 4 + int.from_bytes(member[:4], "big")
    return member[start : start + 8], member[start + 8 :]
