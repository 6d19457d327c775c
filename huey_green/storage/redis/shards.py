# SPDX-License-Identifier: MIT
"""One queue over several shards, each a whole storage with keys of its own.

Every transition stays one atomic step on one server, for what belongs together lies on one shard:
a message lies where its id says, and ids of tasks that belong together are made so that they say
the same (``huey_green.placing``). Consumers read each shard by itself; this is the whole, for all
others: it looks up where a key lies, splits what concerns several shards, and merges listings.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from huey_green import clock
from huey_green.events import BaseEventEmitter
from huey_green.exceptions import StorageUnavailable
from huey_green.message import (
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    InFlight,
    Outgoing,
    Promoted,
    Retention,
    Settlement,
)
from huey_green.report import Counts, Finding
from huey_green.storage.base import Moment
from huey_green.storage.placing import Placed, shard_of
from huey_green.storage.redis.layout import Layout
from huey_green.storage.redis.shardvalues import ShardedValues

if TYPE_CHECKING:
    from huey_green.storage.redis import _Redis

#: Seconds after which a cluster is asked again whose answer did not come: other shards go on.
ASK_AGAIN = 10.0


class RedisShards(ShardedValues):
    """The shards as one storage. A message that nobody has placed goes to the first of them.

    A ``fetch`` of the whole never waits: whoever can wait does so at each of the ``shards``.
    """

    leases = True
    priority = False

    def __init__(self, name: str, shards: Sequence[_Redis], layout: Layout) -> None:
        super().__init__(name, shards)
        self.layout = layout
        #: Servers that have not been asked yet whether they know the shards as we do.
        self._unasked = set(range(len(layout.servers)))
        self._has_asked = False
        self._asks_again_at = 0.0
        if hasattr(shards[0], "expire_time"):
            self.expire_time = shards[0].expire_time

    @property
    def retention(self) -> Retention:
        """Which dead letters ``prune`` lets be, on each shard."""
        return self.shards[0].retention

    @retention.setter
    def retention(self, retention: Retention) -> None:
        for shard in self.shards:
            shard.retention = retention

    def _shard(self, number: int) -> _Redis:
        if self._unasked:
            self.check(number)
        return self.shards[number]

    def check(self, number: int) -> None:
        """Raise ``ConfigurationError`` if a shard's server knows of another layout than ours.

        Each is asked once. Those of other shards are asked with the first one, so that a queue is
        known everywhere before anything is in it; one that is away is left for later.
        """
        own = self.layout.server_of(number)
        if clock.monotonic() < self._asks_again_at:
            return
        for server in self._unasked & {own} if self._has_asked else sorted(self._unasked):
            try:
                # Shards go to the servers by turns; in a cluster the first one tells for all.
                self.layout.check(self.shards[server].link, server)
            except StorageUnavailable:
                if self.layout.is_cluster:
                    self._asks_again_at = clock.monotonic() + ASK_AGAIN
                elif server == own:
                    raise
                continue
            self._unasked.discard(server)
        # Not if one refused: then none is told our number, at the next call either.
        self._has_asked = True

    def _of(self, body: bytes) -> _Redis:
        """Return where a message goes, or came from."""
        return self._shard(body.shard if isinstance(body, Placed) else 0)

    # The whole.

    def close(self) -> None:
        self._hearing.close()
        for shard in self.shards:
            shard.close()

    def ping(self) -> None:
        self._each(lambda shard: shard.ping())

    def describe(self) -> str:
        return f"Redis {self.layout.where}, {self.shard_count} shards of {self.name}"

    def independent(self, patience: float | None = None) -> RedisShards:
        shards = [shard.independent(patience) for shard in self.shards]
        return type(self)(self.name, shards, self.layout)

    def time(self) -> float:
        failure: StorageUnavailable | None = None
        for shard in self.shards:
            try:
                return shard.time()
            except StorageUnavailable as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def flush_all(self) -> None:
        self._each(lambda shard: shard.flush_all())
        for number, shard in enumerate(self.shards):
            self.layout.forget(shard.link, number)
        self._unasked = set(range(len(self.layout.servers)))
        self._has_asked = False

    # The queue and the schedule.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self._of(data).enqueue(data, priority)

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        found: dict[int, list[Outgoing]] = defaultdict(list)
        for message in messages:
            body = message.body
            found[body.shard if isinstance(body, Placed) else 0].append(message)
        failure: StorageUnavailable | None = None
        for number, some in found.items():
            try:
                self._shard(number).enqueue_many(some)
            except StorageUnavailable as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def dequeue(self) -> bytes | None:
        for number in range(self.shard_count):
            body = self._shard(number).dequeue()
            if body is not None:
                return Placed(body, number)
        return None

    def queue_size(self) -> int:
        return sum(self._each(lambda shard: shard.queue_size()))

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return self._by_turns(lambda shard: shard.enqueued_items(limit), limit)

    def parked_items(self, limit: int | None = None) -> list[bytes]:
        return self._by_turns(lambda shard: shard.parked_items(limit), limit)

    def _by_turns(
        self, items: Callable[[_Redis], list[bytes]], limit: int | None = None
    ) -> list[bytes]:
        """Return what the shards have, the first of each, then the second of each..."""
        placed = [
            [Placed(body, number) for body in found]
            for number, found in enumerate(self._each(items))
        ]
        bodies = chain.from_iterable(zip_longest(*placed))
        return [body for body in bodies if body is not None][:limit]

    def flush_queue(self) -> None:
        self._each(lambda shard: shard.flush_queue())

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        self._of(data).add_to_schedule(data, timestamp)

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        return self._by_turns(lambda shard: shard.read_schedule(timestamp))

    def remove_scheduled(self, data: bytes) -> bool:
        return self._of(data).remove_scheduled(data)

    def schedule_size(self) -> int:
        return sum(self._each(lambda shard: shard.schedule_size()))

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        if limit == 0:
            return []
        last = -1 if limit is None else limit - 1
        planned = []
        for number, flat in enumerate(
            self._each(lambda one: one._ask("ZRANGE", one.keys.schedule, 0, last, "WITHSCORES"))
        ):
            bodies: list[bytes] = [Placed(body, number) for body in flat[::2]]
            planned.append(list(zip(map(float, flat[1::2]), bodies, strict=True)))
        merged = heapq.merge(*planned, key=lambda one: one[0])
        return [body for _, body in merged][:limit]

    def flush_schedule(self) -> None:
        self._each(lambda shard: shard.flush_schedule())

    # Leases.

    def fetch(
        self,
        consumer: str,
        limit: int,
        wait: float = 0.0,
        lease: float | None = 30.0,
    ) -> list[Delivery]:
        """As the contract says, from one shard after the other, without waiting.

        All of them are asked, for a lease to be extended and a revocation to be seen. Those that
        are away are left out, as long as others have something.
        """
        deliveries: list[Delivery] = []
        failure: StorageUnavailable | None = None
        for number in range(self.shard_count):
            try:
                found = self._shard(number).fetch(consumer, limit - len(deliveries), 0.0, lease)
            except StorageUnavailable as error:
                failure = failure or error
                continue
            deliveries += [one._replace(body=Placed(one.body, number)) for one in found]
        if failure is not None and not deliveries:
            raise failure
        return deliveries

    def begin(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        for number, some in self._by_delivery(deliveries).items():
            self._shard(number).begin(consumer, some)

    def _by_delivery(self, deliveries: Iterable[Delivery]) -> dict[int, list[Delivery]]:
        found: dict[int, list[Delivery]] = defaultdict(list)
        for one in deliveries:
            found[one.body.shard if isinstance(one.body, Placed) else 0].append(one)
        return found

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        """As the contract says, for each shard in one step.

        What a delivery leaves to another shard, since nobody has placed its message, is left
        there before: it may be there twice, and is not lost.
        """
        found: dict[int, list[tuple[Settlement, Settlement]]] = defaultdict(list)
        for settlement in settlements:
            number = self._home_of(settlement)
            own, others = self._split(settlement.effects, number)
            if others and self._holds(number, consumer, settlement.delivery):
                for elsewhere, effects in others.items():
                    self._shard(elsewhere).settle("", [Settlement(Delivery(b""), effects)])
            found[number].append((settlement, settlement._replace(effects=own)))
        refused = []
        for number, pairs in found.items():
            left = self._shard(number).settle(consumer, [own for _, own in pairs])
            whole = {id(split): given for given, split in pairs}
            refused += [whole[id(one)] for one in left]
        return refused

    def _home_of(self, settlement: Settlement) -> int:
        (body, receipt, *_), effects = settlement
        if isinstance(body, Placed):
            return body.shard
        if receipt is None and effects.dead is not None:
            return shard_of(effects.dead.id, self.shard_count)
        if receipt is None and effects.results:
            return shard_of(effects.results[0][0], self.shard_count)
        return 0

    def _split(self, effects: Effects, home: int) -> tuple[Effects, dict[int, Effects]]:
        """Return the effects for the shard of a delivery, and those for others."""
        extra, count = effects.extra, self.shard_count
        results = [(shard_of(key, count), (key, value)) for key, value in effects.results]
        progress = [(shard_of(one, count), one) for one in extra.progress]
        away = {number for number, _ in (*results, *progress) if number != home}
        if not away:
            return effects, {}

        def part(number: int, rest: Effects) -> Effects:
            forgotten = tuple(one for at, one in progress if at == number)
            return rest._replace(
                results=tuple(one for at, one in results if at == number),
                extra=rest.extra._replace(progress=forgotten, result_ttl=extra.result_ttl),
            )

        return part(home, effects), {number: part(number, Effects()) for number in away}

    def _holds(self, number: int, consumer: str, delivery: Delivery) -> bool:
        if delivery.receipt is None:
            return True
        shard = self._shard(number)
        return bool(shard._ask("HEXISTS", shard.keys.inflight(consumer), delivery.receipt))

    def release(self, consumer: str, deliveries: Sequence[Delivery]) -> int:
        found = self._by_delivery(deliveries)
        return sum(self._shard(number).release(consumer, some) for number, some in found.items())

    def extend(self, consumer: str, lease: float) -> None:
        self._each(lambda shard: shard.extend(consumer, lease))

    def leave(self, consumer: str) -> None:
        self._each(lambda shard: shard.leave(consumer))

    def consumers(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for known in self._each(lambda shard: shard.consumers()):
            for consumer, ends_at in known.items():
                found[consumer] = max(ends_at, found.get(consumer, ends_at))
        return found

    def reclaim(self, limit: int = 1000, dead: Iterable[str] = (), now: float | None = None) -> int:
        known_dead, moved = list(dead), 0
        for number in range(self.shard_count):
            if moved < limit:
                moved += self._shard(number).reclaim(limit - moved, known_dead, now)
        return moved

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> Promoted:
        moved, moments = 0, []
        for number in range(self.shard_count):
            count, next_at = self._shard(number).promote(limit - moved, now, priority_of)
            moved += count
            moments += [] if next_at is None else [next_at]
        return Promoted(moved, min(moments, default=None))

    def enqueue_once(
        self, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        return self._of(data).enqueue_once(data, key, ttl, priority)

    def in_flight(self) -> list[InFlight]:
        known = self.consumers()
        return [
            one._replace(
                body=Placed(one.body, number),
                lease_ends_at=known.get(one.consumer, one.lease_ends_at),
            )
            for number, found in enumerate(self._each(lambda shard: shard.in_flight()))
            for one in found
        ]

    # What consumers say of themselves.

    def held_counts(self, consumers: Sequence[str]) -> dict[str, int]:
        told = self._each(lambda shard: shard.held_counts(consumers))
        return dict(sum((Counter(one) for one in told), Counter[str]()))

    def counts(self) -> Counts:
        told = self._each(lambda shard: shard.counts())
        return Counts(*map(sum, zip(*told, strict=True)))

    def put_report(self, consumer: str, data: bytes, ttl: float) -> None:
        self._at(consumer).put_report(consumer, data, ttl)

    def forget_report(self, consumer: str) -> None:
        self._at(consumer).forget_report(consumer)

    def reports(self, consumers: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for told in self._each(lambda shard: shard.reports(consumers)):
            found |= told
        return found

    def event_emitter(self) -> BaseEventEmitter:
        return self.shards[0].event_emitter()

    def examine(self) -> list[Finding]:
        # One on each server; in a cluster each shard may be at another one.
        count = self.shard_count if self.layout.is_cluster else len(self.layout.servers)
        return [
            one._replace(text=f"{self.shards[number].link.where}: {one.text}")
            for number in range(count)
            for one in self._shard(number).examine()
        ]

    # Claims and permits.

    def enqueue_claimed(
        self,
        data: bytes,
        claim: Claim,
        ttl: float | None = None,
        at: float | None = None,
        priority: float | None = None,
    ) -> str | None:
        return self._of(data).enqueue_claimed(data, claim, ttl, at, priority)

    def postpone(self, data: bytes, claim: Claim, at: float, replace: bool = False) -> str | None:
        return self._of(data).postpone(data, claim, at, replace)

    def drop_claims(self, claims: Sequence[Claim]) -> None:
        self._each(lambda shard: shard.drop_claims(claims))

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        return self._of(delivery.body).admit(consumer, delivery, key, limit)

    # Dead letters.

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        letters = [one for some in self._each(lambda one: one.dead_letters(limit)) for one in some]
        return sorted(letters, key=lambda one: one.died_at, reverse=True)[:limit]

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        wanted = None if ids is None else list(ids)
        return sum(self._each(lambda shard: shard.requeue_dead(wanted)))

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        wanted = None if ids is None else list(ids)
        return sum(self._each(lambda shard: shard.delete_dead(wanted)))

    def prune(self, limit: int = 1000, now: float | None = None) -> int:
        deleted = 0
        for number in range(self.shard_count):
            deleted += self._shard(number).prune(limit - deleted, now)
        return deleted


class PriorityRedisShards(RedisShards):
    """Shards that are priority queues: the highest priority first, of each."""

    priority = True
