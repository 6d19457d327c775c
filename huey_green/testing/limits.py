# SPDX-License-Identifier: MIT
"""What a storage promises of limits: how many at once, and how many in a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from huey_green.message import Delivery, Effects, Extra, Outgoing, Settlement
from huey_green.storage.base import BaseStorage
from huey_green.testing.concurrency import Running, eventually, second_handle, together
from huey_green.testing.documented import AWKWARD_KEYS, EVERY_BYTE
from huey_green.testing.leases import LONG, bodies_of, done, fill

#: A moment of today's size that no number with 14 digits can hold.
NOON = 1_700_000_000 + 1 / 1024
TICK = 1 / 1024


def limited(delivery: Delivery, key: str = "key") -> Settlement:
    return Settlement(delivery, Effects(extra=Extra(limited=key)))


def fetch_some(storage: BaseStorage, consumer: str, *bodies: bytes) -> list[Delivery]:
    """Enqueue messages and lease them; the queue was empty before."""
    fill(storage, *bodies)
    taken = storage.fetch(consumer, len(bodies))
    assert bodies_of(taken) == list(bodies)
    return taken


def park(storage: BaseStorage, *bodies: bytes, key: str = "key") -> None:
    """Enqueue messages and park them under a key of which no permit is free."""
    for delivery in fetch_some(storage, "parker", *bodies):
        assert storage.admit("parker", delivery, key, 0) is False


class LimitContract:
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards."""

    # Concurrency.

    def test_as_many_leases_as_the_limit_get_a_permit_whoever_holds_them(
        self, storage: BaseStorage
    ) -> None:
        first, second, third = fetch_some(storage, "one", b"a", b"b", b"c")
        [fourth] = fetch_some(storage, "two", b"d")
        assert storage.admit("one", first, "key", 2) is True
        assert storage.admit("two", fourth, "key", 2) is True
        assert storage.admit("one", second, "key", 2) is False
        assert storage.admit("one", third, "other", 1) is True
        assert {one.receipt for one in storage.in_flight()} == {
            *(first.receipt, third.receipt, fourth.receipt)
        }
        assert storage.parked_items() == [b"b"]

    def test_a_parked_message_waits_outside_of_the_queue_and_without_a_lease(
        self, storage: BaseStorage
    ) -> None:
        holder, over = fetch_some(storage, "one", b"a", b"b")
        assert storage.admit("one", holder, "key", 1)
        assert not storage.admit("one", over, "key", 1)
        assert storage.queue_size() == 0
        assert storage.enqueued_items() == []
        assert storage.dequeue() is None
        assert storage.fetch("one", 5) == []
        assert storage.fetch("one", 5, lease=None) == []
        assert bodies_of(storage.in_flight()) == [b"a"]
        assert storage.settle("one", done([over])) == done([over])
        assert storage.release("one", [over]) == 0
        assert storage.reclaim(now=storage.time()) == 0
        assert storage.parked_items() == [b"b"]

    def test_a_lease_that_has_a_permit_is_admitted_again(self, storage: BaseStorage) -> None:
        first, second = fetch_some(storage, "one", b"a", b"b")
        for _ in range(3):
            assert storage.admit("one", first, "key", 2) is True
        assert storage.admit("one", second, "key", 2) is True
        assert storage.admit("one", first, "key", 1) is True
        assert storage.parked_items() == []

    def test_who_no_longer_holds_a_lease_is_not_admitted_and_nothing_is_parked(
        self, storage: BaseStorage
    ) -> None:
        settled, released, held = fetch_some(storage, "one", b"a", b"b", b"c")
        assert storage.settle("one", done([settled])) == []
        assert storage.release("one", [released]) == 1
        for delivery in (settled, released):
            assert storage.admit("one", delivery, "key", 5) is False
            assert storage.admit("one", delivery, "key", 0) is False
        assert storage.admit("two", held, "key", 5) is False
        assert storage.admit("two", held, "key", 0) is False
        assert storage.parked_items() == []
        assert storage.enqueued_items() == [b"b"]
        assert storage.settle("one", done([held])) == []

    def freeing(self, storage: BaseStorage) -> dict[str, Callable[[Delivery], object]]:
        """Return the ways in which the permit of a lease of "one" ends, but for settling."""
        return {
            "release": lambda delivery: storage.release("one", [delivery]),
            "leave": lambda delivery: storage.leave("one"),
            "dead": lambda delivery: storage.reclaim(dead=["one"]),
            "expired": lambda delivery: storage.reclaim(now=storage.time() + LONG),
        }

    def test_settling_with_the_key_ends_the_permit_and_brings_the_first_one_back(
        self, storage: BaseStorage
    ) -> None:
        [holder] = fetch_some(storage, "one", b"holder")
        assert storage.admit("one", holder, "key", 1)
        park(storage, b"a", b"b", b"c")
        fill(storage, b"behind")
        assert storage.settle("one", [limited(holder)]) == []
        assert storage.enqueued_items() == [b"a", b"behind"]
        assert storage.parked_items() == [b"b", b"c"]
        [delivery] = storage.fetch("two", 1)
        assert storage.admit("two", delivery, "key", 1) is True

    def test_a_permit_that_ends_in_another_way_brings_one_message_back(
        self, storage: BaseStorage
    ) -> None:
        for name, free in self.freeing(storage).items():
            [holder] = fetch_some(storage, "one", b"holder")
            assert storage.admit("one", holder, "key", 1), name
            park(storage, b"a", b"b", b"c")
            free(holder)
            parked = storage.parked_items()
            # Reclaiming looks after keys without a permit besides, and may find this one.
            assert parked == [b"b", b"c"] or (name in ("dead", "expired") and parked == [b"c"]), (
                name
            )
            back = storage.fetch("two", 9)
            assert sorted([*bodies_of(back), *parked]) == [b"a", b"b", b"c", b"holder"], name
            admitted = [storage.admit("two", one, "key", 1) for one in back]
            assert admitted.count(True) == 1, name
            storage.flush_all()

    def test_a_lease_without_a_permit_that_ends_brings_nothing_back(
        self, storage: BaseStorage
    ) -> None:
        for name, free in self.freeing(storage).items():
            # The permit of another one, or the safety net would act.
            [holder] = fetch_some(storage, "two", b"holder")
            storage.extend("two", 3 * LONG)
            assert storage.admit("two", holder, "key", 1), name
            [plain] = fetch_some(storage, "one", b"plain")
            park(storage, b"a")
            storage.leave("parker")
            free(plain)
            assert storage.parked_items() == [b"a"], name
            assert storage.enqueued_items() == [b"plain"], name
            storage.flush_all()

    def test_settling_with_the_key_brings_one_back_even_without_a_permit(
        self, storage: BaseStorage
    ) -> None:
        [held, plain] = fetch_some(storage, "one", b"held", b"plain")
        assert storage.admit("one", held, "key", 1)
        park(storage, b"a", b"b", b"c")
        assert storage.settle("one", [limited(plain)]) == []
        assert storage.parked_items() == [b"b", b"c"]
        assert storage.settle("one", [limited(Delivery(b"popped"))]) == []
        assert storage.parked_items() == [b"c"]
        [first, second] = storage.fetch("two", 2)
        assert {first.body, second.body} == {b"a", b"b"}
        assert storage.admit("two", first, "key", 1) is False
        assert storage.parked_items() == [b"c", first.body]

    def test_settling_a_batch_brings_as_many_back_as_have_ended(self, storage: BaseStorage) -> None:
        holders = fetch_some(storage, "one", *(b"holder-%d" % number for number in range(5)))
        for delivery in holders[:4]:
            assert storage.admit("one", delivery, "key", 4)
        park(storage, b"a", b"b", b"c", b"d")
        park(storage, b"x", key="other")
        refused = limited(holders[0])
        batch = [limited(one) for one in holders[:3]] + [Settlement(holders[4]), refused]
        assert storage.settle("one", batch) == [refused]
        assert sorted(storage.enqueued_items()) == [b"a", b"b", b"c"]
        assert storage.parked_items() == [b"d", b"x"]

    def test_a_permit_ends_with_a_settlement_that_does_not_name_it(
        self, storage: BaseStorage
    ) -> None:
        first, second = fetch_some(storage, "one", b"a", b"b")
        assert storage.admit("one", first, "key", 1)
        assert storage.settle("one", done([first])) == []
        assert storage.admit("one", second, "key", 1) is True

    def test_reclaiming_brings_one_back_under_each_key_of_which_nobody_holds_a_permit(
        self, storage: BaseStorage
    ) -> None:
        [holder] = fetch_some(storage, "one", b"holder")
        storage.extend("one", 3 * LONG)
        assert storage.admit("one", holder, "held", 1)
        for key in ("free", "held", "\N{SNOWMAN}"):
            park(storage, f"{key}-1".encode(), f"{key}-2".encode(), key=key)
        storage.leave("parker")
        assert storage.reclaim() == 0
        expected = sorted(f"{key}-1".encode() for key in ("free", "\N{SNOWMAN}"))
        assert sorted(storage.enqueued_items()) == expected
        assert storage.parked_items() == [b"free-2", b"held-1", b"held-2", "\N{SNOWMAN}-2".encode()]

    def test_a_message_that_comes_back_stands_before_its_equals(self, storage: BaseStorage) -> None:
        sent = [(b"low", -1), (b"a", 1), (b"b", 1), (b"c", 1), (b"high", 5)]
        storage.enqueue_many([Outgoing(body, priority) for body, priority in sent])
        taken = {one.body: one for one in storage.fetch("one", 5)}
        assert storage.admit("one", taken[b"a"], "key", 1)
        assert not storage.admit("one", taken[b"b"], "key", 1)
        assert storage.settle("one", done([taken[name] for name in (b"low", b"c", b"high")])) == []
        storage.enqueue_many([Outgoing(body, priority) for body, priority in sent if body != b"b"])
        assert storage.settle("one", [limited(taken[b"a"])]) == []
        expected = b"high b a c low" if storage.priority else b"b low a c high"
        assert storage.enqueued_items() == expected.split()

    def test_parking_counts_no_attempt_and_keeps_the_history(self, storage: BaseStorage) -> None:
        fetch_some(storage, "killed", b"a")
        assert storage.reclaim(dead=["killed"]) == 1
        for _ in range(3):
            [delivery] = storage.fetch("one", 1)
            assert (delivery.attempt, len(delivery.history)) == (2, 1)
            assert delivery.history[0].endswith(" killed")
            storage.begin("one", [delivery])
            assert not storage.admit("one", delivery, "key", 0)
            storage.reclaim()
        [delivery] = storage.fetch("one", 1)
        assert (delivery.attempt, len(delivery.history)) == (2, 1)
        assert storage.admit("one", delivery, "key", 1)
        assert storage.settle("one", [limited(delivery)]) == []

    def test_messages_of_any_bytes_and_equal_ones_are_parked_and_come_back(
        self, storage: BaseStorage
    ) -> None:
        bodies = (b"same", EVERY_BYTE, b"same", b"", b"same")
        for key in AWKWARD_KEYS:
            park(storage, *bodies, key=key)
        assert storage.parked_items() == [*bodies] * len(AWKWARD_KEYS)
        assert storage.parked_items(limit=2) == [b"same", EVERY_BYTE]
        for key in AWKWARD_KEYS:
            back = []
            for _ in bodies:
                assert storage.settle("one", [limited(Delivery(b"popped"), key)]) == []
                back += storage.fetch("one", 9)
            assert bodies_of(back) == list(bodies)
            assert len({one.receipt for one in back}) == len(bodies)
            assert storage.settle("one", done(back)) == []
        assert storage.parked_items() == []

    def test_a_message_that_comes_back_wakes_who_waits(self, storage: BaseStorage) -> None:
        [holder] = fetch_some(storage, "one", b"holder")
        assert storage.admit("one", holder, "key", 1)
        park(storage, b"a")
        with second_handle(storage) as other:
            wait = 30 if storage.blocking else 0
            fetching = Running(lambda: other.fetch("two", 1, wait=wait))
            assert storage.settle("one", [limited(holder)]) == []
            taken = fetching.result() or eventually(lambda: other.fetch("two", 1))
        assert bodies_of(taken) == [b"a"]

    def test_the_limit_is_never_exceeded_and_nothing_is_left_parked(
        self, storage: BaseStorage
    ) -> None:
        total, limit = 200, 3
        fill(storage, *(b"%d" % number for number in range(total)))
        guard = threading.Lock()
        running: set[bytes] = set()
        most: list[int] = []
        settled: Counter[bytes] = Counter()

        def consume(handle: BaseStorage, consumer: str) -> None:
            while settled.total() < total:
                admitted = []
                for delivery in handle.fetch(consumer, 5, wait=0.02):
                    if handle.admit(consumer, delivery, "key", limit):
                        admitted.append(delivery)
                        with guard:
                            running.add(delivery.body)
                            most.append(len(running))
                for delivery in admitted:
                    assert handle.admit(consumer, delivery, "key", limit) is True
                    with guard:
                        running.discard(delivery.body)
                        settled[delivery.body] += 1
                    assert handle.settle(consumer, [limited(delivery)]) == []

        with second_handle(storage) as other:
            together(
                lambda: consume(storage, "one"),
                lambda: consume(storage, "two"),
                lambda: consume(other, "three"),
                lambda: consume(other, "four"),
            )
        assert settled == Counter(b"%d" % number for number in range(total))
        assert max(most) <= limit
        assert storage.parked_items() == []
        assert storage.in_flight() == []

    # Rates.

    def test_a_hit_counts_until_the_window_is_full_and_leaves_it_exactly_after_its_time(
        self, storage: BaseStorage
    ) -> None:
        per = 10.5
        assert storage.hit("key", 3, per, now=NOON) == 0.0
        assert storage.hit("key", 3, per, now=NOON) == 0.0
        assert storage.hit("key", 3, per, now=NOON + 4) == 0.0
        assert storage.hit("key", 3, per, now=NOON + 4) == per - 4
        assert storage.hit("key", 3, per, now=NOON + per - TICK) == TICK
        assert storage.hits("key", per, now=NOON + per - TICK) == 3
        assert storage.hits("key", per, now=NOON + per) == 1
        assert storage.hit("key", 3, per, now=NOON + per) == 0.0
        assert storage.hit("key", 3, per, now=NOON + per) == 0.0
        assert storage.hit("key", 3, per, now=NOON + per) == 4.0
        assert storage.hits("key", per, now=NOON + 4 + per - TICK) == 3
        assert storage.hits("key", per, now=NOON + 4 + per) == 2
        assert storage.hits("key", per, now=NOON + 2 * per) == 0

    def test_the_wait_that_a_refused_hit_is_told_is_enough(self, storage: BaseStorage) -> None:
        now = NOON
        for step in (0.0, 0.25, 0.5, 1.0):
            assert storage.hit("key", 4, 2.0, now=now + step) == 0.0
        now += 1.0
        # With a lower limit more of them have to leave first.
        assert storage.hit("key", 1, 2.0, now=now) == 2.0
        assert storage.hit("key", 2, 2.0, now=now) == 1.5
        wait = storage.hit("key", 3, 2.0, now=now)
        assert wait == 1.25
        assert storage.hit("key", 3, 2.0, now=now + wait - TICK) == TICK
        assert storage.hit("key", 3, 2.0, now=now + wait) == 0.0

    def test_a_refused_hit_is_not_counted(self, storage: BaseStorage) -> None:
        assert storage.hit("key", 1, 8.0, now=NOON) == 0.0
        for step in range(1, 8):
            assert storage.hit("key", 1, 8.0, now=NOON + step) == 8.0 - step
        assert storage.hits("key", 8.0, now=NOON + 7) == 1
        assert storage.hit("key", 1, 8.0, now=NOON + 8) == 0.0

    def test_hits_are_counted_by_key_and_forgotten_by_key(self, storage: BaseStorage) -> None:
        for key in AWKWARD_KEYS:
            assert storage.hits(key, 10.0, now=NOON) == 0
            for _ in range(3):
                assert storage.hit(key, 3, 10.0, now=NOON) == 0.0
            assert storage.hit(key, 3, 10.0, now=NOON + 1) == 9.0
        storage.forget_hits("plain")
        storage.forget_hits("unknown")
        for key in AWKWARD_KEYS:
            assert storage.hits(key, 10.0, now=NOON) == (0 if key == "plain" else 3)
        assert storage.hit("plain", 1, 10.0, now=NOON) == 0.0
        assert storage.result_store_size() == 0

    def test_hits_go_by_the_clock_of_the_storage(self, storage: BaseStorage) -> None:
        assert storage.hit("key", 1, 0.1) == 0.0
        assert 0 < storage.hit("long", 1, LONG) + storage.hit("long", 1, LONG) <= LONG
        eventually(lambda: storage.hit("key", 1, 0.1) == 0.0, "the end of the window")
        assert storage.hits("long", LONG) == 1

    def test_hits_of_several_handles_never_exceed_the_limit(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:

            def hits(handle: BaseStorage) -> int:
                return sum(handle.hit("key", 70, LONG) == 0.0 for _ in range(40))

            counts = together(*(lambda one=one: hits(one) for one in (storage, other) * 2))
        assert sum(counts) == 70
        assert storage.hits("key", LONG) == 70
