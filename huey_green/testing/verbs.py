# SPDX-License-Identifier: MIT
"""What a storage promises beyond queue, results and leases: waiting, canceling, progress."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from huey_green.message import Claim, Delivery, Effects, Extra, Outgoing, Settlement
from huey_green.storage.base import BaseStorage
from huey_green.testing.concurrency import Running, eventually, second_handle, together
from huey_green.testing.documented import AWKWARD_KEYS, EVERY_BYTE, LARGE
from huey_green.testing.effects import EffectContract, end, leased, member
from huey_green.testing.leases import LONG, bodies_of, done, fill
from huey_green.testing.limits import LimitContract, fetch_some, park

#: More than a storage that wakes nobody could serve within a test's patience.
ROUNDS = 20


class VerbContract(EffectContract, LimitContract):
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards."""

    # Values and the schedule.

    def test_a_value_is_deleted_only_if_it_is_exactly_this(self, storage: BaseStorage) -> None:
        for key in AWKWARD_KEYS:
            value = EVERY_BYTE + key.encode()
            storage.put_data(key, value)
            for other in (b"", value[:-1], value + b"\x00", EVERY_BYTE[::-1]):
                assert storage.delete_if(key, other) is False
            assert storage.peek_data(key) == value
            assert storage.delete_if(key, value) is True
            assert storage.delete_if(key, value) is False
            assert storage.delete_if(key, b"") is False
            assert not storage.has_data_for_key(key)
        storage.put_data("empty", b"")
        assert storage.delete_if("empty", b"") is True
        assert storage.result_items() == {}

    def test_a_value_with_a_ttl_can_be_deleted_if_it_is_there_still(
        self, storage: BaseStorage
    ) -> None:
        assert storage.put_if_empty("a", b"1", ttl=LONG)
        assert storage.delete_if("a", b"2") is False
        assert storage.put_if_empty("a", b"2") is False
        assert storage.delete_if("a", b"1") is True
        assert storage.put_if_empty("a", b"3", ttl=0.05)
        eventually(lambda: not storage.has_data_for_key("a"), "the end of the ttl")
        assert storage.delete_if("a", b"3") is False
        assert storage.put_if_empty("a", b"4")
        assert storage.peek_data("a") == b"4"

    def test_a_value_is_deleted_once_by_two_handles(self, storage: BaseStorage) -> None:
        for number in range(100):
            storage.put_data(f"{number}", b"%d" % (number % 2))
        with second_handle(storage) as other:

            def deletes(handle: BaseStorage) -> int:
                return sum(handle.delete_if(f"{number}", b"1") for number in range(100))

            counts = together(lambda: deletes(storage), lambda: deletes(other))
        assert sum(counts) == 50
        assert set(storage.result_items().values()) == {b"0"}

    def test_exactly_one_message_is_taken_off_the_schedule(self, storage: BaseStorage) -> None:
        bodies = [b"a", b"ab", EVERY_BYTE, EVERY_BYTE + b"x", b"", LARGE]
        for at, body in enumerate(bodies):
            storage.add_to_schedule(body, float(at))
        for body in (b"abc", EVERY_BYTE[:-1], b"x", LARGE[:-1]):
            assert storage.remove_scheduled(body) is False
        assert storage.schedule_size() == len(bodies)
        for body in (EVERY_BYTE, b"a", LARGE, b""):
            assert storage.remove_scheduled(body) is True
            assert storage.remove_scheduled(body) is False
        assert storage.scheduled_items() == [b"ab", EVERY_BYTE + b"x"]
        assert storage.read_schedule(9.0) == [b"ab", EVERY_BYTE + b"x"]
        assert storage.remove_scheduled(b"ab") is False

    def test_a_message_leaves_the_schedule_once_whoever_takes_it(
        self, storage: BaseStorage
    ) -> None:
        for number in range(200):
            storage.add_to_schedule(b"%d" % number, 10.0)
        with second_handle(storage) as other:
            removed, promoted = together(
                lambda: sum(storage.remove_scheduled(b"%d" % number) for number in range(200)),
                lambda: sum(other.promote(limit=7, now=20.0).moved for _ in range(60)),
            )
        assert removed + promoted == 200
        assert storage.queue_size() == promoted

    # Revocations that end.

    def test_a_revocation_with_a_ttl_is_gone_after_it(self, storage: BaseStorage) -> None:
        storage.put_revocation("r:1", b"until", ttl=0.05)
        storage.put_revocation("r:2", b"until", ttl=0.05)
        assert storage.has_revocations()
        eventually(lambda: not storage.has_data_for_key("r:1"), "the end of the ttl")
        assert storage.peek_many(["r:1"]) == {}
        assert storage.pop_revocation("r:1") is None

        def has_none() -> bool:
            storage.fetch("one", 1)
            return not storage.has_revocations()

        eventually(has_none, "the end of all revocations")

    def test_a_revocation_that_is_put_anew_ends_when_the_new_one_does(
        self, storage: BaseStorage
    ) -> None:
        storage.put_revocation("now for ever", b"1", ttl=0.05)
        storage.put_revocation("now for ever", b"2")
        storage.put_revocation("now for long", b"1", ttl=0.05)
        storage.put_revocation("now for long", b"2", ttl=LONG)
        storage.put_revocation("now with an end", b"1")
        storage.put_revocation("now with an end", b"2", ttl=0.1)
        eventually(lambda: not storage.has_data_for_key("now with an end"), "the end of the ttl")
        assert storage.peek_data("now for ever") == b"2"
        assert storage.peek_data("now for long") == b"2"
        storage.fetch("one", 1)
        assert storage.has_revocations()
        assert storage.pop_revocation("now for ever") == b"2"
        storage.fetch("one", 1)
        assert storage.has_revocations()
        assert storage.pop_revocation("now for long") == b"2"
        storage.fetch("one", 1)
        assert not storage.has_revocations()

    # Canceling.

    def test_canceled_tasks_are_told_since_a_moment(self, storage: BaseStorage) -> None:
        found, before = storage.canceled(0.0)
        assert found == []
        assert abs(before - storage.time()) < 10
        for task_id in AWKWARD_KEYS:
            storage.cancel(task_id)
        storage.cancel("plain")
        found, present = storage.canceled(before)
        assert set(found) == set(AWKWARD_KEYS)
        assert before <= present
        assert set(storage.canceled(0.0)[0]) == set(AWKWARD_KEYS)
        assert storage.canceled(present + 1.0)[0] == []

    def test_who_asks_again_and_again_misses_no_canceled_task(self, storage: BaseStorage) -> None:
        total = 200
        with second_handle(storage) as other:

            def cancels(handle: BaseStorage, mark: str) -> None:
                for number in range(total // 2):
                    handle.cancel(f"{mark}{number}")

            def listens() -> set[str]:
                heard: set[str] = set()
                since = 0.0

                def has_heard_all() -> bool:
                    nonlocal since
                    found, since = other.canceled(since)
                    heard.update(found)
                    return len(heard) == total

                eventually(has_heard_all, "the last note")
                return heard

            heard = together(listens, lambda: cancels(storage, "a"), lambda: cancels(other, "b"))[0]
        assert heard == {f"{mark}{number}" for mark in "ab" for number in range(total // 2)}

    # Progress.

    def test_progress_is_kept_beside_the_results(self, storage: BaseStorage) -> None:
        for task_id in AWKWARD_KEYS:
            assert storage.peek_progress(task_id) is None
            storage.put_progress(task_id, b"a tenth")
            storage.put_progress(task_id, EVERY_BYTE + task_id.encode())
        for task_id in AWKWARD_KEYS:
            assert storage.peek_progress(task_id) == EVERY_BYTE + task_id.encode()
            assert not storage.has_data_for_key(task_id)
        assert storage.result_store_size() == 0
        assert storage.result_items() == {}
        storage.put_data("plain", b"value")
        assert storage.peek_progress("plain") == EVERY_BYTE + b"plain"
        assert storage.peek_data("plain") == b"value"

    def test_progress_is_forgotten_when_its_task_has_ended(self, storage: BaseStorage) -> None:
        for task_id in ("a", "b", "c"):
            storage.put_progress(task_id, b"half")
        [delivery] = leased(storage, 1)
        end(storage, delivery, Extra(progress=("a", "c", "unknown")))
        assert [storage.peek_progress(task_id) for task_id in ("a", "b", "c")] == [
            *(None, b"half", None)
        ]

    # Waiting.

    def test_who_waits_for_what_is_ready_does_not_wait(self, storage: BaseStorage) -> None:
        asked: list[int] = []

        def is_ready() -> bool:
            asked.append(1)
            return True

        assert storage.wait_until(["key"], is_ready) is True
        assert storage.wait_until(["a", "p:a", "b"], is_ready, timeout=0) is True
        assert storage.wait_until([], is_ready, timeout=LONG) is True
        assert len(asked) == 3

    def test_who_waits_in_vain_gives_up_after_the_timeout(self, storage: BaseStorage) -> None:
        asked: list[int] = []

        def is_ready() -> bool:
            asked.append(1)
            return False

        storage.put_data("key", b"1", is_result=True)
        for timeout in (0, 0.02):
            assert storage.wait_until(["key"], is_ready, timeout) is False
        assert len(asked) >= 2
        assert storage.wait_until([], lambda: False, timeout=0.02) is False

    def announced(self, storage: BaseStorage, announce: Callable[[BaseStorage, int], None]) -> None:
        """Check that ``announce`` wakes who waits, from this handle and from another one."""
        told: set[int] = set()
        asking = [-1]

        def waits() -> bool:
            def is_told(number: int) -> bool:
                answer = number in told
                asking[0] = number  # Only now: it is told once it has asked in vain.
                return answer

            return all(
                storage.wait_until(
                    ["unrelated", f"key-{number}", f"p:task-{number}"],
                    lambda number=number: is_told(number),  # type: ignore[misc]
                    timeout=LONG,
                )
                for number in range(ROUNDS)
            )

        with second_handle(storage) as other:
            waiting = Running(waits)
            for number in range(ROUNDS):
                eventually(lambda number=number: asking[0] == number)  # type: ignore[misc]
                told.add(number)
                announce((storage, other)[number % 2], number)
            assert waiting.result() is True

    def test_who_asked_for_it_is_told_of_a_stored_result(self, storage: BaseStorage) -> None:
        told: dict[str, Event] = {key: Event() for key in ("first", "second")}
        asked = [storage.when_stored(key, told[key].set) for key in told]
        endings = [one for one in asked if one is not None]
        if not endings:
            return  # This one tells nobody.
        assert len(endings) == len(asked)
        with second_handle(storage) as other:
            for _ in range(ROUNDS):
                for key in told:
                    told[key].clear()
                    other.put_data(key, b"1", is_result=True)
                    eventually(told[key].is_set)
            endings[0]()
            told["first"].clear()
            told["second"].clear()
            for key in told:
                other.put_data(key, b"1", is_result=True)
            eventually(told["second"].is_set)
        endings[1]()
        assert not told["first"].is_set()

    def test_a_stored_result_wakes_who_waits(self, storage: BaseStorage) -> None:
        self.announced(
            storage,
            lambda handle, number: handle.put_data(f"key-{number}", b"1", is_result=True),
        )

    def test_a_result_that_is_replaced_wakes_who_waits(self, storage: BaseStorage) -> None:
        for number in range(ROUNDS):
            storage.put_data(f"key-{number}", b"old", is_result=True)
        self.announced(
            storage,
            lambda handle, number: handle.put_data(f"key-{number}", b"new", is_result=True),
        )

    def test_a_settled_result_wakes_who_waits(self, storage: BaseStorage) -> None:
        def settle(handle: BaseStorage, number: int) -> None:
            effects = Effects(results=((f"key-{number}", b"1"),))
            assert handle.settle("one", [Settlement(Delivery(b"task"), effects)]) == []

        self.announced(storage, settle)

    def test_progress_wakes_who_waits(self, storage: BaseStorage) -> None:
        storage.put_progress("task-1", b"old")
        self.announced(
            storage, lambda handle, number: handle.put_progress(f"task-{number}", b"half")
        )

    # Flushing.

    def claimed(self, storage: BaseStorage) -> None:
        assert storage.enqueue_claimed(b"claimed", Claim("key", "one"), ttl=LONG) is None
        assert storage.postpone(b"postponed", Claim("later", "one"), 50.0) is None

    def assert_unclaimed(self, storage: BaseStorage) -> None:
        assert storage.enqueue_claimed(b"a", Claim("key", "two")) is None
        assert storage.enqueue_claimed(b"b", Claim("later", "two")) is None

    def test_flushing_the_queue_deletes_parked_messages_and_claims(
        self, storage: BaseStorage
    ) -> None:
        [holder] = fetch_some(storage, "one", b"holder")
        assert storage.admit("one", holder, "key", 1)
        park(storage, b"a", b"b")
        self.claimed(storage)
        storage.flush_queue()
        assert storage.queue_size() == 0
        assert storage.parked_items() == []
        assert storage.scheduled_items() == [b"postponed"]
        self.assert_unclaimed(storage)
        # What runs goes on, and still counts.
        assert bodies_of(storage.in_flight()) == [b"holder"]
        [first, _] = storage.fetch("one", 2)
        assert storage.admit("one", first, "key", 1) is False
        assert storage.settle("one", done([holder])) == []

    def test_flushing_the_schedule_deletes_claims(self, storage: BaseStorage) -> None:
        park(storage, b"parked")
        self.claimed(storage)
        storage.flush_schedule()
        assert storage.schedule_size() == 0
        assert storage.enqueued_items() == [b"claimed"]
        assert storage.parked_items() == [b"parked"]
        self.assert_unclaimed(storage)

    def test_flushing_all_leaves_nothing_of_these_either(self, storage: BaseStorage) -> None:
        self.claimed(storage)
        assert storage.dequeue() == b"claimed"
        holder, delivery = leased(storage, 2)
        assert storage.admit("one", holder, "key", 1)
        park(storage, b"parked")
        end(storage, delivery, Extra(members=(member(0, 2),)))
        assert storage.hit("key", 1, LONG) == 0.0
        storage.cancel("task")
        storage.put_progress("task", b"half")
        storage.flush_all()
        assert storage.parked_items() == []
        assert storage.chord_values("chord", 2) == [None, None]
        assert storage.hits("key", LONG) == 0
        assert storage.canceled(0.0)[0] == []
        assert storage.peek_progress("task") is None
        assert storage.reclaim(now=storage.time() + LONG) == 0
        assert storage.queue_size() == 0
        self.assert_unclaimed(storage)
        storage.flush_queue()
        first, second = leased(storage, 2)
        end(storage, second, Extra(members=(member(1, 2),)))
        assert storage.queue_size() == 0
        assert storage.admit("one", first, "key", 1)

    # The whole.

    def test_a_hundred_thousand_messages_wait_without_slowing_the_next_one(
        self, storage: BaseStorage
    ) -> None:
        total, batch = 100_000, 5000
        for start in range(0, total, batch):
            fill(storage, *(b"%d" % number for number in range(start, start + batch)))
        storage.enqueue_many([Outgoing(b"urgent", 9)])
        assert storage.queue_size() == total + 1
        first = [b"urgent", b"0", b"1"] if storage.priority else [b"0", b"1", b"2"]
        assert storage.enqueued_items(3) == first
        assert [storage.dequeue() for _ in first] == first
        settled = 0
        for _ in range(5):
            taken = storage.fetch("one", 1000)
            assert bodies_of(taken)[-1] == b"%d" % (int(taken[0].body) + 999)
            assert storage.settle("one", done(taken)) == []
            settled += len(taken)
        assert storage.queue_size() == total + 1 - len(first) - settled
        storage.flush_queue()
        assert storage.queue_size() == 0
