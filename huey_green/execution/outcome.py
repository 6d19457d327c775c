# SPDX-License-Identifier: MIT
"""How a run ended, as values; and the decision what follows a failure, as a pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from huey_green.exceptions import CancelExecution, RetryTask
from huey_green.message import NOTHING, Effects

if TYPE_CHECKING:
    from huey_green.task import Task

#: A signal to send once the effects are stored: its name, the task, and what else it carries.
Event = tuple[Any, ...]


class Outcome(NamedTuple):
    """What the end of a run leaves in the storage, and which signals tell of it.

    ``interrupted`` means that the run was stopped by us: the message goes back to the queue.
    """

    effects: Effects = NOTHING
    events: tuple[Event, ...] = ()
    interrupted: bool = False


class Retry(NamedTuple):
    """Run again ``delay`` seconds from now, with so many ``retries`` left after that."""

    delay: float
    retries: int


def after_failure(error: BaseException, task: Task, now: float) -> Retry | None:
    """Decide what follows an error that a task raised: a retry, or nothing.

    ``RetryTask`` always retries and leaves the count alone; ``CancelExecution`` retries if it
    says so, or if it says nothing and there are retries; all else while there are retries.
    ``now`` is in epoch seconds.
    """
    if isinstance(error, RetryTask):
        if error.eta is not None:
            return Retry(max(0.0, error.eta.timestamp() - now), task.retries)
        delay = task.retry_delay if error.delay is None else error.delay
        return Retry(max(0.0, delay), task.retries)
    if isinstance(error, CancelExecution) and error.retry is not None:
        return Retry(task.retry_delay, max(0, task.retries - 1)) if error.retry else None
    if task.retries > 0:
        return Retry(task.retry_delay, task.retries - 1)
    return None
