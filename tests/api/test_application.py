# SPDX-License-Identifier: MIT
"""An application and its tests, written as people write them: they drive the tasks by hand.

With ``huey`` in the place of ``huey_green`` in its imports this module passes too, on a MemoryHuey.
"""

import contextlib
import datetime
import threading

import pytest

from huey_green import CancelExecution, RetryTask, chord, crontab, group
from huey_green.api import Huey, MemoryHuey, PeriodicTask, Result, Task
from huey_green.consumer import Consumer
from huey_green.exceptions import HueyException, TaskException, TaskLockedException
from huey_green.signals import (
    SIGNAL_CANCELED,
    SIGNAL_COMPLETE,
    SIGNAL_ENQUEUED,
    SIGNAL_ERROR,
    SIGNAL_EXECUTING,
    SIGNAL_EXPIRED,
    SIGNAL_LOCKED,
    SIGNAL_RETRYING,
    SIGNAL_REVOKED,
    SIGNAL_SCHEDULED,
)

# The application: orders are taken, paid, and shipped.


class Shop:
    """What the tasks of the shop do, on a queue that a test gives it."""

    def __init__(self, huey):
        self.huey = huey
        self.state = {}
        self.mails = []
        self.gateway_fails = 0

        @huey.task()
        def price(*items):
            return sum(items)

        @huey.task(retries=2, retry_delay=30)
        def pay(order, amount):
            if self.gateway_fails:
                self.gateway_fails -= 1
                raise ConnectionError("gateway")
            self.state[order] = "paid"
            return (order, amount)

        @huey.task()
        def ship(order, amount):
            self.state[order] = "shipped"
            return f"{order} shipped for {amount}"

        @huey.task(priority=10, context=True)
        def mail(to, task=None):
            self.mails.append((to, task.id))

        @huey.task()
        def apologize(order, error):
            self.mails.append((order, type(error).__name__))

        @huey.task()
        @huey.lock_task("stock-taking")
        def take_stock():
            return len(self.state)

        @huey.periodic_task(crontab(minute="0", hour="*/6"))
        def report():
            self.mails.append("report")
            return "reported"

        @huey.periodic_task(crontab(minute="*/5"))
        def poll():
            """Look for orders."""

        @huey.task()
        def poll_carrier(times):
            self.state["polled"] = self.state.get("polled", 0) + 1
            if self.state["polled"] < times:
                raise RetryTask("not yet", delay=60)
            return "delivered"

        @huey.task()
        def total(amounts):
            return sum(amounts)

        self.__dict__.update(
            {name: value for name, value in locals().items() if name not in ("self", "huey")}
        )


@pytest.fixture
def huey(make_huey):
    return make_huey()


@pytest.fixture
def takes_out(huey):
    """Reading a result takes it out of the storage; where results expire it stays."""
    if "Expire" in type(huey).__name__:
        pytest.skip("results stay until they expire")


@pytest.fixture
def shop(huey):
    return Shop(huey)


@pytest.fixture
def sent(huey):
    found = []

    @huey.signal()
    def note(signal, task, *args):
        found.append(signal)

    return found


def execute_next(huey):
    """What test suites of applications call this."""
    task = huey.dequeue()
    assert task is not None
    return huey.execute(task)


def utcnow():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


# A task.


@pytest.mark.usefixtures("takes_out")
def test_price(huey, shop):
    result = shop.price(1, 2, 3)
    assert isinstance(result, Result)
    assert len(huey) == huey.pending_count() == 1
    assert result.get() is None
    task = huey.dequeue()
    assert isinstance(task, Task)
    assert isinstance(task, shop.price.task_class)
    assert (task.id, task.args, task.kwargs, task.retries) == (result.id, (1, 2, 3), {}, 0)
    assert task.eta is None
    assert len(huey) == 0
    assert huey.dequeue() is None
    assert huey.execute(task) == 6
    assert huey.result_count() == 1
    assert result.get() == 6
    assert huey.result_count() == 0
    assert result.get() == 6
    result.reset()
    assert result.get() is None


def test_the_function_itself(huey, shop):
    assert shop.price.call_local(1, 2) == 3
    assert shop.price.s(1, 2).execute() == 3
    assert huey.execute(shop.price.s(3, 4)) == 7
    assert len(huey) == 0


def test_results_in_the_raw(huey, shop):
    result = shop.price(1)
    assert result.get_raw_result() is None
    execute_next(huey)
    assert result.get_raw_result(preserve=True) == 1
    assert result.get_raw_result() == 1
    result = shop.price(None)
    assert execute_next(huey) is None
    raw = result.get_raw_result()
    assert raw.metadata["error"].startswith("TypeError")
    assert raw.metadata["task_id"] == result.id
    assert raw.metadata["retries"] == 0
    assert "Traceback" in raw.metadata["traceback"]
    with pytest.raises(TaskException) as caught:
        result.get()
    assert caught.value.metadata == raw.metadata


@pytest.mark.usefixtures("takes_out")
def test_results_by_id(huey, shop):
    result = shop.price(5)
    execute_next(huey)
    assert huey.result(result.id, preserve=True) == 5
    assert huey.result(result.id) == 5
    assert huey.result(result.id) is None


def test_waiting_for_what_does_not_come(shop):
    with pytest.raises(HueyException):
        shop.price(1).get(blocking=True, timeout=0.01)


def test_keyword_arguments_and_defaults(huey, shop):
    task = shop.mail.s("me", priority=3)
    assert (task.args, task.kwargs, task.priority) == (("me",), {}, 3)
    assert shop.mail.s("me").priority == 10
    huey.enqueue(task)
    execute_next(huey)
    assert shop.mails == [("me", task.id)]


def test_many_calls(huey, shop):
    results = shop.price.map([(1, 2), (3,), (4, 5, 6)])
    assert len(huey) == 3
    assert [execute_next(huey) for _ in range(3)] == [3, 3, 15]
    assert results.get() == [3, 3, 15]
    assert results.get(blocking=True) == [3, 3, 15]


def test_signals_in_order(huey, shop, sent):
    shop.price(1)
    execute_next(huey)
    assert sent == [SIGNAL_ENQUEUED, SIGNAL_EXECUTING, SIGNAL_COMPLETE]


# Retries.


def test_payment_is_tried_again_later(huey, shop, sent):
    shop.gateway_fails = 1
    result = shop.pay("o1", 10)
    assert execute_next(huey) is None
    assert (len(huey), huey.scheduled_count()) == (0, 1)
    with pytest.raises(TaskException, match="gateway"):
        result.get()
    [task] = huey.scheduled()
    assert (task.id, task.retries, task.retry_delay) == (result.id, 1, 30)
    assert utcnow() < task.eta < utcnow() + datetime.timedelta(seconds=31)
    assert huey.read_schedule(task.eta - datetime.timedelta(seconds=1)) == []
    [task] = huey.read_schedule(task.eta)
    assert huey.scheduled_count() == 0
    assert not huey.ready_to_run(task)
    assert huey.ready_to_run(task, task.eta)
    assert huey.execute(task, task.eta) == ("o1", 10)
    result.reset()
    assert tuple(result.get()) == ("o1", 10)
    assert sent == [
        *(SIGNAL_ENQUEUED, SIGNAL_EXECUTING, SIGNAL_ERROR, SIGNAL_RETRYING, SIGNAL_SCHEDULED),
        *(SIGNAL_EXECUTING, SIGNAL_COMPLETE),
    ]


def test_payment_is_given_up(huey, shop):
    shop.gateway_fails = 3
    result = huey.enqueue(shop.pay.s("o1", 10, retry_delay=0))
    for left in (2, 1, 0):
        [task] = huey.pending()
        assert task.retries == left
        assert execute_next(huey) is None
    assert (len(huey), huey.scheduled_count()) == (0, 0)
    with pytest.raises(TaskException):
        result.get()


def test_asking_for_another_run(huey, shop):
    result = shop.poll_carrier(2)
    assert execute_next(huey) is None
    [task] = huey.read_schedule(utcnow() + datetime.timedelta(seconds=61))
    assert huey.execute(task, task.eta) == "delivered"
    assert result.get() == "delivered"


# Pipelines, groups, chords.


def test_a_pipeline(huey, shop):
    results = huey.enqueue(shop.price.s(1, 2).then(shop.price, 10).then(shop.price))
    assert len(huey) == 1
    assert [execute_next(huey) for _ in range(3)] == [3, 13, 13]
    assert results.get() == [3, 13, 13]


def test_a_tuple_becomes_arguments(huey, shop):
    results = huey.enqueue(shop.pay.s("o1", 10).then(shop.ship))
    execute_next(huey)
    assert execute_next(huey) == "o1 shipped for 10"
    assert shop.state == {"o1": "shipped"}
    assert results[1] == "o1 shipped for 10"


def test_an_error_task(huey, shop):
    shop.gateway_fails = 1
    huey.enqueue(shop.pay.s("o1", 10, retries=0).error(shop.apologize, "o1"))
    execute_next(huey)
    execute_next(huey)
    assert shop.mails == [("o1", "ConnectionError")]
    assert len(huey) == 0


def test_a_group(huey, shop):
    results = huey.enqueue(group([shop.price.s(1, 2), shop.price.s(3, 4)]))
    assert len(huey) == len(results) == 2
    execute_next(huey)
    execute_next(huey)
    assert results.get() == [3, 7]


def test_a_chord(huey, shop):
    result = huey.enqueue(chord([shop.price.s(n, n) for n in range(3)], shop.total.s()))
    for _ in range(3):
        assert not result.callback.is_ready()
        execute_next(huey)
    assert execute_next(huey) == 6
    assert result.get() == 6
    assert result.results.get() == [0, 2, 4]


# The schedule.


def test_a_task_for_later(huey, shop, sent):
    result = shop.price.schedule((1, 2), delay=60)
    task = huey.dequeue()
    assert task.eta is not None
    assert not huey.ready_to_run(task)
    assert huey.execute(task) is None
    assert (len(huey), huey.scheduled_count()) == (0, 1)
    assert huey.scheduled() == [task]
    assert huey.read_schedule() == []
    assert huey.read_schedule(task.eta) == [task]
    assert huey.execute(task, task.eta) == 3
    assert result.get() == 3
    assert sent == [SIGNAL_ENQUEUED, SIGNAL_SCHEDULED, SIGNAL_EXECUTING, SIGNAL_COMPLETE]


def test_the_schedule_is_in_order(huey, shop):
    for number in (3, 1, 2):
        shop.price.schedule((number,), delay=number * 100)
    for _ in range(3):
        huey.add_schedule(huey.dequeue())
    assert [task.args for task in huey.scheduled()] == [(1,), (2,), (3,)]
    then = utcnow() + datetime.timedelta(seconds=250)
    assert [task.args for task in huey.read_schedule(then)] == [(1,), (2,)]
    assert huey.scheduled_count() == 1


@pytest.mark.parametrize("aware", [False, True])
def test_a_moment(huey, shop, aware):
    zone = datetime.timezone(datetime.timedelta(hours=3)) if aware else None
    eta = datetime.datetime.now(zone) + datetime.timedelta(hours=1)
    shop.price.schedule((1,), eta=eta)
    task = huey.dequeue()
    assert abs(task.eta - utcnow() - datetime.timedelta(hours=1)) < datetime.timedelta(seconds=5)
    assert task.eta.tzinfo is None


def test_neither_moment_nor_delay(shop):
    with pytest.raises(ValueError, match="eta"):
        shop.price.schedule((1,))


def test_an_expired_task(huey, shop, sent):
    result = huey.enqueue(shop.price.s(1, expires=60))
    task = huey.dequeue()
    assert huey.execute(task, utcnow() + datetime.timedelta(seconds=61)) is None
    assert result.get() is None
    assert sent == [SIGNAL_ENQUEUED, SIGNAL_EXPIRED]


def test_rescheduling(huey, shop):
    result = shop.price(1, 2)
    later = result.reschedule(delay=60)
    assert later.id != result.id
    assert execute_next(huey) is None
    assert result.get() is None
    task = huey.dequeue()
    assert huey.execute(task, task.eta) == 3
    assert later.get() == 3


# Periodic tasks.


def test_what_runs_when(huey, shop):
    def names(hour, minute):
        moment = datetime.datetime(2024, 5, 6, hour, minute)
        return sorted(task.name for task in huey.read_periodic(moment))

    assert names(12, 0) == ["poll", "report"]
    assert names(13, 0) == ["poll"]
    assert names(12, 5) == ["poll"]
    assert names(12, 1) == []
    [report] = [
        task
        for task in huey.read_periodic(datetime.datetime(2024, 5, 6, 12, 0))
        if task.name == "report"
    ]
    assert isinstance(report, PeriodicTask)
    assert huey.ready_to_run(report)
    assert huey.execute(report) == "reported"
    assert shop.mails == ["report"]
    assert huey.result_count() == 0


def test_a_revoked_periodic_task_is_skipped_once(huey, shop):
    shop.report.revoke(revoke_once=True)
    assert huey.execute(shop.report.task_class()) is None
    assert huey.execute(shop.report.task_class()) == "reported"


# Revoking.


def test_one_call_is_revoked(huey, shop, sent):
    first, second = shop.price(1), shop.price(2)
    first.revoke()
    assert first.is_revoked()
    assert not second.is_revoked()
    assert execute_next(huey) is None
    assert execute_next(huey) == 2
    assert first.get() is None
    assert sent.count(SIGNAL_REVOKED) == 1


def test_a_revoked_call_is_restored(huey, shop):
    result = shop.price(1)
    result.revoke()
    assert result.restore()
    assert not result.restore()
    assert execute_next(huey) == 1


def test_all_calls_are_revoked_until_a_moment(huey, shop):
    until = datetime.datetime.now() + datetime.timedelta(hours=1)
    shop.price.revoke(revoke_until=until)
    assert shop.price.is_revoked()
    assert not shop.price.is_revoked(until + datetime.timedelta(seconds=1))
    shop.price(1)
    task = huey.dequeue()
    assert huey.execute(task) is None
    assert huey.execute(task, utcnow() + datetime.timedelta(hours=2)) == 1
    shop.price.restore()
    assert huey.execute(task) == 1


def test_revoked_by_id(huey, shop):
    result = shop.price(1)
    huey.revoke_by_id(result.id)
    assert execute_next(huey) is None
    huey.restore_by_id(result.id)


# Locks, hooks, values.


def test_a_lock(huey, shop, sent):
    result = shop.take_stock()
    with huey.lock_task("stock-taking"):
        assert huey.is_locked("stock-taking")
        assert execute_next(huey) is None
        with pytest.raises(TaskLockedException), huey.lock_task("stock-taking"):
            raise AssertionError
    assert not huey.is_locked("stock-taking")
    assert sent == [SIGNAL_ENQUEUED, SIGNAL_EXECUTING, SIGNAL_LOCKED]
    with pytest.raises(TaskException, match="TaskLockedException"):
        result.get()
    assert huey.execute(shop.take_stock.s()) == 0


def test_a_hook_that_cancels(huey, shop, sent):
    seen = []

    @huey.pre_execute()
    def no_orders_above_100(task):
        if task.args[1] > 100:
            raise CancelExecution

    @huey.post_execute()
    def note(task, value, error):
        seen.append((task.args[0], error))

    shop.pay("small", 10)
    shop.pay("large", 1000)
    assert tuple(execute_next(huey)) == ("small", 10)
    assert execute_next(huey) is None
    assert shop.state == {"small": "paid"}
    assert seen[0] == ("small", None)
    assert sent[-1] == SIGNAL_CANCELED
    assert huey.unregister_pre_execute("no_orders_above_100")
    assert huey.unregister_post_execute(note)


@pytest.mark.usefixtures("takes_out")
def test_values_beside_the_results(huey):
    huey.put("key", {"a": 1})
    assert huey.get("key", peek=True) == {"a": 1}
    assert huey.get("key") == {"a": 1}
    assert huey.get("key") is None
    assert huey.put_if_empty("key", 1)
    assert not huey.put_if_empty("key", 2)
    assert huey.delete("key")


def test_flushing(huey, shop):
    shop.price(1)
    huey.add_schedule(shop.price.s(2, delay=60))
    huey.put("key", 1)
    assert (len(huey), huey.scheduled_count(), huey.result_count()) == (1, 1, 1)
    huey.flush()
    assert (len(huey), huey.scheduled_count(), huey.result_count()) == (0, 0, 0)


def test_priorities(huey, shop):
    assert isinstance(huey.storage.priority, bool)
    if not huey.storage.priority:
        pytest.skip("a queue without priorities")
    shop.price(1)
    shop.mail("me")
    huey.enqueue(shop.price.s(2, priority=20))
    order = [huey.dequeue() for _ in range(3)]
    assert [(task.name, task.priority) for task in order] == [
        ("price", 20),
        ("mail", 10),
        ("price", None),
    ]


# Immediate mode.


def test_immediate(huey, shop):
    huey.immediate = True
    result = shop.price(1, 2)
    assert result.get() == 3
    results = huey.enqueue(shop.pay.s("o1", 10).then(shop.ship))
    assert results.get()[1] == "o1 shipped for 10"
    shop.price.schedule((1,), delay=60)
    assert huey.scheduled_count() == 1
    result = shop.price("x")
    with pytest.raises(TaskException, match="TypeError"):
        result.get()
    huey.immediate = False
    assert len(huey) == huey.scheduled_count() == 0


# With a consumer.


@contextlib.contextmanager
def running(huey):
    """A consumer as test suites have it: few workers, short waits."""
    consumer = Consumer(
        huey, workers=2, initial_delay=0.001, max_delay=0.001, check_worker_health=False
    )
    consumer.start()
    try:
        yield consumer
    finally:
        consumer.stop(graceful=True)


def test_a_consumer_works(huey, shop):
    with running(huey):
        assert shop.price(1, 2).get(blocking=True, timeout=10) == 3
        results = shop.price.map([(n, n) for n in range(20)])
        assert results.get(blocking=True, timeout=10) == [n + n for n in range(20)]
        results = huey.enqueue(shop.pay.s("o1", 10).then(shop.ship))
        assert results[1] == "o1 shipped for 10"
        result = shop.price(None)
        with pytest.raises(TaskException):
            result.get(blocking=True, timeout=10)
    result = shop.price(3)
    assert result.get() is None
    with running(huey):
        assert result.get(blocking=True, timeout=10) == 3
    assert len(huey) == 0


def test_a_consumer_finishes_what_it_has_begun(huey):
    entered, leave = threading.Event(), threading.Event()

    @huey.task()
    def slow():
        entered.set()
        leave.wait(10)
        return "done"

    with running(huey):
        result = slow()
        assert entered.wait(10)
        leave.set()
    assert result.get() == "done"


def test_a_consumer_runs_tasks_for_later(huey, shop):
    with running(huey):
        assert shop.price.schedule((1, 2), delay=0.05).get(blocking=True, timeout=10) == 3


def test_a_huey_of_the_application_can_be_made_for_a_test():
    huey = MemoryHuey("unit-tests", results=False, utc=False)
    assert isinstance(huey, Huey)
    shop = Shop(huey)
    assert shop.price(1) is None
    assert execute_next(huey) == 1
    assert huey.result_count() == 0
