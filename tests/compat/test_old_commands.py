# SPDX-License-Identifier: MIT
"""huey 0.3: its decorators, the Invoker, AsyncData. (002.)"""

from __future__ import annotations

import datetime
import re

import pytest
from old import (
    AsyncData,
    DataStoreTimeout,
    DictStore,
    Invoker,
    ListQueue,
    RedisBlockingQueue,
    RedisDataStore,
    RedisQueue,
    crontab,
    periodic_command,
    queue_command,
    work_off,
)

from huey_green.exceptions import ConfigurationError, TaskException


def declared(invoker):
    @queue_command(invoker)
    def count_some_beans(num):
        return f"Counted {num} beans"

    return count_some_beans


def test_a_command_without_a_result_store_returns_none():
    """002: queue_command, "Without a result store"."""
    invoker = Invoker(ListQueue())
    res = declared(invoker)(1000000)
    assert res is None
    assert work_off(invoker) == 1


def test_a_command_with_a_result_store_returns_async_data(invoker):
    """002: queue_command, "With a result store"."""
    res = declared(invoker)(1000000)
    assert isinstance(res, AsyncData)
    assert re.match(r"<huey_green\..*\.AsyncData object at 0x[0-9a-f]+>", repr(res))
    assert work_off(invoker) == 1
    assert res.get() == "Counted 1000000 beans"


def test_an_invoker_that_is_always_eager_runs_a_command_where_it_is_called():
    """002: queue_command, the note on ``always_eager``."""
    invoker = Invoker(ListQueue(), result_store=DictStore(), always_eager=True)
    assert declared(invoker)(3).get() == "Counted 3 beans"


def test_a_command_is_scheduled_for_a_local_time(invoker):
    """002: {decorated func}.schedule"""
    in_an_hour = datetime.datetime.now() + datetime.timedelta(seconds=3600)
    res = declared(invoker).schedule(args=(100000,), eta=in_an_hour)
    task = invoker.dequeue()
    assert abs(in_an_hour.timestamp() - _epoch(task.eta)) < 0.001
    invoker.execute(task)
    assert res.get() is None, "it waits"


def test_with_convert_utc_false_the_time_is_the_consumers(invoker):
    """002: {decorated func}.schedule, ``convert_utc``"""
    moment = datetime.datetime(2040, 1, 2, 3, 4)
    with pytest.warns(DeprecationWarning, match="has a time zone") as told:
        declared(invoker).schedule((1,), None, moment, False)
    assert told[0].filename == __file__
    assert invoker.dequeue().eta == moment
    local = Invoker(ListQueue(), utc=False)
    count_some_beans = declared(local)
    with pytest.warns(DeprecationWarning, match="convert_utc"):
        count_some_beans.schedule((1,), eta=moment, convert_utc=False)
    assert local.dequeue().eta == moment


def test_a_scheduled_command_runs_when_its_time_has_come(invoker):
    """002: {decorated func}.schedule"""
    soon = datetime.datetime.now() + datetime.timedelta(seconds=3600)
    res = declared(invoker).schedule(args=(7,), kwargs=None, eta=soon)
    assert work_off(invoker) == 1
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
    [task] = invoker.read_schedule(later.replace(tzinfo=None))
    invoker.execute(task, later.replace(tzinfo=None))
    assert res.get() == "Counted 7 beans"


def test_a_periodic_command_that_is_called_runs_at_once(invoker):
    """002: periodic_command, "will execute normally"."""
    printed = []

    @periodic_command(invoker, crontab(minute="*/5"))
    def every_five_minutes():
        printed.append("It's been five minutes")

    assert every_five_minutes() is None
    assert printed == ["It's been five minutes"]
    assert work_off(invoker) == 0


def test_the_consumer_finds_a_periodic_command_by_its_minute(invoker):
    """002: periodic_command, ``validate_datetime``"""

    @periodic_command(invoker, crontab(minute="*/5"))
    def every_five_minutes():
        return None

    due = invoker.read_periodic(datetime.datetime(2026, 1, 1, 12, 5))
    assert [type(task) for task in due] == [every_five_minutes.task_class]
    assert invoker.read_periodic(datetime.datetime(2026, 1, 1, 12, 6)) == []


@pytest.mark.parametrize(
    ("given", "hours"),
    [
        ("*", list(range(24))),
        ("*/4", [0, 4, 8, 12, 16, 20]),
        ("3-5", [3, 4, 5]),
        ("7,9", [7, 9]),
    ],
)
def test_a_crontab_says_when(given, hours):
    """002: crontab, "Acceptable inputs"; 003: 1.8.1 crontab"""
    test = crontab(month="*", day="*", day_of_week="*", hour=given, minute="0")
    found = [hour for hour in range(24) if test(datetime.datetime(2026, 3, 4, hour, 0))]
    assert found == hours


def test_an_invoker_over_queue_and_store_of_redis(server, client):
    """002: Invoker, the example"""
    queue = RedisBlockingQueue("test-queue", **server)
    result_store = RedisDataStore("results", **server)
    invoker = Invoker(queue, result_store=result_store)
    count_some_beans = declared(invoker)
    res = count_some_beans(100)
    assert client.llen("huey.redis.testqueue") == len(queue) == 1
    work_off(invoker)
    assert list(client.hkeys("huey.results.results")) == [res.id.encode()]
    assert AsyncData(RedisDataStore("results", **server), res.id).get() == "Counted 100 beans"
    invoker.flush()


def test_the_handle_of_a_result_that_is_not_there_yet(invoker):
    """002: AsyncData, "What happens when data isn't available yet?\""""
    res = declared(invoker)(10000000)
    assert res.get() is None
    assert res.get() is None
    with pytest.raises(DataStoreTimeout):
        res.get(blocking=True, timeout=0.05, backoff=1.15, max_delay=1.0)
    work_off(invoker)
    assert res.get(blocking=True) == "Counted 10000000 beans"


def test_a_handle_is_made_of_a_result_store_and_an_id():
    """002: AsyncData(result_store, task_id)"""
    store = DictStore()
    invoker = Invoker(ListQueue(), store)
    res = declared(invoker)(1)
    work_off(invoker)
    assert AsyncData(store, res.id).get() == "Counted 1 beans"
    assert AsyncData(store, res.id).get() is None, "reading has taken it out"


def test_the_handle_of_a_command_that_failed_says_so(invoker):
    """002: AsyncData; what huey 0.3 said nothing of"""

    @queue_command(invoker)
    def fails():
        raise ValueError("no beans")

    res = fails()
    work_off(invoker)
    with pytest.raises(TaskException, match="no beans"):
        res.get()


def test_none_is_stored_when_asked_for():
    """002: Invoker, ``store_none``"""
    stores = []
    for store_none in (False, True):
        store = DictStore()
        invoker = Invoker(ListQueue(), store, None, store_none)
        queue_command(invoker)(lambda_returning_none)()
        work_off(invoker)
        stores.append(store.values)
    assert [len(values) for values in stores] == [0, 1]


def lambda_returning_none():
    return None


def test_invokers_of_one_queue_know_each_others_commands(server, name):
    """002: Invoker, "Applications will have at least one Invoker instance"."""
    first, second = (Invoker(RedisQueue(name, **server)) for _ in range(2))
    declared(first)(1)
    assert work_off(second) == 1
    assert Invoker(RedisQueue(f"{name}x", **server)).registry.tasks == {}


def test_a_queue_that_is_polled_and_one_that_waits(server, name):
    """002: RedisQueue, RedisBlockingQueue; BaseQueue.blocking"""
    polling, waiting = RedisQueue(name, **server), RedisBlockingQueue(name, 0.05, **server)
    assert (polling.blocking, waiting.blocking) == (False, True)
    for queue in (polling, waiting):
        assert queue.read() is None, "an empty queue does not raise"
        queue.write(b"first")
        queue.write(b"second")
        queue.write(b"first")
        assert len(queue) == 3
        assert queue.remove(b"first") == 2
        assert queue.read() == b"second"
        queue.write(b"third")
        queue.flush()
        assert len(queue) == 0


def test_a_decorator_without_an_invoker_says_what_is_missing():
    """002: queue_command(invoker)"""
    with pytest.raises(ConfigurationError, match=r"write @queue_command\(invoker\)"):
        queue_command(lambda: None)
    with pytest.raises(ConfigurationError, match="queue is an object with write"):
        Invoker("test-queue")
    with pytest.raises(ConfigurationError, match="result_store is an object with put"):
        Invoker(ListQueue(), ListQueue())


def _epoch(eta):
    return eta.replace(tzinfo=datetime.timezone.utc).timestamp()
