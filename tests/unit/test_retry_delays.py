# SPDX-License-Identifier: MIT
"""How long it is until the next try, and which errors are tried again: pure decisions."""

from datetime import datetime, timedelta

import pytest

from huey_green import CancelExecution, RetryTask, TaskLockedException, TaskTimeout
from huey_green.exceptions import RateLimitExceeded
from huey_green.execution.outcome import Retry, after_failure
from huey_green.task import Task
from huey_green.task_options import LONGEST

NOW = 1_700_000_000.0


def task_with(**options):
    """A task of a class that was declared with these options, which have not been checked."""
    kind = type("Kind", (Task,), {})
    for name in ("retry_max_delay", "retry_jitter", "retry_on", "no_retry_on"):
        if name in options:
            setattr(kind, name, options.pop(name))
    return kind(**{"retries": 10, **options})


def delays(task, number):
    """The seconds before each of the next tries, as a consumer would come to them."""
    found = []
    for _ in range(number):
        retry = after_failure(ValueError(), task, NOW)
        found.append(retry.delay)
        task.retries, task.retry_delay = retry.retries, retry.retry_delay
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"retry_delay": 5}, [5, 5, 5, 5]),
        ({"retry_delay": 5, "retry_backoff": 0}, [5, 5, 5, 5]),
        ({"retry_delay": 5, "retry_backoff": 1}, [5, 5, 5, 5]),
        ({"retry_delay": 5, "retry_backoff": 2}, [5, 10, 20, 40]),
        ({"retry_delay": 1, "retry_backoff": 1.5}, [1, 1.5, 2.25, 3.375]),
        ({"retry_delay": 8, "retry_backoff": 0.5}, [8, 4, 2, 1]),
        ({"retry_delay": 0, "retry_backoff": 2}, [0, 0, 0, 0]),
        ({"retry_delay": 5, "retry_backoff": 2, "retry_max_delay": 15}, [5, 10, 15, 15]),
        ({"retry_delay": 50, "retry_max_delay": 15}, [15, 15, 15, 15]),
    ],
)
def test_a_delay_grows_with_each_try_up_to_its_limit(options, expected):
    assert delays(task_with(**options), 4) == expected


@pytest.mark.parametrize(("limit", "last"), [(60, 60), (None, LONGEST)])
def test_a_delay_that_grows_for_long_stays_one_that_a_datetime_can_hold(limit, last):
    task = task_with(retries=5000, retry_delay=1, retry_backoff=10, retry_max_delay=limit)
    assert delays(task, 5000)[-1] == last
    assert datetime.fromtimestamp(NOW + last)


def test_jitter_spreads_what_failed_together():
    found = [delays(task_with(retry_delay=10, retry_jitter=0.2), 1)[0] for _ in range(300)]
    assert all(8 <= delay <= 12 for delay in found)
    assert min(found) < 9 < 11 < max(found)


def test_jitter_does_not_grow_into_the_following_delays_nor_below_zero():
    task = task_with(retry_delay=10, retry_backoff=2, retry_jitter=5)
    for expected in (10, 20, 40):
        [delay] = delays(task, 1)
        assert 0 <= delay <= 6 * expected
        assert task.retry_delay == 2 * expected


@pytest.mark.parametrize(
    ("options", "retried", "not_retried"),
    [
        ({}, [ValueError(), OSError(), SystemExit()], []),
        ({"retry_on": (OSError,)}, [OSError(), ConnectionResetError()], [ValueError()]),
        (
            {"retry_on": (OSError, KeyError)},
            [ConnectionError(), KeyError()],
            [LookupError(), IndexError(), SystemExit()],
        ),
        ({"no_retry_on": (OSError,)}, [ValueError(), SystemExit()], [OSError(), TimeoutError()]),
        (
            {"retry_on": (OSError,), "no_retry_on": (FileNotFoundError,)},
            [OSError(), PermissionError()],
            [FileNotFoundError(), ValueError()],
        ),
        ({"retry_on": (TaskTimeout,)}, [TaskTimeout()], [ValueError()]),
        ({"no_retry_on": (TaskTimeout,)}, [ValueError()], [TaskTimeout()]),
        # These say that the task was not run, or what shall be: they are no failures.
        (
            {"retry_on": (OSError,), "no_retry_on": (BaseException,)},
            [
                *(TaskLockedException(), CancelExecution(), CancelExecution(retry=True)),
                *(RetryTask(), RateLimitExceeded("key"), RateLimitExceeded("key", retry=False)),
            ],
            [CancelExecution(retry=False), ValueError()],
        ),
    ],
)
def test_which_errors_are_tried_again(options, retried, not_retried):
    for error in retried:
        assert after_failure(error, task_with(**options), NOW) is not None, repr(error)
    for error in not_retried:
        assert after_failure(error, task_with(**options), NOW) is None, repr(error)


@pytest.mark.parametrize(
    ("error", "retries", "expected"),
    [
        (RateLimitExceeded("key", 7.5), 0, Retry(7.5, 0, 3)),
        (RateLimitExceeded("key", 7.5), 2, Retry(7.5, 2, 3)),
        (RateLimitExceeded("key"), 0, Retry(3, 0, 3)),
        (RateLimitExceeded("key", None, retry=False), 0, None),
        (RateLimitExceeded("key", 7.5, retry=False), 2, Retry(3, 1, 3)),
        (TaskTimeout(), 0, None),
        (TaskTimeout(), 1, Retry(3, 0, 3)),
        (RetryTask(delay=timedelta(minutes=1)), 0, Retry(60, 0, 3)),
        (RetryTask(delay=0.25), 0, Retry(0.25, 0, 3)),
    ],
)
def test_what_says_by_itself_when_it_is_tried_again(error, retries, expected):
    assert after_failure(error, Task(retries=retries, retry_delay=3), NOW) == expected
