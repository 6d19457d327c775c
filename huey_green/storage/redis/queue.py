# SPDX-License-Identifier: MIT
"""The ready queue, the schedule and the leases: the same verbs over a LIST and over a ZSET."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis

from huey_green.message import Delivery, InFlight, Outgoing, Promoted, Settlement
from huey_green.storage.base import BaseStorage, Moment, epoch
from huey_green.storage.redis.connect import Command, Link
from huey_green.storage.redis.foreign import NamingScripts, check_keys, naming
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.leasing import Leasing
from huey_green.storage.redis.scripts import Scripts, Variants
from huey_green.storage.redis.settling import Settling, score
from huey_green.storage.redis.waiting import LONGEST_WAIT

#: Most messages that one call of a script moves: about a millisecond of the server's time.
BATCH = 500


class RedisQueue(BaseStorage):
    """What a LIST and a ZSET have in common; see ``ListQueue`` and ``SortedSetQueue``."""

    blocking = True
    leases = True

    #: The variants of the scripts, see ``Variants``; ``store`` is the result store's.
    order: str
    store: str

    link: Link
    keys: Keys
    scripts: Scripts

    _result_ttl: int | None

    def _start_queue(self, blocking: bool) -> None:
        self.blocking = blocking
        self.scripts = NamingScripts(self.link, Variants(self.order, self.store), self.keys)
        self._is_checked = False
        self._schedule_was_empty = False
        self._leasings: dict[str, Leasing] = {}
        self._revocations = False

    def _ask(self, *command: Any) -> Any:
        """Carry out one command and return its answer."""
        try:
            return self.link.execute(*command)
        except redis.ResponseError:
            with naming(self.link, self.keys, self.order):
                raise

    # The documented methods.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self.enqueue_many([Outgoing(data, priority)])

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        for start in range(0, len(messages), BATCH):
            args: list[bytes | str] = []
            for body, priority in messages[start : start + BATCH]:
                args += (score(priority), body)
            self.scripts.call("enqueue", self.keys.order(), args)

    def dequeue(self) -> bytes | None:
        keys = self.keys
        names = (*keys.order(), keys.revocations, keys.attempts)
        flag, bodies = self.scripts.call("pop", names, (1,))
        self._revocations = bool(flag)
        return bodies[0] if bodies else None

    def flush_queue(self) -> None:
        keys = self.keys
        # Claims too, or a unique task of the deleted queue would block the next one for ever.
        self._ask("DEL", keys.queue, keys.bell, keys.parked, keys.claims, keys.claim_ends)

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        self._ask("ZADD", self.keys.schedule, repr(epoch(timestamp)), data)

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        args = (repr(epoch(timestamp)),)
        bodies: list[bytes] = self.scripts.call("read_schedule", (self.keys.schedule,), args)
        return bodies

    def remove_scheduled(self, data: bytes) -> bool:
        return bool(self._ask("ZREM", self.keys.schedule, data))

    def schedule_size(self) -> int:
        return int(self._ask("ZCARD", self.keys.schedule))

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        last = -1 if limit is None else limit - 1
        bodies: list[bytes] = self._ask("ZRANGE", self.keys.schedule, 0, last)
        return [] if limit == 0 else bodies

    def flush_schedule(self) -> None:
        self._ask("DEL", self.keys.schedule, self.keys.claims, self.keys.claim_ends)

    def has_revocations(self) -> bool:
        return self._revocations

    # Leases.

    def fetch(
        self,
        consumer: str,
        limit: int,
        wait: float = 0.0,
        lease: float | None = 30.0,
    ) -> list[Delivery]:
        leasing = self._leasing_of(consumer)
        if not self._is_checked:
            check_keys(self.link, self.keys, self.order)
            self._is_checked = True
        try:
            return self._fetch_by(leasing, consumer, limit, wait, lease)
        except redis.ResponseError:
            with naming(self.link, self.keys, self.order):
                raise

    def _fetch_by(
        self, leasing: Leasing, consumer: str, limit: int, wait: float, lease: float | None
    ) -> list[Delivery]:
        deliveries = leasing.recover() or leasing.strays(limit)
        # A queue that was left empty is waited for at once: one round trip less when idle.
        if not deliveries and (wait <= 0 or not leasing.is_drained):
            deliveries = leasing.fetch(limit, lease)
        if not deliveries and wait > 0:
            longest = min(wait, LONGEST_WAIT, max(0.1, leasing.until_look()))
            blocking = self._wait_command(consumer, longest)
            deliveries = leasing.fetch_after(blocking, limit, lease)
        self._revocations = leasing.has_revocations
        leasing.held.update(one.receipt for one in deliveries if one.receipt is not None)
        return deliveries

    def _let_go(self, consumer: str, deliveries: Iterable[Delivery]) -> None:
        """Note that these are no longer held, whatever the server says of them later."""
        leasing = self._leasings.get(consumer)
        if leasing is not None:
            leasing.held.difference_update([one.receipt for one in deliveries])

    def _leasing_of(self, consumer: str) -> Leasing:
        if consumer not in self._leasings:
            self._leasings[consumer] = Leasing(self.link, self.scripts, self.keys, consumer)
        return self._leasings[consumer]

    def _wait_command(self, consumer: str, seconds: float) -> Command:
        raise NotImplementedError

    def interrupt(self, consumer: str) -> None:
        self._leasing_of(consumer).waiting.interrupt()

    def begin(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        receipts = [one.receipt for one in deliveries if one.receipt is not None]
        if receipts:
            keys = (self.keys.inflight(consumer), self.keys.begun(consumer))
            self.scripts.call("begin", keys, receipts)

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        refused = []
        for start in range(0, len(settlements), BATCH):
            batch = settlements[start : start + BATCH]
            settling = Settling(self.keys, self._result_ttl, consumer, batch)
            positions = self.scripts.call(*settling.call())
            self._let_go(consumer, (one.delivery for one in batch))
            refused += [batch[position] for position in positions]
        return refused

    def release(self, consumer: str, deliveries: Sequence[Delivery]) -> int:
        unleased = [Outgoing(one.body) for one in deliveries if one.receipt is None]
        self.enqueue_many(unleased)
        receipts = [one.receipt for one in reversed(deliveries) if one.receipt is not None]
        given = len(unleased)
        keys = (*self.keys.order(consumer), self.keys.inflight(consumer), *self._permit_keys())
        for start in range(0, len(receipts), BATCH):
            given += self.scripts.call("release", keys, receipts[start : start + BATCH])
        self._let_go(consumer, deliveries)
        return given

    def extend(self, consumer: str, lease: float) -> None:
        self.scripts.call("extend", (self.keys.consumers,), (consumer, lease))

    def leave(self, consumer: str) -> None:
        keys = (
            *self.keys.order(consumer),
            self.keys.inflight(consumer),
            self.keys.consumers,
            self.keys.begun(consumer),
            *self._permit_keys(),
        )
        while self.scripts.call("leave", keys, (consumer, BATCH)):
            pass
        leasing = self._leasings.pop(consumer, None)
        if leasing is not None:
            leasing.waiting.close()

    def consumers(self) -> dict[str, float]:
        return _moments(self._ask(*self._consumers_command()))

    def _consumers_command(self) -> Command:
        return ("ZRANGE", self.keys.consumers, 0, -1, "WITHSCORES")

    def reclaim(self, limit: int = 1000, dead: Iterable[str] = (), now: float | None = None) -> int:
        moved = 0
        known_dead = set(dead)
        (seconds, micros), flat, is_parked = self.link.together(
            ("TIME",), self._consumers_command(), ("EXISTS", self.keys.parked)
        )
        present = int(seconds) + int(micros) / 1_000_000 if now is None else now
        for consumer, ends_at in _moments(flat).items():
            if ends_at <= present or consumer in known_dead:
                moved += self._reclaim_from(consumer, limit - moved, consumer in known_dead, now)
        if is_parked:
            self._unpark_idle()
        return moved

    def _reclaim_from(self, consumer: str, limit: int, is_dead: bool, now: float | None) -> int:
        keys = self.keys
        names = (
            *keys.order(consumer),
            keys.inflight(consumer),
            keys.attempts,
            keys.consumers,
            keys.begun(consumer),
            *self._permit_keys(),
        )
        at = "" if now is None else repr(now)
        moved = 0
        while moved < limit:
            share = min(BATCH, limit - moved)
            given = self.scripts.call("reclaim", names, (consumer, share, at, int(is_dead)))
            moved += given
            if not given:
                break
        return moved

    def _permit_keys(self) -> tuple[str, str, str]:
        return self.keys.permits, self.keys.permit_counts, self.keys.parked

    def _unpark_idle(self) -> None:
        """Let a message in for each key under which some are parked and no permit is held."""
        raise NotImplementedError

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> Promoted:
        if self._schedule_was_empty and not self._ask("ZRANGE", self.keys.schedule, 0, 0):
            return Promoted(0, None)  # As most of the time: for half of what a script costs.
        promoted = self._promote(limit, now, priority_of)
        self._schedule_was_empty = promoted == (0, None)
        return promoted

    def _promote(
        self,
        limit: int,
        now: float | None,
        priority_of: Callable[[bytes], float | None] | None,
    ) -> Promoted:
        at = "" if now is None else repr(now)
        names = (*self.keys.order(), self.keys.schedule)
        if not self.priority or priority_of is None:
            return _promoted(*self.scripts.call("promote", names, (at, limit)))
        due, next_at = self.scripts.call("due", (self.keys.schedule,), (at, limit))
        if not due:
            return _promoted(0, next_at)
        args = [part for body in due for part in (score(priority_of(body)), body)]
        return _promoted(*self.scripts.call("promote_as", names, args))

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        names = (*self.keys.order(), self.keys.once)
        args = (key, ttl, score(priority), data)
        return bool(self.scripts.call("enqueue_once", names, args))

    def in_flight(self) -> list[InFlight]:
        held = []
        for consumer, ends_at in self.consumers().items():
            flat = self._ask("HGETALL", self.keys.inflight(consumer))
            held += [
                InFlight(consumer, flat[i].decode(), self._body_of(flat[i + 1]), ends_at)
                for i in range(0, len(flat), 2)
            ]
        return held

    def _body_of(self, kept: bytes) -> bytes:
        """Return the message in what a consumer's in-flight HASH keeps."""
        raise NotImplementedError

    def _flush_leases(self) -> None:
        keys = self.keys
        per_consumer = [
            key
            for name in self.consumers()
            for key in (keys.inflight(name), keys.landing(name), keys.begun(name))
        ]
        shared = (
            *(keys.consumers, keys.attempts, keys.dead, keys.dead_index),
            *(keys.sequence, keys.once, keys.permits, keys.permit_counts),
        )
        self._ask("DEL", *per_consumer, *shared)


class ListQueue(RedisQueue):
    """First in, first out, in a Redis LIST; priorities are not kept."""

    order = "list"
    priority = False

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        # The one verb that is a command of Redis as it is.
        for start in range(0, len(messages), BATCH):
            bodies = [body for body, _ in messages[start : start + BATCH]]
            self._ask("LPUSH", self.keys.queue, *bodies)

    def queue_size(self) -> int:
        return int(self._ask("LLEN", self.keys.queue))

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        # The next message is the last of the LIST.
        first = 0 if limit is None else -limit
        bodies = self._ask("LRANGE", self.keys.queue, first, -1) if limit != 0 else []
        return list(reversed(bodies))

    def _wait_command(self, consumer: str, seconds: float) -> Command:
        landing = self.keys.landing(consumer)
        return ("BLMOVE", self.keys.queue, landing, "RIGHT", "LEFT", seconds)

    def _body_of(self, kept: bytes) -> bytes:
        return kept


class SortedSetQueue(RedisQueue):
    """The highest priority first, then by arrival, in a Redis ZSET."""

    order = "zset"
    priority = True

    #: A message of a producer that does not ring (huey itself), or one whose bell was heard by a
    #: consumer that then died, is found after this many seconds.
    LOOK_EVERY = 2.0

    def queue_size(self) -> int:
        return int(self._ask("ZCARD", self.keys.queue))

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        last = -1 if limit is None else limit - 1
        members = self._ask("ZRANGE", self.keys.queue, 0, last) if limit != 0 else []
        return [_body_of_member(member) for member in members]

    def _wait_command(self, consumer: str, seconds: float) -> Command:
        return ("BZPOPMIN", self.keys.bell, min(seconds, self.LOOK_EVERY))

    def _body_of(self, kept: bytes) -> bytes:
        return _body_of_member(kept.partition(b" ")[2])


def _body_of_member(member: bytes) -> bytes:
    return member[10:] if member.startswith(b"\0q") else member


def _promoted(moved: int, next_at: bytes) -> Promoted:
    return Promoted(moved, float(next_at) if next_at else None)


def _moments(flat: Sequence[bytes]) -> dict[str, float]:
    """Return what WITHSCORES answered as names and moments."""
    return {flat[i].decode(): float(flat[i + 1]) for i in range(0, len(flat), 2)}
