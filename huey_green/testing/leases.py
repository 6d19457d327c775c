# SPDX-License-Identifier: MIT
"""What the lease protocol promises, of every storage that has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from huey_green.message import (
    DeadLetter,
    Delivery,
    Effects,
    InFlight,
    Outgoing,
    Planned,
    Settlement,
)
from huey_green.storage.base import BaseStorage
from huey_green.testing.concurrency import Running, eventually, second_handle, together
from huey_green.testing.documented import EVERY_BYTE, LARGE

#: Seconds from now at which every lease of these tests has expired.
LONG = 1000.0


def fill(storage: BaseStorage, *bodies: bytes) -> None:
    storage.enqueue_many([Outgoing(body) for body in bodies])


def bodies_of(deliveries: Sequence[Delivery | InFlight]) -> list[bytes]:
    return [one.body for one in deliveries]


def done(deliveries: Sequence[Delivery]) -> list[Settlement]:
    return [Settlement(one) for one in deliveries]


def everything(at: float) -> Effects:
    """Return one effect of each kind."""
    return Effects(
        results=(("result", b"1"), ("other", EVERY_BYTE)),
        enqueue=(Outgoing(b"next"), Outgoing(b"urgent", 9)),
        schedule=(Planned(b"retry", at),),
        dead=DeadLetter("dead-id", b"body", "why", died_at=1.0),
    )


class LeaseContract:
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards."""

    # Fetch.

    def test_fetching_leases_at_most_as_many_as_asked_for(self, storage: BaseStorage) -> None:
        assert storage.leases
        fill(storage, b"a", b"b", b"c")
        first = storage.fetch("one", 2)
        second = storage.fetch("two", 2)
        assert bodies_of(first) == [b"a", b"b"]
        assert bodies_of(second) == [b"c"]
        assert storage.fetch("one", 2) == []
        assert [one.attempt for one in first + second] == [1, 1, 1]
        assert [one.history for one in first + second] == [(), (), ()]
        receipts = {one.receipt for one in first + second}
        assert len(receipts) == 3
        assert None not in receipts
        assert storage.queue_size() == 0

    def test_fetching_keeps_to_the_priorities(self, storage: BaseStorage) -> None:
        storage.enqueue_many([Outgoing(b"%d" % number, number % 3) for number in range(9)])
        taken = storage.fetch("one", 5) + storage.fetch("two", 5)
        expected = "258147036" if storage.priority else "012345678"
        assert b"".join(bodies_of(taken)).decode() == expected

    def test_any_bytes_and_much_of_it_can_be_leased(self, storage: BaseStorage) -> None:
        fill(storage, EVERY_BYTE, LARGE)
        taken = storage.fetch("one", 2)
        assert bodies_of(taken) == [EVERY_BYTE, LARGE]
        assert sorted(one.body for one in storage.in_flight()) == sorted([EVERY_BYTE, LARGE])
        assert storage.release("one", taken) == 2
        assert bodies_of(storage.fetch("two", 2)) == [EVERY_BYTE, LARGE]

    def test_a_later_delivery_counts_as_an_attempt_only_if_it_was_begun(
        self, storage: BaseStorage
    ) -> None:
        fill(storage, b"kills", b"waits")
        later = storage.time() + LONG
        storage.fetch("one", 2)
        assert storage.reclaim(now=later) == 2
        taken = {one.body: one for one in storage.fetch("two", 2)}
        assert [one.attempt for one in taken.values()] == [2, 2]
        storage.begin("two", [taken[b"kills"]])
        assert storage.reclaim(now=later) == 2
        taken = {one.body: one for one in storage.fetch("three", 2)}
        assert (taken[b"kills"].attempt, taken[b"waits"].attempt) == (3, 2)
        assert storage.settle("three", done(list(taken.values()))) == []

    def test_fetching_waits_for_a_message_of_another_handle(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:
            waiting = Running(lambda: storage.fetch("one", 5, wait=30 if storage.blocking else 0))
            if storage.blocking:
                other.enqueue(b"a")
                assert bodies_of(waiting.result()) == [b"a"]
            else:
                assert waiting.result() == []

    def test_fetching_gives_up_after_its_wait(self, storage: BaseStorage) -> None:
        assert storage.fetch("one", 5, wait=0.02) == []
        assert storage.fetch("one", 5, wait=0.02, lease=None) == []

    def test_an_interrupt_ends_a_fetch_that_waits(self, storage: BaseStorage) -> None:
        waiting = Running(lambda: storage.fetch("one", 5, wait=600))

        def interrupted() -> bool:
            storage.interrupt("one")
            return waiting.ended

        eventually(interrupted, "the end of the wait")
        assert waiting.result() == []
        fill(storage, b"a")
        assert eventually(lambda: storage.fetch("one", 5), "a fetch after it") != []

    def test_what_is_fetched_without_a_lease_is_gone(self, storage: BaseStorage) -> None:
        storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b", 5), Outgoing(b"c")])
        taken = storage.fetch("one", 2, lease=None)
        assert bodies_of(taken) == ([b"b", b"a"] if storage.priority else [b"a", b"b"])
        assert [one.receipt for one in taken] == [None, None]
        assert storage.in_flight() == []
        assert storage.reclaim(now=storage.time() + LONG) == 0
        assert storage.settle("one", [Settlement(taken[0], everything(at=5.0))]) == []
        assert storage.peek_data("result") == b"1"
        assert storage.release("one", taken[1:]) == 1
        assert taken[1].body in storage.enqueued_items()

    # Settle.

    def test_settled_messages_are_gone(self, storage: BaseStorage) -> None:
        fill(storage, b"a", b"b", b"c")
        taken = storage.fetch("one", 3)
        assert storage.settle("one", done(taken[:2])) == []
        assert bodies_of(storage.in_flight()) == [b"c"]
        assert storage.settle("one", []) == []
        assert storage.settle("one", done(taken[2:])) == []
        assert storage.in_flight() == []
        assert storage.reclaim(now=storage.time() + LONG) == 0

    def test_settling_applies_every_effect(self, storage: BaseStorage) -> None:
        fill(storage, b"a")
        [delivery] = storage.fetch("one", 1)
        assert storage.settle("one", [Settlement(delivery, everything(at=50.0))]) == []
        assert storage.result_items() == {"result": b"1", "other": EVERY_BYTE}
        assert sorted(storage.enqueued_items()) == [b"next", b"urgent"]
        assert storage.enqueued_items(1) == ([b"urgent"] if storage.priority else [b"next"])
        assert storage.read_schedule(49.0) == []
        assert storage.read_schedule(50.0) == [b"retry"]
        [letter] = storage.dead_letters()
        assert letter == DeadLetter("dead-id", b"body", "why", died_at=1.0, consumer="one")

    def test_settling_again_is_refused(self, storage: BaseStorage) -> None:
        fill(storage, b"a", b"b")
        first, second = storage.fetch("one", 2)
        assert storage.settle("one", done([first])) == []
        again = Settlement(first, everything(at=50.0))
        assert storage.settle("one", [again, Settlement(second)]) == [again]
        self.assert_no_effects(storage)
        assert storage.in_flight() == []

    def test_settling_twice_in_one_batch_counts_once(self, storage: BaseStorage) -> None:
        fill(storage, b"a")
        [delivery] = storage.fetch("one", 1)
        twice = [Settlement(delivery, Effects(enqueue=(Outgoing(b"next"),)))] * 2
        assert storage.settle("one", twice) == twice[1:]
        assert storage.enqueued_items() == [b"next"]

    def test_a_receipt_is_worth_nothing_to_another_consumer(self, storage: BaseStorage) -> None:
        fill(storage, b"a")
        taken = storage.fetch("one", 1)
        theirs = [Settlement(taken[0], everything(at=50.0))]
        assert storage.settle("two", theirs) == theirs
        assert storage.release("two", taken) == 0
        self.assert_no_effects(storage)
        assert storage.settle("one", done(taken)) == []

    def test_a_receipt_never_fits_a_later_message(self, storage: BaseStorage) -> None:
        seen: set[str | None] = set()
        for number in range(5):
            fill(storage, b"%d" % number)
            taken = storage.fetch("one", 1)
            seen.add(taken[0].receipt)
            assert storage.settle("one", done(taken)) == []
        fill(storage, b"again")
        for _ in range(5):
            taken = storage.fetch("one", 1)
            seen.add(taken[0].receipt)
            assert storage.release("one", taken) == 1
        assert len(seen) == 10

    def test_an_expired_lease_is_redelivered_and_its_late_finisher_settles_nothing(
        self, storage: BaseStorage
    ) -> None:
        storage.enqueue(b"report")
        [first] = storage.fetch("one", 1)
        assert storage.reclaim(now=storage.time() + LONG) == 1
        [second] = storage.fetch("two", 1)
        assert (second.body, second.attempt) == (b"report", 2)
        late = [Settlement(first, everything(at=50.0))]
        assert storage.settle("one", late) == late
        self.assert_no_effects(storage)
        assert storage.settle("two", done([second])) == []
        assert storage.settle("one", late) == late

    def assert_no_effects(self, storage: BaseStorage) -> None:
        assert storage.result_items() == {}
        assert storage.queue_size() == storage.schedule_size() == 0
        assert storage.dead_letters() == []

    # Release, extend, leave.

    def test_a_released_message_is_next_and_its_attempt_does_not_count(
        self, storage: BaseStorage
    ) -> None:
        fill(storage, b"a", b"b", b"c")
        taken = storage.fetch("one", 2)
        assert storage.release("one", taken) == 2
        assert storage.release("one", taken) == 0
        assert storage.settle("one", done(taken)) == done(taken)
        again = storage.fetch("two", 3)
        assert bodies_of(again) == [b"a", b"b", b"c"]
        assert [(one.attempt, one.history) for one in again] == [(1, ())] * 3

    def test_a_released_message_keeps_its_priority(self, storage: BaseStorage) -> None:
        storage.enqueue_many([Outgoing(b"low", -1), Outgoing(b"high", 3)])
        taken = storage.fetch("one", 2)
        assert storage.release("one", taken) == 2
        assert bodies_of(storage.fetch("one", 2)) == bodies_of(taken)

    def test_an_extended_lease_is_not_reclaimed(self, storage: BaseStorage) -> None:
        fill(storage, b"a")
        storage.fetch("one", 1, lease=10.0)
        storage.extend("one", 2 * LONG)
        assert storage.reclaim(now=storage.time() + LONG) == 0
        assert storage.consumers()["one"] > storage.time() + LONG
        assert storage.reclaim(now=storage.time() + 3 * LONG) == 1

    def test_fetching_extends_all_that_the_consumer_holds(self, storage: BaseStorage) -> None:
        fill(storage, b"a")
        storage.fetch("one", 1, lease=10.0)
        assert storage.fetch("one", 1, lease=2 * LONG) == []
        assert storage.reclaim(now=storage.time() + LONG) == 0

    def test_one_who_leaves_gives_back_all_and_is_forgotten(self, storage: BaseStorage) -> None:
        fill(storage, b"a", b"b", b"c")
        taken = storage.fetch("one", 2)
        theirs = storage.fetch("two", 1)
        storage.leave("one")
        storage.leave("nobody")
        assert set(storage.consumers()) == {"two"}
        assert storage.settle("one", done(taken)) == done(taken)
        again = storage.fetch("three", 5)
        assert sorted(bodies_of(again)) == [b"a", b"b"]
        assert [(one.attempt, one.history) for one in again] == [(1, ())] * 2
        assert storage.settle("two", done(theirs)) == []

    def test_consumers_are_known_with_the_end_of_their_leases(self, storage: BaseStorage) -> None:
        assert storage.consumers() == {}
        before = storage.time()
        storage.fetch("one", 1, lease=60.0)
        storage.fetch("two", 1, lease=LONG)
        after = storage.time()
        known = storage.consumers()
        assert set(known) == {"one", "two"}
        # Storages round to the millisecond at worst.
        assert before + 59.9 < known["one"] < after + 60.1
        assert before + LONG - 0.1 < known["two"] < after + LONG + 0.1

    def test_what_is_in_flight_can_be_seen(self, storage: BaseStorage) -> None:
        fill(storage, b"a", b"b", b"c")
        [first] = storage.fetch("one", 1)
        [second] = storage.fetch("two", 1, lease=LONG)
        seen: dict[str | None, InFlight] = {one.receipt: one for one in storage.in_flight()}
        assert set(seen) == {first.receipt, second.receipt}
        assert (seen[first.receipt].consumer, seen[first.receipt].body) == ("one", b"a")
        assert (seen[second.receipt].consumer, seen[second.receipt].body) == ("two", b"b")
        known = storage.consumers()
        assert {one.consumer: one.lease_ends_at for one in seen.values()} == known

    # Reclaim.

    def test_nothing_is_reclaimed_before_its_time(self, storage: BaseStorage) -> None:
        fill(storage, b"a")
        storage.fetch("one", 1, lease=LONG)
        assert storage.reclaim() == 0
        assert storage.queue_size() == 0

    def test_a_reclaimed_message_tells_its_history(self, storage: BaseStorage) -> None:
        fill(storage, b"a")
        later = round(storage.time() + LONG)
        for number, consumer in enumerate(("one", "two two", "thr\u00e9e")):
            [delivery] = storage.fetch(consumer, 1)
            assert delivery.attempt == number + 1
            storage.begin(consumer, [delivery])
            assert storage.reclaim(now=later + number * LONG) == 1
        [last] = storage.fetch("four", 1)
        assert last.attempt == 4
        moments = [line.partition(" ") for line in last.history]
        assert [consumer for _, _, consumer in moments] == ["one", "two two", "thr\u00e9e"]
        assert [float(at) for at, _, _ in moments] == [later + number * LONG for number in range(3)]
        assert storage.release("four", [last]) == 1
        [again] = storage.fetch("five", 1)
        assert (again.attempt, again.history) == (4, last.history)

    def test_those_known_to_be_dead_are_not_waited_for(self, storage: BaseStorage) -> None:
        fill(storage, b"a", b"b", b"c")
        for consumer in ("one", "two", "three"):
            storage.fetch(consumer, 1, lease=LONG)
        assert storage.reclaim(dead=["nobody"]) == 0
        assert storage.reclaim(dead=["one", "three", "nobody"]) == 2
        assert sorted(storage.enqueued_items()) == [b"a", b"c"]
        assert set(storage.consumers()) == {"two"}

    def test_reclaiming_stops_at_its_limit(self, storage: BaseStorage) -> None:
        fill(storage, b"a", b"b", b"c", b"d", b"e", b"f")
        storage.fetch("one", 3)
        storage.fetch("two", 2)
        storage.fetch("living", 1, lease=3 * LONG)
        later = storage.time() + LONG
        moved = [storage.reclaim(limit=2, now=later) for _ in range(4)]
        assert moved == [2, 2, 1, 0]
        assert sorted(storage.enqueued_items()) == [b"a", b"b", b"c", b"d", b"e"]
        assert set(storage.consumers()) == {"living"}

    def test_a_message_is_reclaimed_once_by_two_handles(self, storage: BaseStorage) -> None:
        fill(storage, *(b"%d" % number for number in range(300)))
        storage.fetch("one", 300)
        later = storage.time() + LONG
        with second_handle(storage) as other:
            counts = together(
                lambda: sum(storage.reclaim(limit=7, now=later) for _ in range(60)),
                lambda: sum(other.reclaim(limit=7, now=later) for _ in range(60)),
            )
        assert sum(counts) == 300
        assert sorted(storage.enqueued_items()) == sorted(b"%d" % n for n in range(300))

    # The schedule, and what is enqueued once.

    def test_due_messages_are_promoted_with_their_priority(self, storage: BaseStorage) -> None:
        for number in range(6):
            storage.add_to_schedule(b"%d" % number, 10.0 + number)
        assert storage.promote(now=9.0).moved == 0
        assert storage.promote(limit=2, now=14.0, priority_of=float).moved == 2
        assert sorted(storage.enqueued_items()) == [b"0", b"1"]
        assert storage.promote(now=14.0, priority_of=float).moved == 3
        assert storage.promote(now=14.0).moved == 0
        expected = b"43210" if storage.priority else b"01234"
        assert b"".join(bodies_of(storage.fetch("one", 9))) == expected
        assert storage.scheduled_items() == [b"5"]
        assert storage.promote().moved == 1

    def test_promoting_tells_when_the_next_message_will_be_due(self, storage: BaseStorage) -> None:
        assert storage.promote() == (0, None)
        # As exact as a float, and of messages that are due at the same moment each.
        moments = [10.5, 20.25, 20.25, 1_930_000_000.123457]
        for number, at in enumerate(moments):
            storage.add_to_schedule(b"%d" % number, at)
        for priority_of in (None, float):
            assert storage.promote(now=9.0, priority_of=priority_of) == (0, 10.5)
        assert storage.promote(now=11.0) == (1, 20.25)
        assert storage.promote(limit=1, now=21.0, priority_of=float) == (1, 20.25)
        assert storage.promote(limit=1, now=21.0, priority_of=float) == (1, moments[-1])
        assert storage.promote(now=22.0) == (0, moments[-1])
        storage.add_to_schedule(b"sooner", 30.0)
        assert storage.promote(now=29.0) == (0, 30.0)
        assert storage.remove_scheduled(b"sooner")
        assert storage.promote(now=29.0) == (0, moments[-1])
        assert storage.promote(now=moments[-1]) == (1, None)

    def test_a_message_whose_priority_cannot_be_told_is_not_lost(
        self, storage: BaseStorage
    ) -> None:
        def priority_of(body: bytes) -> float:
            raise ValueError(body)

        storage.add_to_schedule(b"a", 10.0)
        try:
            storage.promote(now=20.0, priority_of=priority_of)
        except ValueError:
            assert storage.promote(now=20.0).moved == 1
        assert storage.enqueued_items() == [b"a"]

    def test_a_due_message_is_promoted_once_by_two_handles(self, storage: BaseStorage) -> None:
        for number in range(500):
            storage.add_to_schedule(b"%d" % number, 10.0)
        with second_handle(storage) as other:
            counts = together(
                lambda: sum(storage.promote(limit=9, now=20.0).moved for _ in range(80)),
                lambda: sum(other.promote(limit=9, now=20.0).moved for _ in range(80)),
            )
        assert sum(counts) == 500
        assert sorted(storage.enqueued_items()) == sorted(b"%d" % n for n in range(500))

    def test_a_message_is_enqueued_once_for_its_key(self, storage: BaseStorage) -> None:
        assert storage.enqueue_once(b"a", "tick-1", ttl=LONG) is True
        assert storage.enqueue_once(b"b", "tick-1", ttl=LONG) is False
        assert storage.enqueue_once(b"c", "tick-2", ttl=LONG, priority=3) is True
        assert storage.enqueued_items() == ([b"c", b"a"] if storage.priority else [b"a", b"c"])
        assert storage.fetch("one", 5, lease=None)
        assert storage.enqueue_once(b"d", "tick-1", ttl=LONG) is False
        assert storage.queue_size() == 0

    def test_a_key_is_free_again_after_its_ttl(self, storage: BaseStorage) -> None:
        assert storage.enqueue_once(b"a", "key", ttl=0.05)
        eventually(lambda: storage.enqueue_once(b"b", "key", ttl=LONG), "the end of the ttl")
        assert storage.enqueued_items() == [b"a", b"b"]

    def test_a_message_is_enqueued_once_by_two_handles(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:

            def ticks(handle: BaseStorage, mark: str) -> int:
                sent = (
                    handle.enqueue_once(f"{mark}{number}".encode(), f"{number}", ttl=LONG)
                    for number in range(100)
                )
                return sum(sent)

            counts = together(lambda: ticks(storage, "a"), lambda: ticks(other, "b"))
        assert sum(counts) == 100
        assert sorted(body[1:] for body in storage.enqueued_items()) == sorted(
            b"%d" % number for number in range(100)
        )

    # Dead letters.

    def bury(self, storage: BaseStorage, *letters: DeadLetter) -> None:
        fill(storage, *(letter.body for letter in letters))
        taken = storage.fetch("gravedigger", len(letters))
        settlements = [
            Settlement(delivery, Effects(dead=letter))
            for delivery, letter in zip(taken, letters, strict=True)
        ]
        assert storage.settle("gravedigger", settlements) == []

    def test_dead_letters_are_kept_whole_the_newest_first(self, storage: BaseStorage) -> None:
        letters = [
            DeadLetter("b", b"b", "w\u00e4r\n", "Trace\nback", 3, ("1.0 x", "2.0 y"), 20.5, "c", 2),
            DeadLetter("a", EVERY_BYTE, "why", died_at=10.0),
            DeadLetter("c", b"c", "why", died_at=30.0),
        ]
        self.bury(storage, *letters)
        letters = [one._replace(consumer=one.consumer or "gravedigger") for one in letters]
        assert storage.dead_letters() == [letters[2], letters[0], letters[1]]
        assert storage.dead_letters(limit=1) == [letters[2]]
        assert storage.queue_size() == 0
        assert storage.result_items() == {}
        assert storage.result_store_size() == 0
        storage.flush_results()
        assert len(storage.dead_letters()) == 3

    def test_dead_letters_can_be_requeued(self, storage: BaseStorage) -> None:
        letters = [
            DeadLetter(f"id-{number}", b"%d" % number, "why", died_at=number, priority=number)
            for number in range(4)
        ]
        self.bury(storage, *letters)
        assert storage.requeue_dead(["id-1", "id-2", "unknown"]) == 2
        assert {one.id for one in storage.dead_letters()} == {"id-0", "id-3"}
        assert sorted(storage.enqueued_items()) == [b"1", b"2"]
        assert storage.requeue_dead() == 2
        assert storage.requeue_dead() == 0
        assert storage.dead_letters() == []
        again = storage.fetch("one", 9)
        assert [(one.attempt, one.history) for one in again] == [(1, ())] * 4
        assert sorted(bodies_of(again)) == [b"0", b"1", b"2", b"3"]
        if storage.priority:
            assert bodies_of(again) == [b"3", b"2", b"1", b"0"]

    def test_dead_letters_can_be_deleted(self, storage: BaseStorage) -> None:
        letters = [DeadLetter(f"id-{n}", b"%d" % n, "why", died_at=n) for n in range(4)]
        self.bury(storage, *letters)
        assert storage.delete_dead(["id-1", "unknown"]) == 1
        assert [one.id for one in storage.dead_letters()] == ["id-3", "id-2", "id-0"]
        assert storage.delete_dead() == 3
        assert storage.delete_dead() == 0
        assert storage.requeue_dead() == 0
        assert storage.queue_size() == 0

    # Several handles.

    def test_a_revocation_is_seen_by_another_handle_at_its_next_fetch(
        self, storage: BaseStorage
    ) -> None:
        with second_handle(storage) as other:
            for lease in (30.0, None):
                storage.fetch("one", 1)
                other.fetch("two", 1)
                storage.put_revocation("r:1", b"until")
                assert storage.has_revocations()
                storage.enqueue(b"a")
                [delivery] = other.fetch("two", 1, lease=lease)
                assert other.has_revocations()
                assert other.peek_data("r:1") == b"until"
                other.settle("two", done([delivery]))
                assert other.pop_revocation("r:1") == b"until"
                other.fetch("two", 1)
                assert not other.has_revocations()
                storage.fetch("one", 1, lease=lease)
                assert not storage.has_revocations()

    def test_two_handles_that_compete_get_each_message_once(self, storage: BaseStorage) -> None:
        total = 2000
        settled: list[bytes] = []

        def consume(handle: BaseStorage, name: str) -> None:
            while len(settled) < total:
                taken = handle.fetch(name, 7, wait=0.01)
                assert handle.settle(name, done(taken)) == []
                settled.extend(bodies_of(taken))

        def produce(handle: BaseStorage) -> None:
            for start in range(0, total, 50):
                fill(handle, *(b"%d" % number for number in range(start, start + 50)))

        with second_handle(storage) as other:
            together(
                lambda: produce(other),
                lambda: consume(storage, "one"),
                lambda: consume(storage, "two"),
                lambda: consume(other, "three"),
                lambda: consume(other, "four"),
            )
        assert Counter(settled) == Counter(b"%d" % number for number in range(total))
        assert storage.in_flight() == []

    # The whole.

    def test_flushing_all_leaves_no_lease_no_key_and_no_dead_letter(
        self, storage: BaseStorage
    ) -> None:
        self.bury(storage, DeadLetter("a", b"a", "why"))
        assert storage.enqueue_once(b"b", "key", ttl=LONG)
        taken = storage.fetch("one", 1)
        storage.flush_all()
        assert storage.settle("one", done(taken)) == done(taken)
        assert storage.in_flight() == []
        assert storage.dead_letters() == []
        assert storage.reclaim(now=storage.time() + LONG) == 0
        assert storage.enqueue_once(b"c", "key", ttl=LONG)
        assert storage.enqueued_items() == [b"c"]

    def test_key_spaces_do_not_mix(self, storage: BaseStorage) -> None:
        storage.put_data("key", b"value")
        storage.incr("key", 7)
        assert storage.enqueue_once(b"a", "key", ttl=LONG)
        self.bury(storage, DeadLetter("key", b"a", "why"))
        assert storage.result_items() == {"key": b"value"}
        assert storage.delete_data("key")
        assert storage.incr("key") == 8
        assert not storage.enqueue_once(b"b", "key", ttl=LONG)
        assert [one.id for one in storage.dead_letters()] == ["key"]

    def test_twenty_thousand_messages_are_worked_off_in_bounded_steps(
        self, storage: BaseStorage
    ) -> None:
        total = 20_000
        fill(storage, *(b"%d" % number for number in range(total)))
        assert storage.queue_size() == total
        assert len(storage.enqueued_items(10)) == 10
        lost = storage.fetch("lost", 5000)
        assert len(lost) == 5000
        later = storage.time() + LONG
        assert [storage.reclaim(limit=1000, now=later) for _ in range(6)] == [1000] * 5 + [0]
        settled: set[bytes] = set()
        while taken := storage.fetch("one", 500):
            assert len(taken) <= 500
            effects = Effects(schedule=(Planned(b"s" + taken[0].body, 10.0),))
            first, *rest = done(taken)
            assert storage.settle("one", [first._replace(effects=effects), *rest]) == []
            settled.update(bodies_of(taken))
        assert len(settled) == total
        assert storage.queue_size() == 0
        assert storage.in_flight() == []
        planned = storage.schedule_size()
        assert storage.promote(limit=15, now=20.0).moved == 15
        assert storage.schedule_size() == planned - 15
