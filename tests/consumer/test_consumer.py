# SPDX-License-Identifier: MIT
"""A consumer inside another program: it starts, consumes, stops, and leaves nothing behind."""

from __future__ import annotations

import pytest
from patched import Records, eventually, patched, unpatched


def make(kind: str, name: str, url: str, directory: str):
    from huey_green import MemoryHuey, PriorityRedisHuey, RedisHuey, SqliteHuey

    if kind == "memory":
        return MemoryHuey(name)
    if kind == "sqlite":
        return SqliteHuey(name, filename=f"{directory}/queue.db")
    return {"list": RedisHuey, "zset": PriorityRedisHuey}[kind](name, url=url)


def surroundings() -> tuple[object, ...]:
    """What a consumer that is started and stopped may not touch."""
    import logging
    import signal

    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    root = logging.getLogger()
    ours = logging.getLogger("huey_green")
    return handlers, [*root.handlers], root.level, [*ours.handlers], ours.level


def native_threads() -> int:
    import os

    return len(os.listdir("/proc/self/task"))


def greenlets() -> set[str]:
    """Those that are alive, by what they run."""
    import gc

    import gevent

    found = (one for one in gc.get_objects() if isinstance(one, gevent.Greenlet))
    return {repr(one) for one in found if not one.dead}


def clients(huey) -> int:
    """How many connections the server has, besides the one that asks."""
    from huey_green.storage.redis.connect import Link

    storage = huey.storage
    asking = Link(None, storage.link._pool)
    try:
        return len(asking.execute("CLIENT", "LIST").splitlines()) - 1
    finally:
        asking.close()


KINDS = ["memory", "sqlite", "list", "zset"]


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_it_can_be_started_and_stopped_again_and_again(kind, name, url, tmp_path):
    huey = make(kind, name, url, tmp_path)
    ran = []
    task = huey.task()(ran.append)
    before = surroundings()
    consumer = huey.create_consumer(workers=10)
    consumer.stop()
    for round_ in range(3):
        consumer.start()
        consumer.start()
        assert consumer.is_running
        task(round_)
        eventually(lambda n=round_: len(ran) == n + 1, "the task to run")
        consumer.stop(graceful=round_ % 2 == 0)
        consumer.stop()
        assert not consumer.is_running
    assert surroundings() == before
    assert huey.storage.consumers() == {}
    assert huey.storage.in_flight() == []


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_nothing_is_left_after_a_stop(kind, name, url, tmp_path):
    import gevent

    huey = make(kind, name, url, tmp_path)
    task = huey.task()(gevent.sleep)
    before = greenlets()
    threads = native_threads()
    consumer = huey.create_consumer(workers=50)
    consumer.start()
    task.map([0.01] * 100)
    eventually(lambda: not len(huey) and not huey.storage.in_flight(), "the tasks to run")
    consumer.stop(graceful=True)
    eventually(lambda: greenlets() <= before, f"no greenlets but {greenlets() - before}")
    if kind in ("list", "zset"):
        assert [one for one in open_sockets() if one in url] == []
    if kind != "sqlite":  # gevent keeps the threads of its own pool.
        eventually(lambda: native_threads() <= threads, "the threads to end")


def open_sockets() -> list[str]:
    """The remote ports of this process's connections."""
    import os

    import psutil

    found = psutil.Process(os.getpid()).net_connections(kind="tcp")
    return [f":{one.raddr.port}/" for one in found if one.raddr]


@pytest.mark.parametrize("kind", ["list", "zset"])
@patched
def test_five_hundred_tasks_at_once_share_five_connections(kind, name, url):
    import gevent

    huey = make(kind, name, url, "")
    most = [0]

    @huey.task()
    def work():
        gevent.sleep(0.05)
        return 1

    before = clients(huey)
    consumer = huey.create_consumer(workers=500)
    consumer.start()
    results = work.map([()] * 1500)
    waiters = [gevent.spawn(one.get, blocking=True, timeout=30) for one in results]
    while not all(one.ready() for one in waiters):
        most[0] = max(most[0], clients(huey) - before)
        gevent.sleep(0.02)
    assert [one.get() for one in waiters] == [1] * 1500
    assert most[0] <= 5
    consumer.stop()
    huey.storage.close()
    eventually(lambda: clients(huey) <= before, "the connections to close")


@patched
def test_a_stop_without_grace_interrupts_and_gives_back(name, url):
    import gevent

    from huey_green import signals as s

    huey = make("list", name, url, "")
    began, cleaned, told = [], [], []

    @huey.task()
    def long(number):
        began.append(number)
        try:
            gevent.sleep(3600)
        finally:
            cleaned.append(number)

    huey.signal(s.SIGNAL_INTERRUPTED)(lambda signal, task: told.append(task.args[0]))
    long.map(range(5))
    consumer = huey.create_consumer(workers=3)
    with Records() as said:
        consumer.start()
        eventually(lambda: len(began) == 3, "three to begin")
        consumer.stop()
    assert sorted(cleaned) == sorted(told) == [0, 1, 2]
    assert sorted(task.args[0] for task in huey.pending()) == [0, 1, 2, 3, 4]
    assert "WARNING interrupting 3 tasks; they go back to the queue" in said
    assert [line for line in said if line.startswith("ERROR")] == []


@pytest.mark.parametrize(("kind", "goes_back"), [("pre_execute", 1), ("post_execute", 0)])
@patched
def test_a_task_that_is_interrupted_in_a_hook_goes_back_unless_it_has_run(
    kind, goes_back, name, url
):
    import gevent

    from huey_green import signals as s

    huey = make("list", name, url, "")
    inside, told = [], []

    def slow(task, *rest):
        inside.append(task)
        gevent.sleep(3600)

    getattr(huey, kind)()(slow)
    huey.signal(s.SIGNAL_INTERRUPTED)(lambda signal, task: told.append(task.args[0]))
    huey.task(name="quick")(lambda number: number)(1)
    consumer = huey.create_consumer()
    consumer.start()
    eventually(lambda: inside, "the hook to be called")
    consumer.stop()
    assert len(huey) == len(told) == goes_back
    assert huey.result_count() == 1 - goes_back


class Interrupting(Exception):
    """Has a signal handler called while it is written down: its task has run by then."""

    def __init__(self, consumer) -> None:
        self.consumer = consumer

    def __reduce__(self):
        self.consumer.interrupt()
        return int, (7,)

    def __repr__(self) -> str:
        self.consumer.interrupt()
        return "Interrupting"


@patched
def test_a_second_signal_that_comes_when_a_task_has_run_does_not_have_it_run_again(name, url):
    from huey_green import TaskException

    huey = make("list", name, url, "")
    ran = []

    @huey.task(name="end")
    def end(how):
        ran.append(how)
        if how == "raises":
            raise Interrupting(consumer)
        return Interrupting(consumer)

    consumer = huey.create_consumer(workers=2)
    consumer.start()
    assert end("returns").get(blocking=True, timeout=10) == 7
    with Records(), pytest.raises(TaskException, match="Interrupting"):
        end("raises").get(blocking=True, timeout=10)
    consumer.stop()
    assert ran == ["returns", "raises"]
    assert len(huey) == 0


@patched
def test_a_consumer_that_cannot_start_leaves_nothing(name):
    from huey_green import StorageUnavailable

    huey = make("list", name, "redis://127.0.0.1:1/0", "")
    before = greenlets()
    consumer = huey.create_consumer()
    for _ in range(3):
        with pytest.raises(StorageUnavailable, match="does not answer"):
            consumer.start()
        assert not consumer.is_running
    consumer.stop()
    assert greenlets() <= before
    assert native_threads() <= 3  # gevent's resolver has a thread or two, once.


@unpatched
def test_a_consumer_that_cannot_start_leaves_no_thread_in_a_threaded_program(name):
    from huey_green import StorageUnavailable

    huey = make("list", name, "redis://127.0.0.1:1/0", "")
    consumer = huey.create_consumer()
    threads = native_threads()
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="does not answer"):
            consumer.start()
    eventually(lambda: native_threads() <= threads, "the threads to end")


@pytest.mark.parametrize("kind", KINDS)
@unpatched
def test_it_runs_in_native_threads_in_a_program_that_is_not_patched(kind, name, url, tmp_path):
    import threading

    huey = make(kind, name, url, tmp_path)
    barrier = threading.Barrier(5)

    @huey.task()
    def meet(number):
        barrier.wait(20)  # Blocks its thread: five of them at once.
        return number

    before, threads = surroundings(), native_threads()
    consumer = huey.create_consumer(workers=5)
    for _ in range(2):
        consumer.start()
        results = meet.map(range(5))
        assert results.get(blocking=True, timeout=20) == [0, 1, 2, 3, 4]
        consumer.stop(graceful=True)
    assert surroundings() == before
    assert huey.storage.consumers() == {}
    huey.storage.close()
    eventually(lambda: native_threads() <= threads, f"{native_threads()} threads to end")


@unpatched
def test_what_a_native_thread_does_not_end_is_given_back(name, url):
    import threading

    from huey_green.consumer import consumer as module

    module.CLEAN_UP = 0.2
    huey = make("list", name, url, "")
    began, go = threading.Event(), threading.Event()

    @huey.task()
    def stuck():
        began.set()
        go.wait()

    stuck()
    consumer = huey.create_consumer(workers=2)
    with Records() as said:
        consumer.start()
        assert began.wait(20)
        consumer.stop()
    assert len(huey) == 1
    assert any("did not end within" in line for line in said)
    go.set()


@unpatched
def test_errors_of_a_storage_are_lines_in_the_log_and_no_tracebacks(name, tmp_path):
    from huey_green.exceptions import StorageUnavailable

    huey = make("memory", name, "", tmp_path)
    away = [True]
    ask = huey.storage.reclaim

    def reclaim(*args, **kwargs):
        if away[0]:
            raise StorageUnavailable("it is away")
        return ask(*args, **kwargs)

    huey.storage.reclaim = reclaim
    with Records() as said:
        consumer = huey.create_consumer()
        consumer.start()
        eventually(lambda: said, "the outage to begin")
        away[0] = False
        eventually(lambda: len(said) == 2, "the outage to end")
        consumer.stop()
    assert said[0] == "ERROR it is away. Waiting for it to come back; running tasks go on."
    assert "answers again after" in said[1]
