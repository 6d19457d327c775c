# SPDX-License-Identifier: MIT
"""What cannot be is refused where it is written, with what to write instead."""

import pytest

from huey_green import (
    ConfigurationError,
    Consumer,
    InvalidArgument,
    MemoryHuey,
    Serializer,
    crontab,
)
from huey_green.settings import settings_from


@pytest.fixture
def huey():
    return MemoryHuey()


@pytest.mark.parametrize("guard", ["lock_task", "rate_limit", "lock_task_semaphore"])
def test_a_guard_above_the_task_decorator(huey, guard):
    options = {"limit": 1, "per": 1} if guard == "rate_limit" else {}

    @huey.task()
    def function():
        pass

    with pytest.raises(ConfigurationError, match=rf"@huey.{guard}.* below @huey.task"):
        getattr(huey, guard)("name", **options)(function)
    with pytest.raises(ConfigurationError, match="decorates a function, not 5"):
        getattr(huey, guard)("name", **options)(5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"imediate": True}, "unknown option imediate; did you mean immediate?"),
        ({"colour": "red"}, "has no options; unknown: colour"),
        ({"serializer": 5}, "serializer is an object of Serializer, not 5"),
        ({"serializer": Serializer}, r"write Serializer\(\)"),
        ({"storage_class": 5}, "storage_class is a storage class"),
        ({"storage_class": MemoryHuey}, "storage_class is a storage class"),
        ({"max_deliveries": "x"}, "max_deliveries is at least 1, not 'x'"),
    ],
)
def test_an_option_of_a_huey(options, says):
    with pytest.raises(ConfigurationError, match=says):
        MemoryHuey(**options)


def test_a_periodic_task_that_needs_arguments(huey):
    with pytest.raises(ConfigurationError, match="nobody passes arguments to a periodic task"):

        @huey.periodic_task(crontab(minute="0"))
        def needs(one):
            pass

    @huey.periodic_task(crontab(minute="0"), context=True)
    def takes(folder="/", task=None):
        pass

    assert takes.task_class.is_periodic


def test_a_consumer_of_something_else():
    with pytest.raises(ConfigurationError, match="Consumer takes a Huey, not 5"):
        Consumer(5)


@pytest.mark.parametrize("locks", [5, ["", "a"], [5]])
def test_locks_that_are_no_names(locks):
    with pytest.raises(ConfigurationError, match=r"extra_locks \(-L.* is a list of names"):
        settings_from({"extra_locks": locks})


def test_a_line_of_a_crontab():
    with pytest.raises(ValueError, match=r"fields are given one by one, as in crontab\(minute="):
        crontab("*/5 * * * *")


def test_a_share_that_is_none(huey):
    with pytest.raises(ConfigurationError, match="retry_jitter is a share from 0 to 1, not 5"):
        huey.task(retry_jitter=5)(lambda: None)


@pytest.mark.parametrize(
    ("guard", "options", "text"),
    [
        ("lock_task", {"ttl": True}, "ttl is seconds above 0, not True"),
        ("lock_task", {"ttl": float("inf")}, "ttl is seconds above 0, not inf"),
        ("lock_task_semaphore", {"ttl": "1"}, "is seconds above 0, not '1'"),
        ("rate_limit", {"limit": 1, "per": 1, "retry": "no"}, "retry is True or False, not 'no'"),
        ("is_locked", {}, "a lock has a name, not 5"),
        ("flush_locks", {}, "a lock has a name, not 5"),
    ],
)
def test_a_guard_with_what_it_cannot_take(huey, guard, options, text):
    with pytest.raises(ConfigurationError, match=text):
        getattr(huey, guard)(5 if "name, not 5" in text else "name", **options)


def test_a_number_that_no_storage_can_hold(huey):
    @huey.task()
    def function():
        pass

    with pytest.raises(InvalidArgument, match="retries is a whole number"):
        function.schedule(delay=1, retries=10**400)


def test_a_pipeline_that_is_far_too_long_is_refused_when_it_is_enqueued(huey):
    @huey.task()
    def function():
        pass

    first = function.s()
    for _ in range(2000):
        first.then(function)
        first.error(function)
    with pytest.raises(InvalidArgument, match="brings more than 250 tasks one after the other"):
        huey.enqueue(first)
