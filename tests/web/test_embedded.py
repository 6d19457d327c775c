# SPDX-License-Identifier: MIT
"""What an embedded consumer refuses, and how it gives way to what else runs in its event loop."""

from __future__ import annotations

import socket
import subprocess
import sys

import gevent
import pytest
from web_server import ROOT

from huey_green import ConfigurationError, MemoryHuey, clock
from huey_green.consumer.acknowledger import FrugalAcknowledger
from huey_green.consumer.outage import Outage
from huey_green.consumer.pace import SLICE, Pace
from huey_green.consumer.slots import Slots
from huey_green.message import NOTHING, Delivery
from huey_green.testing.concurrency import eventually


def run(program: str) -> str:
    """Run a program that gevent has patched; return what it said."""
    code = f"from gevent import monkey\nmonkey.patch_all()\n{program}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_process_that_gevent_has_not_patched_is_told_what_to_put_where():
    consumer = MemoryHuey().embedded_consumer(workers=2)
    with pytest.raises(ConfigurationError, match=r"first line of the program.*gunicorn.*uWSGI"):
        consumer.start()
    assert not consumer.is_running
    consumer.stop()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0}, "share is"),
        ({"share": 1.5}, "share is"),
        ({"share": "half"}, "share is"),
        ({"share": True}, "share is"),
        ({"max_tasks": 10}, "max_tasks is for a consumer in a process of its own"),
        ({"max_rss": 10}, "max_rss is for"),
        ({"graceful_signal": "TERM"}, "graceful_signal is for"),
        ({"wrokers": 10}, "unknown consumer option wrokers"),
        ({"workers": 0}, "workers"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ConfigurationError, match=said):
        MemoryHuey().embedded_consumer(**options)


def test_it_starts_and_stops_as_often_as_it_is_told_to_and_leaves_the_process_alone():
    said = run("""
import logging, signal
from huey_green import MemoryHuey
huey = MemoryHuey()
add = huey.task()(lambda a, b: a + b)
before = [signal.getsignal(number) for number in signal.valid_signals()]
consumer = huey.embedded_consumer(workers=3)
for _ in range(2):
    with consumer as same:
        consumer.start()
        assert same is consumer and consumer.is_running
        assert add(1, 2).get(blocking=True, timeout=20) == 3
    assert not consumer.is_running
    consumer.stop()
assert before == [signal.getsignal(number) for number in signal.valid_signals()]
assert not logging.getLogger().handlers and not logging.getLogger("huey_green").handlers
""")
    assert said == ""


def test_a_child_that_was_forked_after_the_start_has_no_consumer_and_is_told():
    said = run("""
import os, time, gevent
from huey_green import MemoryHuey
huey = MemoryHuey()
add = huey.task()(lambda a, b: a + b)
with huey.embedded_consumer() as consumer:
    child = os.fork()
    if not child:
        result = add(1, 2)
        gevent.sleep(0.2)
        ran = result.get()
        print(consumer.is_running, ran, flush=True)
        consumer.stop()
        with huey.embedded_consumer():
            print(result.get(blocking=True, timeout=20), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    assert add(3, 4).get(blocking=True, timeout=20) == 7
""")
    assert "False None\n3\n" in said
    assert "start it after the fork, in each worker" in said


def test_slots_with_a_pace_let_the_event_loop_look_at_all_else_between_slices():
    """Tasks that never wait: what is due comes to its turn after a slice, and not at their end."""
    done = []

    def work(delivery: Delivery) -> None:
        ends_at = clock.monotonic() + 2 * SLICE
        while clock.monotonic() < ends_at:
            continue
        done.append(delivery)

    slots = Slots(10, work)
    slots.pace = Pace(1.0)
    slots.put([Delivery(b"")] * 50)
    turns = []
    while len(done) < 50:
        gevent.sleep(0.000001)  # A timer: sleep(0) is no look at what is due.
        turns.append(len(done))
    assert slots.wait_idle(10)
    slots.close()
    slots.release_greenlets()
    steps = [later - before for before, later in zip([0, *turns], turns, strict=False)]
    assert max(steps) <= 2


def test_a_rest_is_as_long_as_the_slice_was_while_the_event_loop_has_something_to_do():
    ready, other = socket.socketpair()
    other.sendall(b"never read")
    always = gevent.get_hub().loop.io(ready.fileno(), 1)
    always.start(lambda: None)
    try:
        gevent.sleep(0.001)
        pace = Pace(0.5)
        began_at = clock.monotonic()
        while clock.monotonic() < began_at + 0.015:  # The event loop's own clock stands still.
            continue
        rests_at = clock.monotonic()
        pace.rest()
        assert clock.monotonic() - rests_at >= 0.0149
    finally:
        always.close()
        ready.close()
        other.close()


def test_slots_with_a_pace_go_on_when_the_one_that_rests_is_killed():
    done = []
    slots = Slots(3, done.append)
    slots.pace = Pace(0.01)
    slots.pace._began_at -= 1  # The slice is spent: who comes has to rest.
    slots.put([Delivery(b"%d" % number) for number in range(20)])
    gevent.sleep(0)
    [resting] = slots._greenlets
    assert slots._resting
    resting.kill()
    gevent.with_timeout(20, slots.wait_idle, None)
    assert [delivery.body for delivery in done] == [b"%d" % number for number in range(20)]
    slots.close()
    slots.release_greenlets()


def test_slots_with_a_pace_run_as_many_at_once_as_they_may():
    together = gevent.event.Event()
    inside = []

    def work(delivery: Delivery) -> None:
        inside.append(delivery)
        if len(inside) == 5:
            together.set()
        assert together.wait(20)

    slots = Slots(5, work)
    slots.pace = Pace(0.5)
    slots.put([Delivery(b"")] * 5)
    assert slots.wait_idle(20)
    slots.close()
    slots.release_greenlets()


class Settles:
    """A storage that notes what is settled together."""

    def __init__(self):
        self.together = []

    def settle(self, consumer, settlements):
        self.together.append([int(one.delivery.body) for one in settlements])
        return []


def test_a_frugal_acknowledger_sends_few_at_once_in_their_order_and_forgets_none():
    storage = Settles()
    acknowledger = FrugalAcknowledger(storage, "it", Outage("it"), print, print)
    acknowledger.at_once = 4
    batches = [acknowledger.add(Delivery(b"%d" % number), NOTHING) for number in range(10)]
    assert acknowledger.pending == 10
    acknowledger.start()
    assert acknowledger.flush(20)
    assert storage.together == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert acknowledger.pending == 0
    assert len(set(map(id, batches))) == 3
    acknowledger.stop()
    eventually(lambda: acknowledger.join(1), "the end")
