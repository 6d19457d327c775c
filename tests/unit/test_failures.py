# SPDX-License-Identifier: MIT
"""What follows an error that a task raised, as a table."""

from datetime import datetime, timezone

import gevent
import pytest

from huey_green import CancelExecution, RetryTask, TaskLockedException
from huey_green.execution.outcome import Retry, after_failure
from huey_green.task import Task

NOW = 1_700_000_000.0
LATER = datetime.fromtimestamp(NOW + 40, timezone.utc)
LATER_LOCAL = datetime.fromtimestamp(NOW + 40)
EARLIER = datetime.fromtimestamp(NOW - 40, timezone.utc)


@pytest.mark.parametrize(
    ("error", "retries", "retry_delay", "expected"),
    [
        (ValueError(), 0, 0, None),
        (ValueError(), 0, 9, None),
        (ValueError(), 1, 0, Retry(0, 0, 0)),
        (ValueError(), 3, 2.5, Retry(2.5, 2, 2.5)),
        (TaskLockedException(), 0, 0, None),
        (TaskLockedException(), 2, 4, Retry(4, 1, 4)),
        (SystemExit(1), 0, 0, None),
        (SystemExit(1), 1, 0, Retry(0, 0, 0)),
        (gevent.Timeout(), 1, 3, Retry(3, 0, 3)),
        (RetryTask(), 0, 0, Retry(0, 0, 0)),
        (RetryTask(), 2, 5, Retry(5, 2, 5)),
        (RetryTask(delay=7), 0, 5, Retry(7, 0, 5)),
        (RetryTask(delay=0), 1, 5, Retry(0, 1, 5)),
        (RetryTask(delay=-3), 1, 5, Retry(0, 1, 5)),
        (RetryTask(eta=LATER), 1, 5, Retry(40, 1, 5)),
        (RetryTask(eta=LATER_LOCAL), 0, 5, Retry(40, 0, 5)),
        (RetryTask(eta=EARLIER), 0, 5, Retry(0, 0, 5)),
        (CancelExecution(), 0, 0, None),
        (CancelExecution(), 2, 5, Retry(5, 1, 5)),
        (CancelExecution(retry=False), 2, 5, None),
        (CancelExecution(retry=True), 2, 5, Retry(5, 1, 5)),
        (CancelExecution(retry=True), 0, 0, Retry(0, 0, 0)),
    ],
)
def test_the_decision_after_a_failure(error, retries, retry_delay, expected):
    task = Task(retries=retries, retry_delay=retry_delay)
    assert after_failure(error, task, NOW) == expected
