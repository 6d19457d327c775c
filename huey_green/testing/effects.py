# SPDX-License-Identifier: MIT
"""What a storage promises of tasks that depend on others: chords, claims, debouncing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from huey_green.message import Claim, Delivery, Effects, Extra, Member, Outgoing, Settlement
from huey_green.storage.base import BaseStorage
from huey_green.testing.concurrency import Running, eventually, second_handle, together
from huey_green.testing.documented import AWKWARD_KEYS, EVERY_BYTE
from huey_green.testing.leases import LONG, bodies_of, done, fill

CALLBACK = Outgoing(b"callback")


def member(index: int, size: int, chord: str = "chord", value: bytes = b"") -> Member:
    return Member(chord, index, size, value or b"%d" % index, CALLBACK)


def leased(storage: BaseStorage, number: int, consumer: str = "one") -> list[Delivery]:
    """Return so many leases, for tests of what their ends leave behind."""
    fill(storage, *(b"task-%d" % one for one in range(number)))
    taken = storage.fetch(consumer, number)
    assert len(taken) == number
    return taken


def leased_only(storage: BaseStorage, body: bytes) -> Sequence[Delivery]:
    """Lease the next message, which is ``body``."""
    taken = storage.fetch("one", 1)
    assert bodies_of(taken) == [body]
    return taken


def ending(delivery: Delivery, extra: Extra) -> Settlement:
    return Settlement(delivery, Effects(extra=extra))


def end(storage: BaseStorage, delivery: Delivery, extra: Extra, consumer: str = "one") -> None:
    assert storage.settle(consumer, [ending(delivery, extra)]) == []


class EffectContract:
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards."""

    # Chords.

    def test_the_last_member_of_a_chord_enqueues_its_callback(self, storage: BaseStorage) -> None:
        first, second, third = leased(storage, 3)
        assert storage.chord_values("chord", 3) == [None] * 3
        end(storage, first, Extra(members=(member(2, 3),)))
        end(storage, second, Extra(members=(member(0, 3),)))
        assert storage.queue_size() == 0
        assert storage.chord_values("chord", 3) == [b"0", None, b"2"]
        end(storage, third, Extra(members=(member(1, 3),)))
        assert storage.enqueued_items() == [b"callback"]
        assert storage.chord_values("chord", 3) == [b"0", b"1", b"2"]
        assert storage.result_store_size() == 0

    def test_a_member_that_ends_twice_counts_once(self, storage: BaseStorage) -> None:
        first, again, second, late = leased(storage, 4)
        end(storage, first, Extra(members=(member(0, 2, value=b"first"),)))
        end(storage, again, Extra(members=(member(0, 2, value=b"again"),)))
        assert storage.queue_size() == 0
        assert storage.chord_values("chord", 2) == [b"first", None]
        end(storage, second, Extra(members=(member(1, 2),)))
        assert storage.enqueued_items() == [b"callback"]
        end(storage, late, Extra(members=(member(1, 2, value=b"late"),)))
        assert storage.enqueued_items() == [b"callback"]
        assert storage.chord_values("chord", 2) == [b"first", b"1"]

    def test_members_that_end_in_one_batch_are_all_counted(self, storage: BaseStorage) -> None:
        taken = leased(storage, 300)
        batch = [
            ending(delivery, Extra(members=(member(index, 299),)))
            for index, delivery in enumerate(taken[:299])
        ]
        twice = ending(taken[299], Extra(members=(member(7, 299),)))
        assert storage.settle("one", [*batch[:150], twice, *batch[150:]]) == []
        assert storage.enqueued_items() == [b"callback"]
        assert storage.chord_values("chord", 299) == [b"%d" % index for index in range(299)]

    def test_a_task_may_be_a_member_of_several_chords(self, storage: BaseStorage) -> None:
        first, second = leased(storage, 2)
        outer, inner = Outgoing(b"outer"), Outgoing(b"inner")
        end(storage, first, Extra(members=(Member("outer", 0, 2, b"a", outer),)))
        end(
            storage,
            second,
            Extra(members=(Member("inner", 0, 1, b"b", inner), Member("outer", 1, 2, b"c", outer))),
        )
        assert sorted(storage.enqueued_items()) == [b"inner", b"outer"]
        assert storage.chord_values("inner", 1) == [b"b"]
        assert storage.chord_values("outer", 2) == [b"a", b"c"]

    def test_a_callback_keeps_its_priority_and_wakes_who_waits(self, storage: BaseStorage) -> None:
        first, second = leased(storage, 2)
        with second_handle(storage) as other:
            wait = 30 if storage.blocking else 0
            fetching = Running(lambda: other.fetch("two", 1, wait=wait))
            end(storage, first, Extra(members=(member(0, 1),)))
            taken = fetching.result() or eventually(lambda: other.fetch("two", 1))
            assert bodies_of(taken) == [b"callback"]
        fill(storage, b"before")
        urgent = Member("urgent", 0, 1, b"", Outgoing(b"urgent", 5))
        end(storage, second, Extra(members=(urgent,)))
        expected = [b"urgent", b"before"] if storage.priority else [b"before", b"urgent"]
        assert storage.enqueued_items() == expected

    def test_chords_of_any_name_keep_any_value(self, storage: BaseStorage) -> None:
        taken = leased(storage, 2 * len(AWKWARD_KEYS))
        for key, delivery in zip(AWKWARD_KEYS * 2, taken, strict=True):
            index = 0 if storage.chord_values(key, 2) == [None, None] else 1
            value = b"" if index else EVERY_BYTE + key.encode()
            callback = Outgoing(EVERY_BYTE + key.encode())
            end(storage, delivery, Extra(members=(Member(key, index, 2, value, callback),)))
        for key in AWKWARD_KEYS:
            assert storage.chord_values(key, 2) == [EVERY_BYTE + key.encode(), b""]
        assert storage.enqueued_items() == [EVERY_BYTE + key.encode() for key in AWKWARD_KEYS]

    def test_the_values_of_a_joined_chord_are_forgotten(self, storage: BaseStorage) -> None:
        first, second, third, other = leased(storage, 4)
        end(storage, other, Extra(members=(member(0, 2, "other"),)))
        end(storage, first, Extra(members=(member(0, 2), member(1, 2))))
        assert storage.queue_size() == 1
        end(storage, second, Extra(joined=("chord", "unknown")))
        assert storage.chord_values("chord", 2) == [None, None]
        assert storage.chord_values("other", 2) == [b"0", None]
        end(storage, third, Extra(members=(member(0, 2), member(1, 2))))
        assert storage.enqueued_items() == [b"callback"] * 2

    def test_a_chord_of_many_members_that_end_all_at_once_calls_back_once(
        self, storage: BaseStorage
    ) -> None:
        threads, each = 20, 5
        size = threads * each
        taken = [leased(storage, each, f"consumer-{number}") for number in range(threads)]

        def ends(handle: BaseStorage, number: int) -> Callable[[], None]:
            def run() -> None:
                for position, delivery in enumerate(taken[number]):
                    index = number * each + position
                    extra = Extra(members=(member(index, size),))
                    end(handle, delivery, extra, f"consumer-{number}")

            return run

        with ExitStack() as stack:
            handles = [storage, *(stack.enter_context(second_handle(storage)) for _ in range(3))]
            together(*(ends(handles[number % 4], number) for number in range(threads)))
        assert storage.enqueued_items() == [b"callback"]
        assert storage.chord_values("chord", size) == [b"%d" % index for index in range(size)]

    def test_a_refused_settlement_changes_nothing(self, storage: BaseStorage) -> None:
        claim = Claim("key", "owner")
        assert storage.enqueue_claimed(b"claimed", claim) is None
        assert storage.dequeue() == b"claimed"
        storage.put_progress("task", b"half")
        holder, over, noted, delivery = leased(storage, 4)
        assert storage.admit("one", holder, "limit", 1)
        assert not storage.admit("one", over, "limit", 1)
        end(storage, noted, Extra(members=(member(0, 2),)))
        assert storage.settle("one", done([delivery])) == []
        extra = Extra(
            members=(member(1, 2), member(0, 1, "other")),
            joined=("chord",),
            drops=(claim,),
            limited="limit",
            progress=("task",),
        )
        again = [ending(delivery, extra)]
        assert storage.settle("one", again) == again
        foreign = [ending(holder, extra)]
        assert storage.settle("two", foreign) == foreign
        assert storage.queue_size() == 0
        assert storage.chord_values("chord", 2) == [b"0", None]
        assert storage.chord_values("other", 1) == [None]
        assert storage.enqueue_claimed(b"b", Claim("key", "other")) == "owner"
        assert storage.parked_items() == [over.body]
        assert storage.peek_progress("task") == b"half"

    def test_a_delivery_without_a_lease_has_these_effects_too(self, storage: BaseStorage) -> None:
        claim = Claim("key", "owner")
        assert storage.enqueue_claimed(b"a", claim) is None
        [delivery] = storage.fetch("one", 1, lease=None)
        storage.put_progress("task", b"half")
        extra = Extra(members=(member(0, 1),), drops=(claim,), progress=("task",))
        end(storage, delivery, extra)
        assert storage.enqueued_items() == [b"callback"]
        assert storage.peek_progress("task") is None
        assert storage.enqueue_claimed(b"b", Claim("key", "other")) is None

    # Claims.

    def test_a_claimed_message_is_enqueued_once_until_its_claim_is_dropped(
        self, storage: BaseStorage
    ) -> None:
        one, two = Claim("key", "one"), Claim("key", "two")
        assert storage.enqueue_claimed(b"a", one) is None
        assert storage.enqueue_claimed(b"b", two) == "one"
        assert storage.enqueue_claimed(b"a", one) == "one"
        assert storage.enqueue_claimed(b"b", two, at=50.0) == "one"
        assert storage.enqueued_items() == [b"a"]
        assert storage.schedule_size() == 0
        storage.drop_claims([two, Claim("unknown", "one")])
        assert storage.enqueue_claimed(b"b", two) == "one"
        storage.drop_claims([one])
        assert storage.enqueue_claimed(b"b", two) is None
        assert storage.enqueue_claimed(b"a", one) == "two"
        assert storage.enqueued_items() == [b"a", b"b"]
        storage.drop_claims([])

    def test_a_claim_outlives_its_message(self, storage: BaseStorage) -> None:
        assert storage.enqueue_claimed(b"a", Claim("key", "one")) is None
        taken = storage.fetch("one", 1)
        assert storage.enqueue_claimed(b"b", Claim("key", "two")) == "one"
        assert storage.settle("one", done(taken)) == []
        assert storage.enqueue_claimed(b"b", Claim("key", "two")) == "one"
        assert storage.queue_size() == 0

    def test_a_claimed_message_may_have_a_priority_or_wait_on_the_schedule(
        self, storage: BaseStorage
    ) -> None:
        fill(storage, b"before")
        assert storage.enqueue_claimed(b"urgent", Claim("a", "one"), priority=5) is None
        assert storage.enqueue_claimed(b"later", Claim("b", "one"), at=50.25, priority=9) is None
        expected = [b"urgent", b"before"] if storage.priority else [b"before", b"urgent"]
        assert storage.enqueued_items() == expected
        assert storage.read_schedule(50.0) == []
        assert storage.read_schedule(50.25) == [b"later"]
        assert storage.enqueue_claimed(b"again", Claim("b", "two")) == "one"

    def test_a_claimed_message_wakes_who_waits(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:
            wait = 30 if storage.blocking else 0
            fetching = Running(lambda: storage.fetch("one", 1, wait=wait))
            assert other.enqueue_claimed(b"a", Claim("key", "one"), ttl=LONG) is None
            taken = fetching.result() or eventually(lambda: storage.fetch("one", 1))
            assert bodies_of(taken) == [b"a"]

    def test_a_claim_ends_after_its_ttl_and_its_owner_cannot_drop_the_next_one(
        self, storage: BaseStorage
    ) -> None:
        one, two = Claim("key", "one"), Claim("key", "two")
        assert storage.enqueue_claimed(b"a", one, ttl=0.05) is None
        assert storage.enqueue_claimed(b"x", Claim("long", "one"), ttl=LONG) is None
        eventually(
            lambda: storage.enqueue_claimed(b"b", two, ttl=LONG) is None, "the end of the ttl"
        )
        storage.drop_claims([one])
        [delivery] = leased_only(storage, b"a")
        end(storage, delivery, Extra(drops=(one,)))
        assert storage.enqueue_claimed(b"c", one) == "two"
        assert storage.enqueue_claimed(b"y", Claim("long", "two")) == "one"

    def test_settling_drops_the_claims_that_their_owner_still_holds(
        self, storage: BaseStorage
    ) -> None:
        for key in ("a", "b", "c"):
            assert storage.enqueue_claimed(key.encode(), Claim(key, "one")) is None
        [delivery] = leased_only(storage, b"a")
        drops = (Claim("a", "one"), Claim("b", "two"), Claim("unknown", "one"), Claim("c", "one"))
        end(storage, delivery, Extra(drops=drops))
        assert storage.enqueue_claimed(b"a2", Claim("a", "two")) is None
        assert storage.enqueue_claimed(b"b2", Claim("b", "two")) == "one"
        assert storage.enqueue_claimed(b"c2", Claim("c", "two")) is None

    def test_claims_may_have_any_key_and_any_owner(self, storage: BaseStorage) -> None:
        for key in AWKWARD_KEYS:
            for owner in AWKWARD_KEYS:
                data = EVERY_BYTE + key.encode()
                holder = None if owner == AWKWARD_KEYS[0] else AWKWARD_KEYS[0]
                assert storage.enqueue_claimed(data, Claim(key, owner)) == holder
        assert storage.enqueued_items() == [EVERY_BYTE + key.encode() for key in AWKWARD_KEYS]
        storage.drop_claims([Claim(key, AWKWARD_KEYS[0]) for key in AWKWARD_KEYS])
        for key in AWKWARD_KEYS:
            assert storage.enqueue_claimed(b"", Claim(key, key)) is None
            assert storage.enqueue_claimed(b"", Claim(key, "other")) == key
        assert storage.result_store_size() == 0

    def test_of_two_handles_one_gets_a_claim(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:

            def claims(handle: BaseStorage, owner: str) -> list[str | None]:
                return [
                    handle.enqueue_claimed(f"{owner}{key}".encode(), Claim(f"{key}", owner))
                    for key in range(100)
                ]

            ours, theirs = together(lambda: claims(storage, "a"), lambda: claims(other, "b"))
        pairs = Counter(zip(ours, theirs, strict=True))
        assert set(pairs) <= {(None, "a"), ("b", None)}
        won = [f"a{key}" if one is None else f"b{key}" for key, one in enumerate(ours)]
        assert sorted(storage.enqueued_items()) == sorted(body.encode() for body in won)

    # Debouncing.

    def test_a_message_is_replaced_only_while_it_waits_if_that_is_asked_for(
        self, storage: BaseStorage
    ) -> None:
        claim = Claim("key", "one")
        assert storage.postpone(b"first", claim, 40.0) is None
        assert storage.postpone(b"second", claim, 50.0, replace=True) is None
        assert storage.scheduled_items() == [b"second"]
        assert storage.promote(now=60.0).moved == 1
        assert storage.postpone(b"third", claim, 70.0, replace=True) == ""
        assert storage.scheduled_items() == []
        assert storage.postpone(b"theirs", Claim("key", "two"), 80.0) is None
        assert storage.postpone(b"third", claim, 70.0, replace=True) == "two"
        assert storage.postpone(b"never", Claim("other", "one"), 70.0, replace=True) == ""
        assert storage.scheduled_items() == [b"theirs"]

    def test_a_postponed_message_replaces_the_one_before(self, storage: BaseStorage) -> None:
        claim = Claim("key", "one")
        storage.add_to_schedule(b"unrelated", 45.0)
        assert storage.postpone(b"first", claim, 40.0) is None
        assert storage.scheduled_items() == [b"first", b"unrelated"]
        assert storage.postpone(b"second", claim, 50.0) is None
        assert storage.scheduled_items() == [b"unrelated", b"second"]
        assert storage.postpone(b"second", claim, 42.5) is None
        assert storage.scheduled_items() == [b"second", b"unrelated"]
        assert storage.read_schedule(42.5) == [b"second"]
        assert storage.queue_size() == 0

    def test_a_message_of_another_owner_that_still_waits_is_left_alone(
        self, storage: BaseStorage
    ) -> None:
        assert storage.postpone(b"first", Claim("key", "one"), 40.0) is None
        assert storage.postpone(b"theirs", Claim("key", "two"), 50.0) == "one"
        assert storage.postpone(b"other", Claim("other", "two"), 60.0) is None
        assert storage.scheduled_items() == [b"first", b"other"]
        assert storage.postpone(b"second", Claim("key", "one"), 50.0) is None
        assert storage.scheduled_items() == [b"second", b"other"]

    def test_a_claim_passes_on_when_its_message_no_longer_waits(self, storage: BaseStorage) -> None:
        one, two = Claim("key", "one"), Claim("key", "two")
        assert storage.postpone(b"first", one, 40.0) is None
        assert storage.promote(now=40.0).moved == 1
        assert storage.postpone(b"second", two, 50.0) is None
        assert storage.postpone(b"third", one, 60.0) == "two"
        assert storage.read_schedule(50.0) == [b"second"]
        assert storage.postpone(b"third", two, 60.0) is None
        assert storage.scheduled_items() == [b"third"]
        assert storage.enqueued_items() == [b"first"]
        storage.drop_claims([one])
        assert storage.postpone(b"fourth", one, 70.0) == "two"

    def test_postponed_messages_may_have_any_key_and_any_bytes(self, storage: BaseStorage) -> None:
        for at, key in enumerate(AWKWARD_KEYS):
            for data in (b"", EVERY_BYTE, EVERY_BYTE + key.encode()):
                assert storage.postpone(data, Claim(key, key), float(at)) is None
            assert storage.postpone(b"theirs", Claim(key, "other"), float(at)) == key
        assert storage.scheduled_items() == [EVERY_BYTE + key.encode() for key in AWKWARD_KEYS]

    def test_of_two_handles_one_postpones(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:

            def postpones(handle: BaseStorage, owner: str) -> list[str | None]:
                return [
                    handle.postpone(f"{owner}{key}".encode(), Claim(f"{key}", owner), 50.0)
                    for key in range(100)
                ]

            ours, theirs = together(lambda: postpones(storage, "a"), lambda: postpones(other, "b"))
        assert set(zip(ours, theirs, strict=True)) <= {(None, "a"), ("b", None)}
        won = [f"a{key}" if one is None else f"b{key}" for key, one in enumerate(ours)]
        assert sorted(storage.scheduled_items()) == sorted(body.encode() for body in won)
