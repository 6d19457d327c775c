# SPDX-License-Identifier: MIT
"""How a run ended, as values; and the decision what follows a failure, as a pure function."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from huey_green.exceptions import (
    CancelExecution,
    RateLimitExceeded,
    RetryTask,
    TaskLockedException,
)
from huey_green.message import NOTHING, Effects
from huey_green.task_options import LONGEST

if TYPE_CHECKING:
    from huey_green.task import Task

#: A signal to send once the effects are stored: its name, the task, and what else it carries.
Event = tuple[Any, ...]


class Outcome(NamedTuple):
    """What the end of a run leaves in the storage, and which signals tell of it.

    ``interrupted`` means that the run was stopped by us: the message goes back to the queue.
    ``value`` is what the task returned.
    """

    effects: Effects = NOTHING
    events: tuple[Event, ...] = ()
    interrupted: bool = False
    value: Any = None


class Retry(NamedTuple):
    """Run again ``delay`` seconds from now, with so many ``retries`` left after that.

    ``retry_delay`` is what the delay after that begins with, in seconds.
    """

    delay: float
    retries: int
    retry_delay: float


def after_failure(error: BaseException, task: Task, now: float) -> Retry | None:
    """Decide what follows an error that a task raised: a retry, or nothing.

    ``RetryTask`` and a rate limit that says so retry and leave the count alone;
    ``CancelExecution`` retries if it says so, or if it says nothing and there are retries; all
    else while there are retries, if ``retry_on`` has it. ``now`` is in epoch seconds.
    """
    if isinstance(error, RetryTask):
        if error.eta is not None:
            delay = max(0.0, error.eta.timestamp() - now)
        elif isinstance(error.delay, timedelta):
            delay = max(0.0, error.delay.total_seconds())
        else:
            delay = max(0.0, task.retry_delay if error.delay is None else error.delay)
        return Retry(delay, task.retries, task.retry_delay)
    if isinstance(error, RateLimitExceeded) and error.retry:
        delay = task.retry_delay if error.delay is None else error.delay
        return Retry(delay, task.retries, task.retry_delay)
    if isinstance(error, CancelExecution) and error.retry is not None:
        return _next(task) if error.retry else None
    return _next(task) if task.retries > 0 and _may_be_retried(error, task) else None


def _may_be_retried(error: BaseException, task: Task) -> bool:
    if isinstance(error, (CancelExecution, TaskLockedException, RateLimitExceeded)):
        return True  # It was not run, or did not fail.
    return isinstance(error, task.retry_on) and not isinstance(error, task.no_retry_on)


def _next(task: Task) -> Retry:
    """Return a retry after ``retry_delay``, and what that has grown to for the one after."""
    following = task.retry_delay * task.retry_backoff if task.retry_backoff else task.retry_delay
    longest = LONGEST if task.retry_max_delay is None else task.retry_max_delay
    delay, following = min(task.retry_delay, longest), min(following, longest)
    if task.retry_jitter:
        delay *= random.uniform(max(0.0, 1 - task.retry_jitter), 1 + task.retry_jitter)
    return Retry(delay, max(0, task.retries - 1), following)
