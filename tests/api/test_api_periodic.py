# SPDX-License-Identifier: MIT
"""Tasks by the clock. (Guide, "Periodic tasks"; API reference, "periodic_task".)"""

from datetime import datetime, timezone

from driving import run_all

from huey_green import crontab
from huey_green.testing.concurrency import eventually

#: A moment early in a minute, at which a consumer that starts still enqueues for that minute.
NOON = datetime(2031, 5, 6, 12, 0, 2, tzinfo=timezone.utc)


def set_storage_clock(huey, moment):
    """Let the storage say that it is ``moment``: the clock by which minutes are counted."""
    huey.storage.time = moment.timestamp


def enqueue_periodic(huey):
    """Do once what a scheduler does in a minute of the task; the clock is not asked."""
    for task in huey.registry.periodic_tasks:
        huey.enqueue(task)


def test_a_periodic_task_runs_in_its_minutes(huey, start):
    ran = []

    @huey.periodic_task(crontab(minute="0", hour="12"))
    def at_noon():
        ran.append("noon")

    @huey.periodic_task(crontab(minute="0", hour="13"))
    def at_one():
        ran.append("one")

    set_storage_clock(huey, NOON)
    start(huey)
    eventually(lambda: ran, "the task of the minute")
    assert ran == ["noon"]


def test_however_many_consumers_there_are_it_runs_once(huey, start):
    ran = []

    @huey.periodic_task(lambda moment: True)
    def every_minute():
        ran.append(1)

    @huey.task()
    def after():
        return "after"

    set_storage_clock(huey, NOON)
    consumers = [start(huey) for _ in range(3)]
    eventually(lambda: ran)
    assert after()(blocking=True, timeout=30) == "after"
    for consumer in consumers:
        consumer.stop(graceful=True)
    assert ran == [1]


def test_the_function_is_asked_with_the_minute_in_the_hueys_time(make_huey, start):
    huey = make_huey(utc=True)
    asked = []

    @huey.periodic_task(lambda moment: asked.append(moment))
    def never():
        raise AssertionError

    set_storage_clock(huey, NOON)
    start(huey)
    eventually(lambda: asked)
    assert asked == [datetime(2031, 5, 6, 12, 0)]


def test_a_consumer_without_periodic_enqueues_none(huey, start):
    asked = []

    @huey.periodic_task(lambda moment: asked.append(moment))
    def never():
        raise AssertionError

    @huey.task()
    def other():
        return 1

    set_storage_clock(huey, NOON)
    start(huey, periodic=False)
    # The scheduler promotes, and so has ticked.
    assert other.schedule(delay=0.05)(blocking=True, timeout=30) == 1
    assert asked == []


def test_the_value_of_a_periodic_task_is_not_stored(huey):
    @huey.periodic_task(crontab())
    def value():
        return "value"

    @huey.periodic_task(crontab())
    def fails():
        raise ValueError

    enqueue_periodic(huey)
    assert run_all(huey) == 2
    assert huey.all_results() == {}


def test_a_periodic_task_stores_by_hand(huey):
    @huey.periodic_task(crontab())
    def my_task():
        huey.put("my-task", "data")

    enqueue_periodic(huey)
    run_all(huey)
    assert huey.get("my-task") == "data"


def test_a_periodic_task_is_retried_and_has_a_priority_name_and_context(huey):
    seen = []

    @huey.periodic_task(crontab(), retries=2, retry_delay=0, priority=5, context=True, name="named")
    def function(task):
        seen.append((task.name, task.priority, task.retries))
        raise ValueError

    enqueue_periodic(huey)
    assert run_all(huey) == 3
    assert seen == [("named", 5, 2), ("named", 5, 1), ("named", 5, 0)]


def test_a_periodic_task_can_be_called_like_any_other(huey):
    ran = []

    @huey.periodic_task(crontab(minute="0"))
    def hourly():
        ran.append(1)
        if len(ran) > 1:
            raise ValueError

    hourly.call_local()
    hourly()
    run_all(huey)
    assert ran == [1, 1]
    assert hourly().get() is None
