# SPDX-License-Identifier: MIT
"""``native_thread=True``: tasks that block without yielding, in a consumer that yields."""

from __future__ import annotations

import pytest
from hueys import KINDS, make
from patched import PATIENCE, Records, eventually, patched, unpatched


class Gate:
    """Holds up native threads, without yielding, until it is opened."""

    def __init__(self) -> None:
        from huey_green.native import thread_lock

        self._lock = thread_lock()
        self._lock.acquire()

    def wait(self) -> None:
        assert self._lock.acquire(timeout=PATIENCE)
        self._lock.release()

    def open(self) -> None:
        self._lock.release()


def native_threads() -> int:
    import os

    return len(os.listdir("/proc/self/task"))


def error_of(result) -> str:
    from huey_green import TaskException

    with pytest.raises(TaskException) as caught:
        result.get(blocking=True, timeout=20)
    return str(caught.value.metadata["error"])


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_body_that_blocks_holds_up_no_other_task(kind, name, url, tmp_path):
    huey = make(kind, name, url, tmp_path)
    gate = Gate()

    @huey.task(native_thread=True)
    def blocks(number):
        gate.wait()
        return number

    @huey.task()
    def quick(number):
        return number

    consumer = huey.create_consumer(workers=20)
    consumer.start()
    blocked = blocks.map(range(10))
    eventually(lambda: not len(huey), "all to begin")
    assert quick.map(range(100)).get(blocking=True, timeout=20) == list(range(100))
    assert not any(one.is_ready() for one in blocked)
    gate.open()
    assert blocked.get(blocking=True, timeout=20) == list(range(10))
    consumer.stop(graceful=True)
    assert huey.storage.in_flight() == []


@patched
def test_it_has_a_value_an_error_a_retry_its_context_hooks_and_signals(name, url, tmp_path):
    import gevent

    from huey_green import signals as s
    from huey_green.native import thread_ident

    huey = make("memory", name, url, tmp_path)
    seen, hooked, sent = [], [], []

    @huey.task(native_thread=True, context=True)
    def add(a, b=0, task=None):
        seen.append((task.id, thread_ident()))
        return a + b

    @huey.task(native_thread=True)
    def fails(kind):
        raise {one.__name__: one for one in errors}[kind]("said so")

    @huey.task(native_thread=True, retries=1, context=True)
    def second_time(task=None):
        if task.retries:
            raise ValueError("the first time")
        return "lucky"

    errors = [ValueError, SystemExit, gevent.GreenletExit]

    @huey.pre_execute()
    def before(task):
        hooked.append(("before", task.id, thread_ident()))

    @huey.post_execute()
    def after(task, value, error):
        hooked.append(("after", task.id, thread_ident()))

    huey.signal()(lambda signal, task, *rest: sent.append((task.id, signal)))
    consumer = huey.create_consumer(workers=4)
    consumer.start()
    result = add(1, b=2)
    assert result.get(blocking=True, timeout=20) == 3
    eventually(lambda: (result.id, s.SIGNAL_COMPLETE) in sent, "the signal")
    [(ran, elsewhere)] = seen
    here = thread_ident()
    assert ran == result.id
    assert elsewhere != here
    assert hooked == [("before", result.id, here), ("after", result.id, here)]
    assert [signal for _, signal in sent] == [
        *(s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE)
    ]
    with Records():
        for error in errors:
            assert error_of(fails(error.__name__)) == f"{error.__name__}('said so')"
        retried = second_time()
        eventually(lambda: (retried.id, s.SIGNAL_COMPLETE) in sent, "the second try")
    assert retried.get() == "lucky"
    pipeline = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))
    assert pipeline.get(blocking=True, timeout=20) == [3, 6, 10]
    consumer.stop(graceful=True)


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_the_body_may_use_the_queue_and_wait_for_other_tasks(kind, name, url, tmp_path):
    from huey_green import TaskLockedException

    huey = make(kind, name, url, tmp_path)
    last = 20

    @huey.task()
    def add(a, b):
        return a + b

    @huey.task(native_thread=True, context=True)
    def work(number, task=None):
        for done in range(last):
            task.progress(done + 1, last)
            huey.put(f"key{number}", done)
            assert huey.get(f"key{number}") == done
        with huey.lock_task(f"lock{number}"):
            with pytest.raises(TaskLockedException):
                huey.lock_task(f"lock{number}").__enter__()
            return add(number, 1).get(blocking=True, timeout=20)

    def clients():
        return huey.storage.link.execute("CLIENT", "LIST").count(b"\n")

    # One of them is the one that asks; other tests may have left some to the server.
    before = clients() if kind in ("list", "zset") else 0
    consumer = huey.create_consumer(workers=60)
    consumer.start()
    # More than there are threads; each waits for a task that waits for none.
    assert work.map(range(50)).get(blocking=True, timeout=40) == [n + 1 for n in range(50)]
    # And the consumer's own connections and wake-ups are as they were.
    assert add.map([(n, n) for n in range(100)]).get(blocking=True, timeout=20)[-1] == 198
    if kind in ("list", "zset"):
        assert clients() <= before + 4
    consumer.stop(graceful=True)
    assert huey.storage.in_flight() == []
    huey.storage.close()


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_its_progress_is_told_while_it_blocks(kind, name, url, tmp_path):
    huey = make(kind, name, url, tmp_path)
    gates = [Gate() for _ in range(3)]

    @huey.task(native_thread=True, context=True)
    def work(task=None):
        for done, gate in enumerate(gates):
            task.progress(done, 3, "so far")
            gate.wait()
        return "all"

    consumer = huey.create_consumer(workers=2)
    consumer.start()
    result = work()
    seen = []
    for progress in result.progress_updates(timeout=20):
        seen.append(tuple(progress))
        gates[progress.done].open()
    assert seen == [(0, 3, "so far"), (1, 3, "so far"), (2, 3, "so far")]
    consumer.stop(graceful=True)


@patched
def test_of_more_tasks_than_threads_none_is_lost_and_the_others_wait(name, url, tmp_path):
    from huey_green.execution.executor import NATIVE_THREADS

    huey = make("list", name, url, tmp_path)
    gate = Gate()
    began = []

    @huey.task(native_thread=True)
    def blocks(number):
        began.append(number)
        gate.wait()
        return number

    @huey.task()
    def quick():
        return "quick"

    many = 3 * NATIVE_THREADS
    consumer = huey.create_consumer(workers=many + 10)
    consumer.start()
    results = blocks.map(range(many))
    eventually(lambda: len(began) == NATIVE_THREADS, "as many as there are threads to begin")
    assert quick().get(blocking=True, timeout=20) == "quick"
    assert len(began) == NATIVE_THREADS
    gate.open()
    assert results.get(blocking=True, timeout=20) == list(range(many))
    assert sorted(began) == list(range(many))
    consumer.stop(graceful=True)


@patched
def test_a_timeout_is_kept_though_the_thread_goes_on(name, url, tmp_path):
    from huey_green import signals as s

    huey = make("list", name, url, tmp_path)
    gate = Gate()
    ended, sent = [], []

    @huey.task(native_thread=True, timeout=0.05)
    def blocks():
        gate.wait()
        ended.append("blocks")
        return "too late"

    @huey.task(native_thread=True, timeout=0.05)
    def fails_later():
        gate.wait()
        ended.append("fails later")
        raise ValueError("too late")

    huey.signal()(lambda signal, task, *rest: sent.append(signal))
    consumer = huey.create_consumer(workers=4)
    consumer.start()
    results = [blocks(), fails_later()]
    for result in results:
        assert error_of(result) == "TaskTimeout('timeout 0.05s')"
    assert ended == []
    gate.open()
    eventually(lambda: len(ended) == 2, "the threads to go on to their end")
    eventually(lambda: sent.count(s.SIGNAL_TIMEOUT) == 2, "the signals")
    consumer.stop(graceful=True)
    assert huey.result_count() == 0, "what comes too late is not stored"
    assert s.SIGNAL_COMPLETE not in sent
    assert s.SIGNAL_ERROR not in sent
    assert huey.storage.in_flight() == []


@patched
def test_a_thread_that_goes_on_after_its_timeout_may_ask_and_end(name, url, tmp_path):
    from gevent import monkey

    from huey_green import TaskTimeout

    huey = make("memory", name, url, tmp_path)
    nap = monkey.get_original("time", "sleep")
    gate = Gate()
    seen = []

    @huey.task(native_thread=True, timeout=0.05, context=True)
    def looks(task=None):
        gate.wait()
        seen.append((task.is_timed_out, task.time_remaining))
        try:
            while True:
                task.check_timeout()
                nap(0.001)
        except TaskTimeout:
            seen.append("ended")

    consumer = huey.create_consumer(workers=2)
    consumer.start()
    assert error_of(looks()) == "TaskTimeout('timeout 0.05s')"
    gate.open()
    eventually(lambda: seen[-1:] == ["ended"], "the thread to find its time over")
    assert seen[0] == (True, 0.0)
    consumer.stop(graceful=True)


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_stop_waits_for_it_with_grace(kind, name, url, tmp_path):
    import gevent

    huey = make(kind, name, url, tmp_path)
    gate = Gate()
    began = []

    @huey.task(native_thread=True)
    def blocks():
        began.append(1)
        gate.wait()
        return "whole"

    consumer = huey.create_consumer(workers=2)
    consumer.start()
    result = blocks()
    eventually(lambda: began, "the task to begin")
    stopping = gevent.spawn(consumer.stop, graceful=True)
    eventually(lambda: not consumer.is_running, "the stop to begin")
    gate.open()
    stopping.get(timeout=20)
    assert result.get() == "whole"
    assert len(huey) == 0
    assert huey.storage.in_flight() == []


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_a_stop_without_grace_gives_it_back_and_says_that_it_goes_on(kind, name, url, tmp_path):
    huey = make(kind, name, url, tmp_path)
    gate = Gate()
    began, ended = [], []

    @huey.task(native_thread=True)
    def blocks():
        began.append(1)
        gate.wait()
        ended.append(1)
        return len(ended)

    threads = native_threads()
    consumer = huey.create_consumer(workers=2)
    with Records() as said:
        consumer.start()
        result = blocks()
        eventually(lambda: began, "the task to begin")
        consumer.stop()
    assert any(
        line.startswith("WARNING") and result.id in line and "goes on in its native thread" in line
        for line in said
    ), said
    assert [task.id for task in huey.pending()] == [result.id]
    assert ended == []
    gate.open()
    eventually(lambda: ended, "the thread to go on to its end")
    assert not result.is_ready(), "nobody takes the value of a task that was given back"
    if kind not in ("sqlite", "file"):
        eventually(lambda: native_threads() <= threads + 1, "the threads to end")
    again = huey.create_consumer(workers=2)
    again.start()
    assert result.get(blocking=True, timeout=20) == 2
    again.stop(graceful=True)
    assert began == [1, 1]


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_the_threads_end_with_the_consumer(kind, name, url, tmp_path):
    from huey_green.execution.executor import NATIVE_THREADS

    huey = make(kind, name, url, tmp_path)
    gates = [Gate() for _ in range(3)]
    began = []

    @huey.task(native_thread=True, context=True)
    def blocks(round_, task=None):
        began.append(round_)
        task.progress(1, 2)
        gates[round_].wait()
        return round_

    consumer = huey.create_consumer(workers=NATIVE_THREADS)
    before = None
    for round_, gate in enumerate(gates):
        consumer.start()
        results = blocks.map([round_] * NATIVE_THREADS)
        eventually(lambda n=round_: began.count(n) == NATIVE_THREADS, "all to begin")
        assert native_threads() > NATIVE_THREADS
        gate.open()
        assert results.get(blocking=True, timeout=20) == [round_] * NATIVE_THREADS
        consumer.stop(graceful=True)
        eventually(lambda: native_threads() < NATIVE_THREADS, "the threads to end")
        if before is not None:
            eventually(lambda n=before: native_threads() <= n, "no threads to be left over")
        before = native_threads()


@patched
def test_in_immediate_mode_the_event_loop_goes_on(name, url, tmp_path):
    import gevent

    from huey_green.native import thread_ident

    huey = make("memory", name, url, tmp_path, immediate=True)
    gate = Gate()
    ran_in = []

    @huey.task(native_thread=True)
    def blocks(value):
        ran_in.append(thread_ident())
        gate.wait()
        return value

    @huey.task(native_thread=True)
    def fails():
        raise ValueError("at once")

    # Nobody else could open it, if the call held the event loop up.
    gevent.spawn_later(0.01, gate.open)
    assert blocks("value").get() == "value"
    assert ran_in[0] != thread_ident()
    with Records():
        assert error_of(fails()) == "ValueError('at once')"
    assert blocks.call_local("here") == "here"
    assert ran_in[1] == thread_ident(), "the function itself is as it was"


@unpatched
def test_where_nothing_is_patched_it_is_called_as_any_other(name, url, tmp_path):
    import threading

    huey = make("list", name, url, tmp_path)
    barrier = threading.Barrier(5)

    @huey.task(native_thread=True, retries=1)
    def meet(number):
        barrier.wait(20)
        return number, threading.current_thread() is threading.main_thread()

    @huey.task(native_thread=True, timeout=0.01, context=True)
    def looks(task=None):
        while True:
            task.check_timeout()

    threads = native_threads()
    consumer = huey.create_consumer(workers=5)
    consumer.start()
    found = meet.map(range(5)).get(blocking=True, timeout=20)
    assert found == [(number, False) for number in range(5)]
    assert error_of(looks()) == "TaskTimeout('timeout 0.01s')"
    consumer.stop(graceful=True)
    huey.storage.close()
    eventually(lambda: native_threads() <= threads, "the threads to end")


@unpatched
def test_a_program_without_gevent_does_not_get_it(name, url, tmp_path):
    import sys
    import threading

    huey = make("memory", name, url, tmp_path, immediate=True)

    @huey.task(native_thread=True)
    def where():
        return threading.current_thread().name

    assert where().get() == threading.main_thread().name
    assert "gevent" not in sys.modules
