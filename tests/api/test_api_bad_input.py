# SPDX-License-Identifier: MIT
"""What is wrong is refused where it is written, with an error that says what would be right."""

import functools
import re
from datetime import date, datetime, timedelta

import pytest

from huey_green import (
    ConfigurationError,
    InvalidArgument,
    MemoryHuey,
    Task,
    crontab,
    every,
)
from huey_green.exceptions import SerializationError, UnknownTask
from huey_green.message import Message
from huey_green.wire import encode_message

NOW = datetime.now()


@pytest.fixture
def huey():
    return MemoryHuey("shop")


@pytest.fixture
def add(huey):
    @huey.task()
    def add(a, b=0):
        return a + b

    return add


def refused(error, said, call, *args, **kwargs):
    """Check that a call raises ``error`` with a message in which ``said`` occurs."""
    with pytest.raises(error, match=re.escape(said)):
        call(*args, **kwargs)


# Declaring tasks.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retries": -1}, "retries is a whole number from 0, not -1"),
        ({"retries": "3"}, "retries is a whole number from 0, not '3'"),
        ({"retry": 3}, "unknown option retry; did you mean retries?"),
        ({"timout": 3}, "unknown option timout; did you mean timeout?"),
        ({"colour": "red"}, "unknown option colour; there are at_most_once,"),
        ({"delay": 3}, "delay is for one call and not for all: write schedule(args=(...), delay="),
        ({"eta": NOW}, "eta is for one call and not for all: write schedule(args=(...), eta="),
        ({"retry_delay": timedelta(minutes=1)}, "(seconds=60): in seconds, 60"),
        ({"retry_delay": 1e300}, "retry_delay is a number from 0"),
        ({"retry_on": [ValueError]}, "retry_on is an exception class or a tuple of them, not ["),
        ({"priority": "high"}, "priority is a number, not 'high'"),
        ({"name": ""}, "name is a string that is not empty, not ''"),
        (
            {"expires": timedelta(0)},
            "expires is seconds above 0, a timedelta above 0 or a datetime",
        ),
        ({"expires": 1e300}, "expires is seconds above 0"),
        ({"timeout": "5"}, "timeout is a number above 0, not '5'"),
        ({"unique": "key"}, "unique is True or a function of the arguments, not 'key'"),
        ({"task_base": int}, "task_base is a subclass of Task, not <class 'int'>"),
    ],
)
def test_a_wrong_option_of_a_task_is_refused_with_the_name_of_the_function(huey, options, said):
    def broken():
        """Never declared."""

    with pytest.raises(ConfigurationError, match=re.escape(said)) as caught:
        huey.task(**options)(broken)
    assert "@task on " in str(caught.value)
    assert "broken: " in str(caught.value)


async def awaits():
    """Cannot be awaited by a consumer."""


class Awaits:
    async def __call__(self):
        """Nor can this."""


async def yields_later():
    yield 1


def yields():
    yield 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        *[(one, "asyncio.run") for one in (awaits, Awaits(), yields_later)],
        (functools.partial(awaits), "asyncio.run"),
        (functools.partial(print), "it has no name; give it one, @huey.task(name='...')"),
        (yields, "a generator cannot be a task's value"),
        ("text", "decorates a function, not 'text'"),
    ],
)
def test_what_is_no_function_to_be_called_is_refused(huey, function, said):
    refused(ConfigurationError, said, huey.task(), function)


def nothing(*args):
    """Called for anything."""


def test_two_tasks_of_one_name_are_refused(huey, add):
    refused(ConfigurationError, "give one of them another name", huey.task(name="add"), nothing)


@pytest.mark.parametrize(
    "decorator",
    ["task", "signal", "pre_execute", "post_execute", "on_startup", "on_shutdown"],
)
def test_a_decorator_without_brackets_is_refused(huey, decorator):
    refused(
        ConfigurationError, f"@huey.{decorator}(), with brackets", getattr(huey, decorator), nothing
    )


@pytest.mark.parametrize(
    "decorator", ["signal", "pre_execute", "post_execute", "on_startup", "on_shutdown"]
)
def test_what_cannot_be_called_is_no_hook(huey, decorator):
    refused(ConfigurationError, "decorates a function, not 5", getattr(huey, decorator)(), 5)


@pytest.mark.parametrize("wrong", ["0 * * * *", 5, crontab, every])
def test_a_schedule_that_is_none_is_refused(huey, wrong):
    refused(
        ConfigurationError,
        "periodic_task takes crontab(...), every(...)",
        huey.periodic_task,
        wrong,
    )


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"minute": "61"}, "minute='61' matches nothing: use 0-59"),
        ({"hour": "24"}, "hour='24' matches nothing: use 0-23"),
        ({"day": "0"}, "day='0' matches nothing: use 1-31"),
        ({"month": "2", "day": "30"}, "day=30 never comes: February has at most 29 days"),
        ({"minute": "x"}, "minute='x': cannot read 'x'; use *, */n"),
        ({"tz": "Europe/Berln"}, "did you mean 'Europe/Berlin'?"),
    ],
)
def test_a_crontab_that_never_comes_is_refused(field, said):
    refused(ValueError, said, crontab, **field)


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ({}, "takes seconds=, minutes= or hours="),
        ({"seconds": -1}, "seconds=-1"),
        ({"minutes": "5"}, "a number of minutes, not '5'"),
        ({"seconds": 0.001}, "in sum 0.1 seconds"),
    ],
)
def test_an_interval_that_is_none_is_refused(interval, said):
    refused((ValueError, TypeError), said, every, **interval)


# Calling tasks.


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({}, "one of eta= (a datetime) and delay= (seconds from now)"),
        ({"delay": 1, "eta": NOW}, "one of eta= (a datetime) and delay= (seconds from now)"),
        *[
            ({"delay": wrong}, "delay is seconds from now or a timedelta, not ")
            for wrong in ("soon", True, float("nan"))
        ],
        *[
            ({"delay": wrong}, "delay is at most 1e+10 seconds from now, not ")
            for wrong in (1e300, -1e300, timedelta.max)
        ],
        *[({"eta": wrong}, "eta is a datetime, not ") for wrong in (60, "soon", date.today())],
        ({"eta": datetime.max}, "eta is a datetime of the years 2 to 9998"),
        *[
            ({"args": wrong, "delay": 1}, "args is a tuple of arguments, not ")
            for wrong in (1, "text", b"bytes", {"a": 1}, {1, 2})
        ],
        ({"kwargs": [1], "delay": 1}, "kwargs is a dict of arguments, not [1]"),
        ({"kwargs": {1: 2}, "delay": 1}, "kwargs has names of arguments as its keys, not 1"),
        ({"id": 5, "delay": 1}, "id is a string that is not empty, not 5"),
        ({"retries": -1, "delay": 1}, "retries is a whole number from 0, not -1"),
        ({"expires": timedelta.max, "delay": 1}, "expires is seconds above 0"),
    ],
)
def test_a_call_for_later_that_cannot_be_meant_is_refused(huey, add, call, said):
    refused(InvalidArgument, said, add.schedule, **call)
    assert len(huey) == 0


def test_a_call_with_wrong_options_is_refused(huey, add):
    refused(InvalidArgument, "delay is seconds from now", add.s, 1, delay="x")
    refused(InvalidArgument, "one of eta= and delay=, not both", add.s, 1, eta=NOW, delay=5)
    refused(InvalidArgument, "eta is a datetime, not 4", add(1).reschedule, eta=4)
    refused(InvalidArgument, "map takes a list with the arguments of each call", add.map, 5)


@pytest.mark.parametrize("wrong", [5, None, "add", [], print])
def test_something_else_is_not_enqueued(huey, add, wrong):
    refused(
        InvalidArgument, "enqueue takes a task (of .s()), a group or a chord", huey.enqueue, wrong
    )
    refused(InvalidArgument, "enqueue_many takes tasks (of .s())", huey.enqueue_many, [wrong])
    refused(
        InvalidArgument, "takes tasks (of .s()) and @huey.task() functions", add.s(1).then, wrong
    )
    assert len(huey) == 0


def test_a_task_that_no_consumer_could_run_is_not_enqueued(huey, add):
    foreign = MemoryHuey("other").task(name="foreign")(nothing)
    for task in (foreign.s(), Task()):
        refused(UnknownTask, "is no task of the Huey 'shop'", huey.enqueue, task)
        refused(UnknownTask, "is no task of the Huey 'shop'", huey.enqueue_many, [add.s(1), task])
    assert len(huey) == 0


def test_an_argument_that_cannot_be_serialized_is_named_with_its_path(huey, add):
    wrong = lambda: 1  # noqa: E731
    found = {
        "add cannot be serialized: args[0]['a'][1]['b'] is a function": ({"a": [1, {"b": wrong}]},),
        "add cannot be serialized: args[1] is a function": (1, wrong),
    }
    for said, args in found.items():
        refused(SerializationError, said, add, *args)
        refused(SerializationError, said, add.map, [(1, 2), args])
    assert len(huey) == 0


# What a consumer finds.


def test_a_moment_beyond_all_datetimes_disturbs_nobody_who_looks(huey, add):
    message = Message("id", huey.registry.task_to_string(add.task_class), (), {}, eta=1e300)
    body = encode_message(huey.serializer, message)
    huey.storage.enqueue(body)
    huey.storage.add_to_schedule(body, 1.0)
    good = add(1)
    assert [task.id for task in huey.pending()] == [good.id]
    assert huey.scheduled() == []


# Looking after tasks.


@pytest.mark.parametrize("wrong", [5, None, b"id", object()])
def test_what_is_no_id_of_a_task_is_refused(huey, add, wrong):
    for call in (huey.result, huey.cancel, huey.revoke_by_id, huey.restore_by_id):
        refused(InvalidArgument, "id is the id of a task, a string as result.id is", call, wrong)
    refused(InvalidArgument, "id is the id of a task", huey.cancel_many, [wrong])
    refused(InvalidArgument, "ids is a list of ids of tasks, not 5", huey.requeue_dead, 5)
    refused(InvalidArgument, "ids is a list of ids of tasks, not 5", huey.delete_dead, 5)
    refused(InvalidArgument, "ids is a list of ids of tasks, not 'id'", huey.cancel_many, "id")


def test_what_cannot_be_revoked_is_refused(huey, add):
    refused(InvalidArgument, "expected a task, a @huey.task() function or a name", huey.revoke, 5)
    refused(InvalidArgument, "revoke_until is a datetime, not 5", add.revoke, 5)
    refused(InvalidArgument, "timestamp is a datetime, not 5", add.is_revoked, 5)
    refused(InvalidArgument, "args is a tuple of arguments, not 5", huey.revoke, add, args=5)
    refused(InvalidArgument, "kwargs is a dict of arguments", huey.revoke, add, kwargs=5)
    refused(UnknownTask, "task nope is not registered in this process", huey.revoke, "nope")


def test_limits_and_times_that_are_none_are_refused(huey, add):
    for call in (huey.pending, huey.scheduled, huey.dead_letters):
        refused(InvalidArgument, "limit is a whole number from 0, not 'x'", call, "x")
    refused(InvalidArgument, "ttl is a number of seconds", huey.put_if_empty, "k", 1, ttl="x")
    refused(InvalidArgument, "timeout is seconds", add(1).get, blocking=True, timeout="x")
    refused(InvalidArgument, "timestamp is a datetime", huey.read_schedule, "x")
    refused(InvalidArgument, "execute takes a task", huey.execute, add)
