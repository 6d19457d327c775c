# SPDX-License-Identifier: MIT
"""The API with a real consumer, inside a process that gevent has not patched."""

import threading
from datetime import datetime, timedelta

import gevent
import pytest
from driving import PATIENCE

from huey_green import CancelExecution, RetryTask, TaskException
from huey_green import signals as s
from huey_green.testing.concurrency import Running, eventually


def value_of(result):
    return result(blocking=True, timeout=PATIENCE)


@pytest.fixture
def consumer(huey, start):
    return start(huey)


def test_results_come(consumer, add):
    assert value_of(add(1, 2)) == 3
    assert value_of(add("a", b="b")) == "ab"
    assert value_of(add.map([(i, i**2) for i in range(10)])) == [
        *(0, 2, 6, 12, 20, 30, 42, 56, 72, 90)
    ]


def test_many_tasks_all_run(consumer, add):
    group = add.map([(n, 1) for n in range(1200)])
    assert value_of(group) == [n + 1 for n in range(1200)]


def test_as_many_tasks_run_at_once_as_there_are_workers(huey, start):
    start(huey, workers=4)
    meeting = threading.Barrier(4)

    @huey.task()
    def meet():
        meeting.wait(PATIENCE)
        return threading.get_ident()

    group = meet.map([()] * 4)
    assert len(set(value_of(group))) == 4


def test_tasks_for_later_run(consumer, add):
    assert value_of(add.schedule((3, 4), delay=0.05)) == 7
    later = datetime.now() + timedelta(seconds=0.05)
    assert value_of(add.schedule((4, 5), eta=later)) == 9


def test_pipelines_and_error_tasks_run(huey, consumer, add):
    @huey.task()
    def fib(a, b=1):
        a, b = a + b, a
        return (a, b)

    @huey.task()
    def handle(error):
        return repr(error)

    assert value_of(huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4).then(add, 5))) == [
        *(3, 6, 10, 15)
    ]
    group = huey.enqueue(fib.s(1).then(fib).then(fib).then(fib))
    assert value_of(group) == [(2, 1), (3, 2), (5, 3), (8, 5)]
    failing = add.s(1, "2").error(handle)
    huey.enqueue(failing)
    assert "TypeError" in huey.result(failing.on_error.id, blocking=True, timeout=PATIENCE)


def test_failing_tasks_are_retried(huey, consumer):
    runs = []
    completed = threading.Event()

    @huey.task(retries=2, retry_delay=0.02)
    def flaky():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("failing!")
        if len(runs) == 2:
            raise RetryTask(delay=0.02)
        return "OK"

    @huey.signal(s.SIGNAL_COMPLETE)
    def complete(signal, task):
        completed.set()

    result = flaky()
    assert completed.wait(PATIENCE)
    assert value_of(result) == "OK"
    assert len(runs) == 3


def test_revoked_tasks_do_not_run(huey, consumer, add):
    add.revoke(revoke_once=True)
    revoked = threading.Event()
    huey.signal(s.SIGNAL_REVOKED)(lambda signal, task: revoked.set())
    result = add(1, 2)
    assert revoked.wait(PATIENCE)
    assert result() is None
    assert value_of(add(3, 4)) == 7
    first, second = [add.schedule((n, n), delay=0.1) for n in (1, 2)]
    first.revoke()
    assert value_of(second) == 4
    assert first() is None


def test_hooks_and_signals_are_called_in_order(huey, start):
    seen = []
    huey.on_startup("up")(lambda: seen.append("startup"))
    huey.on_shutdown("down")(lambda: seen.append("shutdown"))

    @huey.pre_execute()
    def before(task):
        seen.append("before")
        if task.args == (0,):
            raise CancelExecution

    huey.post_execute("after")(lambda task, value, error: seen.append(("after", value)))
    huey.signal(s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE, s.SIGNAL_CANCELED)(
        lambda signal, task: seen.append(signal)
    )

    @huey.task()
    def same(value):
        seen.append("task")
        return value

    consumer = start(huey, workers=1)
    assert seen == ["startup"]
    same(0)
    assert value_of(same(1)) == 1
    consumer.stop(graceful=True)
    assert seen == [
        *("startup", s.SIGNAL_EXECUTING, "before", s.SIGNAL_CANCELED),
        *(s.SIGNAL_EXECUTING, "before", "task", ("after", 1), s.SIGNAL_COMPLETE, "shutdown"),
    ]


def test_a_failing_startup_hook_stops_nothing(huey, start, add):
    @huey.on_startup()
    def fails():
        raise ValueError

    start(huey)
    assert value_of(add(1, 2)) == 3


@pytest.mark.parametrize(
    "error",
    [
        *(SystemExit, KeyboardInterrupt, GeneratorExit, BaseException),
        *(gevent.Timeout, gevent.GreenletExit, StopIteration, RecursionError),
    ],
)
def test_whatever_a_task_raises_the_consumer_goes_on(huey, consumer, add, error):
    @huey.task()
    def fails():
        raise error

    results = [fails() for _ in range(16)]
    for result in results:
        with pytest.raises(TaskException, match=error.__name__):
            value_of(result)
    assert value_of(add(1, 2)) == 3
    assert consumer.is_running


@pytest.mark.parametrize("error", [SystemExit, gevent.Timeout, ValueError])
def test_whatever_a_hook_or_receiver_raises_the_consumer_goes_on(huey, consumer, add, error):
    def fails(*args):
        raise error

    huey.pre_execute("hook")(fails)
    huey.post_execute("hook")(fails)
    huey.signal()(fails)
    assert value_of(add.map([(n, n) for n in range(16)])) == [2 * n for n in range(16)]
    eventually(lambda: not huey.storage.in_flight())


def test_bad_messages_are_dead_letters_and_the_rest_goes_on(huey, consumer, add):
    @huey.task()
    def forgotten():
        pass

    forgotten.unregister()
    huey.registry.register(forgotten.task_class)
    for _ in range(8):
        huey.storage.enqueue(b"garbage")
    forgotten.unregister()
    assert value_of(add(1, 2)) == 3
    eventually(lambda: len(huey.dead_letters()) == 8)
    eventually(lambda: not huey.storage.in_flight())


def test_what_cannot_be_serialized_is_a_failure(huey, consumer, add):
    @huey.task()
    def function():
        return lambda: None

    with pytest.raises(TaskException, match="serialized"):
        value_of(function())
    with pytest.raises(TaskException, match="TypeError"):
        value_of(add(1))
    assert value_of(add(1, 2)) == 3


def test_a_waiting_caller_may_be_a_task_itself(huey, consumer, add):
    @huey.task()
    def parent():
        return add(1, 2)(blocking=True, timeout=PATIENCE)

    assert value_of(parent()) == 3


def test_a_lock_keeps_a_second_run_out(huey, consumer):
    inside, leave = threading.Event(), threading.Event()

    @huey.task()
    @huey.lock_task("lock")
    def locked():
        inside.set()
        assert leave.wait(PATIENCE)
        return "ran"

    first = locked()
    assert inside.wait(PATIENCE)
    with pytest.raises(TaskException, match="TaskLockedException"):
        value_of(locked())
    leave.set()
    assert value_of(first) == "ran"
    assert not huey.is_locked("lock")


def test_a_consumer_frees_locks_that_were_left_behind(huey, start):
    huey.lock_task("known").acquire()
    huey.put_if_empty(f"{huey.name}.lock.unknown", 1)
    start(huey, flush_locks=True, extra_locks=["unknown"])
    assert not huey.is_locked("known")
    assert not huey.is_locked("unknown")


def test_a_consumer_is_stopped_and_started_again(huey, start, add):
    consumer = start(huey)
    for n in range(3):
        assert value_of(add(n, 1)) == n + 1
        consumer.stop(graceful=True)
        assert not consumer.is_running
        consumer.stop()
        waiting = add(n, 2)
        assert len(huey) == 1
        consumer.start()
        consumer.start()
        assert value_of(waiting) == n + 2


def test_a_graceful_stop_waits_for_what_runs(huey, start):
    begun, go_on = threading.Event(), threading.Event()

    @huey.task()
    def slow():
        begun.set()
        assert go_on.wait(PATIENCE)
        return "done"

    consumer = start(huey, shutdown_timeout=None)
    result = slow()
    assert begun.wait(PATIENCE)
    stopping = Running(lambda: consumer.stop(graceful=True))
    go_on.set()
    stopping.result()
    assert result() == "done"
    assert len(huey) == 0


def test_two_consumers_share_a_queue(huey, start):
    start(huey, workers=1)
    start(huey, workers=1)
    meeting = threading.Barrier(2)

    @huey.task()
    def meet():
        meeting.wait(PATIENCE)
        return "met"

    assert value_of(meet.map([(), ()])) == ["met", "met"]


def test_at_most_once_runs_tasks_as_ever(make_huey, start):
    huey = make_huey(at_most_once=True)

    @huey.task()
    def in_flight():
        return len(huey.storage.in_flight())

    @huey.task(at_most_once=False, retries=1)
    def fails():
        raise ValueError("failing!")

    start(huey)
    assert value_of(in_flight()) == 0
    with pytest.raises(TaskException, match="failing!"):
        value_of(fails())


def test_a_task_may_be_at_most_once_by_itself(huey, consumer):
    held = []

    @huey.task(at_most_once=True)
    def once():
        held.append([one.body for one in huey.storage.in_flight()])

    @huey.task()
    def again():
        held.append([one.body for one in huey.storage.in_flight()])

    @huey.task()
    def last():
        return 1

    once()
    eventually(lambda: len(held) == 1)
    again()
    eventually(lambda: len(held) == 2)
    assert value_of(last()) == 1
    assert [len(bodies) for bodies in held] == [0, 1]


def test_a_task_may_be_at_least_once_in_a_huey_that_is_not(make_huey, start):
    huey = make_huey(at_most_once=True)

    @huey.task(at_most_once=False)
    def precious():
        return len(huey.storage.in_flight())

    start(huey)
    assert value_of(precious()) == 1


def test_a_task_at_most_once_is_not_lost_by_a_result_or_retry(huey, consumer):
    runs = []

    @huey.task(at_most_once=True, retries=1)
    def flaky():
        runs.append(1)
        if len(runs) == 1:
            raise RetryTask
        return "OK"

    assert value_of(flaky()) == "OK"


def test_a_huey_without_results_runs_its_tasks(make_huey, start):
    huey = make_huey(results=False)
    ran = threading.Event()

    @huey.task()
    def one():
        ran.set()
        return 1

    start(huey)
    assert one() is None
    assert ran.wait(PATIENCE)
    eventually(lambda: not huey.storage.in_flight())
    assert huey.all_results() == {}
