# SPDX-License-Identifier: MIT
"""Results that go after a while, read or not: result_ttl of a Huey and of a task."""

import pytest
from driving import PATIENCE, run_all

from huey_green import ConfigurationError, TaskException
from huey_green.testing.concurrency import eventually

#: Seconds; a result with this one is waited for to go, and one with the other is not.
SOON, LONG = 0.05, 1000.0


def test_a_result_nobody_reads_is_gone_after_the_ttl_of_the_huey(make_huey):
    huey = make_huey(result_ttl=SOON)

    @huey.task()
    def double(n):
        return 2 * n

    @huey.task(result_ttl=LONG)
    def triple(n):
        return 3 * n

    @huey.task()
    def fails():
        raise ValueError("no")

    gone = [double(1), double(2), fails()]
    kept = triple(1)
    assert run_all(huey) == 4

    def has_come() -> bool:
        # They need not go in the same millisecond.
        left = huey.storage.peek_many([result.id for result in gone])
        return huey.result_count() == 1 and not left

    eventually(has_come, "the end of the ttl")
    assert [result() for result in gone] == [None] * 3
    assert kept() == 3


def test_a_result_with_a_ttl_is_read_as_any_other(make_huey, start):
    huey = make_huey(result_ttl=LONG)

    @huey.task(retries=1)
    def flaky(tries=[]):  # noqa: B006 - counts its calls
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return "OK"

    @huey.task()
    def fails():
        raise ValueError("no")

    result = flaky()
    assert run_all(huey) == 2
    assert result() == "OK"
    start(huey)
    with pytest.raises(TaskException, match="no"):
        fails().get(blocking=True, timeout=PATIENCE)


def test_a_task_may_have_a_ttl_where_its_huey_has_none(huey):
    @huey.task(result_ttl=SOON)
    def short():
        return 1

    @huey.task()
    def lasting():
        return 2

    short(), lasting()
    run_all(huey)
    eventually(lambda: huey.result_count() == 1, "the end of the ttl")


def test_the_error_of_a_dead_letter_has_a_ttl_too(make_huey):
    huey = make_huey(result_ttl=SOON)

    @huey.task()
    def forgotten():
        raise AssertionError

    forgotten()
    forgotten.unregister()
    run_all(huey)
    eventually(lambda: huey.result_count() == 0, "the end of the ttl")
    assert len(huey.dead_letters()) == 1


@pytest.mark.parametrize("value", [0, -1, "1h", True])
def test_a_ttl_that_is_none_is_refused(huey, value):
    with pytest.raises(ConfigurationError, match="result_ttl is a number above 0"):
        huey.task(result_ttl=value)(print)
