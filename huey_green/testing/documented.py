# SPDX-License-Identifier: MIT
"""What huey's documents promise of every storage."""

from __future__ import annotations

from datetime import datetime

from huey_green.message import Outgoing
from huey_green.storage.base import BaseStorage
from huey_green.testing.concurrency import Running, eventually, second_handle, together

#: Every byte there is, with line ends and NULs in awkward places.
EVERY_BYTE = b"\x00\r\n" + bytes(range(256)) + b"\n\x00"
AWKWARD_KEYS = ("plain", "a b:c/d\ne", "r.ключ", "\N{SNOWMAN}\U0001f40d", "x" * 300, "%_'\"\\{}")
LARGE = bytes(range(256)) * 40960  # 10 MB


class DocumentedContract:
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards.

    It asks for the documented methods alone, and not for leases.
    """

    # The queue.

    def test_messages_come_out_in_the_order_they_went_in(self, storage: BaseStorage) -> None:
        for body in (b"a", b"b", b"c"):
            storage.enqueue(body)
        assert storage.queue_size() == 3
        assert [storage.dequeue() for _ in range(4)] == [b"a", b"b", b"c", None]
        assert storage.queue_size() == 0

    def test_a_higher_priority_is_delivered_first_and_none_counts_as_zero(
        self, storage: BaseStorage
    ) -> None:
        sent = [(b"a", None), (b"b", 5), (b"c", -1), (b"d", 0), (b"e", 5.5), (b"f", 5)]
        for body, priority in sent:
            storage.enqueue(body, priority)
        expected = b"ebfadc" if storage.priority else b"abcdef"
        assert b"".join(storage.enqueued_items()) == expected
        assert b"".join(storage.dequeue() or b"-" for _ in sent) == expected

    def test_many_messages_can_be_enqueued_at_once(self, storage: BaseStorage) -> None:
        storage.enqueue_many([Outgoing(b"%d" % number, number % 3) for number in range(9)])
        expected = "258147036" if storage.priority else "012345678"
        assert b"".join(storage.enqueued_items()).decode() == expected
        storage.enqueue_many([])
        assert storage.queue_size() == 9

    def test_looking_at_the_queue_takes_nothing_out(self, storage: BaseStorage) -> None:
        storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b"), Outgoing(b"c")])
        assert storage.enqueued_items() == [b"a", b"b", b"c"]
        assert storage.enqueued_items(2) == [b"a", b"b"]
        assert storage.queue_size() == 3

    def test_a_flushed_queue_is_empty_and_the_rest_stays(self, storage: BaseStorage) -> None:
        storage.enqueue(b"a")
        storage.add_to_schedule(b"b", 1.0)
        storage.put_data("c", b"c")
        storage.flush_queue()
        assert storage.queue_size() == 0
        assert storage.dequeue() is None
        assert storage.scheduled_items() == [b"b"]
        assert storage.peek_data("c") == b"c"

    def test_a_message_may_hold_any_bytes(self, storage: BaseStorage) -> None:
        storage.enqueue(EVERY_BYTE)
        assert storage.enqueued_items() == [EVERY_BYTE]
        assert storage.dequeue() == EVERY_BYTE
        storage.add_to_schedule(EVERY_BYTE, 1.0)
        assert storage.scheduled_items() == [EVERY_BYTE]
        assert storage.read_schedule(2.0) == [EVERY_BYTE]

    def test_a_message_and_a_value_may_be_large(self, storage: BaseStorage) -> None:
        storage.enqueue(LARGE)
        assert storage.dequeue() == LARGE
        storage.put_data("large", LARGE)
        assert storage.peek_data("large") == LARGE

    # The schedule.

    def test_what_is_due_is_read_once_the_earliest_first(self, storage: BaseStorage) -> None:
        for body, at in ((b"c", 30.5), (b"a", 10.0), (b"d", 40.0), (b"b", 20.25)):
            storage.add_to_schedule(body, at)
        assert storage.schedule_size() == 4
        assert storage.scheduled_items() == [b"a", b"b", b"c", b"d"]
        assert storage.scheduled_items(2) == [b"a", b"b"]
        assert storage.read_schedule(5.0) == []
        assert storage.read_schedule(30.5) == [b"a", b"b", b"c"]
        assert storage.read_schedule(30.5) == []
        assert storage.scheduled_items() == [b"d"]

    def test_a_moment_may_be_a_local_datetime(self, storage: BaseStorage) -> None:
        noon = datetime(2030, 6, 1, 12, 0, 0, 500000)
        storage.add_to_schedule(b"noon", noon)
        assert storage.read_schedule(noon.timestamp() - 1) == []
        assert storage.read_schedule(noon) == [b"noon"]

    def test_a_flushed_schedule_is_empty_and_the_rest_stays(self, storage: BaseStorage) -> None:
        storage.enqueue(b"a")
        storage.add_to_schedule(b"b", 1.0)
        storage.flush_schedule()
        assert storage.schedule_size() == 0
        assert storage.read_schedule(2.0) == []
        assert storage.queue_size() == 1

    # Values.

    def test_a_value_is_kept_until_it_is_popped(self, storage: BaseStorage) -> None:
        for key in AWKWARD_KEYS:
            assert not storage.has_data_for_key(key)
            assert storage.peek_data(key) is None
            storage.put_data(key, b"old", is_result=True)
            storage.put_data(key, EVERY_BYTE + key.encode())
        assert storage.result_store_size() == len(AWKWARD_KEYS)
        assert storage.result_items() == {key: EVERY_BYTE + key.encode() for key in AWKWARD_KEYS}
        for key in AWKWARD_KEYS:
            assert storage.has_data_for_key(key)
            assert storage.peek_data(key) == EVERY_BYTE + key.encode()
            assert storage.pop_data(key) == EVERY_BYTE + key.encode()
            assert storage.pop_data(key) is None
            assert not storage.has_data_for_key(key)
        assert storage.result_store_size() == 0

    def test_an_empty_value_is_a_value(self, storage: BaseStorage) -> None:
        storage.put_data("empty", b"")
        assert storage.has_data_for_key("empty")
        assert storage.peek_data("empty") == b""
        assert not storage.put_if_empty("empty", b"x")
        assert storage.pop_data("empty") == b""

    def test_many_values_can_be_read_at_once(self, storage: BaseStorage) -> None:
        for number in range(0, 1200, 2):
            storage.put_data(f"key-{number}", b"%d" % number)
        found = storage.peek_many([f"key-{number}" for number in range(1200)])
        assert found == {f"key-{number}": b"%d" % number for number in range(0, 1200, 2)}
        assert storage.peek_many([]) == {}
        assert storage.result_store_size() == 600

    def test_deleting_a_value_tells_whether_there_was_one(self, storage: BaseStorage) -> None:
        storage.put_data("a", b"1")
        assert storage.delete_data("a") is True
        assert storage.delete_data("a") is False
        assert storage.peek_data("a") is None

    def test_a_value_is_put_only_where_there_is_none(self, storage: BaseStorage) -> None:
        assert storage.put_if_empty("a", b"1") is True
        assert storage.put_if_empty("a", b"2") is False
        assert storage.pop_data("a") == b"1"
        assert storage.put_if_empty("a", b"3") is True
        assert storage.peek_data("a") == b"3"

    def test_of_many_who_put_if_empty_one_succeeds(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:

            def puts(handle: BaseStorage, mark: bytes) -> list[bool]:
                return [handle.put_if_empty(f"{number}", mark) for number in range(50)]

            ours, theirs = together(lambda: puts(storage, b"1"), lambda: puts(other, b"2"))
        assert [one + two for one, two in zip(ours, theirs, strict=True)] == [1] * 50
        for number, stored in enumerate(ours):
            assert storage.peek_data(f"{number}") == (b"1" if stored else b"2")

    def test_a_value_with_a_ttl_is_gone_after_it(self, storage: BaseStorage) -> None:
        assert storage.put_if_empty("a", b"1", ttl=1000.0)
        assert storage.put_if_empty("b", b"1", ttl=0.05)
        eventually(lambda: not storage.has_data_for_key("b"), "the end of the ttl")
        assert storage.peek_data("b") is None
        assert storage.result_items() == {"a": b"1"}
        assert storage.put_if_empty("b", b"2")
        assert storage.peek_data("b") == b"2"

    def test_a_value_that_is_put_anew_has_no_ttl(self, storage: BaseStorage) -> None:
        assert storage.put_if_empty("a", b"1", ttl=0.05)
        storage.put_data("a", b"2")
        assert storage.put_if_empty("later", b"1", ttl=0.1)
        eventually(lambda: not storage.has_data_for_key("later"), "the end of the ttl")
        assert storage.peek_data("a") == b"2"

    def test_flushed_results_are_gone_and_the_rest_stays(self, storage: BaseStorage) -> None:
        storage.put_data("a", b"1")
        storage.put_if_empty("b", b"1", ttl=1000.0)
        storage.enqueue(b"c")
        storage.flush_results()
        assert storage.result_items() == {}
        assert not storage.has_data_for_key("a")
        assert storage.put_if_empty("b", b"2")
        assert storage.queue_size() == 1

    def test_waiting_for_a_result_ends_when_it_is_there(self, storage: BaseStorage) -> None:
        storage.put_data("there", b"1", is_result=True)
        assert storage.wait_result("there") is True
        assert storage.wait_result("there", timeout=0) is True
        assert storage.wait_result("never", timeout=0) is False
        assert storage.wait_result("never", timeout=0.02) is False

    def test_waiting_for_a_result_ends_when_another_handle_puts_it(
        self, storage: BaseStorage
    ) -> None:
        with second_handle(storage) as other:
            waits = [
                Running(lambda key=key: storage.wait_result(key, timeout=30))  # type: ignore[misc]
                for key in ("a", "b", "c", "d")
            ]
            other.put_data("c", b"1", is_result=True)
            assert waits[2].result() is True
            assert not waits[0].ended
            storage.put_data("a", b"1", is_result=True)
            other.put_data("b", b"1", is_result=True)
            other.put_data("d", b"1", is_result=True)
            assert [one.result() for one in waits] == [True] * 4

    # Counters.

    def test_a_counter_starts_at_zero_and_adds_up(self, storage: BaseStorage) -> None:
        for key in AWKWARD_KEYS:
            assert storage.incr(key) == 1
            assert storage.incr(key, 5) == 6
            assert storage.incr(key, -7) == -1
            storage.delete_counter(key)
            assert storage.incr(key) == 1
        storage.flush_counters()
        assert storage.incr("plain") == 1

    def test_counters_of_two_handles_add_up(self, storage: BaseStorage) -> None:
        with second_handle(storage) as other:

            def counts(handle: BaseStorage) -> set[int]:
                return {handle.incr("n") for _ in range(200)}

            ours, theirs = together(lambda: counts(storage), lambda: counts(other))
        assert ours | theirs == set(range(1, 401))

    def test_counters_and_values_do_not_mix(self, storage: BaseStorage) -> None:
        storage.incr("a", 3)
        assert storage.peek_data("a") is None
        assert storage.result_store_size() == 0
        storage.put_data("a", b"value")
        assert storage.incr("a") == 4
        storage.flush_results()
        assert storage.incr("a") == 5

    # Revocations.

    def test_a_revocation_is_a_value_that_can_be_taken_back(self, storage: BaseStorage) -> None:
        storage.put_revocation("r:1", b"until")
        assert storage.has_revocations()
        assert storage.peek_data("r:1") == b"until"
        assert storage.peek_many(["r:1", "r:2"]) == {"r:1": b"until"}
        storage.put_revocation("r:1", b"for ever")
        assert storage.pop_revocation("r:1") == b"for ever"
        assert storage.pop_revocation("r:1") is None
        assert not storage.has_data_for_key("r:1")

    # The whole.

    def test_flushing_all_leaves_nothing(self, storage: BaseStorage) -> None:
        storage.enqueue(b"a")
        storage.add_to_schedule(b"b", 1.0)
        storage.put_data("c", b"1")
        storage.put_if_empty("d", b"1", ttl=1000.0)
        storage.incr("e")
        storage.put_revocation("f", b"1")
        storage.flush_all()
        assert storage.queue_size() == storage.schedule_size() == storage.result_store_size() == 0
        assert storage.put_if_empty("d", b"1")
        assert storage.incr("e") == 1

    def test_a_closed_storage_can_be_used_again(self, storage: BaseStorage) -> None:
        storage.ping()
        storage.enqueue(b"a")
        with second_handle(storage) as other:
            assert other.queue_size() == 1
            storage.close()
            storage.enqueue(b"b")
            assert other.enqueued_items() == [b"a", b"b"]
        assert storage.describe()
