# SPDX-License-Identifier: MIT
from datetime import datetime

import pytest

from huey_green import ConfigurationError, MemoryHuey, crontab
from huey_green.exceptions import UnknownTask
from huey_green.message import Message


@pytest.fixture
def huey():
    return MemoryHuey()


def declare(huey, name, **options):
    @huey.task(name=name, **options)
    def function(*args, **kwargs):
        return args, kwargs

    return function


def test_a_task_is_known_by_module_and_name(huey):
    one, two = declare(huey, "one"), declare(huey, "two")
    assert huey.registry.tasks == {
        f"{__name__}.one": one.task_class,
        f"{__name__}.two": two.task_class,
    }
    assert huey.registry.string_to_task(f"{__name__}.one") is one.task_class
    assert huey.registry.task_to_string(two.task_class) == f"{__name__}.two"


def test_two_tasks_of_one_name_are_refused_with_the_way_out(huey):
    declare(huey, "one")
    with pytest.raises(ConfigurationError, match=rf"{__name__}\.one.*name="):
        declare(huey, "one")


def test_an_unknown_name_is_refused_with_the_nearest_ones(huey):
    declare(huey, "send_mail")
    with pytest.raises(UnknownTask, match=rf"did you mean {__name__}\.send_mail"):
        huey.registry.string_to_task(f"{__name__}.send_mial")
    with pytest.raises(UnknownTask, match="is its module imported"):
        huey.registry.string_to_task("x")


def test_a_task_can_be_forgotten(huey):
    one = declare(huey, "one")
    assert one.unregister()
    assert not one.unregister()
    assert huey.registry.tasks == {}
    declare(huey, "one")


def test_periodic_tasks_are_known_apart(huey):
    declare(huey, "one")

    @huey.periodic_task(crontab(minute="5"))
    def every_hour():
        pass

    [periodic] = huey.registry.periodic_tasks
    assert isinstance(periodic, every_hour.task_class)
    assert periodic.validate_datetime(datetime(2024, 1, 1, 0, 5)) is True
    assert periodic.validate_datetime(datetime(2024, 1, 1, 0, 6)) is False
    assert every_hour.unregister()
    assert huey.registry.periodic_tasks == []


@pytest.mark.parametrize("utc", [True, False])
def test_a_task_comes_back_from_its_message_as_it_was(huey, utc):
    one, two = declare(huey, "one"), declare(huey, "two", retries=3, retry_delay=4, priority=5)
    task = (
        two.task_class((1, "a"), {"b": 2}, "id", datetime(2030, 1, 2, 3, 4, 5, 678901), 7, 8.5, -9)
        .then(one, 1)
        .then(two, x=2)
        .error(one)
    )
    message = huey.registry.create_message(task, utc)
    assert isinstance(message, Message)
    assert isinstance(message.eta, float)
    again = huey.registry.create_task(message, utc)
    assert again == task
    assert type(again) is two.task_class
    assert (again.retries, again.retry_delay, again.priority) == (7, 8.5, -9)
    assert [type(one) for one in again.pipeline()] == [type(one) for one in task.pipeline()]
    assert [one.id for one in again.pipeline()] == [one.id for one in task.pipeline()]


def test_a_message_that_an_unknown_task_follows_is_refused(huey):
    one, two = declare(huey, "one"), declare(huey, "two")
    message = huey.registry.create_message(one.s().then(two), True)
    two.unregister()
    with pytest.raises(UnknownTask, match="two"):
        huey.registry.create_task(message, True)
