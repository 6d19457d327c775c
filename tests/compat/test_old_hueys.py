# SPDX-License-Identifier: MIT
"""huey 0.4: the Huey of a queue, a result store and a schedule; its tasks. (003.)"""

from __future__ import annotations

import datetime
import re

import pytest
from old import (
    AsyncData,
    DataStoreTimeout,
    DictStore,
    Huey,
    ListQueue,
    QueueException,
    RedisBlockingQueue,
    RedisDataStore,
    RedisHuey,
    RedisSchedule,
    crontab,
    work_off,
)

from huey_green.exceptions import ConfigurationError, UnreadableMessage

UTC = datetime.timezone.utc


@pytest.fixture
def count_some_beans(huey):
    @huey.task()
    def count_some_beans(num):
        return f"Counted {num} beans"

    return count_some_beans


def test_a_task_returns_async_data(huey, count_some_beans):
    """003: 1.8.1 task, "With a result store"; 1.3.1 Getting results from jobs"""
    res = count_some_beans(1000000)
    assert re.match(r"<huey_green\..*\.AsyncData object at 0x[0-9a-f]+>", repr(res))
    assert work_off(huey) == 1
    assert res.get() == "Counted 1000000 beans"


def test_a_task_returns_none_without_a_result_store():
    """003: 1.8.1 task, "Without a result store"; 1.6 "Tasks not returning results\""""
    huey = Huey(ListQueue())

    @huey.task()
    def count_some_beans(num):
        return f"Counted {num} beans"

    assert count_some_beans(1000000) is None
    assert work_off(huey) == 1


def test_redis_huey_is_the_same_as_its_parts(server, name, client):
    """003: 1.8.1 Huey, "THIS IS EQUIVALENT TO ABOVE CODE"; 1.3.1 "We can actually shorten this\""""
    huey = RedisHuey(name, **server)
    same = Huey(
        RedisBlockingQueue(name, **server),
        RedisDataStore(name, **server),
        RedisSchedule(name, **server),
    )

    for one in (huey, same):

        @one.task()
        def slow_function(some_arg):
            return some_arg

    res = slow_function("x")
    assert client.exists(f"huey.redis.{name}")
    assert work_off(huey) == 1
    assert res.get() == "x"
    later = slow_function.schedule(args=("y",), delay=3600)
    assert work_off(huey) == 1
    assert client.zcard(f"huey.schedule.{name}") == 1
    later.revoke()
    assert huey.is_revoked(later.task)
    huey.flush()


def test_redis_huey_has_a_name_of_its_own():
    """003: 1.8.1 task, ``huey = RedisHuey()``"""
    assert RedisHuey().name == "huey"


def test_an_eager_huey_runs_a_task_where_it_is_called(server):
    """003: 1.8.1 Huey, ``always_eager``"""
    huey = RedisHuey("my-app", always_eager=True, **server)
    assert huey.always_eager

    @huey.task()
    def count_some_beans(num):
        return f"Counted {num} beans"

    assert count_some_beans(2).get() == "Counted 2 beans"
    with pytest.warns(DeprecationWarning, match=r"huey\.immediate = ") as told:
        huey.always_eager = False
    assert told[0].filename == __file__
    assert not huey.immediate


def test_store_none_stores_none():
    """003: 1.8.1 Huey, ``store_none``"""
    for store_none in (False, True):
        store = DictStore()
        huey = Huey(ListQueue(), store, store_none=store_none)
        huey.task()(returns_none)()
        work_off(huey)
        assert len(store.values) == store_none


def returns_none():
    return None


# Later, and by the clock.


@pytest.mark.parametrize("how", ["delay", "eta"])
def test_a_task_is_scheduled(huey, count_some_beans, how):
    """003: 1.3.1 Executing tasks in the future; 1.8.1 {decorated func}.schedule"""
    in_an_hour = datetime.datetime.now() + datetime.timedelta(seconds=3600)
    when = {"delay": 60 * 60} if how == "delay" else {"eta": in_an_hour}
    res = count_some_beans.schedule(args=(100000,), **when)
    work_off(huey)
    assert res.get() is None
    after = datetime.datetime.now(UTC).replace(tzinfo=None) + datetime.timedelta(seconds=3601)
    [task] = huey.read_schedule(after)
    huey.execute(task, after)
    assert res.get() == "Counted 100000 beans"


def test_a_call_is_scheduled_for_now_without_a_moment(huey, count_some_beans):
    """003: 1.8.1 {decorated func}.schedule(args=None, kwargs=None, eta=None, delay=None)"""
    res = count_some_beans.schedule(kwargs={"num": 3})
    work_off(huey)
    assert res.get() == "Counted 3 beans"


def test_convert_utc_false_takes_the_consumers_time(huey, count_some_beans):
    """003: 1.8.1 {decorated func}.schedule, ``convert_utc``"""
    moment = datetime.datetime(2040, 1, 2, 3, 4)
    with pytest.warns(DeprecationWarning, match="convert_utc") as told:
        count_some_beans.schedule(args=(1,), eta=moment, convert_utc=False)
    assert told[0].filename == __file__
    assert huey.dequeue().eta == moment


def test_a_periodic_task_is_due_by_its_crontab_and_runs_when_called(huey):
    """003: 1.8.1 periodic_task; 1.3.1 Executing tasks at regular intervals"""
    printed = []

    @huey.periodic_task(crontab(minute="*/5"))
    def every_five_minutes():
        printed.append("every five minutes")

    assert [type(one) for one in huey.read_periodic(datetime.datetime(2026, 1, 1, 0, 10))] == [
        every_five_minutes.task_class
    ]
    assert huey.read_periodic(datetime.datetime(2026, 1, 1, 0, 11)) == []
    every_five_minutes()
    assert printed == ["every five minutes"]


def test_a_crontab_in_task_makes_a_periodic_task(huey):
    """003: 1.3.2 Canceling tasks that execute periodically, ``@huey.task(crontab(...))``"""
    with pytest.warns(DeprecationWarning, match="periodic_task") as told:

        @huey.task(crontab(minute="*"))
        def print_time():
            return None

    assert told[0].filename == __file__
    assert print_time.task_class.is_periodic


# Retries.


def test_a_task_is_tried_as_often_as_was_said(huey):
    """003: 1.3.1 Retrying tasks that fail"""
    tries = []

    @huey.task(retries=3)
    def try_thrice():
        tries.append("trying....")
        raise Exception("nope")

    try_thrice()
    assert work_off(huey) == 4
    assert len(tries) == 4


def test_a_delay_lies_between_tries(huey):
    """003: 1.3.1 Retrying tasks that fail, ``retry_delay``"""

    @huey.task(retries=3, retry_delay=10)
    def try_thrice():
        raise Exception("nope")

    try_thrice()
    assert work_off(huey) == 1
    after = datetime.datetime.now(UTC).replace(tzinfo=None) + datetime.timedelta(seconds=9)
    assert huey.read_schedule(after) == []
    [task] = huey.read_schedule(after + datetime.timedelta(seconds=2))
    assert (task.retries, task.retry_delay) == (2, 10)


def test_the_retries_that_are_left_are_an_argument(huey):
    """003: 1.8.1 task, ``retries_as_argument``"""
    left = []
    with pytest.warns(DeprecationWarning, match=r"task\.retries") as told:

        @huey.task(retries=2, retries_as_argument=True)
        def fails(what, retries):
            left.append((what, retries))
            raise Exception("nope")

    assert told[0].filename == __file__
    fails("x")
    work_off(huey)
    assert left == [("x", 2), ("x", 1), ("x", 0)]


def test_the_task_itself_is_an_argument(huey):
    """003: 1.8.1 task, ``include_task``"""
    with pytest.warns(DeprecationWarning, match="context=True") as told:

        @huey.task(include_task=True)
        def say_id(task=None):
            return task.id

    assert told[0].filename == __file__
    res = say_id()
    work_off(huey)
    assert res.get() == res.id


def test_both_are_arguments(huey):
    """003: 1.8.1 task([retries=0[, retry_delay=0[, retries_as_argument=False[, include_task]]]])"""
    with pytest.warns(DeprecationWarning, match="kept from huey"):

        @huey.task(1, 0, True, True)
        def say(a, retries=None, task=None):
            return a, retries, task.id

    res = say(5)
    work_off(huey)
    assert res.get() == (5, 1, res.id)


# The function and its class.


def test_call_local_is_the_function_itself(huey, count_some_beans):
    """003: 1.8.1 {decorated func}.call_local"""
    assert count_some_beans.call_local(1337) == "Counted 1337 beans"
    assert work_off(huey) == 0


def test_task_class_is_shown_as_it_was(count_some_beans):
    """003: 1.8.1 {decorated func}.task_class"""
    assert f"{__name__}.queuecmd_count_some_beans" in repr(count_some_beans.task_class)
    assert count_some_beans.task_class.__name__ == "count_some_beans", "as it stands in messages"


# Revoking.


def test_a_task_that_was_revoked_does_not_run(huey, count_some_beans):
    """003: 1.3.2 Canceling a normal task; 1.8.2 AsyncData.revoke"""
    res = count_some_beans(1000000)
    res.revoke()
    work_off(huey)
    assert res.get() is None


def test_a_scheduled_task_is_revoked_and_restored(huey, count_some_beans):
    """003: 1.3.2 "The same applies to tasks that are scheduled"; 1.8.2 AsyncData.restore"""
    in_the_future = datetime.datetime.now() + datetime.timedelta(seconds=3600)
    res = count_some_beans.schedule(args=(100000,), eta=in_the_future)
    res.revoke()
    assert res.is_revoked()
    res.restore()
    assert not res.is_revoked()


@pytest.fixture
def print_time(huey):
    @huey.periodic_task(crontab(minute="*"))
    def print_time():
        return None

    return print_time


def runs(huey, wrapper):
    """Say whether the next run of a periodic task is one."""
    seen = []
    huey.signal("executing")(lambda signal, task: seen.append(task))
    huey.execute(wrapper.task_class())
    return bool(seen)


def test_a_periodic_task_is_skipped_once(huey, print_time):
    """003: 1.3.2 ``revoke_once``; 1.8.1 {decorated_func}.revoke"""
    print_time.revoke(revoke_once=True)
    assert [runs(huey, print_time) for _ in range(2)] == [False, True]


def test_a_periodic_task_is_paused_until_a_time_of_the_consumer(huey, print_time):
    """003: 1.3.2 ``revoke_until``, "Remember to use UTC if the consumer is using UTC\""""
    now = datetime.datetime.now(UTC).replace(tzinfo=None)
    in_10 = now + datetime.timedelta(seconds=600)
    print_time.revoke(revoke_until=in_10)
    assert print_time.is_revoked()
    assert print_time.is_revoked(in_10 - datetime.timedelta(seconds=1))
    assert not print_time.is_revoked(dt=in_10 + datetime.timedelta(seconds=1))
    assert not runs(huey, print_time)


def test_a_periodic_task_is_paused_and_restored(huey, print_time):
    """003: 1.3.2 "prevent the task from running indefinitely"; {decorated_func}.restore"""
    print_time.revoke()
    assert [runs(huey, print_time) for _ in range(2)] == [False, False]
    print_time.restore()
    assert runs(huey, print_time)


def test_the_last_of_several_revocations_counts(huey, print_time):
    """003: 1.8.1 "each call will overwrite the limitations of the previous\""""
    print_time.revoke()
    print_time.revoke(revoke_once=True)
    assert [runs(huey, print_time) for _ in range(2)] == [False, True]


def test_revoking_takes_a_result_store():
    """003: 1.3.2 the note: "In order to revoke tasks you will need to specify a result_store\""""
    huey = Huey(ListQueue())

    @huey.task()
    def count_some_beans(num):
        return num

    with pytest.raises(ConfigurationError, match="result_store"):
        count_some_beans.revoke()


# Results.


def test_a_result_that_does_not_come_in_time(huey, count_some_beans):
    """003: 1.8.2 AsyncData.get, DataStoreTimeout, ``revoke_on_timeout``"""
    res = count_some_beans(10000000)
    with pytest.raises(DataStoreTimeout):
        res.get(blocking=True, timeout=0.02)
    assert not res.is_revoked()
    with pytest.raises(DataStoreTimeout):
        res.get(True, 0.02, 1.15, 1.0, True)
    assert res.is_revoked()
    work_off(huey)
    assert res.get() is None


def test_async_data_is_made_of_a_huey_and_a_task(huey, count_some_beans):
    """003: 1.8.2 AsyncData(huey, task)"""
    res = count_some_beans(1)
    work_off(huey)
    assert AsyncData(huey, res.task).get() == "Counted 1 beans"


def test_a_task_that_was_not_imported_is_named(parts):
    """003: 1.5 "If a task is not recognized, the consumer will throw a QueueException"; 1.6"""
    producer, consumer = Huey(*parts), Huey(*parts)

    @producer.task()
    def count_some_beans(num):
        return num

    count_some_beans(1)
    with pytest.raises(
        QueueException, match=r"\.count_some_beans not found in TaskRegistry"
    ) as raised:
        consumer.dequeue()
    assert isinstance(raised.value, UnreadableMessage)


def test_an_option_of_a_connection_is_given_to_the_parts():
    """003: 1.8.1 Huey(queue, result_store, schedule, events, store_none, always_eager)"""
    with pytest.raises(ConfigurationError, match="unknown option host"):
        Huey(ListQueue(), host="localhost")
