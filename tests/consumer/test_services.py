# SPDX-License-Identifier: MIT
"""The services of a consumer, each with a storage that a test can hold, cut off or count."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from patched import Records, eventually, patched


def outage():
    from huey_green.consumer.outage import Outage

    return Outage("a storage")


class Storage:
    """Notes its calls; each verb does what the test gave for it."""

    blocking = True

    def __init__(self, **verbs: Callable[..., Any]) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._verbs = verbs

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((verb, *args))
            return self._verbs[verb](*args, **kwargs) if verb in self._verbs else None

        return call


@patched
def test_what_ends_during_a_round_trip_shares_the_next_one():
    from gevent.event import Event

    from huey_green.consumer.acknowledger import Acknowledger
    from huey_green.message import NOTHING, Delivery

    began, go, sizes = Event(), Event(), []

    def settle(consumer, settlements):
        sizes.append(len(settlements))
        began.set()
        go.wait()
        return []

    acknowledger = Acknowledger(Storage(settle=settle), "me", outage(), lambda at: None, print)
    acknowledger.start()
    acknowledger.add(Delivery(b"first", "r0"), NOTHING)
    assert began.wait(5)
    for number in range(100):
        acknowledger.add(Delivery(b"", f"r{number + 1}"), NOTHING)
    assert acknowledger.pending == 101
    go.set()
    assert acknowledger.flush(5)
    assert sizes == [1, 100]
    assert acknowledger.pending == 0
    acknowledger.stop()
    assert acknowledger.join(5)


@patched
def test_an_outage_is_two_lines_and_what_was_not_settled_is_settled_in_order():
    from huey_green.consumer.acknowledger import Acknowledger
    from huey_green.exceptions import StorageUnavailable
    from huey_green.message import NOTHING, Delivery

    failures, settled = [5], []

    def settle(consumer, settlements):
        if failures[0]:
            failures[0] -= 1
            raise StorageUnavailable("it is away")
        settled.extend(one.delivery.receipt for one in settlements)
        return []

    with Records() as said:
        acknowledger = Acknowledger(Storage(settle=settle), "me", outage(), lambda at: None, print)
        acknowledger.start()
        receipts = [f"r{number}" for number in range(3)]
        for receipt in receipts:
            acknowledger.add(Delivery(b"", receipt), NOTHING)
        assert acknowledger.flush(20)
        acknowledger.stop()
        assert acknowledger.join(5)
    assert settled == receipts
    assert len(said) == 2
    assert said[0] == "ERROR it is away. Waiting for it to come back; running tasks go on."
    assert said[1].startswith("WARNING a storage answers again after ")


@patched
def test_a_refused_settlement_is_reported_and_told_to_who_waits():
    from huey_green.consumer.acknowledger import Acknowledger
    from huey_green.message import NOTHING, Delivery

    late, fine = Delivery(b"late", "r1"), Delivery(b"fine", "r2")

    def settle(consumer, settlements):
        return [one for one in settlements if one.delivery is late]

    with Records() as said:
        acknowledger = Acknowledger(Storage(settle=settle), "me", outage(), lambda at: None, print)
        acknowledger.start()
        batch = acknowledger.add(late, NOTHING)
        acknowledger.add(fine, NOTHING)
        batch.wait()
        assert batch.was_refused(late)
        assert not batch.was_refused(fine)
        acknowledger.stop()
        assert acknowledger.join(5)
    assert len(said) == 1
    assert "1 finished tasks were no longer ours" in said[0]


@patched
def test_a_settlement_that_cannot_be_carried_out_holds_up_no_other():
    from huey_green.consumer.acknowledger import Acknowledger
    from huey_green.message import NOTHING, DeadLetter, Delivery, Effects

    bad, settled, buried = Delivery(b"bad", "r1"), [], []
    days = ["bad", "bad", "good"]

    def settle(consumer, settlements):
        for one in settlements:
            if one.delivery is bad and (one.effects.dead is None or one.effects.results):
                raise TypeError("it is made of something else")
            if one.delivery is bad and days.pop(0) == "bad":
                raise OSError("not today")
        settled.extend(one.delivery.body for one in settlements)
        return []

    def bury(delivery, error):
        buried.append((delivery, str(error)))
        letter = DeadLetter("id", delivery.body, "broken")
        acknowledger.add(delivery, Effects((("id", "no bytes"),), dead=letter))

    with Records() as said:
        acknowledger = Acknowledger(Storage(settle=settle), "me", outage(), lambda at: None, bury)
        batch = acknowledger.add(Delivery(b"first", "r0"), NOTHING)
        acknowledger.add(bad, NOTHING)
        acknowledger.add(Delivery(b"last", "r2"), NOTHING)
        acknowledger.start()
        batch.wait()
        assert settled == [b"first", b"last"]
        assert batch.was_refused(bad)
        assert acknowledger.flush(20)
        acknowledger.stop()
        assert acknowledger.join(5)
    assert buried == [(bad, "it is made of something else")]
    assert settled == [b"first", b"last", b"bad"]
    assert days == []
    assert "a settlement failed; its message goes to the dead letters" in said[0]


@patched
def test_the_fetcher_asks_for_free_slots_only():
    import gevent
    from gevent.event import Event

    from huey_green.consumer.fetcher import Fetcher
    from huey_green.consumer.slots import Slots
    from huey_green.message import Delivery
    from huey_green.settings import ConsumerSettings

    asked, go = [], Event()

    def fetch(consumer, limit, *rest):
        asked.append(limit)
        return [Delivery(b"task")] * min(limit, 3)

    slots = Slots(7, lambda delivery: go.wait())
    storage = Storage(fetch=fetch)
    fetcher = Fetcher(storage, "me", slots, ConsumerSettings(), outage(), lambda: True)
    fetcher.start()
    eventually(lambda: sum(min(one, 3) for one in asked) >= 7, "all slots to be taken")
    gevent.sleep(0)
    assert asked == [7, 4, 1]
    fetcher.stop()
    slots.close()
    assert fetcher.join(5)
    assert storage.calls[-1] == ("interrupt", "me")
    go.set()


@patched
def test_a_service_goes_on_after_an_error_and_is_started_again_when_it_was_killed():
    import gevent

    from huey_green.consumer.health import HealthCheck
    from huey_green.consumer.service import Service

    class Clumsy(Service):
        name = "clumsy one"
        interval = 0.01
        ticks = 0

        def tick(self):
            self.ticks += 1
            if self.ticks == 1:
                raise ValueError("a mistake")

    clumsy = Clumsy(outage())
    health = HealthCheck([clumsy], 0.01, outage())
    with Records() as said:
        clumsy.start()
        clumsy.start()
        eventually(lambda: clumsy.ticks >= 3, "it to go on")
        gevent.kill(clumsy._greenlet)
        health.start()
        ticks = clumsy.ticks
        eventually(lambda: clumsy.ticks >= ticks + 2, "it to be started again")
        for service in (health, clumsy):
            service.stop()
            assert service.join(5)
    assert said == [
        "ERROR the clumsy one failed and goes on",
        "ERROR the clumsy one had died and is started again",
    ]


MINUTE = 60.0


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([5.0], [[0]]),  # Started just after the minute: a restart on the minute loses nothing.
        ([30.0], [[]]),  # Started in the middle of one: the next begins.
        ([30.0, 59.9, 60.0, 61.0], [[], [], [1], []]),
        ([30.0, 200.0], [[], [1, 2, 3]]),  # Held up: what was missed is made up for.
        ([30.0, 50 * MINUTE, 49 * MINUTE], [[], [*range(1, 51)], []]),  # A clock that goes back.
        ([30.0, 1000 * MINUTE], [[], [*range(940, 1001)]]),  # For an hour at most.
    ],
)
def test_the_minutes_that_have_begun(looks, expected):
    from huey_green.consumer.scheduler import Scheduler

    scheduler = Scheduler(Storage(), Storage(), outage(), 1.0, True)
    found = []
    for look in looks:
        minutes = list(scheduler._minutes_begun(look))
        found.append(minutes)
        if minutes:
            scheduler._minute = minutes[-1]
    assert found == expected


def test_a_process_that_has_ended_here_is_known_and_no_other_is():
    from huey_green.consumer.identity import consumer_name, died_here

    mine = consumer_name()
    assert consumer_name() != mine
    place, pid, started, token = mine.rsplit(":", 3)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with open(f"/proc/{child.pid}/stat") as stat:
        child_started = stat.read().rpartition(")")[2].split()[19]
    of_child = f"{place}:{child.pid}:{child_started}:{token}"
    assert died_here([mine, of_child]) == []
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert died_here([mine, of_child]) == [of_child]  # A zombie runs no tasks.
    child.communicate()
    assert died_here([mine, of_child]) == [of_child]
    used_again = f"{place}:{pid}:{int(started) - 1}:{token}"
    elsewhere = f"other-host{place[place.index(':') :]}:{child.pid}:{child_started}:{token}"
    assert died_here([used_again, elsewhere, "", "strange", ":::"]) == [used_again]


def test_only_a_lease_lets_follow_ups_be_sent_again():
    from huey_green.consumer.acknowledger import may_be_repeated
    from huey_green.message import Delivery, Effects, Outgoing, Planned, Settlement

    follow_up = Effects(enqueue=(Outgoing(b"next"),))
    retry = Effects(schedule=(Planned(b"again", 1.0),))
    result = Effects(results=(("key", b"value"),))
    assert may_be_repeated(Settlement(Delivery(b"a", "receipt"), follow_up))
    assert may_be_repeated(Settlement(Delivery(b"a"), result))
    assert not may_be_repeated(Settlement(Delivery(b"a"), follow_up))
    assert not may_be_repeated(Settlement(Delivery(b"a"), retry))
