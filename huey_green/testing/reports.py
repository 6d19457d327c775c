# SPDX-License-Identifier: MIT
"""What a storage promises of the reports of consumers, and of how many messages they hold."""

from __future__ import annotations

from huey_green.message import DeadLetter, Effects, Settlement
from huey_green.report import Counts
from huey_green.storage.base import BaseStorage
from huey_green.testing.concurrency import eventually, second_handle
from huey_green.testing.documented import EVERY_BYTE
from huey_green.testing.leases import LONG, bodies_of, fill

#: Names of consumers as they are, and one with all that a name may have in it.
NAMES = ["host:1f:402:7:99:aa", "host:1f:402:7:99:ab", "a/b..\n%s 'ü\"\\"]


class ReportContract:
    """Subclass this with a ``storage`` fixture that gives an empty storage, closed afterwards."""

    def test_the_last_report_of_each_consumer_is_told(self, storage: BaseStorage) -> None:
        for name in NAMES:
            storage.extend(name, LONG)
            storage.put_report(name, b"old", LONG)
            storage.put_report(name, EVERY_BYTE + name.encode(), LONG)
        wanted = {name: EVERY_BYTE + name.encode() for name in NAMES}
        assert storage.reports(NAMES) == wanted
        with second_handle(storage) as other:
            assert other.reports([*NAMES, "unknown"]) == wanted
        assert storage.reports(NAMES[1:2]) == {NAMES[1]: wanted[NAMES[1]]}
        assert storage.reports([]) == {}

    def test_a_report_ends_by_itself_or_when_its_consumer_does(self, storage: BaseStorage) -> None:
        assert storage.reports(NAMES) == {}
        storage.forget_report(NAMES[0])
        for name, ttl in zip(NAMES, (LONG, 0.02, LONG), strict=True):
            storage.extend(name, LONG)
            storage.put_report(name, b"1", ttl)
        eventually(lambda: NAMES[1] not in storage.reports(NAMES), "the end of a report")
        storage.forget_report(NAMES[2])
        assert storage.reports(NAMES) == {NAMES[0]: b"1"}
        storage.put_report(NAMES[1], b"2", LONG)
        assert storage.reports(NAMES) == {NAMES[0]: b"1", NAMES[1]: b"2"}
        storage.flush_all()
        for name in NAMES:
            storage.extend(name, LONG)
        assert storage.reports(NAMES) == {}

    def test_a_report_is_no_message_and_no_value(self, storage: BaseStorage) -> None:
        storage.extend(NAMES[0], LONG)
        storage.put_report(NAMES[0], b"1", LONG)
        assert storage.queue_size() == storage.result_store_size() == 0
        assert storage.result_items() == {}
        assert not storage.has_data_for_key(NAMES[0])
        assert storage.in_flight() == []
        assert storage.prune() == 0
        assert storage.reports(NAMES) == {NAMES[0]: b"1"}

    def test_who_holds_how_many_messages_is_counted(self, storage: BaseStorage) -> None:
        fill(storage, *(b"%d" % n for n in range(6)))
        assert storage.held_counts(NAMES) == {}
        first = storage.fetch(NAMES[0], 3, lease=LONG)
        assert len(bodies_of(storage.fetch(NAMES[1], 2, lease=LONG))) == 2
        storage.extend(NAMES[2], LONG)
        assert storage.held_counts(NAMES) == {NAMES[0]: 3, NAMES[1]: 2}
        assert storage.held_counts([NAMES[1], "unknown"]) == {NAMES[1]: 2}
        storage.release(NAMES[0], first[:2])
        assert storage.held_counts(NAMES) == {NAMES[0]: 1, NAMES[1]: 2}
        storage.leave(NAMES[1])
        assert storage.held_counts(NAMES) == {NAMES[0]: 1}
        assert storage.held_counts([]) == {}

    def test_all_that_there_is_is_counted(self, storage: BaseStorage) -> None:
        assert storage.counts() == Counts(0, 0, 0, 0, 0, 0)
        fill(storage, *(b"%d" % n for n in range(7)))
        storage.add_to_schedule(b"later", storage.time() + LONG)
        one, two, three = storage.fetch("one", 3, lease=LONG)
        assert storage.admit("one", one, "key", 1)
        assert not storage.admit("one", two, "key", 1)
        letter = DeadLetter("id", b"dead", "why")
        effects = Effects(results=(("result", b"1"), ("other", b"2")), dead=letter)
        assert storage.settle("one", [Settlement(three, effects)]) == []
        assert storage.counts() == Counts(
            waiting=4, scheduled=1, parked=1, in_flight=1, dead=1, results=2
        )

    def test_to_examine_a_storage_leaves_nothing_behind(self, storage: BaseStorage) -> None:
        fill(storage, b"1")
        assert {one.level for one in storage.examine()} <= {"ok", "warning"}
        assert storage.enqueued_items() == [b"1"]
        assert storage.consumers() == {}
        assert storage.result_store_size() == 0
