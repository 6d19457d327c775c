# SPDX-License-Identifier: MIT
"""Tasks that block the event loop, fork, or kill the greenlets of their consumer."""

from __future__ import annotations

import os

import pytest
from patched import Records, eventually, patched


@patched
def test_a_task_that_blocks_the_event_loop_is_named_with_where_it_is():
    from gevent import monkey

    from huey_green import MemoryHuey

    huey = MemoryHuey()
    native_sleep = monkey.get_original("time", "sleep")

    @huey.task()
    def hog():
        native_sleep(3.5)
        return "done"

    @huey.task()
    def waits():
        import time

        time.sleep(0.1)

    with Records() as said:
        consumer = huey.create_consumer(workers=10)
        consumer.start()
        for _ in range(5):
            waits()
        assert hog().get(blocking=True, timeout=30) == "done"
        eventually(lambda: any("turns again" in one for one in said), "the end of it")
        consumer.stop(graceful=True)
    blocked = [one for one in said if "blocks the event loop" in one]
    assert blocked
    assert all(one.startswith("ERROR") and ".hog: " in one.splitlines()[0] for one in blocked)
    assert "native_sleep(3.5)" in blocked[0]


@patched
def test_a_consumer_whose_tasks_wait_or_that_is_idle_is_not_said_to_be_blocked():
    import time

    from huey_green import MemoryHuey, probe

    huey = MemoryHuey()
    looks = []

    @huey.task()
    def busy():
        for _ in range(300):
            time.sleep(0.001)
            sum(range(1000))
        return 1

    consumer = huey.create_consumer(workers=10)
    with Records() as said:
        consumer.start()
        watchdog = consumer._watchdog
        looked = watchdog._look
        watchdog._look = lambda: (looked(), looks.append(1))
        before = probe.install(lambda moment, detail: None)
        eventually(lambda: len(looks) >= 2, "looks at an idle consumer")
        results = [busy() for _ in range(30)]
        for one in results:
            assert one.get(blocking=True, timeout=30) == 1
        eventually(lambda: len(looks) >= 4, "more looks")
        consumer.stop(graceful=True)
        probe.install(before)
    assert not [one for one in said if "block" in one or "stood still" in one]


@pytest.mark.parametrize(
    ("seconds", "lease", "said"),
    [
        (9.0, 10.0, "ERROR this process stood still for 9.0 s (was it suspended?); the lease"),
        (9.0, 60.0, "ERROR this process stood still for 9.0 s (was it suspended?); tasks go on"),
        (2.5, 3.0, "ERROR this process stood still for 2.5 s (was it suspended?); the lease"),
        (4.0, 60.0, None),
    ],
)
@patched
def test_a_process_that_stood_still_says_so(seconds, lease, said):
    import gevent

    from huey_green import clock
    from huey_green.consumer.watchdog import INTERVAL, Watchdog

    present = [100.0]
    clock.monotonic = lambda: present[0]

    class Idle:
        running = {}

    with Records() as records:
        watchdog = Watchdog(Idle(), lease)
        watchdog.start()
        watchdog.stop()
        present[0] += INTERVAL
        watchdog._look()
        gevent.sleep(0.01)
        present[0] += INTERVAL + seconds
        watchdog._look()
    assert [one[: len(said)] for one in records] == [said] if said else not records


@patched
def test_services_and_the_health_check_itself_come_back_when_they_are_killed():
    import gc

    import gevent

    from huey_green import MemoryHuey

    huey = MemoryHuey()

    @huey.task()
    def kills_services():
        for one in gc.get_objects():
            if isinstance(one, gevent.Greenlet) and "huey_green-" in str(one.name):
                gevent.kill(one)
        return "done"

    @huey.task()
    def innocent(number):
        return number

    consumer = huey.create_consumer(workers=10, health_check_interval=0.05)
    with Records() as said:
        consumer.start()
        assert kills_services().get(blocking=True, timeout=20) == "done"
        results = [innocent(number) for number in range(1, 20)]
        assert [one.get(blocking=True, timeout=20) for one in results] == [*range(1, 20)]
        consumer.stop(graceful=True)
    assert "ERROR the health check had died and is started again" in said
    assert "ERROR the fetcher had died and is started again" in said


@patched
def test_slots_go_on_when_a_greenlet_is_killed_before_it_has_begun():
    import gevent

    from huey_green.consumer.slots import Slots
    from huey_green.message import Delivery

    done = []
    slots = Slots(5, done.append)
    slots.put([Delivery(b"1")])
    [coming] = slots._greenlets
    coming.kill(block=False)
    assert slots.wait_idle(5)
    slots.put([Delivery(b"2")])
    assert slots.wait_idle(5)
    gevent.killall([*slots._greenlets])
    slots.put([Delivery(b"3")])
    assert slots.wait_idle(5)
    assert [one.body for one in done] == [b"1", b"2", b"3"]
    slots.close()
    slots.release_greenlets()


@pytest.mark.parametrize(
    ("end", "status"), [("os._exit(7)", 7), ("return 5", 70), ("raise SystemExit(1)", 70)]
)
def test_a_child_that_a_task_forks_is_no_second_consumer(end, status, url, name):
    _test_a_child(end=end, status=status, url=url, name=name)


@patched
def _test_a_child(end, status, url, name):
    import logging
    import time

    from huey_green import RedisHuey

    logging.disable()
    huey = RedisHuey(name, url=url)
    here, ran_in = os.getpid(), []
    read, write = os.pipe()
    space = {"os": os, "time": time, "write": write, "here": here}
    exec(
        "def forks():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        time.sleep(0.5)\n"
        f"        {end}\n"
        "    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n",
        space,
    )
    forks = huey.task()(space["forks"])

    @huey.task()
    def innocent(number):
        os.write(write, b"%d\n" % os.getpid())
        return number

    consumer = huey.create_consumer(workers=50)
    consumer.start()
    child = forks()
    results = [innocent(number) for number in range(1, 200)]
    assert [one.get(blocking=True, timeout=30) for one in results] == [*range(1, 200)]
    assert child.get(blocking=True, timeout=30) == status
    consumer.stop(graceful=True)
    os.close(write)
    ran_in = os.read(read, 100_000).split()
    assert ran_in == [b"%d" % here] * 199
    assert not huey.storage.in_flight()
    assert len(huey) == 0
    huey.storage.close()


@patched
def test_a_child_dies_of_the_signals_that_stop_its_consumer():
    import multiprocessing
    import signal
    import time

    from huey_green import MemoryHuey

    huey = MemoryHuey()

    @huey.task()
    def forks():
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=time.sleep, args=(60,)) for _ in range(5)]
        for child in children:
            child.start()
            child.terminate()
        for child in children:
            child.join()
        os.kill(os.getpid(), signal.SIGTERM)
        return [child.exitcode for child in children]

    result = forks()
    assert huey.create_consumer(workers=2).run() == 0
    assert result() == [-signal.SIGTERM] * 5
