# SPDX-License-Identifier: MIT
"""Random interleavings of producers, consumers, reapers and losses, step by step beside the model.

Time is virtual: it stands still at the moment when the example began, plus what the clock was
moved since. Leases and the ``now`` of reclaim and promote are told to the storage so that they
fit: what an example really takes is far less than a UNIT.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model import LeaseModel, Place, Snapshot
from worlds import CHORD_SIZE, CHORDS, World

from huey_green.message import (
    NOTHING,
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    Member,
    Outgoing,
    Planned,
    Settlement,
)

#: Seconds of the smallest virtual step.
UNIT = 1000.0

_COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}

#: What HYPOTHESIS_PROFILE says; "long" is another search each time, and goes on for minutes.
PROFILES = {
    "ci": settings(
        **_COMMON, derandomize=True, database=None, max_examples=20, stateful_step_count=50
    ),
    "long": settings(
        **_COMMON,
        max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "2000")),
        stateful_step_count=80,
    ),
}
PROFILE = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]

KEYS = st.sampled_from(["key-0", "key-1"])
OWNERS = st.sampled_from(["owner-0", "owner-1"])
PRIORITIES = st.sampled_from([None, -1.0, 0.0, 2.0])
SLOTS = st.integers(0, 2)
UNITS = st.integers(1, 3)
#: Which of those at hand, by a mask.
SOME = st.integers(1, 255)
#: What the end of a task leaves behind.
ENDS = st.sampled_from(
    [*("done", "result", "follow", "retry", "not due", "dead"), *("chord", "join", "drop", "all")]
)


def some_of(items: Sequence[Any], mask: int) -> list[Any]:
    """Return those of ``items`` whose bit is set, by turns; at least one, if there is any."""
    found = [one for at, one in enumerate(items) if mask >> at % 8 & 1]
    return found or list(items[:1])


def priority_of(body: bytes) -> float | None:
    """Return the priority that a body names."""
    text = body.partition(b" ")[2]
    return float(text) if text else None


def facts_of(deliveries: Sequence[Delivery]) -> list[tuple[Any, ...]]:
    """Return deliveries without the moments in their histories, in one order."""
    return sorted(
        (body, receipt, attempt, [line.partition(" ")[2] for line in history])
        for body, receipt, attempt, history in deliveries
    )


class Taker:
    """A consumer: its handle, and every delivery that it was ever given."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        self.handle = handle
        self.deliveries: list[Delivery] = []
        #: What it was given in an answer that was lost; the next fetch tells it.
        self.unseen: list[Delivery] = []


class StorageMachine(RuleBasedStateMachine):
    """To be given to ``explore`` with a ``World`` to look at."""

    make_world: ClassVar[Callable[[], World]]

    @initialize()
    def begin_empty(self) -> None:
        self.world = type(self).make_world()
        self.model = LeaseModel(self.world.eye.priority)
        self.now = self.begun_at = self.world.eye.time()
        self._names = 0
        self._bodies = 0
        self.dead: list[str] = []
        self.producers = [self.world.handle() for _ in range(2)]
        self.takers = [self._taker() for _ in range(3)]

    def _taker(self) -> Taker:
        self._names += 1
        return Taker(f"consumer-{self._names}", self.world.handle())

    def body(self, priority: float | None = None) -> bytes:
        """Return the bytes of a new message; they tell its priority."""
        self._bodies += 1
        return b"%d%s" % (self._bodies, b"" if priority is None else b" %g" % priority)

    def message(self, priority: float | None = None) -> Outgoing:
        return Outgoing(self.body(priority), priority)

    def present(self) -> float:
        """Return the virtual present as the storage takes it."""
        return self.world.eye.time() + self.moved

    @property
    def moved(self) -> float:
        """How far the clock was moved."""
        return self.now - self.begun_at

    def planned(self, units: int) -> Planned:
        """Return a new message for so many UNITs from now."""
        return Planned(self.body(), self.now + units * UNIT)

    # What is looked at after each step.

    @invariant()
    def every_message_is_where_the_model_says(self) -> None:
        assert self.world.look(self._consumer_names()) == self.model.snapshot()

    @invariant()
    def consumers_are_known_until_their_leases_end(self) -> None:
        known = self.world.eye.consumers()
        ends = self.model.lease_ends
        assert ends.keys() <= known.keys() <= ends.keys() | self.model.fading.keys()
        now = self.world.eye.time()
        for name, ends_at in ends.items():
            # Storages round to the millisecond at worst.
            assert -0.01 <= known[name] - ends_at <= now - self.begun_at + 0.01

    def _consumer_names(self) -> list[str]:
        return [f"consumer-{number + 1}" for number in range(self._names)]

    # Producers.

    @rule(who=st.integers(0, 1), priorities=st.lists(PRIORITIES, min_size=1, max_size=4))
    def enqueue(self, who: int, priorities: list[float | None]) -> None:
        messages = [self.message(priority) for priority in priorities]
        self.producers[who].enqueue_many(messages)
        self.model.enqueue(messages)

    @rule(who=st.integers(0, 1), units=st.integers(-1, 3))
    def schedule(self, who: int, units: int) -> None:
        message = self.planned(units)
        self.producers[who].add_to_schedule(*message)
        self.model.plan([message])

    @precondition(lambda self: self.model.in_place(Place.SCHEDULED))
    @rule(who=st.integers(0, 1), pick=st.integers(0, 20))
    def cancel_where_it_waits(self, who: int, pick: int) -> None:
        known = sorted(self.model.messages)
        body = known[pick % len(known)] if known else b"unknown"
        assert self.producers[who].remove_scheduled(body) is self.model.unplan(body)

    @rule(who=st.integers(0, 1), key=KEYS, lasts=st.booleans(), priority=PRIORITIES)
    def enqueue_once(self, who: int, key: str, lasts: bool, priority: float | None) -> None:
        message = self.message(priority)
        ttl = UNIT if lasts else 0.0
        answer = self.producers[who].enqueue_once(message.body, key, ttl, priority)
        assert answer is self.model.enqueue_once(message, key, 0.0, ttl)

    @rule(who=st.integers(0, 1), key=KEYS, owner=OWNERS, lasts=st.booleans(), later=st.booleans())
    def enqueue_claimed(self, who: int, key: str, owner: str, lasts: bool, later: bool) -> None:
        claim, ttl = Claim(key, owner), None if lasts else 0.0
        message = self.planned(1) if later else self.message()
        at = message.at if isinstance(message, Planned) else None
        answer = self.producers[who].enqueue_claimed(message.body, claim, ttl, at)
        expected = self.model.enqueue_claimed(message, claim, 0.0, float("inf") if lasts else 0.0)
        assert answer == expected

    @rule(who=st.integers(0, 1), key=KEYS, owner=OWNERS, units=UNITS, replace=st.booleans())
    def postpone(self, who: int, key: str, owner: str, units: int, replace: bool) -> None:
        message, claim = self.planned(units), Claim(key, owner)
        answer = self.producers[who].postpone(message.body, claim, message.at, replace)
        assert answer == self.model.postpone(message, claim, replace)

    @rule(who=st.integers(0, 1), key=KEYS, owner=OWNERS)
    def drop_claims(self, who: int, key: str, owner: str) -> None:
        claims = [Claim(key, owner)]
        self.producers[who].drop_claims(claims)
        self.model.drop_claims(claims)

    @rule(who=st.integers(0, 1))
    def dequeue(self, who: int) -> None:
        body = self.producers[who].dequeue()
        self.model.pop("nobody", 1, [] if body is None else [body])

    # Consumers.

    @rule(slot=SLOTS, limit=st.integers(1, 5), units=UNITS, waits=st.booleans())
    def fetch(self, slot: int, limit: int, units: int, waits: bool) -> None:
        taker, ends_at = self.takers[slot], self.now + units * UNIT
        waits = waits and bool(self.model.in_place(Place.READY))
        wait, lease = 5.0 if waits else 0.0, units * UNIT + self.moved
        taken = taker.handle.fetch(taker.name, limit, wait, lease)
        if not self._recovers(taker, taken):
            self.model.fetch(taker.name, limit, ends_at, taken)
        self._give(taker, taken)

    def _recovers(self, taker: Taker, taken: list[Delivery]) -> bool:
        """Say whether a fetch had to tell of an earlier one, and has."""
        unseen, taker.unseen = taker.unseen, []
        unseen = [one for one in unseen if self._holds(taker, one)]
        assert not unseen or facts_of(taken) == facts_of(unseen)
        return bool(unseen)

    def _give(self, taker: Taker, taken: list[Delivery]) -> None:
        """Note deliveries, and forget the oldest of those that are stale."""
        stale = [one for one in taker.deliveries if one.receipt and not self._holds(taker, one)]
        old = {id(one) for one in stale[:-2]}
        taker.deliveries = [one for one in taker.deliveries if id(one) not in old]
        taker.deliveries += taken

    def _at_hand(self, slot: int) -> Taker:
        """Return a consumer; it holds something, so that few steps are idle ones."""
        taker = self.takers[slot]
        if not self.model.held_by(taker.name):
            if not self.model.in_place(Place.READY):
                self.enqueue(0, [None, 2.0, 2.0])
            self.fetch(slot, 3, 2, waits=False)
        return taker

    def _holds(self, taker: Taker, delivery: Delivery) -> bool:
        return self.model.lease_of(taker.name, delivery.receipt) is not None

    @rule(slot=SLOTS, limit=st.integers(1, 2))
    def fetch_for_good(self, slot: int, limit: int) -> None:
        taker = self.takers[slot]
        taken = taker.handle.fetch(taker.name, limit, 0.0, None)
        if not self._recovers(taker, taken):
            assert all(one.receipt is None for one in taken)
            self.model.pop(taker.name, limit, [one.body for one in taken])
        taker.deliveries += taken

    @rule(slot=SLOTS, mask=SOME)
    def begin(self, slot: int, mask: int) -> None:
        taker = self._at_hand(slot)
        chosen = some_of(taker.deliveries, mask)
        taker.handle.begin(taker.name, chosen)
        self.model.begin(taker.name, chosen)

    @rule(slot=SLOTS, mask=SOME, key=KEYS, limit=st.integers(0, 2))
    def admit(self, slot: int, mask: int, key: str, limit: int) -> None:
        taker = self._at_hand(slot)
        for delivery in some_of([one for one in taker.deliveries if one.receipt], mask)[:3]:
            answer = taker.handle.admit(taker.name, delivery, key, limit)
            assert answer is self.model.admit(taker.name, delivery, key, limit)

    @rule(slot=SLOTS, mask=SOME, ends=st.lists(ENDS, min_size=1, max_size=4))
    def settle(self, slot: int, mask: int, ends: list[str]) -> None:
        self._settle(self._at_hand(slot), mask, ends)

    @rule(slot=SLOTS, mask=SOME, end=ENDS)
    def settle_and_lose_the_answer(self, slot: int, mask: int, end: str) -> None:
        taker = self._at_hand(slot)
        sent = [one for one in self._settle(taker, mask, [end]) if one.delivery.receipt]
        assert taker.handle.settle(taker.name, sent) == sent

    @rule(slot=SLOTS, other=SLOTS, mask=SOME, end=ENDS)
    def settle_what_another_one_holds(self, slot: int, other: int, mask: int, end: str) -> None:
        thief = self.takers[slot]
        held = [one for one in self.takers[other].deliveries if one.receipt]
        if slot != other and held:
            theirs = [Settlement(one, self._effects(one, end)) for one in some_of(held, mask)]
            assert thief.handle.settle(thief.name, theirs) == theirs
            assert thief.handle.release(thief.name, [one.delivery for one in theirs]) == 0

    def _settle(self, taker: Taker, mask: int, ends: list[str]) -> list[Settlement]:
        """Settle some deliveries, stale ones among them; the first of them twice."""
        chosen = some_of(taker.deliveries, mask)
        batch = [
            Settlement(one, self._effects(one, ends[at % len(ends)]))
            for at, one in enumerate(chosen)
        ]
        batch += [one for one in batch[:1] if one.delivery.receipt]
        refused = taker.handle.settle(taker.name, batch)
        assert refused == self.model.settle(taker.name, batch)
        # One that was popped for good is settled once: nothing fences it.
        gone = {id(one) for one in chosen if one.receipt is None}
        taker.deliveries = [one for one in taker.deliveries if id(one) not in gone]
        return batch

    def _effects(self, delivery: Delivery, end: str) -> Effects:
        """Return what the end of a delivery leaves behind."""
        at = self.now + UNIT
        message = self.model.messages.get(delivery.body)
        permit = None if message is None or message.receipt != delivery.receipt else message.permit
        if end == "done":
            return NOTHING if permit is None else Effects(extra=Extra(limited=permit))
        chord = CHORDS[self._bodies % 2]
        # The next place of the chord, or one that may be filled already.
        noted = len(self.model.chords.get(chord, ())) if end == "chord" else self._bodies
        member = Member(chord, noted % CHORD_SIZE, CHORD_SIZE, self.body(), self.message(2.0))
        extra = Extra(
            members=(member,) if end in ("chord", "all") else (),
            joined=(chord,) if end == "join" else (),
            drops=(Claim("key-0", "owner-0"),) if end in ("drop", "all") else (),
            limited="key-0" if end == "all" else permit,
        )
        effects = Effects(extra=extra)
        if end in ("result", "all"):
            effects = effects._replace(results=((f"result-{self._bodies % 3}", self.body()),))
        if end in ("follow", "all"):
            effects = effects._replace(enqueue=(self.message(1.0), self.message()))
        if end in ("retry", "all"):
            effects = effects._replace(schedule=(Planned(self.body(), at),))
        if end == "not due" and delivery.receipt is not None:
            effects = effects._replace(schedule=(Planned(delivery.body, at),))
        if end == "dead" and delivery.receipt is not None:
            self._bodies += 1
            name = delivery.body.decode()
            letter = DeadLetter(name, delivery.body, "why", died_at=self._bodies, priority=1.0)
            claim = f"key-{self._bodies % 3}"  # Of which there are two.
            effects = effects._replace(
                dead=letter._replace(claim=claim if claim != "key-2" else None)
            )
        return effects

    @rule(slot=SLOTS, mask=SOME)
    def release(self, slot: int, mask: int) -> None:
        taker = self._at_hand(slot)
        chosen = some_of(taker.deliveries, mask)
        given = taker.handle.release(taker.name, chosen)
        assert given == self.model.release(taker.name, chosen)
        gone = {id(one) for one in chosen if one.receipt is None}
        taker.deliveries = [one for one in taker.deliveries if id(one) not in gone]

    @rule(slot=SLOTS, units=UNITS)
    def extend(self, slot: int, units: int) -> None:
        taker, ends_at = self.takers[slot], self.now + units * UNIT
        taker.handle.extend(taker.name, units * UNIT + self.moved)
        self.model.extend(taker.name, ends_at)

    @rule(slot=SLOTS)
    def leave(self, slot: int) -> None:
        taker = self.takers[slot]
        taker.handle.leave(taker.name)
        self.model.leave(taker.name)

    @rule(slot=SLOTS)
    def die(self, slot: int) -> None:
        """Drop all on the floor; another consumer takes the place."""
        taker = self._at_hand(slot)
        self.dead.append(taker.name)
        if self.world.eye is not taker.handle:
            taker.handle.close()
        self.takers[slot] = self._taker()

    # The clock, the reaper, the scheduler, an operator.

    @rule(units=UNITS)
    def move_the_clock(self, units: int) -> None:
        self.now += units * UNIT

    @precondition(lambda self: self.model.lease_ends or self.model.in_place(Place.PARKED))
    @rule(who=st.integers(0, 1), limit=st.sampled_from([1, 2, 1000]), known=st.booleans())
    def reclaim(self, who: int, limit: int, known: bool) -> None:
        dead = [name for name in self.dead if known]
        before = self.model.snapshot()
        moved = self.producers[who].reclaim(limit, dead, self.present())
        self._note_reclaim(before, limit, dead, moved)

    def _note_reclaim(
        self, before: Snapshot, limit: int, dead: list[str], moved: int | None
    ) -> None:
        """Tell the model what a reclaim has moved; how many is None when that is not known."""
        after = self.world.look(self._consumer_names())
        held = {body for *_, body in (*after.in_flight, *after.landed)}
        back = [body for *_, body in (*before.in_flight, *before.landed) if body not in held]
        unparked = [body for body in before.parked if body not in after.parked]
        assert moved in (len(back), None)
        self.model.reclaim(limit, dead, self.now, back, unparked, moved is not None)

    @precondition(lambda self: self.model.in_place(Place.SCHEDULED))
    @rule(who=st.integers(0, 1), limit=st.sampled_from([1, 3, 1000]), tells=st.booleans())
    def promote(self, who: int, limit: int, tells: bool) -> None:
        tell = priority_of if tells else None
        moved, next_at = self.producers[who].promote(limit, self.present(), tell)
        self._note_promotion(limit, tells, moved)
        assert next_at == self.model.next_at()

    def _note_promotion(self, limit: int, tells: bool, moved: int | None) -> None:
        """Tell the model what a promote has moved; how many is None when that is not known."""
        before = self.model.snapshot().scheduled
        left = self.world.eye.scheduled_items()
        gone = [body for body in before if body not in left]
        assert moved in (len(gone), None)
        if gone or moved is not None:
            priorities = [priority_of(body) if tells else None for body in gone]
            self.model.promote(limit, self.now, gone, priorities)

    @precondition(lambda self: self.model.in_place(Place.SCHEDULED))
    @rule(who=st.integers(0, 1))
    def read_schedule(self, who: int) -> None:
        due = self.producers[who].read_schedule(self.present())
        assert sorted(due) == sorted(self.model.take_due(self.now))

    @precondition(lambda self: self.model.in_place(Place.DEAD))
    @rule(who=st.integers(0, 1), mask=SOME, deletes=st.booleans(), every=st.booleans())
    def see_to_dead_letters(self, who: int, mask: int, deletes: bool, every: bool) -> None:
        letters = [one.id for one in self.world.eye.dead_letters()]
        chosen = letters if every else [*some_of(letters, mask), "unknown"]
        handle, ids = self.producers[who], None if every else chosen
        bodies = None if every else [one.encode() for one in chosen]
        if deletes:
            assert handle.delete_dead(ids) == self.model.delete_dead(bodies)
        else:
            assert handle.requeue_dead(ids) == self.model.requeue_dead(bodies, 0.0)

    @rule(who=st.integers(0, 1))
    def prune(self, who: int) -> None:
        # Nothing is to be pruned that anybody could miss.
        assert self.producers[who].prune() == 0

    # The end: whatever happened, all that was accepted can be worked off.

    def teardown(self) -> None:
        if not hasattr(self, "takers"):
            return
        try:
            self._work_off()
        finally:
            self._close()

    def _work_off(self) -> None:
        self.now += 10 * UNIT
        claims = [Claim(key, held.owner) for key, held in self.model.claims.items()]
        self.producers[0].drop_claims(claims)
        self.model.drop_claims(claims)
        self.see_to_dead_letters(0, 255, deletes=False, every=True)
        while self.model.messages:
            before = len(self.model.messages)
            self.see_to_dead_letters(0, 255, deletes=True, every=True)
            self.promote(0, 1000, tells=True)
            self.reclaim(0, 1000, known=True)
            for slot in range(len(self.takers)):
                self.fetch(slot, 100, 1, waits=False)
                self._settle(self.takers[slot], 255, ["done"])
            assert len(self.model.messages) < before, "a message that nobody can get at"
            self.every_message_is_where_the_model_says()
        for slot in range(len(self.takers)):
            self.leave(slot)
        self.now += 10 * UNIT
        self.reclaim(0, 1000, known=True)
        for slot, chord in enumerate(CHORDS):
            end = Settlement(Delivery(b""), Effects(extra=Extra(joined=(chord,))))
            assert self.takers[slot].handle.settle("nobody", [end]) == []
        self.world.eye.flush_results()
        assert self.world.eye.consumers() == {}
        assert self.world.left_behind() == set()

    def _close(self) -> None:
        for handle in (*self.producers, *(one.handle for one in self.takers)):
            handle.close()
        self.world.close()


def explore(
    machine: type[StorageMachine], make_world: Callable[[], World], share: float = 1.0
) -> None:
    """Search for an interleaving after which a storage is not as the model says.

    ``share`` is how many examples to make, of those that the profile says.
    """
    made = type(machine.__name__, (machine,), {"make_world": staticmethod(make_world)})
    examples = max(1, round(PROFILE.max_examples * share))
    run_state_machine_as_test(made, settings=settings(PROFILE, max_examples=examples))
