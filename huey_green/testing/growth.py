# SPDX-License-Identifier: MIT
"""What a storage promises about growing: what ends by itself, and how dead letters leave."""

from __future__ import annotations

from collections.abc import Sequence

from huey_green.message import (
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    Outgoing,
    Retention,
    Settlement,
)
from huey_green.storage.base import CHORD_KEPT, HISTORY_KEPT, PROGRESS_KEPT, BaseStorage
from huey_green.testing.concurrency import eventually, second_handle, together
from huey_green.testing.documented import AWKWARD_KEYS, EVERY_BYTE
from huey_green.testing.effects import end, leased, member
from huey_green.testing.leases import LONG, bodies_of, fill

#: Seconds after which what is given them has ended, and none that a test waits for.
SOON = 0.05


def letters(number: int, died_at: float = 0.0) -> list[DeadLetter]:
    """Return so many dead letters, each a second younger than the one before."""
    return [
        DeadLetter(f"id-{one}", b"%d" % one, "why", died_at=died_at + one) for one in range(number)
    ]


def bury(storage: BaseStorage, buried: Sequence[DeadLetter]) -> None:
    settlements = [Settlement(Delivery(one.body), Effects(dead=one)) for one in buried]
    assert storage.settle("gravedigger", settlements) == []


def ids(storage: BaseStorage) -> list[str]:
    return [one.id for one in storage.dead_letters()]


def result(key: str, value: bytes, ttl: float | None) -> Settlement:
    effects = Effects(results=((key, value),), extra=Extra(result_ttl=ttl))
    return Settlement(Delivery(b""), effects)


class GrowthContract:
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards."""

    # Results.

    def test_a_result_with_a_ttl_is_gone_after_it(self, storage: BaseStorage) -> None:
        short = [result(f"short{key}", EVERY_BYTE, SOON) for key in AWKWARD_KEYS]
        long = [result(f"long{key}", EVERY_BYTE, LONG) for key in AWKWARD_KEYS]
        lasting = [result(f"lasting{key}", EVERY_BYTE, None) for key in AWKWARD_KEYS]
        assert storage.settle("one", [*short, *long, *lasting]) == []
        wanted = [one.effects.results[0][0] for one in (*long, *lasting)]
        # What is counted and what is kept may end a millisecond apart.
        eventually(lambda: storage.result_items().keys() == set(wanted), "the end of the ttl")
        assert storage.result_store_size() == len(wanted)
        assert storage.result_items() == dict.fromkeys(wanted, EVERY_BYTE)
        assert storage.peek_many(wanted) == dict.fromkeys(wanted, EVERY_BYTE)
        for key in AWKWARD_KEYS:
            assert not storage.has_data_for_key(f"short{key}")
            assert storage.pop_data(f"short{key}") is None
            assert storage.pop_data(f"long{key}") == EVERY_BYTE

    def test_a_result_that_is_stored_anew_ends_as_the_last_one_says(
        self, storage: BaseStorage
    ) -> None:
        storage.settle("one", [result("gone", b"1", LONG), result("kept", b"1", SOON)])
        storage.settle("one", [result("gone", b"2", SOON), result("kept", b"2", LONG)])
        storage.put_data("put", b"1", is_result=True)
        storage.settle("one", [result("put", b"2", SOON), result("other", b"1", SOON)])
        eventually(
            lambda: not any(storage.has_data_for_key(key) for key in ("gone", "put", "other")),
            "the end of the ttl",
        )
        assert storage.peek_data("kept") == b"2"
        assert storage.prune() == 0
        assert storage.peek_data("kept") == b"2"

    def test_a_result_with_a_ttl_is_stored_with_all_else_or_refused_with_it(
        self, storage: BaseStorage
    ) -> None:
        [delivery] = leased(storage, 1)
        effects = Effects(
            results=(("key", b"1"),), enqueue=(Outgoing(b"next"),), extra=Extra(result_ttl=LONG)
        )
        settlement = Settlement(delivery, effects)
        assert storage.settle("another", [settlement]) == [settlement]
        assert not storage.has_data_for_key("key")
        assert storage.settle("one", [settlement]) == []
        assert storage.wait_result("key", timeout=0)
        assert storage.pop_data("key") == b"1"
        assert storage.delete_data("key") in (True, False)  # It stays where reading leaves it.
        assert not storage.has_data_for_key("key")
        assert storage.enqueued_items() == [b"next"]

    def test_values_that_have_ended_are_pruned_and_no_others(self, storage: BaseStorage) -> None:
        storage.settle("one", [result(f"r{number}", b"1", SOON) for number in range(1500)])
        assert storage.put_if_empty("short", b"1", ttl=SOON)
        storage.put_revocation("mark", b"1", ttl=SOON)
        storage.put_if_empty("long", b"1", ttl=LONG)
        storage.put_data("lasting", b"1")
        eventually(
            lambda: not storage.peek_many(["r1499", "short", "mark"]), "the end of the last ttl"
        )
        assert storage.prune() == 0
        assert storage.result_items() == {"long": b"1", "lasting": b"1"}

    # Dead letters.

    def test_a_dead_letter_tells_who_gave_it_up_and_what_it_was(self, storage: BaseStorage) -> None:
        one = DeadLetter(
            *("id", b"body", "why", "trace", 3, ("1.000 h:b:n:7:1:a", "2.500 h:b:n:8:1:b"), 9.0),
            task_name="app.add",
            call="add(1, 2)",
            claim="key",
            joins="chord",
        )
        bury(storage, [one])
        [letter] = storage.dead_letters()
        assert letter == one._replace(consumer="gravedigger")
        assert letter.where == "gravedigger"
        assert letter.deaths == ((1.0, "h:b:n:7:1:a"), (2.5, "h:b:n:8:1:b"))

    def test_dead_letters_beyond_the_limit_are_pruned_the_oldest_first(
        self, storage: BaseStorage
    ) -> None:
        bury(storage, letters(9))
        assert storage.prune() == 0
        storage.retention = Retention(dead_limit=9)
        assert storage.prune() == 0
        storage.retention = Retention(dead_limit=5)
        assert storage.prune(limit=3) == 3
        assert storage.prune(limit=3) == 1
        assert storage.prune(limit=3) == 0
        assert ids(storage) == ["id-8", "id-7", "id-6", "id-5", "id-4"]
        storage.retention = Retention(dead_limit=0)
        assert storage.prune() == 5
        assert storage.dead_letters() == []

    def test_dead_letters_that_are_too_old_are_pruned(self, storage: BaseStorage) -> None:
        now = storage.time()
        bury(storage, letters(9, died_at=now - 100))
        storage.retention = Retention(dead_ttl=1000.0)
        assert storage.prune() == 0
        storage.retention = Retention(dead_limit=8, dead_ttl=100.0)
        assert storage.prune(now=now + 3.5) == 4
        assert ids(storage) == ["id-8", "id-7", "id-6", "id-5", "id-4"]
        assert storage.prune(now=now + 1000, limit=2) == 2
        assert ids(storage) == ["id-8", "id-7", "id-6"]

    def test_of_two_who_prune_the_stricter_one_counts_and_nothing_is_counted_twice(
        self, storage: BaseStorage
    ) -> None:
        bury(storage, letters(60))
        with second_handle(storage) as other:
            storage.retention = Retention(dead_limit=50)
            other.retention = Retention(dead_limit=20)

            def prune(handle: BaseStorage) -> int:
                return sum(handle.prune(limit=3) for _ in range(20))

            counts = together(lambda: prune(storage), lambda: prune(other))
        assert sum(counts) == 40
        assert ids(storage) == [f"id-{number}" for number in range(59, 39, -1)]

    def test_a_dead_letter_that_is_requeued_leaves_no_result_of_its_death(
        self, storage: BaseStorage
    ) -> None:
        for ttl in (None, LONG):
            [dead] = letters(1)
            effects = Effects(
                results=((dead.id, b"error"),), dead=dead, extra=Extra(result_ttl=ttl)
            )
            storage.settle("one", [Settlement(Delivery(b"0"), effects), result("other", b"1", ttl)])
            assert storage.requeue_dead([dead.id]) == 1
            assert not storage.has_data_for_key(dead.id)
            assert storage.has_data_for_key("other")
            assert storage.dequeue() == b"0"
            storage.flush_results()

    def test_a_dead_letter_takes_its_claim_again_or_stays_while_another_has_it(
        self, storage: BaseStorage
    ) -> None:
        old, plain = letters(2)
        old = old._replace(claim="key")
        bury(storage, [old, plain])
        assert storage.enqueue_claimed(b"new", Claim("key", "new")) is None
        assert storage.requeue_dead([old.id]) == 0
        assert storage.requeue_dead() == 1
        assert ids(storage) == [old.id]
        storage.drop_claims([Claim("key", "new")])
        assert storage.requeue_dead() == 1
        assert sorted(storage.enqueued_items()) == [b"0", b"1", b"new"]
        assert storage.enqueue_claimed(b"newer", Claim("key", "newer")) == old.id
        storage.drop_claims([Claim("key", old.id)])
        assert storage.enqueue_claimed(b"newer", Claim("key", "newer")) is None

    def test_an_ended_claim_does_not_keep_a_dead_letter(self, storage: BaseStorage) -> None:
        [dead] = letters(1)
        bury(storage, [dead._replace(claim="key")])
        assert storage.enqueue_claimed(b"new", Claim("key", "new"), ttl=SOON) is None
        eventually(storage.requeue_dead, "the end of the claim")
        assert storage.enqueue_claimed(b"newer", Claim("key", "newer")) == dead.id

    def test_a_dead_letter_is_requeued_once_by_two_handles(self, storage: BaseStorage) -> None:
        bury(storage, letters(100))
        with second_handle(storage) as other:

            def requeue(handle: BaseStorage) -> int:
                return sum(handle.requeue_dead([f"id-{number}"]) for number in range(100))

            counts = together(lambda: requeue(storage), lambda: requeue(other))
        assert sum(counts) == 100
        assert len({*storage.enqueued_items()}) == storage.queue_size() == 100

    def test_with_a_dead_letter_the_chord_goes_that_it_was_to_join(
        self, storage: BaseStorage
    ) -> None:
        first, second, third = letters(3)
        for chord in ("a", "b", "c"):
            [delivery] = leased(storage, 1)
            end(storage, delivery, Extra(members=(member(0, 2, chord),)))
        bury(storage, [first._replace(joins="a"), second._replace(joins="b"), third])
        assert storage.delete_dead([first.id]) == 1
        assert storage.chord_values("a", 2) == [None, None]
        assert storage.chord_values("b", 2) == [b"0", None]
        storage.retention = Retention(dead_limit=0)
        assert storage.prune() == 2
        assert storage.chord_values("b", 2) == [None, None]
        assert storage.chord_values("c", 2) == [b"0", None]

    # What nobody else forgets.

    def test_progress_and_chords_that_nobody_ends_are_forgotten_at_last(
        self, storage: BaseStorage
    ) -> None:
        now = storage.time()
        storage.put_progress("task", b"half")
        [delivery] = leased(storage, 1)
        end(storage, delivery, Extra(members=(member(0, 2),)))
        storage.prune(now=now + PROGRESS_KEPT - 60)
        assert storage.peek_progress("task") == b"half"
        storage.prune(now=now + PROGRESS_KEPT + 60)
        assert storage.peek_progress("task") is None
        storage.prune(now=now + CHORD_KEPT - 60)
        assert storage.chord_values("chord", 2) == [b"0", None]
        storage.prune(now=now + CHORD_KEPT + 60)
        assert storage.chord_values("chord", 2) == [None, None]

    def test_a_chord_that_goes_on_is_kept(self, storage: BaseStorage) -> None:
        taken = leased(storage, 2)
        end(storage, taken[0], Extra(members=(member(0, 2),)))
        storage.prune(now=storage.time() + LONG)
        end(storage, taken[1], Extra(members=(member(1, 2),)))
        assert storage.enqueued_items() == [b"callback"]

    def test_pruning_takes_nothing_that_is_of_use(self, storage: BaseStorage) -> None:
        fill(storage, b"ready", b"held")
        storage.add_to_schedule(b"planned", storage.time() + LONG)
        taken = storage.fetch("one", 2)
        storage.reclaim(now=storage.time() + LONG)
        assert storage.enqueue_once(b"tick", "key", ttl=LONG)
        assert storage.enqueue_claimed(b"claimed", Claim("key", "owner")) is None
        assert storage.enqueue_claimed(b"ends", Claim("ends", "owner"), ttl=LONG) is None
        assert storage.hit("window", 1, per=LONG) == 0.0
        storage.incr("counter")
        storage.cancel("task")
        storage.put_progress("task", b"half")
        assert storage.prune() == 0
        assert storage.scheduled_items() == [b"planned"]
        again = storage.fetch("two", 9)
        assert sorted(bodies_of(again)) == sorted([*bodies_of(taken), b"tick", b"claimed", b"ends"])
        assert [one.attempt for one in again if one.body in (b"ready", b"held")] == [2, 2]
        assert not storage.enqueue_once(b"tick", "key", ttl=LONG)
        for key in ("key", "ends"):
            assert storage.enqueue_claimed(b"claimed", Claim(key, "other")) == "owner"
        assert storage.hit("window", 1, per=LONG) > 0
        assert storage.incr("counter") == 2
        assert storage.canceled(0.0)[0] == ["task"]
        assert storage.peek_progress("task") == b"half"

    def test_an_old_history_may_be_forgotten_and_a_young_one_is_not(
        self, storage: BaseStorage
    ) -> None:
        fill(storage, b"a")
        storage.fetch("one", 1)
        storage.reclaim(now=storage.time() + LONG)
        storage.prune(now=storage.time() + HISTORY_KEPT - LONG)
        [delivery] = storage.fetch("two", 1)
        assert delivery.attempt == 2
        storage.release("two", [delivery])
        storage.prune(now=storage.time() + HISTORY_KEPT + 2 * LONG)
        [delivery] = storage.fetch("three", 1)
        assert delivery.attempt in (1, 2)


__all__ = ["GrowthContract"]
