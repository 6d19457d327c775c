# SPDX-License-Identifier: MIT
"""Timeouts inside a program that gevent has patched; see test_api_timeouts.py."""

# ruff: noqa: E402 - to patch comes first

from gevent import monkey

monkey.patch_all()

import logging
import os
import queue
import socket
import sys
import threading
import time
import uuid
from collections import Counter

import gevent

from huey_green import (
    Consumer,
    FileHuey,
    MemoryHuey,
    PriorityRedisHuey,
    RedisHuey,
    SqliteHuey,
    TaskException,
    TaskTimeout,
)
from huey_green import signals as s
from huey_green.testing.concurrency import eventually

logging.disable(logging.ERROR)

PATIENCE = 60.0
FOREVER = 3600.0
SOON = 0.05
#: So many connections may be opened when all happens at once. They are not one for each timeout.
A_FEW = 8
kind, place = sys.argv[1:]
name = f"test-{uuid.uuid4().hex}"
if kind == "sqlite":
    huey = SqliteHuey(name, filename=place)
elif kind == "memory":
    huey = MemoryHuey(name)
elif kind == "file":
    huey = FileHuey(name, path=place)
else:
    huey = {"redis-list": RedisHuey, "redis-zset": PriorityRedisHuey}[kind](name, url=place)

sent = []
left = []


@huey.signal()
def note(signal, task, *args):
    sent.append((signal, task.id))


@huey.task()
def add(a, b):
    return a + b


def never_ending_sleep():
    time.sleep(FOREVER)


def read_of_a_socket():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.recv(1)


def wait_for_a_queue():
    queue.Queue().get()


def wait_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def wait_for_a_result():
    huey.result("nobody's", blocking=True)


def loop_that_catches_what_it_can():
    while True:
        try:
            time.sleep(FOREVER)
        except Exception:
            left.append("caught")


WAITS = {
    wait.__name__: wait
    for wait in (
        *(never_ending_sleep, read_of_a_socket, wait_for_a_queue, wait_for_a_lock),
        *(wait_for_a_result, loop_that_catches_what_it_can),
    )
}


@huey.task(timeout=SOON)
def wait_for(what):
    WAITS[what]()


@huey.task(timeout=SOON, context=True)
def cleans_up(task=None):
    try:
        with huey.lock_task("held"):
            time.sleep(FOREVER)
    finally:
        left.append((huey.is_locked("held"), task.is_timed_out))


@huey.task(timeout=SOON, retries=2, retry_delay=0.2)
def second_time_lucky(key):
    left.append(key)
    if left.count(key) == 1:
        time.sleep(FOREVER)
    return "lucky"


@huey.task(timeout=FOREVER)
def own_timeout(how):
    kinds = {"silent": False, "error": ValueError("mine"), "timeout": None}
    with gevent.Timeout(0.01, kinds[how]):
        time.sleep(FOREVER)
    return "went on"


@huey.task(timeout=SOON)
def own_longer_timeout():
    with gevent.Timeout(FOREVER):
        time.sleep(FOREVER)


@huey.task(timeout=SOON)
def swallows():
    try:
        time.sleep(FOREVER)
    except gevent.Timeout:
        return "swallowed"


@huey.task(timeout=FOREVER)
def quick(value):
    return value


ended = threading.Event()


@huey.task(timeout=SOON, native_thread=True)
def in_a_native_thread(key):
    ended.wait(PATIENCE)
    left.append(key)


@huey.task(timeout=0.02)
def busy_with_the_storage(key):
    while True:
        huey.put(key, key)
        assert huey.get(key) == key
        with huey.lock_task(key):
            huey.storage.queue_size()
        gevent.sleep(0)  # In memory nothing else lets others run.


def error_of(result):
    try:
        result(blocking=True, timeout=PATIENCE)
    except TaskException as error:
        return error.metadata["error"]
    raise AssertionError(f"{result} has no error")


def signals_of(result):
    return [signal for signal, id_ in sent if id_ == result.id]


def check_what_is_interrupted():
    results = {what: wait_for(what) for what in WAITS}
    for what, result in results.items():
        assert error_of(result) == "TaskTimeout('timeout 0.05s')", what
        traceback = result.get_raw_result().metadata["traceback"]
        assert f"in {what}\n" in traceback, traceback
        eventually(lambda one=result: s.SIGNAL_TIMEOUT in signals_of(one))
        assert s.SIGNAL_ERROR not in signals_of(result)
    assert "caught" not in left


def check_cleaning_up():
    assert "TaskTimeout" in error_of(cleans_up())
    assert left[-1] == (False, True)
    assert not huey.is_locked("held")


def check_retries():
    result = second_time_lucky("again")
    assert "TaskTimeout" in error_of(result)
    result.reset()
    assert result(blocking=True, timeout=PATIENCE) == "lucky"
    assert left.count("again") == 2
    eventually(lambda: s.SIGNAL_COMPLETE in signals_of(result))
    found = signals_of(result)
    assert found[2:] == [
        *(s.SIGNAL_TIMEOUT, s.SIGNAL_RETRYING),
        *(s.SIGNAL_SCHEDULED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE),
    ], found


def check_timeouts_of_ones_own():
    assert own_timeout("silent")(blocking=True, timeout=PATIENCE) == "went on"
    assert error_of(own_timeout("error")) == "ValueError('mine')"
    result = own_timeout("timeout")
    assert error_of(result).startswith("<Timeout at"), error_of(result)
    eventually(lambda: s.SIGNAL_ERROR in signals_of(result))
    assert s.SIGNAL_TIMEOUT not in signals_of(result)
    assert "TaskTimeout" in error_of(own_longer_timeout())
    assert swallows()(blocking=True, timeout=PATIENCE) == "swallowed"


def check_native_threads():
    result = in_a_native_thread("native")
    assert "TaskTimeout" in error_of(result)
    assert "native" not in left
    ended.set()
    eventually(lambda: "native" in left)


def connections():
    """How many connections the server has; where there is none, how many files are open."""
    if kind.startswith("redis"):
        return huey.storage.link.execute("CLIENT", "LIST").count(b"\n")
    return len(os.listdir("/proc/self/fd"))


def check_that_nothing_leaks():
    assert quick.map(range(500))(blocking=True, timeout=PATIENCE) == list(range(500))
    busy = [busy_with_the_storage(f"key{number}") for number in range(100)]
    found = Counter(error_of(result) for result in busy)
    assert all("TaskTimeout" in error for error in found), found
    before = connections()
    tasks = [busy_with_the_storage.s(f"key{number}") for number in range(1000)]
    tasks += [wait_for.s("wait_for_a_result") for _ in range(500)]
    tasks += [wait_for.s("never_ending_sleep") for _ in range(500)]
    results = huey.enqueue_many(tasks)
    found = Counter(error_of(result) for result in results)
    assert all("TaskTimeout" in error for error in found), found
    assert quick.map(range(500))(blocking=True, timeout=PATIENCE) == list(range(500))
    assert add(1, 2)(blocking=True, timeout=PATIENCE) == 3
    assert connections() <= before + A_FEW, (before, connections())
    eventually(lambda: not huey.storage.in_flight())


def main():
    consumer = Consumer(huey, workers=50, scheduler_interval=0.05)
    consumer.start()
    check_what_is_interrupted()
    check_cleaning_up()
    check_retries()
    check_timeouts_of_ones_own()
    check_native_threads()
    check_that_nothing_leaks()
    consumer.stop(graceful=True)
    assert huey.storage.in_flight() == []
    assert issubclass(TaskTimeout, Exception)
    huey.flush()
    huey.storage.close()
    print("done")


if __name__ == "__main__":
    main()
