# SPDX-License-Identifier: MIT
"""What else happens to a storage that is a server: lost requests and answers, lost connections,
forgotten scripts, a restart.

What is in doubt has happened whole or not at all: the model takes over which of the two. Then
the caller does as ours do: it sends again what a receipt fences, and asks for what it was given.
"""

from __future__ import annotations

from typing import Any

from cable import Cut
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine import (
    ENDS,
    KEYS,
    OWNERS,
    PRIORITIES,
    SLOTS,
    SOME,
    UNIT,
    UNITS,
    StorageMachine,
    Taker,
    priority_of,
    some_of,
)
from model import Place
from worlds import RedisWorld

from huey_green.message import Claim, Delivery, Settlement

CUTS = st.sampled_from(Cut)
AFTER = st.integers(0, 2)


class RemoteMachine(StorageMachine):
    """Subclass it with a ``RedisWorld``."""

    world: RedisWorld

    # Between two calls.

    @rule()
    def lose_the_connections(self) -> None:
        self.world.kill_connections()

    @rule()
    def forget_the_scripts(self) -> None:
        self.world.flush_scripts()

    @precondition(lambda self: self.world.server.appendonly)
    @rule()
    def restart_the_server(self) -> None:
        self.world.restart()

    @precondition(lambda self: self.world.lands and self.model.in_place(Place.READY))
    @rule(slot=SLOTS, units=UNITS)
    def be_cut_off_while_waiting(self, slot: int, units: int) -> None:
        self.extend(slot, units)
        [body] = self.world.eye.enqueued_items(1)
        self.world.land(self.takers[slot].name)
        self.model.land(self.takers[slot].name, body)

    # Within a call.

    @rule(who=st.integers(0, 1), priority=PRIORITIES, number=st.integers(1, 3), cut=CUTS)
    def lose_an_enqueue(self, who: int, priority: float | None, number: int, cut: Cut) -> None:
        messages = [self.message(priority) for _ in range(number)]
        with self.world.cutting(cut, 0) as doubts:
            self.producers[who].raw.enqueue_many(messages)
        if doubts:
            ready = self.world.eye.enqueued_items()
            there = [one for one in messages if one.body in ready]
            assert there in ([], messages), "by half"
            messages = there
        self.model.enqueue(messages)

    @rule(who=st.integers(0, 1), key=KEYS, cut=CUTS)
    def lose_a_tick(self, who: int, key: str, cut: Cut) -> None:
        message = self.message()
        handle = self.producers[who]
        with self.world.cutting(cut, 0) as doubts:
            handle.raw.enqueue_once(message.body, key, UNIT)
        if not doubts or message.body in self.world.eye.enqueued_items():
            self.model.enqueue_once(message, key, 0.0, UNIT)
        # Sent again: it was, or it is now.
        again = handle.enqueue_once(message.body, key, UNIT)
        assert again is self.model.enqueue_once(message, key, 0.0, UNIT)

    @rule(who=st.integers(0, 1), key=KEYS, owner=OWNERS, cut=CUTS)
    def lose_a_claim(self, who: int, key: str, owner: str, cut: Cut) -> None:
        message, claim = self.message(), Claim(key, owner)
        handle = self.producers[who]
        with self.world.cutting(cut, 0) as doubts:
            handle.raw.enqueue_claimed(message.body, claim)
        if not doubts or message.body in self.world.eye.enqueued_items():
            self.model.enqueue_claimed(message, claim, 0.0, float("inf"))
        again = handle.enqueue_claimed(message.body, claim)
        assert again == self.model.enqueue_claimed(message, claim, 0.0, float("inf"))

    @rule(slot=SLOTS, limit=st.integers(1, 3), units=UNITS, waits=st.booleans(), cut=CUTS, at=AFTER)
    def lose_a_fetch(
        self, slot: int, limit: int, units: int, waits: bool, cut: Cut, at: int
    ) -> None:
        taker, ends_at = self.takers[slot], self.now + units * UNIT
        waits = waits and bool(self.model.in_place(Place.READY))
        taken: list[Delivery] | None = None
        with self.world.cutting(cut, at):
            wait, lease = 5.0 if waits else 0.0, units * UNIT + self.moved
            taken = taker.handle.raw.fetch(taker.name, limit, wait, lease)
        if taken is None:
            self._note_lost_fetch(taker, limit, ends_at)
        else:
            if not self._recovers(taker, taken):
                self.model.fetch(taker.name, limit, ends_at, taken)
            self._give(taker, taken)

    def _note_lost_fetch(self, taker: Taker, limit: int, ends_at: float) -> None:
        """Take over what a fetch has done whose answer was lost."""
        seen = self.world.look(self._consumer_names())
        known_until = self.world.eye.consumers().get(taker.name, 0.0)
        if abs(known_until - ends_at) < UNIT / 2:
            self.model.extend(taker.name, ends_at)
        before = {one.body for one in self.model.landed_at(taker.name)}
        for name, body in seen.landed:
            if name == taker.name and body not in before:
                self.model.land(name, body)
        new = [
            (len(receipt), receipt, body)
            for name, receipt, body in seen.in_flight
            if name == taker.name and receipt not in self.model.receipts
        ]
        if new:
            # Receipts grow in the order in which messages were taken.
            given = [self._delivery(body, receipt) for _, receipt, body in sorted(new)]
            self.model.fetch(taker.name, limit, ends_at, given)
            taker.unseen = given

    def _delivery(self, body: bytes, receipt: str) -> Delivery:
        """Return a delivery as the model has it; the next fetch shows whether that is so."""
        deaths = self.model.messages[body].deaths
        lines = tuple(f"0 {consumer}" for consumer in deaths)
        return Delivery(body, receipt, len(deaths) + 1, lines)

    @rule(slot=SLOTS, mask=SOME, ends=st.lists(ENDS, min_size=1, max_size=3), cut=CUTS)
    def lose_a_settle(self, slot: int, mask: int, ends: list[str], cut: Cut) -> None:
        taker = self._at_hand(slot)
        chosen = some_of([one for one in taker.deliveries if one.receipt], mask)
        held = [one for one in chosen if self._holds(taker, one)]
        batch = [
            Settlement(one, self._effects(one, ends[at % len(ends)]))
            for at, one in enumerate(chosen)
        ]
        refused: Any = None
        with self.world.cutting(cut, 0) as doubts:
            refused = taker.handle.raw.settle(taker.name, batch)
        if not doubts:
            assert refused == self.model.settle(taker.name, batch)
        elif held and not self._are_in_flight(held):
            self.model.settle(taker.name, batch)
            self.every_message_is_where_the_model_says()
        # Sent again, as the acknowledger does.
        assert taker.handle.settle(taker.name, batch) == self.model.settle(taker.name, batch)

    def _are_in_flight(self, deliveries: list[Delivery]) -> bool:
        in_flight = {one.receipt for one in self.world.eye.in_flight()}
        there = [one.receipt in in_flight for one in deliveries]
        assert all(there) or not any(there), "by half"
        return all(there)

    @rule(slot=SLOTS, mask=SOME, cut=CUTS)
    def lose_a_release(self, slot: int, mask: int, cut: Cut) -> None:
        taker = self._at_hand(slot)
        chosen = some_of([one for one in taker.deliveries if one.receipt], mask)
        held = [one for one in chosen if self._holds(taker, one)]
        with self.world.cutting(cut, 0) as doubts:
            taker.handle.raw.release(taker.name, chosen)
        if not doubts or (held and not self._are_in_flight(held)):
            self.model.release(taker.name, chosen)
        given = taker.handle.release(taker.name, chosen)
        assert given == self.model.release(taker.name, chosen)

    @rule(slot=SLOTS, mask=SOME, key=KEYS, limit=st.integers(0, 2), cut=CUTS)
    def lose_an_admission(self, slot: int, mask: int, key: str, limit: int, cut: Cut) -> None:
        taker = self._at_hand(slot)
        for delivery in some_of([one for one in taker.deliveries if one.receipt], mask)[:1]:
            was_held = self._holds(taker, delivery)
            with self.world.cutting(cut, 0) as doubts:
                taker.handle.raw.admit(taker.name, delivery, key, limit)
            if not doubts or (was_held and not self._are_in_flight([delivery])):
                assert self.model.admit(taker.name, delivery, key, limit) in (True, False)
            # Asked again: whoever has a permit keeps it, whoever was parked has no lease.
            answer = taker.handle.admit(taker.name, delivery, key, limit)
            assert answer is self.model.admit(taker.name, delivery, key, limit)

    @precondition(lambda self: self.model.lease_ends or self.model.in_place(Place.PARKED))
    @rule(who=st.integers(0, 1), known=st.booleans(), cut=CUTS, after=st.integers(0, 4))
    def lose_a_reclaim(self, who: int, known: bool, cut: Cut, after: int) -> None:
        dead = [name for name in self.dead if known]
        before, moved = self.model.snapshot(), None
        with self.world.cutting(cut, after):
            moved = self.producers[who].raw.reclaim(1000, dead, self.present())
        self._note_reclaim(before, 1000, dead, moved)

    @precondition(lambda self: self.model.in_place(Place.SCHEDULED))
    @rule(who=st.integers(0, 1), tells=st.booleans(), cut=CUTS, after=st.integers(0, 1))
    def lose_a_promotion(self, who: int, tells: bool, cut: Cut, after: int) -> None:
        tell, moved = priority_of if tells else None, None
        with self.world.cutting(cut, after):
            moved = self.producers[who].raw.promote(1000, self.present(), tell).moved
        self._note_promotion(1000, tells, moved)
