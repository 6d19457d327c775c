# SPDX-License-Identifier: MIT
"""The lease protocol of docs/lease-model.md in pure Python: one method for each transition.

Where a storage may choose (which message a fetch takes, what a bounded reclaim moves) the method
is told what it chose, and asserts that this was allowed. Moments are virtual seconds: nothing
here knows a clock. Bodies are unique, as those of tasks are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from huey_green.message import Claim, DeadLetter, Delivery, Extra, Outgoing, Planned, Settlement

NEVER = float("inf")


class Place(Enum):
    """Where a message is. One that is gone has none."""

    READY = "ready"
    SCHEDULED = "scheduled"
    LANDED = "landed"
    IN_FLIGHT = "in flight"
    PARKED = "parked"
    DEAD = "dead letter"


@dataclass
class Message:
    """A message that is somewhere; what does not belong to its place means nothing."""

    body: bytes
    priority: float = 0.0
    place: Place = Place.READY
    #: Its turn among messages of one priority; None once it was given back.
    arrived: int | None = None
    due_at: float = 0.0
    consumer: str = ""
    receipt: str = ""
    begun: bool = False
    #: The consumers that died with it.
    deaths: tuple[str, ...] = ()
    permit: str | None = None
    parked_under: str = ""
    parked_as: int = 0
    #: The claim that a dead letter takes again when it is put back, and its turn.
    claim: str | None = None
    died_as: int = 0


@dataclass
class Claimed:
    owner: str
    ends_at: float = NEVER
    planned: bytes | None = None


class Snapshot(NamedTuple):
    """All that can be seen of a storage, in an order that does not depend on it."""

    ready: list[bytes]
    scheduled: list[bytes]
    landed: list[tuple[str, bytes]]
    in_flight: list[tuple[str, str, bytes]]
    parked: list[bytes]
    dead: list[tuple[str, bytes]]
    results: dict[str, bytes]
    chords: dict[str, dict[int, bytes]]


class LeaseModel:
    """Every message that is somewhere, and the notes beside them."""

    def __init__(self, keeps_priorities: bool) -> None:
        self.keeps_priorities = keeps_priorities
        self.messages: dict[bytes, Message] = {}
        #: When the leases of each consumer end, and those that may be known still, or not.
        self.lease_ends: dict[str, float] = {}
        self.fading: dict[str, float] = {}
        #: Every receipt that was ever given out.
        self.receipts: set[str] = set()
        self.once: dict[str, float] = {}
        self.claims: dict[str, Claimed] = {}
        self.chords: dict[str, dict[int, bytes]] = {}
        self.results: dict[str, bytes] = {}
        self._count = 0

    def snapshot(self) -> Snapshot:
        parked = sorted(self.in_place(Place.PARKED), key=lambda one: one.parked_as)
        return Snapshot(
            sorted(one.body for one in self.in_place(Place.READY)),
            sorted(one.body for one in self.in_place(Place.SCHEDULED)),
            sorted((one.consumer, one.body) for one in self.in_place(Place.LANDED)),
            sorted((one.consumer, one.receipt, one.body) for one in self.in_place(Place.IN_FLIGHT)),
            [one.body for one in parked],
            sorted((one.body.decode(), one.body) for one in self.in_place(Place.DEAD)),
            dict(self.results),
            {chord: dict(noted) for chord, noted in self.chords.items() if noted},
        )

    def in_place(self, place: Place) -> list[Message]:
        return [one for one in self.messages.values() if one.place is place]

    def held_by(self, consumer: str) -> list[Message]:
        return [one for one in self.in_place(Place.IN_FLIGHT) if one.consumer == consumer]

    def landed_at(self, consumer: str) -> list[Message]:
        return [one for one in self.in_place(Place.LANDED) if one.consumer == consumer]

    def lease_of(self, consumer: str, receipt: str | None) -> Message | None:
        held = self.held_by(consumer)
        return next((one for one in held if one.receipt == receipt), None)

    def permits(self, key: str) -> int:
        return sum(one.permit == key for one in self.in_place(Place.IN_FLIGHT))

    def _next(self) -> int:
        self._count += 1
        return self._count

    # What producers do.

    def enqueue(self, messages: Iterable[Outgoing]) -> None:
        for body, priority in messages:
            assert body not in self.messages, "in two places at once"
            kept = (priority or 0.0) if self.keeps_priorities else 0.0
            self.messages[body] = Message(body, kept, arrived=self._next())

    def plan(self, planned: Iterable[Planned]) -> None:
        for body, at in planned:
            assert body not in self.messages, "in two places at once"
            self.messages[body] = Message(body, place=Place.SCHEDULED, due_at=at)

    def unplan(self, body: bytes) -> bool:
        message = self.messages.get(body)
        if message is None or message.place is not Place.SCHEDULED:
            return False
        del self.messages[body]
        return True

    def enqueue_once(self, message: Outgoing, key: str, now: float, ttl: float) -> bool:
        if self.once.get(key, now) > now:
            return False
        self.once[key] = now + ttl
        self.enqueue([message])
        return True

    def enqueue_claimed(
        self, message: Outgoing | Planned, claim: Claim, now: float, ttl: float
    ) -> str | None:
        holder = self.claims.get(claim.key)
        if holder is not None and holder.ends_at > now:
            return holder.owner
        self.claims[claim.key] = Claimed(claim.owner, now + ttl)
        if isinstance(message, Planned):
            self.plan([message])
        else:
            self.enqueue([message])
        return None

    def drop_claims(self, claims: Iterable[Claim]) -> None:
        for key, owner in claims:
            if key in self.claims and self.claims[key].owner == owner:
                del self.claims[key]

    def postpone(self, planned: Planned, claim: Claim, replace: bool) -> str | None:
        holder = self.claims.get(claim.key)
        before = None if holder is None else self.messages.get(holder.planned or b"")
        waits = before is not None and before.place is Place.SCHEDULED
        if holder is not None and waits and holder.owner != claim.owner:
            return holder.owner
        if replace and not waits:
            return ""
        if waits and before is not None:
            del self.messages[before.body]
        self.plan([planned])
        self.claims[claim.key] = Claimed(claim.owner, planned=planned.body)
        return None

    # What consumers do.

    def extend(self, consumer: str, ends_at: float) -> None:
        self.lease_ends[consumer] = ends_at
        self.fading.pop(consumer, None)

    def land(self, consumer: str, body: bytes) -> None:
        """The server hands a message to one that waits (LIST), who does not know it yet."""
        message = self.messages[body]
        assert message.place is Place.READY
        assert consumer in self.lease_ends, "landed where no reaper looks"
        message.place, message.consumer = Place.LANDED, consumer

    def fetch(
        self, consumer: str, limit: int, ends_at: float, taken: Sequence[Delivery]
    ) -> list[Message]:
        self._check_taken(consumer, limit, [one.body for one in taken])
        self.extend(consumer, ends_at)
        for one in taken:
            message = self.messages[one.body]
            assert one.receipt is not None
            assert one.receipt not in self.receipts, "a receipt was given out twice"
            assert one.attempt == len(message.deaths) + 1
            assert tuple(line.partition(" ")[2] for line in one.history) == message.deaths
            self.receipts.add(one.receipt)
            message.place = Place.IN_FLIGHT
            message.consumer, message.receipt = consumer, one.receipt
            message.begun, message.permit = False, None
        return [self.messages[one.body] for one in taken]

    def pop(self, consumer: str, limit: int, bodies: Sequence[bytes]) -> None:
        """Take messages for good: at most once."""
        self._check_taken(consumer, limit, bodies)
        for body in bodies:
            del self.messages[body]

    def _check_taken(self, consumer: str, limit: int, bodies: Sequence[bytes]) -> None:
        landed = self.landed_at(consumer)
        ready = self.in_place(Place.READY)
        assert len(bodies) == len(set(bodies)) == min(limit, len(landed) + len(ready))
        first = bodies[: len(landed)]
        assert set(first) <= {one.body for one in landed}, "what landed goes first"
        chosen = [self.messages[body] for body in bodies[len(landed) :]]
        assert all(one.place is Place.READY for one in chosen)
        left = [one for one in ready if one.body not in bodies]
        for at, one in enumerate(chosen):
            for later in (*chosen[at + 1 :], *left):
                assert one.priority >= later.priority, "a higher priority has to wait"
                if one.priority == later.priority and one.arrived and later.arrived:
                    assert one.arrived < later.arrived, "who came first has to wait"

    def begin(self, consumer: str, deliveries: Iterable[Delivery]) -> None:
        for one in deliveries:
            message = self.lease_of(consumer, one.receipt)
            if message is not None:
                message.begun = True

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        refused = []
        for settlement in settlements:
            delivery, effects = settlement
            if delivery.receipt is not None:
                message = self.lease_of(consumer, delivery.receipt)
                if message is None:
                    refused.append(settlement)
                    continue
                del self.messages[message.body]
            self.results.update(effects.results)
            self.enqueue(effects.enqueue)
            self.plan(effects.schedule)
            if effects.dead is not None:
                self._bury(effects.dead)
            self._settle_extra(effects.extra)
        return refused

    def _bury(self, letter: DeadLetter) -> None:
        kept = (letter.priority or 0.0) if self.keeps_priorities else 0.0
        assert letter.body not in self.messages, "in two places at once"
        buried = Message(letter.body, kept, Place.DEAD, claim=letter.claim, died_as=self._next())
        self.messages[letter.body] = buried

    def _settle_extra(self, extra: Extra) -> None:
        for chord, position, size, value, callback in extra.members:
            noted = self.chords.setdefault(chord, {})
            if position not in noted:
                noted[position] = value
                if len(noted) == size:
                    self.enqueue([callback])
        for chord in extra.joined:
            self.chords.pop(chord, None)
        self.drop_claims(extra.drops)
        if extra.limited is not None:
            self._unpark(extra.limited, 1)

    def admit(self, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
        message = self.lease_of(consumer, delivery.receipt)
        if message is None:
            return False
        if message.permit == key:
            return True
        message.permit = None
        if self.permits(key) < limit:
            message.permit = key
            return True
        message.place, message.parked_under = Place.PARKED, key
        message.parked_as, message.arrived = self._next(), None
        return False

    def _unpark(self, key: str, number: int) -> None:
        for message in self.parked_under(key)[:number]:
            message.place = Place.READY

    def parked_under(self, key: str) -> list[Message]:
        parked = [one for one in self.in_place(Place.PARKED) if one.parked_under == key]
        return sorted(parked, key=lambda one: one.parked_as)

    # How leases end without a settle.

    def release(self, consumer: str, deliveries: Iterable[Delivery]) -> int:
        deliveries = list(deliveries)
        unleased = [Outgoing(one.body) for one in deliveries if one.receipt is None]
        self.enqueue(unleased)
        found = [self.lease_of(consumer, one.receipt) for one in deliveries if one.receipt]
        held = [one for one in found if one is not None]
        for message in held:
            self._give_back(message)
        for message in held:
            self._end_permit(message)
        return len(held) + len(unleased)

    def leave(self, consumer: str) -> None:
        held = self.held_by(consumer)
        for message in (*self.landed_at(consumer), *held):
            self._give_back(message)
        for message in held:
            self._end_permit(message)
        self.lease_ends.pop(consumer, None)
        self.fading.pop(consumer, None)

    def reclaim(
        self,
        limit: int,
        dead: Collection[str],
        now: float,
        moved: Sequence[bytes],
        unparked: Sequence[bytes],
        is_whole: bool = True,
    ) -> None:
        """``moved`` are the messages that came back from dead consumers, ``unparked`` those
        that were parked before and are not any more; not ``is_whole``: it was interrupted."""
        ended = {name for name, at in self.lease_ends.items() if at <= now or name in dead}
        lost = [one for name in ended for one in (*self.landed_at(name), *self.held_by(name))]
        assert set(moved) <= {one.body for one in lost}, "a lease ended before its time"
        assert len(moved) == len(set(moved)) <= limit
        assert not is_whole or len(moved) == min(limit, len(lost))
        idle_before = {key for key in self._parking() if not self.permits(key)}
        freed: Counter[str] = Counter()
        for message in [self.messages[body] for body in moved]:
            if message.place is Place.IN_FLIGHT and (message.begun or not message.deaths):
                message.deaths = (*message.deaths, message.consumer)
            if message.place is Place.IN_FLIGHT and message.permit is not None:
                freed[message.permit] += 1
                message.permit = None
            self._give_back(message)
        self._check_unparked(unparked, freed, idle_before, is_whole)
        for name in ended:
            if not self.held_by(name) and not self.landed_at(name):
                # One that was bounded has perhaps not come to this one.
                self.fading[name] = self.lease_ends.pop(name)
        if is_whole and len(moved) < limit:
            seen = [name for name, at in self.fading.items() if at <= now or name in dead]
            for name in seen:
                del self.fading[name]

    def _parking(self) -> set[str]:
        return {one.parked_under for one in self.in_place(Place.PARKED)}

    def _check_unparked(
        self,
        unparked: Sequence[bytes],
        freed: Counter[str],
        idle_before: set[str],
        is_whole: bool,
    ) -> None:
        """One comes back for each permit that ended; one more where nobody holds any, so that
        none waits for ever."""
        for key in self._parking():
            parked = self.parked_under(key)
            back = [one for one in parked if one.body in unparked]
            idle = key in idle_before or not self.permits(key)
            least = max(freed[key], 1 if idle and is_whole else 0)
            assert back == parked[: len(back)], "who was parked first has to wait"
            assert min(len(parked), least) <= len(back) <= freed[key] + idle
            self._unpark(key, len(back))

    def _give_back(self, message: Message) -> None:
        message.place, message.arrived = Place.READY, None

    def _end_permit(self, message: Message) -> None:
        if message.permit is not None:
            key, message.permit = message.permit, None
            self._unpark(key, 1)

    # The schedule and the dead letters.

    def promote(
        self, limit: int, now: float, moved: Sequence[bytes], priorities: Sequence[float | None]
    ) -> None:
        due = [one for one in self.in_place(Place.SCHEDULED) if one.due_at <= now]
        assert set(moved) <= {one.body for one in due}, "promoted before its time"
        assert len(moved) == len(set(moved)) == min(limit, len(due))
        left = [one.due_at for one in due if one.body not in moved]
        for body, priority in zip(moved, priorities, strict=True):
            assert not left or self.messages[body].due_at <= min(left), "the earliest first"
            kept = (priority or 0.0) if self.keeps_priorities else 0.0
            self.messages[body] = Message(body, kept)

    def next_at(self) -> float | None:
        return min((one.due_at for one in self.in_place(Place.SCHEDULED)), default=None)

    def take_due(self, now: float) -> list[bytes]:
        due = sorted(
            (one.due_at, one.body) for one in self.in_place(Place.SCHEDULED) if one.due_at <= now
        )
        for _, body in due:
            del self.messages[body]
        return [body for _, body in due]

    def requeue_dead(self, bodies: Iterable[bytes] | None, now: float) -> int:
        moved = 0
        for letter in self._letters(bodies):
            if letter.claim is not None:
                holder = self.claims.get(letter.claim)
                if holder is not None and holder.ends_at > now:
                    continue
                self.claims[letter.claim] = Claimed(letter.body.decode())
            self.messages[letter.body] = Message(letter.body, letter.priority)
            moved += 1
        return moved

    def delete_dead(self, bodies: Iterable[bytes] | None) -> int:
        letters = self._letters(bodies)
        for letter in letters:
            del self.messages[letter.body]
        return len(letters)

    def _letters(self, bodies: Iterable[bytes] | None) -> list[Message]:
        """Return those dead letters in their order; all, by their deaths, when None."""
        dead = sorted(self.in_place(Place.DEAD), key=lambda one: one.died_as)
        if bodies is None:
            return dead
        known = {one.body: one for one in dead}
        return [known[body] for body in bodies if body in known]
