# SPDX-License-Identifier: MIT
"""Room for tasks: greenlets on demand, reused, and fair to everybody else."""

from __future__ import annotations

import time

from patched import eventually, patched


def alive() -> int:
    """How many greenlets there are that have begun and not ended."""
    import gc

    import gevent

    return sum(
        isinstance(one, gevent.Greenlet) and not one.dead and not isinstance(one, gevent.hub.Hub)
        for one in gc.get_objects()
    )


def deliveries(number: int):
    from huey_green.message import Delivery

    return [Delivery(b"%d" % one) for one in range(number)]


@patched
def test_five_thousand_idle_slots_cost_nothing():
    from huey_green.consumer.slots import Slots

    before = alive()
    slots = Slots(5000, lambda delivery: None)
    assert slots.capacity() == 5000
    assert alive() == before
    slots.put(deliveries(1))
    assert slots.wait_idle(5)
    assert alive() <= before + 3


@patched
def test_tasks_that_never_wait_are_run_by_a_handful_of_greenlets():
    from gevent import getcurrent

    from huey_green.consumer.slots import Slots

    runners = set()
    ran = []

    def work(delivery):
        runners.add(getcurrent())
        ran.append(delivery)

    slots = Slots(500, work)
    crowd = deliveries(500)
    for _ in range(4):
        slots.put(crowd)
        assert slots.wait_idle(10)
    assert ran == crowd * 4
    assert len(runners) <= 4


@patched
def test_tasks_that_wait_run_at_once_up_to_the_limit_and_their_greenlets_are_used_again():
    import gevent
    from gevent import getcurrent
    from gevent.event import Event

    from huey_green.consumer.slots import Slots

    runners, go = set(), Event()

    def work(delivery):
        runners.add(getcurrent())
        go.wait()

    slots = Slots(20, work)
    slots.put(deliveries(20))
    eventually(lambda: len(runners) == 20, "20 at once")
    assert slots.busy == 20
    waiter = gevent.spawn(slots.capacity)
    gevent.sleep(0)
    assert not waiter.ready()
    go.set()
    assert slots.wait_idle(5)
    assert 0 < waiter.get(timeout=5) <= 20
    slots.put(deliveries(20))
    assert slots.wait_idle(5)
    assert len(runners) == 20


@patched
def test_a_crowd_of_tasks_that_never_wait_starves_nobody():
    import gevent

    from huey_green.consumer.slots import Slots

    turns = [0]
    gives_up_at = time.monotonic() + 20

    def work(delivery):
        if turns[0] < 3 and time.monotonic() < gives_up_at:
            slots.put([delivery])

    slots = Slots(100, work)
    slots.put(deliveries(50))
    while not slots.wait_idle(0):
        gevent.sleep(0)
        turns[0] += 1
    assert turns[0] >= 3


@patched
def test_closed_slots_begin_nothing_and_give_back_what_has_not_begun():
    import gevent
    from gevent.event import Event

    from huey_green.consumer.slots import Slots

    began, go = [], Event()

    def work(delivery):
        began.append(delivery)
        go.wait()

    slots = Slots(2, work)
    given = deliveries(5)
    slots.put(given)
    eventually(lambda: len(began) == 2, "two to begin")
    waiter = gevent.spawn(slots.capacity)
    gevent.sleep(0)
    slots.close()
    assert waiter.get(timeout=5) == 0
    slots.put(deliveries(1))
    assert [*began, *slots.take_back()] == [*given, *deliveries(1)]
    assert not slots.wait_idle(0.01)
    go.set()
    assert slots.wait_idle(5)
    assert len(began) == 2


@patched
def test_no_greenlet_is_left_after_release():
    from huey_green.consumer.slots import Slots

    before = alive()
    slots = Slots(50, lambda delivery: __import__("gevent").sleep(0.001))
    slots.put(deliveries(50))
    assert slots.wait_idle(5)
    assert alive() > before
    slots.close()
    slots.release_greenlets()
    eventually(lambda: alive() == before, "the greenlets to end")


@patched
def test_a_slot_whose_greenlet_is_killed_is_free_again():
    import gevent

    from huey_green.consumer.slots import Slots

    done = []

    def work(delivery):
        if delivery.body == b"1":
            gevent.kill(gevent.getcurrent())
            gevent.sleep(60)  # Killed here.
        done.append(delivery)

    slots = Slots(3, work)
    for _ in range(3):
        slots.put(deliveries(3))
        assert slots.wait_idle(5)
    assert len(done) == 6
    assert slots.capacity() == 3
